import { MINUTE_MS } from '../domain/delivery.ts'
import type { CampaignRates, CurvePoint } from './rates.ts'
import type { TimeToRead } from './time-to-read.ts'

/** One of several campaigns that stand side by side. */
export interface CampaignComparison {
  readonly campaign: CampaignRates
  /** From minute 0 after the first send, with nothing read, to the last observation. Empty before the first successful poll. */
  readonly points: readonly ComparedPoint[]
  readonly timeToRead: TimeToRead
}

export interface ComparedPoint {
  readonly minutes: number
  readonly read: number
  /** Of the delivered people; null where nothing was delivered. */
  readonly readRate: number | null
}

/** The same figures of several campaigns, with their read curves by the time since the send. */
export function compareCampaigns(
  reports: readonly { readonly campaign: CampaignRates; readonly curve: readonly CurvePoint[]; readonly timeToRead: TimeToRead }[],
  now: Date,
): CampaignComparison[] {
  return reports.map(({ campaign, curve, timeToRead }) => ({ campaign, points: pointsOf(campaign, curve, now), timeToRead }))
}

function pointsOf({ firstSentAt, lastObservedAt }: CampaignRates, curve: readonly CurvePoint[], now: Date): ComparedPoint[] {
  const minutesAt = (at: Date): number => Math.max(0, Math.min(at.getTime(), now.getTime()) - firstSentAt.getTime()) / MINUTE_MS
  const points = curve.map(({ at, read, readRate }) => ({ minutes: minutesAt(at), read, readRate }))
  const last = points.at(-1)
  if (last === undefined) return []
  const end = lastObservedAt === null ? last.minutes : minutesAt(lastObservedAt)
  return [{ minutes: 0, read: 0, readRate: 0 }, ...points, ...(end > last.minutes ? [{ ...last, minutes: end }] : [])]
}
