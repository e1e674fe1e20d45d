import { InvalidArgumentError } from 'commander'
import { TrackerError } from '../core/errors.ts'
import { parseTaskId } from '../core/track-request.ts'
import type { RateQueries, RecipientStatus, TaskRates } from '../store/rate-query.ts'
import type { AddCommand } from './command.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'
import { formatOption } from './options.ts'
import { type Format, type Listing, render } from './rates.ts'
import { plainText } from './text/table.ts'
import { showTime } from './text/time.ts'

interface UnreadOptions {
  readonly campaign?: string
  readonly app?: string
  readonly format: Format
}

type Target = { readonly taskId: string; readonly app?: string } | { readonly campaign: string; readonly app?: string }

const EXAMPLES = `
Examples:
  $ dingtalk-delivery unread 256271667526
  $ dingtalk-delivery unread --campaign payroll-11 --format csv > reminder.csv`

const LISTING: Omit<Listing<RecipientStatus>, 'nothing'> = {
  fields: ['app', 'taskId', 'campaign', 'userId', 'state', 'firstSeenAt', 'lastUnreadAt'],
  columns: [
    { title: 'User', show: ({ userId }) => plainText(userId) },
    { title: 'Task', show: ({ taskId }) => plainText(taskId) },
    { title: 'Campaign', spare: 1, show: ({ campaign }) => plainText(campaign) },
    { title: 'Delivered by', spare: 2, show: ({ firstSeenAt }) => showTime(firstSeenAt) },
    { title: 'Unread as of', show: ({ lastUnreadAt }) => showTime(lastUnreadAt) },
  ],
}

const ALL_READ = 'Nobody: everybody who got it has read it.'
const NONE_DELIVERED = 'Nobody so far: DingTalk has listed nobody who got it.'

export const addUnread: AddCommand = (program, context, run) => {
  program
    .command('unread')
    .description('who got it and has not read it; of a campaign, who has read it in none of its tasks')
    .argument('[task-id]', 'the task; or give --campaign')
    .option('--campaign <name>', 'everybody in this campaign')
    .option('--app <name>', 'only this app')
    .addOption(formatOption())
    .addHelpText('after', EXAMPLES)
    .action(
      run(async (taskId: string | undefined, options: UnreadOptions) => {
        const target = targetOf(taskId, options)
        const databaseUrl = requireDatabase(await configWithEmbedded(context))
        const { openReads } = await import('../wiring.ts')
        const { rates, close } = openReads(databaseUrl)
        try {
          const tasks = await tasksOf(rates, target)
          const people = await rates.unreadOf(target)
          const isDelivered = tasks.some(({ delivered }) => delivered > 0)
          context.print(render(options.format, people, { ...LISTING, nothing: isDelivered ? ALL_READ : NONE_DELIVERED }, context))
        } finally {
          await close()
        }
      }),
    )
}

function targetOf(taskId: string | undefined, { campaign, app }: UnreadOptions): Target {
  if ((taskId === undefined) === (campaign === undefined)) throw new InvalidArgumentError('Give a task id, or --campaign with its name.')
  const only = app === undefined ? {} : { app }
  if (taskId !== undefined) return { taskId: parseTaskId(taskId), ...only }
  return { campaign: campaign ?? '', ...only }
}

/** An empty list must mean that everybody has read, not that the name was misspelt. */
async function tasksOf(rates: RateQueries, target: Target): Promise<TaskRates[]> {
  const found = await rates.taskRates(target)
  if (found.length > 0) return found
  const what = 'taskId' in target ? `Task ${target.taskId}` : `Campaign "${target.campaign}"`
  throw new TrackerError(
    'TASK_NOT_FOUND',
    `${what} is not tracked${target.app === undefined ? '' : ` for app "${target.app}"`}. "report --by task" lists what is.`,
  )
}
