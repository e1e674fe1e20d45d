/** What a month's budget has for final polls, and what is reserved of it, when tasks are scheduled. */
export interface Reserves {
  readonly budget: number
  /** Calls left in this month. */
  readonly callsLeft: number
  /** Open tasks that were admitted, whose final poll falls in this month, and in the next one. */
  readonly reserved: number
  readonly reservedNext: number
}

/** The share of reserved calls that is kept beside them, for retries of final polls. */
const RETRY_SHARE = 0.1

/** Reserved calls with those for retries, as the SQL function `delivery_with_retries` counts. */
export function withRetries(reserved: number): number {
  // In whole tenths: 1.1 as a binary fraction is a little more.
  return Math.ceil((reserved * (10 + 10 * RETRY_SHARE)) / 10)
}

/**
 * Which tasks get a reserved call for their final poll. One is admitted while more calls are left than are reserved, in the month of its final poll.
 * @param isNextMonth for each task, in the order in which they are admitted: its final poll falls in the next month
 */
export function admitTasks({ budget, callsLeft, ...before }: Reserves, isNextMonth: readonly boolean[]): boolean[] {
  let { reserved, reservedNext } = before
  return isNextMonth.map((isNext) => {
    const isAdmitted = isNext ? budget > withRetries(reservedNext) : callsLeft > withRetries(reserved)
    if (isAdmitted && isNext) reservedNext++
    if (isAdmitted && !isNext) reserved++
    return isAdmitted
  })
}
