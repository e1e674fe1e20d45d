import { isAdmitted } from './budget.ts'

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
