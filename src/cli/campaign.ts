import type { CampaignRates, RateReader, TaskRates } from '../report/rates.ts'
import { type Figures, NAMES_SHOWN, namesFact, quoted, rateFacts, readCurve, timeFacts, unreadFact } from './figures.ts'
import { type Display, render, taskListing } from './rates.ts'
import { type Fact, renderFacts } from './text/facts.ts'
import { joinSections } from './text/sections.ts'
import { scaleOf } from './text/sparkline.ts'
import { plainText } from './text/table.ts'
import { showDistance, showTime } from './text/time.ts'

/** One campaign in full. */
export interface CampaignView extends Figures {
  readonly campaign: CampaignRates
  /** The latest of its tasks. */
  readonly tasks: readonly TaskRates[]
}

/** More of them are a list of their own: `--by task`. */
const TASKS_SHOWN = 20

export async function loadCampaign(reader: RateReader, campaign: CampaignRates): Promise<CampaignView> {
  const ref = { campaign: campaign.campaign, app: campaign.app }
  const [{ band, timeToRead }, forbidden, unread, tasks, unreadAsOf] = await Promise.all([
    reader.readTimes(ref),
    reader.forbidden(ref),
    reader.campaignRecipients(ref, { state: 'unread', limit: NAMES_SHOWN }),
    reader.tasks({ ...ref, limit: TASKS_SHOWN }),
    reader.unreadAsOf(ref),
  ])
  return { campaign, band, timeToRead, forbidden, unread: unread.items.map(({ userId }) => userId), unreadAsOf, tasks: tasks.items }
}

export function describeCampaign(view: CampaignView, now: Date, display: Display): string {
  const { campaign } = view
  const scale = view.tasks.map(scaleOf)[0] ?? 1
  const ends = { from: 'first sent', until: 'last deadline' }
  const span = { from: campaign.firstSentAt, until: campaign.lastDeadlineAt, now, scale, ends }
  const command = `dingtalk-delivery unread --campaign ${quoted(campaign.campaign)}`
  const facts = renderFacts([...campaignFacts(campaign, now), ...rateFacts(campaign, display)], display)
  const reading = renderFacts([...timeFacts(view, span), unreadFact(campaign, view, command)], display)
  return joinSections(
    [
      { text: facts, spare: 0 },
      { text: readCurve(campaign, view, span, display), spare: 1 },
      { text: reading, spare: 2 },
      { text: tasksOf(view, now, display), spare: 3 },
    ],
    display.height,
  )
}

function campaignFacts(campaign: CampaignRates, now: Date): Fact[] {
  const { tasks, openTasks, firstSentAt, lastSentAt, lastDeadlineAt, lastObservedAt } = campaign
  const [first, last] = [showTime(firstSentAt), showTime(lastSentAt)]
  return [
    ['Campaign', `${plainText(campaign.campaign)} of app ${plainText(campaign.app)}`],
    ['Tasks', `${tasks}, ${openTasks === 0 ? 'all of them ended' : `${openTasks} still open`}`],
    ['Sent', first === last ? first : `${first} to ${last}`],
    ['Deadline', `${showTime(lastDeadlineAt)}, ${showDistance(lastDeadlineAt, now)}`],
    ['As of', lastObservedAt === null ? 'nothing is known yet' : `${showTime(lastObservedAt)}, ${showDistance(lastObservedAt, now)}`],
    namesFact(campaign),
  ]
}

function tasksOf({ campaign, tasks }: CampaignView, now: Date, display: Display): string {
  const { columns, ...listing } = taskListing({ colors: display.colors, now })
  const table = render('table', tasks, { ...listing, columns: columns.filter(({ title }) => title !== 'Campaign') }, display)
  const more = campaign.tasks - tasks.length
  return more <= 0 ? table : `${table}\n… and ${more} more: --by task lists them all`
}
