import type { ForbiddenCount } from '../../report/rates.ts'
import type { ReadQuantile, ShareBounds, ShareWithin, TimeToRead } from '../../report/time-to-read.ts'
import { NO_BREAK } from './facts.ts'
import { percent } from './rate.ts'
import { plainText } from './table.ts'
import { showDuration } from './time.ts'

const SHARES: ReadonlyMap<number, string> = new Map([
  [0.25, 'a quarter'],
  [0.5, 'half'],
  [0.75, 'three quarters'],
  [0.9, 'nine in ten'],
])

/**
 * When people read, a sentence a line. Never a point: polls tell brackets, and an estimate over several tasks is called so.
 * @param scale see `scaleOf`. Times to read are those of a day of 24 hours whatever it is, which is to be said where it is not 1
 */
export function timeToReadInWords({ people, quantiles, method, assumedSendTimes }: TimeToRead, scale = 1): string {
  if (people === 0) return 'nobody was delivered to so far'
  const since = assumedSendTimes === 0 ? 'send' : 'send or enqueue'
  const lines = quantiles.map(
    (quantile, i) =>
      `${quantileInWords(quantile, i === 0 ? ` after the ${since}` : '')}${method === 'polls' ? '' : likelyInWords(quantile)}`,
  )
  return [
    ...lines,
    ...(assumedSendTimes === 0 ? [] : [assumedInWords(assumedSendTimes)]),
    ...(method === 'polls' ? [] : [POOLED]),
    ...(isAsInLife(scale) ? [] : [FASTER]),
  ].join('\n')
}

/** What an assumed send time means for the figures. */
function assumedInWords(tasks: number): string {
  return `(the send time of ${tasks === 1 ? '1 task' : `${tasks} tasks`} was not given: times of its people count from the enqueue, so from the send they are longer)`
}

const FASTER = '(times are told as those of a day of 24 hours, which passes faster here)'

function isAsInLife(scale: number): boolean {
  return Math.abs(scale - 1) < 0.01
}

const POOLED = "(most likely: Turnbull's estimate over tasks whose polls came at different times)"

function quantileInWords({ share, certain }: ReadQuantile, since: string): string {
  const who = SHARES.get(share) ?? percent(share)
  if (certain.beforeMs === null) return `${who}: not yet at ${showDuration(certain.afterMs)}, and no more is known for sure`
  return `${who} had read ${bracketInWords(certain.afterMs, certain.beforeMs)}${since}`
}

function bracketInWords(afterMs: number, beforeMs: number): string {
  return afterMs <= 0 ? `within ${showDuration(beforeMs)}` : `between ${showDuration(afterMs)} and ${showDuration(beforeMs)}`
}

/** Only where it says more than what is certain. */
function likelyInWords({ afterMs, beforeMs, certain }: ReadQuantile): string {
  if (beforeMs === null || (afterMs === certain.afterMs && beforeMs === certain.beforeMs)) return ''
  const [after, before] = [showDuration(Math.max(0, afterMs)), showDuration(beforeMs)]
  return after === before ? `, most likely about ${before}` : `, most likely ${after} to ${before}`
}

/** `1 h: 42.1 to 45.0 %`, for each of the hours: what is certain. */
export function sharesInWords(within: readonly ShareWithin[]): string | null {
  if (within.length === 0) return null
  return within.map(({ hours, certain }) => `${hours} h: ${boundsInWords(certain)}`.replaceAll(' ', NO_BREAK)).join('  ')
}

/** Up to everybody is no bound: who reads after the final poll nobody can say. */
function boundsInWords({ atLeast, atMost }: ShareBounds): string {
  const [least, most] = [percent(atLeast), percent(atMost)]
  if (least === most) return least
  return atMost >= 1 ? `at least ${least}` : `${least.replace(' %', '')} to ${most}`
}

const REASONS: Readonly<Record<string, string>> = {
  daily_limit: 'had reached the daily limit of messages',
  duplicate_content: 'had got the same text already that day',
  app_rate_limit: "stopped by the app's rate limit",
  organisation_rate_limit: "stopped by the organisation's rate limit",
}

/** Whom DingTalk did not send to and why, a line for each code. */
export function forbiddenInWords(reasons: readonly ForbiddenCount[]): string | null {
  if (reasons.length === 0) return null
  return reasons.map(({ code, reason, people }) => `${people} ${REASONS[reason] ?? 'refused by DingTalk'} (${codeOf(code)})`).join('\n')
}

function codeOf(code: string | null): string {
  return code === null ? 'no code given' : `code${NO_BREAK}${plainText(code)}`
}
