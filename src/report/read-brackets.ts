import { QUERY_WINDOW_MS } from '../domain/delivery.ts'

/** The interval that the read of one delivered person lies in: after `afterAt` and not later than `beforeAt`. */
export interface ReadBracket {
  /**
   * When the request of the last poll that listed the person as unread was sent; without such a poll, the send time. Null: the send time was not
   * given. The message was sent before the assumed time, so no lower bound exists.
   */
  readonly afterAt: Date | null
  /** When the first answer that listed the person as read arrived. Null: no poll listed the person as read. */
  readonly beforeAt: Date | null
}

/** A bracket with the send from which the time to read counts. Where the send time was not given, it is the time of the enqueue. */
export interface SentBracket extends ReadBracket {
  readonly sentAt: Date
  readonly deadlineAt: Date
}

/** A bracket as durations since the send. */
export interface ElapsedBracket {
  readonly afterMs: number
  readonly beforeMs: number | null
}

/** One row of a person who is `read` or `unread` in a task. */
export interface DeliveredRow {
  readonly sentAt: Date
  /** False: `sentAt` is the time of the enqueue. */
  readonly sentAtGiven: boolean
  readonly deadlineAt: Date
  /** Null: no poll listed the person as unread. */
  readonly lastUnreadAt: Date | null
  /** Null: no poll listed the person as read. */
  readonly firstReadAt: Date | null
}

export function toTaskBracket({ sentAt, sentAtGiven, deadlineAt, lastUnreadAt, firstReadAt }: DeliveredRow): SentBracket {
  return { sentAt, deadlineAt, afterAt: lastUnreadAt ?? (sentAtGiven ? sentAt : null), beforeAt: firstReadAt }
}

/**
 * The bracket of a person in several tasks of a campaign. A campaign is one message: it is read when the first of its tasks is read.
 * Of reads T₁ ∈ (a₁, b₁] and T₂ ∈ (a₂, b₂] the first lies in (min a, min b], and in no smaller interval for certain; a task in which
 * the person is still unread has b = ∞. The time counts from the earliest send that was delivered to the person.
 * @param rows the person's rows that are `read` or `unread`; at least one
 */
export function toCampaignBracket(rows: readonly [DeliveredRow, ...DeliveredRow[]]): SentBracket {
  const [first, ...others] = rows
  return others.map(toTaskBracket).reduce(firstRead, toTaskBracket(first))
}

function firstRead(a: SentBracket, b: SentBracket): SentBracket {
  const { sentAt, deadlineAt } = b.sentAt < a.sentAt ? b : a
  const afterAt = a.afterAt === null || b.afterAt === null ? null : earlier(a.afterAt, b.afterAt)
  const beforeAt = a.beforeAt === null || b.beforeAt === null ? (a.beforeAt ?? b.beforeAt) : earlier(a.beforeAt, b.beforeAt)
  return { sentAt, deadlineAt, afterAt, beforeAt }
}

function earlier(a: Date, b: Date): Date {
  return b < a ? b : a
}

/**
 * The bounds of how many people had read from `at` until the next step. Before the first step the number is 0; where a send time was not given,
 * nothing is known of the time before the enqueue.
 */
export interface BoundsStep {
  readonly at: Date
  readonly atLeast: number
  readonly atMost: number
}

/**
 * How many people had read by a time: at least those whose bracket has ended, at most those whose bracket has begun. There is a step where a
 * number changes. An unread person counts in the upper number from their last poll on, so it ends at all people: reads after the final poll are
 * not known. A person without a lower end counts in the upper number from the enqueue on; nothing is known of the time before.
 */
export function readBounds(brackets: readonly SentBracket[]): BoundsStep[] {
  const begun = sortedTimes(brackets.map(({ afterAt, beforeAt, sentAt }) => Math.min((afterAt ?? sentAt).getTime(), endOf(beforeAt))))
  const ended = sortedTimes(brackets.map(({ beforeAt }) => endOf(beforeAt)).filter(Number.isFinite))
  const steps: BoundsStep[] = []
  let atLeast = 0
  let atMost = 0
  while (atMost < begun.length || atLeast < ended.length) {
    const at = Math.min(begun[atMost] ?? Infinity, ended[atLeast] ?? Infinity)
    while (begun[atMost] === at) atMost++
    while (ended[atLeast] === at) atLeast++
    steps.push({ at: new Date(at), atLeast, atMost })
  }
  return steps
}

/** From `at` until the next step so many delivered people are not known about: they are unread, and their last poll is over. */
export interface UnknownStep {
  readonly at: Date
  readonly people: number
}

/**
 * The part of `atMost` in {@link readBounds} that no poll stands behind. Without it the upper number ends at the people who are known to have
 * read, and not at all people. Each step is at the time of a step of the bounds.
 */
export function readsUnknown(brackets: readonly SentBracket[]): UnknownStep[] {
  const since = sortedTimes(brackets.flatMap(({ afterAt, beforeAt, sentAt }) => (beforeAt === null ? [(afterAt ?? sentAt).getTime()] : [])))
  return Array.from(since, (at, i) => ({ at: new Date(at), people: i + 1 })).filter((_, i) => since[i] !== since[i + 1])
}

function endOf(beforeAt: Date | null): number {
  return beforeAt?.getTime() ?? Infinity
}

function sortedTimes(times: readonly number[]): Float64Array {
  return Float64Array.from(times).sort()
}

/**
 * Durations since the send, in milliseconds of the 24-hour window. A read at or before the send (clocks differ) counts as read in the first
 * millisecond. Where the send time was not given, durations count from the enqueue: a bracket without a lower end begins there and stands for
 * all the time before, so "read by" and "not read by" hold as counted from the enqueue.
 */
export function toElapsedBracket(bracket: SentBracket): ElapsedBracket {
  const afterMs = bracket.afterAt === null ? 0 : Math.max(0, sinceSendMs(bracket.afterAt, bracket))
  if (bracket.beforeAt === null) return { afterMs, beforeMs: null }
  const beforeMs = Math.max(1, sinceSendMs(bracket.beforeAt, bracket))
  return { afterMs: Math.min(afterMs, beforeMs - 1), beforeMs }
}

type Window = Pick<SentBracket, 'sentAt' | 'deadlineAt'>

/** How long after the send a time is, in milliseconds of the 24-hour window, see {@link scaleOf}. */
export function sinceSendMs(at: Date, window: Window): number {
  return (at.getTime() - window.sentAt.getTime()) * scaleOf(window)
}

/** Milliseconds of the 24-hour window in one real millisecond: 1, except under `TIME_SCALE`, where a day of tracking can take a minute. */
export function scaleOf({ sentAt, deadlineAt }: Window): number {
  return QUERY_WINDOW_MS / Math.max(1, deadlineAt.getTime() - sentAt.getTime())
}
