import { parseTaskId } from '../intake/track-request.ts'
import { loadTaskReport, type TaskReport, taskReportJson } from '../report/task-report.ts'
import type { AddCommand } from './command.ts'
import type { Display } from './rates.ts'
import { withReader } from './reads.ts'
import { describeTask } from './task.ts'
import { refuseWatch, watch, watchOption } from './watch.ts'

interface ShowOptions {
  readonly app?: string
  readonly json?: boolean
  readonly watch?: number
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery show 256271667526
  $ npx dingtalk-delivery show 256271667526 --watch`

export const addShow: AddCommand = (program, context, run) => {
  program
    .command('show')
    .description('one task: status, read rate and curve, time to read, unread people, polls')
    .argument('<task-id>', 'the task')
    .option('--app <name>', 'the app, where several have a task of this id')
    .option('--json', 'print the task, its curve, time to read and all its polls as JSON')
    .addOption(watchOption())
    .addHelpText('after', EXAMPLES)
    .action(
      run(async (text: string, { app, json = false, watch: seconds }: ShowOptions) => {
        const taskId = parseTaskId(text)
        if (json) refuseWatch(seconds, '--json')
        await withReader(context, async (reader, { pollsPerTask }) => {
          const load = (): Promise<TaskReport> => loadTaskReport(reader, { taskId, app }, context.now(), pollsPerTask)
          const render = (report: TaskReport, display: Display): string => describeTask(report, context.now(), display)
          if (json) context.print(JSON.stringify(taskReportJson(await load()), null, 2))
          else if (seconds === undefined) context.print(render(await load(), context))
          else await watch(context, seconds, { load, render, isOver: ({ task }) => task.status !== 'tracking' })
        })
      }),
    )
}
