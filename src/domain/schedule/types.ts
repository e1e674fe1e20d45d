/**
 * The data of a poll schedule. All durations are milliseconds of the 24-hour window ("plan time"): a worker divides them by its time scale when it
 * stores them.
 */

/** The organisation's clock and its days off. */
export interface Calendar {
  /** The local time of a moment, as epoch milliseconds of a clock in UTC that shows the same digits. */
  localAt(at: Date): number
  /** True on weekends and holidays, false on work days, made-up ones included. @param day whole days since 1970-01-01 of the local time */
  isFreeDay(day: number): boolean
}

/** When recipients read: `F(t) = 1 − exp(−H(A(t)))`. It covers every send time. */
export interface Law {
  /** A: the attention that a minute has in each of the 24 hours of the day; 1 is the average of a work day. */
  readonly attention: { readonly work: readonly number[]; readonly free: readonly number[] }
  /** H: the cumulative hazard over minutes of attention since the send, piecewise linear from (0, 0), constant slope after the last edge. */
  readonly hazard: { readonly edges: readonly number[]; readonly values: readonly number[] }
}

/** The share of recipients that has read by an offset from the send: piecewise linear from (0, 0), never falling, at most 1, to the end of the window. */
export interface Curve {
  readonly offsetsMs: readonly number[]
  readonly shares: readonly number[]
}

/** The polls of a task, ascending, the final one last. */
export interface PollPlan {
  readonly offsetsMs: readonly number[]
  /** The mean bracket of those who read before the final poll. */
  readonly widthMs: number
}

/** One ended task, as the learner sees it. It has no names. */
export interface ObservedTask {
  readonly sentAt: Date
  /** Delivered recipients. */
  readonly people: number
  /** Successful polls, ascending. */
  readonly polls: readonly ObservedPoll[]
}

export interface ObservedPoll {
  readonly offsetMs: number
  /** Recipients that this poll was the first to list as read. */
  readonly newReads: number
}
