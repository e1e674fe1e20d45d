import { MINUTE_MS } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { rateOf } from './rate.ts'
import type { CampaignRates, CampaignRef, CurvePoint, RateReader } from './rates.ts'
import { sinceSendMs } from './read-brackets.ts'
import type { TimeToRead } from './time-to-read.ts'

/** So many campaigns are compared at once: more curves in one plot cannot be told apart. */
export const MIN_COMPARED = 2
export const MAX_COMPARED = 6

/** How many people of a campaign were known to have read so long after its first send. */
export interface ComparedPoint {
  /** Since the first send, in minutes of the 24-hour window. Under `TIME_SCALE` a minute passes faster. */
  readonly minutes: number
  readonly read: number
  /** `read` by all people that are delivered by now, so that a curve never falls; null where no person is. */
  readonly readRate: number | null
}

/** One of several campaigns, on the axis that they share: the time since the send. */
export interface CampaignComparison {
  readonly campaign: CampaignRates
  /** From minute 0, where no person had read, to the last observation; none before the first observation. */
  readonly points: readonly ComparedPoint[]
  readonly timeToRead: TimeToRead
}

/** What is read of one campaign for a comparison. */
export interface ComparedCampaign {
  readonly campaign: CampaignRates
  /** Of the campaign, oldest point first. */
  readonly curve: readonly CurvePoint[]
  readonly timeToRead: TimeToRead
}

/** Campaigns side by side, in the order in which they were given. @param now no point is later, but for one that was observed */
export function compareCampaigns(reports: readonly ComparedCampaign[], now: Date): CampaignComparison[] {
  return reports.map(({ campaign, curve, timeToRead }) => ({ campaign, points: pointsOf(campaign, curve, now), timeToRead }))
}

function pointsOf(campaign: CampaignRates, curve: readonly CurvePoint[], now: Date): ComparedPoint[] {
  const { lastObservedAt, firstSentAt, lastSentAt, lastDeadlineAt, delivered } = campaign
  if (lastObservedAt === null) return []
  // The window of the latest task: the length of the day is the same for all of them.
  const scale = { sentAt: firstSentAt, deadlineAt: new Date(firstSentAt.getTime() + lastDeadlineAt.getTime() - lastSentAt.getTime()) }
  const toPoint = (at: Date, read: number): ComparedPoint => ({
    // An answer before the send: the clocks differ.
    minutes: Math.max(0, sinceSendMs(at, scale)) / MINUTE_MS,
    ...{ read, readRate: rateOf(read, delivered) },
  })
  const points = [toPoint(firstSentAt, 0), ...curve.map(({ at, read }) => toPoint(at, read))]
  const last = curve.at(-1)
  const end = toPoint(now < lastObservedAt ? now : lastObservedAt, last?.read ?? 0)
  return points.some(({ minutes }) => minutes >= end.minutes) ? points : [...points, end]
}

/**
 * Three statements for each campaign.
 * @throws {TrackerError} `CAMPAIGN_NOT_FOUND`, `SEVERAL_APPS`
 */
export async function loadComparison(reader: RateReader, refs: readonly CampaignRef[], now: Date): Promise<CampaignComparison[]> {
  const campaigns = await Promise.all(refs.map((ref) => reader.campaign(ref)))
  const reports = campaigns.map(async (campaign) => {
    const [curve, { timeToRead }] = await Promise.all([reader.campaignCurve(campaign), reader.readTimes(campaign)])
    return { campaign, curve, timeToRead }
  })
  return compareCampaigns(await Promise.all(reports), now)
}

/** @throws {InvalidInputError} where they are too few or too many to compare, or one is there twice */
export function assertComparable(names: readonly string[], field: string): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    throw new InvalidInputError(field, `${field} has ${JSON.stringify(twice)} twice. Give each campaign once.`)
  }
  if (names.length >= MIN_COMPARED && names.length <= MAX_COMPARED) return
  throw new InvalidInputError(
    field,
    `${field} must be given ${MIN_COMPARED} to ${MAX_COMPARED} times, once for each campaign to compare, not ${names.length === 1 ? 'once' : `${names.length} times`}.`,
  )
}
