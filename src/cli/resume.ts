import { InvalidArgumentError } from 'commander'
import { parseApp, parseTaskId } from '../intake/track-request.ts'
import { resumeApp, resumeTask } from '../polling/task-commands.ts'
import type { AddCommand } from './command.ts'
import { requireDatabase } from './embedded.ts'
import { withReader } from './reads.ts'

interface ResumeOptions {
  readonly app?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery resume 256271667526
  $ npx dingtalk-delivery resume --app default

A task: it is polled at once, whatever delayed it. With --app alone: all pauses of the app are lifted, a used-up quota included, and its
delayed tasks are polled at once. MAX_CALLS_PER_SECOND and MONTHLY_CALL_BUDGET are not lifted.`

export const addResume: AddCommand = (program, context, run) => {
  program
    .command('resume')
    .description('poll a task, or all delayed tasks of an app, at once; lifts a pause or a problem, a used-up quota included')
    .argument('[task-id]', 'the task; or give --app alone')
    .option('--app <name>', 'all of this app; with a task id: the app, where several have a task of this id')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action(
      run(async (taskId: string | undefined, { app, json = false }: ResumeOptions) => {
        if (taskId === undefined && app === undefined) throw new InvalidArgumentError('Give a task id, or --app with its name.')
        await withReader(context, async (reader, config) => {
          const { withResuming } = await import('../app/operations.ts')
          await withResuming(requireDatabase(config), async (resuming) => {
            if (taskId === undefined) {
              const resumed = await resumeApp(reader, resuming, parseApp(app))
              context.print(json ? JSON.stringify(resumed, null, 2) : appInWords(resumed))
              return
            }
            const ref = { taskId: parseTaskId(taskId), app: app === undefined ? undefined : parseApp(app) }
            const resumed = await resumeTask(reader, resuming, ref)
            context.print(json ? JSON.stringify(resumed, null, 2) : taskInWords(resumed))
          })
        })
      }),
    )
}

const BUDGET = 'MONTHLY_CALL_BUDGET, which resume does not lift: raise it and restart the workers, or wait for the next month.'

function taskInWords({ isWithoutBudget }: { readonly isWithoutBudget: boolean }): string {
  return isWithoutBudget ? `resumed; it was delayed by ${BUDGET}` : 'resumed; it is polled now'
}

function appInWords({ app, tasks, tasksWithoutBudget }: Awaited<ReturnType<typeof resumeApp>>): string {
  const polled = `resumed app ${app}; ${tasks === 1 ? '1 task is' : `${tasks} tasks are`} polled now`
  if (tasksWithoutBudget === 0) return polled
  return `${polled}\n${tasksWithoutBudget} of them ${tasksWithoutBudget === 1 ? 'was' : 'were'} delayed by ${BUDGET}`
}
