/** What the calls of a month are enough for: arithmetic of the limiter, of admission and of warnings. All numbers are calls unless said otherwise. */

/** Failed final polls are made again: so much is reserved beyond one call for each. */
export const RETRY_SHARE = 0.1

/** What is kept for final polls. @param finalPolls open tasks whose final poll falls in this month */
export function reservedCalls(finalPolls: number): number {
  // In whole tenths: 1.1 has no exact binary form, and 10 · 1.1 would be rounded up to 12.
  return Math.ceil((finalPolls * (10 + 10 * RETRY_SHARE)) / 10)
}

/** What the calls of a month are left for. */
export interface CallsLeft {
  readonly left: number
  /** Open tasks whose final poll falls in the month. */
  readonly finalPolls: number
}

/** True where a new task can be given a plan: its final poll gets a call of this month, or of the next one, whose calls are all left. */
export function isAdmitted({ left, finalPolls }: CallsLeft): boolean {
  return left > reservedCalls(finalPolls)
}

/** What a month's budget has for final polls, and what is reserved of it, when tasks are scheduled. */
export interface Reserves {
  readonly budget: number
  /** Calls left in this month. */
  readonly callsLeft: number
  /** Open tasks that were admitted, whose final poll falls in this month, and in the next one. */
  readonly reserved: number
  readonly reservedNext: number
}

/**
 * Which tasks get a reserved call for their final poll. One is admitted while more calls are left than are reserved, in the month of its final poll.
 * @param isNextMonth for each task, in the order in which they are admitted: its final poll falls in the next month
 */
export function admitTasks({ budget, callsLeft, ...before }: Reserves, isNextMonth: readonly boolean[]): boolean[] {
  let { reserved, reservedNext } = before
  return isNextMonth.map((isNext) => {
    const isGiven = isAdmitted(isNext ? { left: budget, finalPolls: reservedNext } : { left: callsLeft, finalPolls: reserved })
    if (isGiven && isNext) reservedNext++
    if (isGiven && !isNext) reserved++
    return isGiven
  })
}

/** How many more tasks can be served this month, if each makes its final poll only. */
export function countServable({ left, finalPolls }: CallsLeft): number {
  let tasks = Math.max(0, Math.floor(left / (1 + RETRY_SHARE)) - finalPolls - 1)
  while (isAdmitted({ left, finalPolls: finalPolls + tasks })) tasks++
  return tasks
}

/** What was spent, and until when it must last. Times are epoch milliseconds. */
export interface Spending {
  readonly left: number
  /** Calls that were made in the last `overMs`: a whole number of weeks, or the days since the first call, tells most. */
  readonly calls: number
  readonly overMs: number
  readonly nowMs: number
  readonly monthEndMs: number
}

/** When the calls are used up if they go on as before; null: they last until the month ends. */
export function usedUpAt({ left, calls, overMs, nowMs, monthEndMs }: Spending): number | null {
  if (left <= 0) return nowMs
  const at = nowMs + (left * overMs) / calls
  return at < monthEndMs ? at : null
}
