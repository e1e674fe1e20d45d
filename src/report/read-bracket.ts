import { QUERY_WINDOW_MS } from '../domain/delivery.ts'

/** What is known about when one delivered person read: after `afterAt` and not later than `beforeAt`. */
export interface ReadBracket {
  /**
   * The last request that was answered with "unread"; where there was none, the send. Null: the send time was not given, and it was before
   * the assumed one, so nothing bounds the read from below.
   */
  readonly afterAt: Date | null
  /** The arrival of the first answer that listed the person as read. Null: not seen as read, so it is after `afterAt`, or never. */
  readonly beforeAt: Date | null
}

/** The bracket and the send from which the time to read counts. Where the send time was not given it is the enqueue. */
export interface SentBracket extends ReadBracket {
  readonly sentAt: Date
  readonly deadlineAt: Date
}

/** A bracket as durations since the send. */
export interface ElapsedBracket {
  readonly afterMs: number
  readonly beforeMs: number | null
}

/** A row of a delivered person, who is `read` or `unread` in one task. */
export interface DeliveredRow {
  readonly sentAt: Date
  /** The sender gave the send time. False: it is the time of the enqueue. */
  readonly sentAtGiven: boolean
  readonly deadlineAt: Date
  /** Null: nobody ever saw the person unread. */
  readonly lastUnreadAt: Date | null
  /** Null: not seen as read. */
  readonly firstReadAt: Date | null
}

/** The bracket of a person in one task. */
export function taskBracketOf({ sentAt, sentAtGiven, deadlineAt, lastUnreadAt, firstReadAt }: DeliveredRow): SentBracket {
  return { sentAt, deadlineAt, afterAt: lastUnreadAt ?? (sentAtGiven ? sentAt : null), beforeAt: firstReadAt }
}

/**
 * The bracket of a person who is in several tasks of a campaign, which is one message: it is read when the first of them is read.
 * Of reads T₁ ∈ (a₁, b₁] and T₂ ∈ (a₂, b₂] the first lies in (min a, min b], and in no smaller interval for sure; a task in which
 * the person is still unread has b = ∞. The time counts from the earliest send that was delivered to the person.
 * @param rows the person's rows that are `read` or `unread`; at least one
 */
export function campaignBracketOf(rows: readonly [DeliveredRow, ...DeliveredRow[]]): SentBracket {
  const [first, ...others] = rows
  return others.map(taskBracketOf).reduce(firstRead, taskBracketOf(first))
}

function firstRead(a: SentBracket, b: SentBracket): SentBracket {
  const { sentAt, deadlineAt } = b.sentAt < a.sentAt ? b : a
  return { sentAt, deadlineAt, afterAt: earlierLowerEnd(a.afterAt, b.afterAt), beforeAt: earliest(a.beforeAt, b.beforeAt) }
}

function earlierLowerEnd(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return null
  return b < a ? b : a
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b
  return b < a ? b : a
}

/**
 * Durations since the send, of the 24-hour window. A read that is seen at or before the send, which only clocks that differ can do,
 * counts as read in the first millisecond. Where the send time was not given they count from the enqueue: a bracket without a lower end
 * begins there, which also stands for all the time before, so each statement "read by" and "not read by" holds as counted from the enqueue.
 */
export function elapsedOf(bracket: SentBracket): ElapsedBracket {
  const afterMs = bracket.afterAt === null ? 0 : Math.max(0, trackedMs(bracket.afterAt, bracket))
  if (bracket.beforeAt === null) return { afterMs, beforeMs: null }
  const beforeMs = Math.max(1, trackedMs(bracket.beforeAt, bracket))
  return { afterMs: Math.min(afterMs, beforeMs - 1), beforeMs }
}

/**
 * How long after the send a moment is, in milliseconds of the 24-hour window: the same as real ones, except under `TIME_SCALE`,
 * where a day of tracking lasts a minute and its brackets are to be read as those of a day.
 */
export function trackedMs(at: Date, { sentAt, deadlineAt }: Pick<SentBracket, 'sentAt' | 'deadlineAt'>): number {
  const elapsedMs = at.getTime() - sentAt.getTime()
  const windowMs = deadlineAt.getTime() - sentAt.getTime()
  return windowMs === QUERY_WINDOW_MS ? elapsedMs : elapsedMs * (QUERY_WINDOW_MS / windowMs)
}
