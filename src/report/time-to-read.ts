import { HOUR_MS } from '../domain/delivery.ts'
import type { ElapsedBracket } from './read-brackets.ts'
import { at, indexOfFirst } from './sorted.ts'
import { type Part, turnbullEstimate } from './turnbull.ts'

/**
 * When people read. Polls give brackets, never a time. Durations count from the send; where the send time was not given, from the enqueue.
 */
export interface TimeToRead {
  /** Delivered people: the denominator of every share. */
  readonly people: number
  readonly read: number
  /** `polls`: one task, straight from its polls. `turnbull`: pooled over tasks with different polls, Turnbull's nonparametric estimate. */
  readonly method: 'polls' | 'turnbull'
  /** The latest successful poll that went into it; null where there is none. */
  readonly asOf: Date | null
  /** Tasks in it whose send time was not given. The times of their people count from the enqueue, so from the send they are longer. */
  readonly assumedSendTimes: number
  /** For 25, 50, 75 and 90 % of the delivered people. Empty where no person was delivered. */
  readonly quantiles: readonly ReadQuantile[]
  /** Within 1, 4, 8 and 24 hours. Empty where no person was delivered. */
  readonly within: readonly ShareWithin[]
}

/**
 * The time by which `share` of the delivered people had read lies in (afterMs, beforeMs]: certain with the method `polls`, most likely with the
 * method `turnbull`.
 */
export interface ReadQuantile extends TimeBounds {
  readonly share: number
  /** What is certain without an estimate. The same as above with the method `polls`. */
  readonly certain: TimeBounds
}

export interface TimeBounds {
  readonly afterMs: number
  /** Null: no poll showed it reached; it may have been reached after the final poll. */
  readonly beforeMs: number | null
}

/**
 * The share of the delivered people who had read within `hours` of the send lies in [atLeast, atMost]: certain with the method `polls`, most
 * likely with the method `turnbull`. `atMost` is 1 after the final polls, so also for 24 hours where a person is unread: the final poll is
 * minutes before the deadline, and reads after it are not known. Show that as "at least".
 */
export interface ShareWithin extends ShareBounds {
  readonly hours: number
  /** What is certain without an estimate. The same as above with the method `polls`. */
  readonly certain: ShareBounds
}

export interface ShareBounds {
  readonly atLeast: number
  readonly atMost: number
}

const SHARES = [0.25, 0.5, 0.75, 0.9]
const HOURS = [1, 4, 8, 24]

/** The people of one task, who share its polls. @param assumedSendTimes see {@link TimeToRead} */
export function timeToReadOfTask(people: readonly ElapsedBracket[], asOf: Date | null, assumedSendTimes = 0): TimeToRead {
  const ends = sortedEnds(people)
  return {
    ...countPeople(people),
    ...{ asOf, assumedSendTimes },
    method: 'polls',
    quantiles: forEach(people, SHARES, (share) => ({ share, ...orderStatistic(share, ends), certain: orderStatistic(share, ends) })),
    within: forEach(people, HOURS, (hours) => ({ hours, ...shareSeen(hours, ends), certain: shareSeen(hours, ends) })),
  }
}

/**
 * People of several tasks, whose polls were at different times: Turnbull's estimate, see {@link turnbullEstimate}. Its bounds are
 * those of the innermost interval in which the estimate changes, which can be seconds wide; they are no margin of error.
 */
export function timeToReadPooled(people: readonly ElapsedBracket[], asOf: Date | null, assumedSendTimes = 0): TimeToRead {
  const ends = sortedEnds(people)
  const { parts } = turnbullEstimate(people)
  return {
    ...countPeople(people),
    ...{ asOf, assumedSendTimes },
    method: 'turnbull',
    quantiles: forEach(people, SHARES, (share) => ({ share, ...crossing(share, parts), certain: orderStatistic(share, ends) })),
    within: forEach(people, HOURS, (hours) => ({ hours, ...massWithin(hours, parts), certain: shareSeen(hours, ends) })),
  }
}

/** The quantiles that are reached, and the first one that is not: higher shares are not reached either. */
export function reachedQuantiles({ quantiles }: TimeToRead): readonly ReadQuantile[] {
  const first = quantiles.findIndex(({ certain }) => certain.beforeMs === null)
  return first === -1 ? quantiles : quantiles.slice(0, first + 1)
}

/** The shares of hours that are over. @param elapsedMs since the send, of the 24-hour window */
export function pastShares({ within }: TimeToRead, elapsedMs: number): readonly ShareWithin[] {
  return within.filter(({ hours }) => hours * HOUR_MS <= elapsedMs)
}

function countPeople(people: readonly ElapsedBracket[]): Pick<TimeToRead, 'people' | 'read'> {
  return { people: people.length, read: people.filter(({ beforeMs }) => beforeMs !== null).length }
}

function forEach<Figure>(
  people: readonly ElapsedBracket[],
  wanted: readonly number[],
  computeFigure: (wanted: number) => Figure,
): Figure[] {
  return people.length === 0 ? [] : wanted.map(computeFigure)
}

/** All lower and all upper ends, each ascending; the upper end of an unread person is ∞. */
interface Ends {
  readonly after: Float64Array
  readonly before: Float64Array
}

function sortedEnds(people: readonly ElapsedBracket[]): Ends {
  return { after: Float64Array.from(people, ({ afterMs }) => afterMs).sort(), before: Float64Array.from(people, endOf).sort() }
}

function endOf({ beforeMs }: TimeBounds): number {
  return beforeMs ?? Infinity
}

/**
 * The k-th reader of n, k the first number with k/n ≥ share. However the times lie in their brackets, the k-th smallest time is
 * after the k-th smallest lower end, and not after the k-th smallest upper end.
 */
function orderStatistic(share: number, { after, before }: Ends): TimeBounds {
  const k = Math.ceil(share * after.length - ROUNDING)
  return { afterMs: at(after, k - 1), beforeMs: finiteOrNull(at(before, k - 1)) }
}

/** Whose bracket has ended by then, and whose has begun: a read is after its lower end, and at its upper end at the latest. */
function shareSeen(hours: number, { after, before }: Ends): ShareBounds {
  const ms = hours * HOUR_MS
  const ended = indexOfFirst(before, (time) => time > ms)
  const begun = indexOfFirst(after, (time) => time >= ms)
  return { atLeast: ended / after.length, atMost: begun / after.length }
}

/**
 * The part of the estimate in which it reaches the share. Where that is just at the end of the part it is still this one: it is about
 * the same reader as {@link orderStatistic}, so it never leaves the bounds that are certain.
 */
function crossing(share: number, parts: readonly Part[]): TimeBounds {
  const after = Float64Array.from(parts, ({ afterMs }) => afterMs)
  const before = Float64Array.from(parts, endOf)
  const upTo = Float64Array.from(parts, (part) => part.upTo)
  const reached = indexOfFirst(upTo, (mass) => mass >= share - ROUNDING)
  return { afterMs: at(after, reached), beforeMs: finiteOrNull(at(before, reached)) }
}

/** The mass of the parts that end by then, and of those that begin before. */
function massWithin(hours: number, parts: readonly Part[]): ShareBounds {
  const ms = hours * HOUR_MS
  return {
    atLeast: parts.findLast((part) => endOf(part) <= ms)?.upTo ?? 0,
    atMost: parts.findLast((part) => part.afterMs < ms)?.upTo ?? 0,
  }
}

function finiteOrNull(ms: number): number | null {
  return ms === Infinity ? null : ms
}

/** Shares are sums of floating point numbers: what is nearer than this is equal. */
const ROUNDING = 1e-7
