import type { CampaignRates, CampaignRecipient, Page, PageFilter, RateReader, RecipientFilter, TaskRates } from './rates.ts'
import { scaleOf } from './read-brackets.ts'
import type { ReadFigures } from './task-report.ts'

/** What is read of one campaign. */
export interface CampaignData extends ReadFigures {
  readonly campaign: CampaignRates
  /** A page of its tasks, latest sent first. */
  readonly tasks: Page<TaskRates>
  /** A page of its people, by user id. */
  readonly people: Page<CampaignRecipient>
}

/** The content of a campaign's page and of `report --campaign`. */
export interface CampaignReport extends CampaignData {
  /** See `scaleOf`; 1 where no task is on the page. */
  readonly scale: number
  /** How much of its time is over, in milliseconds of the 24-hour window. */
  readonly elapsedMs: number
}

export interface CampaignPages {
  readonly people: RecipientFilter & PageFilter
  readonly tasks: PageFilter
}

/** Six statements, besides the one that read the campaign. */
export async function loadCampaignReport(
  reader: RateReader,
  campaign: CampaignRates,
  pages: CampaignPages,
  now: Date,
): Promise<CampaignReport> {
  const { app, campaign: name } = campaign
  const [figures, tasks, people] = await Promise.all([
    loadCampaignFigures(reader, campaign),
    reader.tasks({ app, campaign: name, ...pages.tasks }),
    reader.campaignRecipients(campaign, pages.people),
  ])
  return buildCampaignReport({ campaign, ...figures, tasks, people }, now)
}

/** Three statements. */
export async function loadCampaignFigures(reader: RateReader, campaign: CampaignRates): Promise<ReadFigures> {
  const [curve, times, details] = await Promise.all([
    reader.campaignCurve(campaign),
    reader.readTimes(campaign),
    reader.stateDetails(campaign),
  ])
  return { curve, ...times, ...details }
}

export function buildCampaignReport(data: CampaignData, now: Date): CampaignReport {
  const { firstSentAt, lastDeadlineAt } = data.campaign
  const scale = data.tasks.items.map(scaleOf)[0] ?? 1
  const end = Math.min(now.getTime(), lastDeadlineAt.getTime())
  return { ...data, scale, elapsedMs: (end - firstSentAt.getTime()) * scale }
}

/** The JSON of `report --campaign --format json`. */
export function campaignReportJson(campaign: CampaignRates, { unreadAsOf, timeToRead, curve, forbidden }: ReadFigures): object {
  return { ...campaign, unreadAsOf, timeToRead, curve, forbiddenReasons: forbidden }
}
