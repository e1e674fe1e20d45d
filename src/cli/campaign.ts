import type { CampaignReport } from '../report/campaign-report.ts'
import type { CampaignRates } from '../report/rates.ts'
import { NAMES_SHOWN, namesFact, rateFacts, shellQuoted, timeFacts, unreadFact } from './figures.ts'
import { type Display, render, taskListing } from './rates.ts'
import { type Fact, joinSections, renderFacts } from './text/layout.ts'
import { plainText } from './text/table.ts'
import { showDistance, showTime } from './text/time.ts'

/** The pages of a campaign's report that the command shows. More tasks are a list of their own: `--by task`. */
export const CAMPAIGN_PAGES = { people: { state: 'unread', limit: NAMES_SHOWN }, tasks: { limit: 20 } } as const

export function describeCampaign(report: CampaignReport, now: Date, display: Display): string {
  const { campaign, people, unreadAsOf, elapsedMs, scale } = report
  const span = { from: campaign.firstSentAt, until: campaign.lastDeadlineAt, now }
  const command = `npx dingtalk-delivery unread --campaign ${shellQuoted(campaign.campaign)}`
  const facts = [...campaignFacts(campaign, now), ...rateFacts(campaign, report, span, display)]
  const reads = [...timeFacts(report, elapsedMs, scale), unreadFact(campaign, unreadAsOf, people.items, command)]
  return joinSections(
    [
      { text: renderFacts(facts, display), spare: 0 },
      { text: renderFacts(reads, display), spare: 1 },
      { text: tasksTable(report, now, display), spare: 2 },
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
    ['As of', lastObservedAt === null ? 'no successful poll yet' : `${showTime(lastObservedAt)}, ${showDistance(lastObservedAt, now)}`],
    namesFact(campaign),
  ]
}

function tasksTable({ campaign, tasks: { items } }: CampaignReport, now: Date, display: Display): string {
  const { columns, ...listing } = taskListing({ colors: display.colors, now })
  const table = render('table', items, { ...listing, columns: columns.filter(({ title }) => title !== 'Campaign') }, display)
  const more = campaign.tasks - items.length
  return more <= 0 ? table : `${table}\n… and ${more} more: --by task lists all of them`
}
