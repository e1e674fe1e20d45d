import { TrackerError } from '../core/errors.ts'
import { parseTaskId } from '../core/track-request.ts'
import type { PollRow, RateQueries, TaskRates } from '../store/rate-query.ts'
import type { AddCommand } from './command.ts'
import type { Context } from './context.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'
import { percent, readBar } from './text/rate.ts'
import { type Column, plainText, renderTable } from './text/table.ts'
import { showDistance, showTime } from './text/time.ts'

interface ShowOptions {
  readonly app?: string
  readonly json?: boolean
}

/** The latest looks tell how it goes; all of them are in the table delivery_poll. */
const LOOKS_SHOWN = 8

export const addShow: AddCommand = (program, context, run) => {
  program
    .command('show')
    .description('one task: status, counts, rates, next look, latest looks')
    .argument('<task-id>', 'the task')
    .option('--app <name>', 'the app, where several have a task of this id')
    .option('--json', 'print the task and all its looks as JSON')
    .addHelpText('after', '\nExample:\n  $ dingtalk-delivery show 256271667526')
    .action(
      run(async (text: string, { app, json = false }: ShowOptions) => {
        const taskId = parseTaskId(text)
        const databaseUrl = requireDatabase(await configWithEmbedded(context))
        const { openReads } = await import('../wiring.ts')
        const { rates, close } = openReads(databaseUrl)
        try {
          const task = await findTask(rates, taskId, app)
          const looks = await rates.pollsOf(task)
          context.print(json ? JSON.stringify({ ...task, looks }, null, 2) : describe(task, looks, context))
        } finally {
          await close()
        }
      }),
    )
}

async function findTask(rates: RateQueries, taskId: string, app: string | undefined): Promise<TaskRates> {
  const found = await rates.taskRates({ taskId, app })
  const [task] = found
  if (task === undefined) {
    const of = app === undefined ? '' : ` for app "${app}"`
    throw new TrackerError('TASK_NOT_FOUND', `Task ${taskId} is not tracked${of}. "dingtalk-delivery track ${taskId}" starts it.`)
  }
  if (found.length > 1) {
    const apps = found.map((each) => each.app).join(', ')
    throw new TrackerError('INVALID_INPUT', `Several apps have a task ${taskId}: ${apps}. Say which one with --app.`)
  }
  return task
}

function describe(task: TaskRates, looks: readonly PollRow[], context: Context): string {
  const { colors } = context
  const now = context.now()
  const lines: ReadonlyArray<readonly [string, string | null]> = [
    ['Task', `${plainText(task.taskId)} of app ${plainText(task.app)}`],
    ['Campaign', task.campaign === null ? null : plainText(task.campaign)],
    ['Status', task.status],
    ['Reason', task.reason === null ? null : plainText(task.reason)],
    ['Put off', task.hindrance === null ? null : plainText(task.hindrance)],
    ['Sent', `${showTime(task.sentAt)}, ${showDistance(task.sentAt, now)}`],
    ['Deadline', `${showTime(task.deadlineAt)}, ${showDistance(task.deadlineAt, now)}`],
    ['Last known', task.lastObservedAt === null ? 'nothing yet' : showTime(task.lastObservedAt)],
    ['Looks', nextLook(task, now)],
    ['Delivered', `${task.delivered} of ${task.targeted}${undelivered(task)}`],
    ['Read', `${task.read} of ${task.delivered}  ${readBar(task.readRate, colors)}`],
    ['Read of all', percent(task.readRateOfTargeted)],
  ]
  const facts = lines.flatMap(([name, value]) => (value === null ? [] : [`${colors.bold(name.padEnd(12))} ${value}`]))
  return [...facts, ...(looks.length === 0 ? [] : ['', latestLooks(looks, context)])].join('\n')
}

function nextLook({ polls, nextPollAt }: TaskRates, now: Date): string {
  return nextPollAt === null ? `${polls}` : `${polls}, the next ${showDistance(nextPollAt, now)} (${showTime(nextPollAt)})`
}

function undelivered({ pending, failed, forbidden, invalid }: TaskRates): string {
  const parts = Object.entries({ pending, failed, forbidden, invalid }).filter(([, count]) => count > 0)
  return parts.length === 0 ? '' : ` (${parts.map(([state, count]) => `${count} ${state}`).join(', ')})`
}

function latestLooks(looks: readonly PollRow[], { colors }: Context): string {
  const columns: ReadonlyArray<Column<PollRow>> = [
    { title: 'Look', align: 'right', show: ({ pollNo }) => String(pollNo) },
    { title: 'At', show: ({ requestedAt }) => showTime(requestedAt) },
    {
      title: 'Outcome',
      show: ({ outcome, code }) => (outcome === 'observed' ? colors.green(outcome) : colors.red(`${outcome} ${plainText(code)}`)),
    },
    { title: 'Read', align: 'right', show: ({ read }) => (read === null ? '–' : String(read)) },
    { title: 'Unread', align: 'right', show: ({ unread }) => (unread === null ? '–' : String(unread)) },
    { title: 'Changed', align: 'right', show: ({ changed }) => String(changed) },
    { title: 'Message', show: ({ message }) => plainText(message, '') },
  ]
  return renderTable(columns, looks.slice(-LOOKS_SHOWN), colors)
}
