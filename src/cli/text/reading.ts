import { formatRate } from '../../report/rate.ts'
import type { ForbiddenCount } from '../../report/rates.ts'
import { type ReadQuantile, reachedQuantiles, type ShareBounds, type ShareWithin, type TimeToRead } from '../../report/time-to-read.ts'
import { NO_BREAK } from './layout.ts'
import { plainText } from './table.ts'
import { showDuration } from './time.ts'

const SHARES: ReadonlyMap<number, string> = new Map([
  [0.25, 'a quarter'],
  [0.5, 'half'],
  [0.75, 'three quarters'],
  [0.9, 'nine in ten'],
])

/**
 * When people read, a sentence a line. Polls give brackets, never a time; an estimate over several tasks is called an estimate.
 * @param scale see `scaleOf`. Times to read are those of a day of 24 hours whatever it is; where it is not 1, a note is added
 */
export function describeTimeToRead(timeToRead: TimeToRead, scale = 1): string {
  const { people, method, assumedSendTimes } = timeToRead
  if (people === 0) return 'no person was delivered to so far'
  const since = assumedSendTimes === 0 ? 'send' : 'send or enqueue'
  const lines = reachedQuantiles(timeToRead).map(
    (quantile, i) =>
      `${describeQuantile(quantile, i === 0 ? ` after the ${since}` : '')}${method === 'polls' ? '' : describeLikely(quantile)}`,
  )
  const tasks = assumedSendTimes === 1 ? '1 task' : `${assumedSendTimes} tasks`
  return [
    ...lines,
    ...(assumedSendTimes === 0
      ? []
      : [`(the send time of ${tasks} was not given: times of its people count from the enqueue, so from the send they are longer)`]),
    ...(method === 'polls' ? [] : ["(most likely: an estimate over tasks whose polls came at different times, by Turnbull's method)"]),
    ...(Math.abs(scale - 1) < 0.01 ? [] : ['(times are those of a day of 24 hours, which passes faster here)']),
  ].join('\n')
}

function describeQuantile({ share, certain }: ReadQuantile, since: string): string {
  const who = SHARES.get(share) ?? formatRate(share)
  if (certain.beforeMs === null) return `${who}: not yet after ${showDuration(certain.afterMs)}; no later poll shows it`
  return `${who} had read ${describeBracket(certain.afterMs, certain.beforeMs)}${since}`
}

/** `within 3 min`, or `between 12 min and 20 min`. */
export function describeBracket(afterMs: number, beforeMs: number): string {
  return afterMs <= 0 ? `within ${showDuration(beforeMs)}` : `between ${showDuration(afterMs)} and ${showDuration(beforeMs)}`
}

/** Empty where it equals the certain bounds. */
function describeLikely({ afterMs, beforeMs, certain }: ReadQuantile): string {
  if (beforeMs === null || (afterMs === certain.afterMs && beforeMs === certain.beforeMs)) return ''
  const [after, before] = [showDuration(Math.max(0, afterMs)), showDuration(beforeMs)]
  return after === before ? `, most likely about ${before}` : `, most likely ${after} to ${before}`
}

/** `1 h: 42.1 to 45.0%` for each of the hours: the certain bounds. */
export function describeShares(within: readonly ShareWithin[]): string | null {
  if (within.length === 0) return null
  return within.map(({ hours, certain }) => `${hours} h: ${describeBounds(certain)}`.replaceAll(' ', NO_BREAK)).join('  ')
}

/** The certain bounds of the share who had read within so many hours of the send; a dash where that is not known. */
export function describeShare({ within }: TimeToRead, hours: number): string {
  const found = within.find((each) => each.hours === hours)
  return found === undefined ? '–' : describeBounds(found.certain)
}

/** 100% is no upper bound: reads after the final poll are not known. */
function describeBounds({ atLeast, atMost }: ShareBounds): string {
  const [least, most] = [formatRate(atLeast), formatRate(atMost)]
  if (least === most) return least
  return atMost >= 1 ? `at least ${least}` : `${least.replace('%', '')} to ${most}`
}

const REASONS: Readonly<Record<string, string>> = {
  daily_limit: 'had reached the daily limit of messages',
  duplicate_content: 'had received the same text that day',
  app_rate_limit: "stopped by the app's rate limit",
  organisation_rate_limit: "stopped by the organisation's rate limit",
}

/** How many people DingTalk withheld the message from and why, a line for each code. */
export function describeForbidden(reasons: readonly ForbiddenCount[]): string | null {
  if (reasons.length === 0) return null
  return reasons.map(({ code, reason, people }) => `${people} ${REASONS[reason] ?? 'refused by DingTalk'} (${formatCode(code)})`).join('\n')
}

function formatCode(code: string | null): string {
  return code === null ? 'no code given' : `code${NO_BREAK}${plainText(code)}`
}
