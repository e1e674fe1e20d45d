import { InvalidArgumentError } from 'commander'
import { parseTaskId } from '../intake/track-request.ts'
import { collectPages } from '../report/all-pages.ts'
import { peopleCsv } from '../report/columns.ts'
import type { CampaignRates, CampaignRef, RateReader, RecipientStatus, TaskRates, TaskRef } from '../report/rates.ts'
import type { AddCommand } from './command.ts'
import { formatOption } from './options.ts'
import { type Display, type Format, type Listing, personColumns, render } from './rates.ts'
import { withReader } from './reads.ts'
import { type Column, plainText } from './text/table.ts'
import { showTime } from './text/time.ts'
import { wrapTo } from './text/width.ts'

interface UnreadOptions {
  readonly campaign?: string
  readonly app?: string
  readonly pending?: boolean
  readonly format: Format
}

type Wanted = 'unread' | 'pending'

interface Audience {
  readonly of: TaskRates | CampaignRates
  readonly people: readonly RecipientStatus[]
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery unread 256271667526
  $ npx dingtalk-delivery unread --campaign payroll-11 --format csv > reminder.csv
  $ npx dingtalk-delivery unread --campaign payroll-11 --pending`

export const addUnread: AddCommand = (program, context, run) => {
  program
    .command('unread')
    .description('the people who received it and have not read it; of a campaign, the people who have read it in none of its tasks')
    .argument('[task-id]', 'the task; or give --campaign')
    .option('--campaign <name>', 'all people of this campaign')
    .option('--app <name>', 'the app, where several have it')
    .option('--pending', 'instead: the people that DingTalk has not listed, so that it is not known whether they received it')
    .addOption(formatOption())
    .addHelpText('after', EXAMPLES)
    .action(
      run(async (taskId: string | undefined, options: UnreadOptions) => {
        const target = parseTarget(taskId, options)
        const wanted = options.pending === true ? 'pending' : 'unread'
        await withReader(context, async (reader) => {
          const audience = await ('taskId' in target ? ofTask(reader, target, wanted) : ofCampaign(reader, target, wanted))
          context.print(printed(audience, wanted, options.format, context))
        })
      }),
    )
}

function parseTarget(taskId: string | undefined, { campaign, app }: UnreadOptions): TaskRef | CampaignRef {
  if (taskId !== undefined && campaign === undefined) return { taskId: parseTaskId(taskId), app }
  if (taskId === undefined && campaign !== undefined) return { campaign, app }
  throw new InvalidArgumentError('Give a task id, or --campaign with its name.')
}

async function ofTask(reader: RateReader, ref: TaskRef, state: Wanted): Promise<Audience> {
  const task = await reader.task(ref)
  return { of: task, people: await reader.recipients(task, { state }) }
}

async function ofCampaign(reader: RateReader, ref: CampaignRef, state: Wanted): Promise<Audience> {
  const campaign = await reader.campaign(ref)
  return { of: campaign, people: await collectPages((page) => reader.campaignRecipients(campaign, { state, ...page })) }
}

function printed({ of, people }: Audience, wanted: Wanted, format: Format, display: Display): string {
  const text = render(format, people, { ...buildListing('taskId' in of, wanted, people), nothing: describeEmpty(of, wanted) }, display)
  return format !== 'table'
    ? text
    : [
        text,
        ...(people.length === 0 ? [] : ['']),
        ...wrapTo(formatSummary(of, wanted, findEarliest({ of, people }, wanted)), display.width),
      ].join('\n')
}

function buildListing(isOneTask: boolean, wanted: Wanted, people: readonly RecipientStatus[]): Omit<Listing<RecipientStatus>, 'nothing'> {
  const columns: ReadonlyArray<Column<RecipientStatus>> = [
    ...personColumns(people),
    ...(isOneTask ? [] : CAMPAIGN_COLUMNS),
    ...(wanted === 'unread' ? UNREAD_COLUMNS : PENDING_COLUMNS),
  ]
  return { csv: peopleCsv, columns }
}

const CAMPAIGN_COLUMNS: ReadonlyArray<Column<RecipientStatus>> = [
  { title: 'Task', show: ({ taskId }) => plainText(taskId) },
  { title: 'Campaign', spare: 1, shrinkTo: 24, show: ({ campaign }) => plainText(campaign) },
]

const UNREAD_COLUMNS: ReadonlyArray<Column<RecipientStatus>> = [
  { title: 'Delivered by', spare: 2, show: ({ firstSeenAt }) => showTime(firstSeenAt) },
  { title: 'Unread as of', show: ({ lastUnreadAt }) => showTime(lastUnreadAt) },
]

const PENDING_COLUMNS: ReadonlyArray<Column<RecipientStatus>> = [{ title: 'Not listed as of', show: ({ asOf }) => showTime(asOf) }]

const ALL_READ = 'No unread recipient: all people who received it have read it.'
const NONE_DELIVERED = 'No unread recipient so far: DingTalk has listed no person as delivered.'
const ALL_LISTED = 'No pending recipient: DingTalk has listed all of them.'

function describeEmpty({ delivered }: Audience['of'], wanted: Wanted): string {
  if (wanted === 'pending') return ALL_LISTED
  return delivered > 0 ? ALL_READ : NONE_DELIVERED
}

/** All people shown are in their state as of this time at least: the earliest of their times. Null: one of them has none. */
function findEarliest({ of, people }: Audience, wanted: Wanted): Date | null {
  const times = [of.lastObservedAt, ...people.map(({ asOf, lastUnreadAt }) => (wanted === 'unread' ? lastUnreadAt : asOf))]
  const known = times.filter((at) => at !== null)
  return known.length < times.length ? null : known.reduce((earliest, at) => (at < earliest ? at : earliest))
}

function formatSummary(of: Audience['of'], wanted: Wanted, at: Date | null): string {
  const asOf = at === null ? 'before the first successful poll' : `as of ${showTime(at)}`
  const removed = of.namesRemovedAt === null ? '' : ` Names were removed on ${showTime(of.namesRemovedAt)}, long after the end.`
  if (wanted === 'pending')
    return `${of.pending} of ${of.targeted} not listed by DingTalk, ${asOf}: not known whether they received it.${removed}`
  const hidden = of.pending === 0 ? '' : ` ${of.pending} more not listed by DingTalk (--pending).`
  return `${of.unread} unread of ${of.delivered} delivered, ${asOf}.${describeEnd(of)}${hidden}${removed}`
}

/** Reads after the final poll are not known. */
function describeEnd(of: Audience['of']): string {
  const isOver = 'status' in of ? of.status !== 'tracking' && of.status !== 'complete' : of.openTasks === 0 && of.unread > 0
  if (!isOver) return ''
  return 'status' in of
    ? ` The task has ended (${of.status}); later reads are not known.`
    : ' Its tasks have ended; later reads are not known.'
}
