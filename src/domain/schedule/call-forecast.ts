import { countServable, reservedCalls, usedUpAt } from './budget.ts'

/** How long the calls of a month last, and for how many tasks: what operators are told before calls are missing. */

/** What an app has used of its month, and what it has promised. All durations are real time, of a clock that may run faster in demos. */
export interface CallMonth {
  readonly app: string
  /** Calls a month that the tracker may make: what other programs use is taken off. */
  readonly budget: number
  readonly used: number
  /** Open tasks that were admitted, whose final poll falls in this month, and in the next one. */
  readonly finalPolls: number
  readonly finalPollsNext: number
  /** Polls that open tasks still have in their plans in this month, the final ones among them. */
  readonly planned: number
  /** Open tasks whose final poll has no call. */
  readonly refused: number
  /** `2026-11`, in China */
  readonly month: string
  readonly now: Date
  readonly monthStartsAt: Date
  readonly monthEndsAt: Date
  /** How long a day is. */
  readonly dayMs: number
  /** Calls of each day in China, today first. Empty: none was made. */
  readonly callsByDay: readonly number[]
  /** Tasks that were sent in the last 7 days, and when the first of the last 28 days was. */
  readonly tasksInWeek: number
  readonly firstSentAt: Date | null
}

/**
 * What threatens the polls of an app, the worst first: tasks are open whose final poll has no call; the next task would get none; if tasks come as in
 * the last 7 days, some will get none this month; if calls go on as in the last 7 days, they end early.
 */
export const CALL_WARNINGS = ['tasks_refused', 'none_left', 'tasks_beyond', 'used_up_early'] as const

export type CallWarning = (typeof CALL_WARNINGS)[number]

export interface CallForecast {
  readonly app: string
  readonly month: string
  readonly budget: number
  readonly used: number
  readonly left: number
  /** Of those left: what is kept for final polls, and for a tenth of them to be repeated. */
  readonly reserved: number
  readonly planned: number
  /** Parts of 1: how much of the budget is used, and how much of the month is over. */
  readonly usedShare: number
  readonly monthShare: number
  readonly monthEndsAt: Date
  /** When it was read. */
  readonly readAt: Date
  /** When the calls are used up if they go on as in the last 7 days; null: they last until the month ends. */
  readonly usedUpAt: Date | null
  /** That is more than a day before the month ends. Polls are planned so that a month's calls are used: a few hours mean nothing. */
  readonly endsEarly: boolean
  /** How many more tasks can be given a call for their final poll now. */
  readonly tasksAdmittable: number
  /** How many more are to be expected in the month, if they come as in the last 7 days. */
  readonly tasksExpected: number
  readonly tasksRefused: number
  /** Null: the calls are enough. */
  readonly warning: CallWarning | null
}

/** A whole week: work days and free days have different numbers. */
const RATE_DAYS = 7
/** The final poll is due at most 12 minutes before the deadline, a day after the send. */
const FINAL_BEFORE_DEADLINE_DAYS = 12 / (24 * 60)

export function forecastCalls(given: CallMonth): CallForecast {
  const { app, month, budget, used, planned, monthStartsAt, monthEndsAt, now } = given
  const left = Math.max(0, budget - used)
  const monthMs = monthEndsAt.getTime() - monthStartsAt.getTime()
  const endsAt = findEnd(given, left)
  const figures = {
    ...{ app, month, budget, used, left, planned, monthEndsAt, readAt: now },
    reserved: Math.min(left, reservedCalls(given.finalPolls)),
    usedShare: budget === 0 ? 1 : Math.min(1, used / budget),
    monthShare: Math.min(1, Math.max(0, (now.getTime() - monthStartsAt.getTime()) / monthMs)),
    usedUpAt: endsAt,
    endsEarly: endsAt !== null && endsAt.getTime() < monthEndsAt.getTime() - given.dayMs,
    tasksAdmittable: countAdmittable(given, left),
    tasksExpected: expectTasks(given),
    tasksRefused: given.refused,
  }
  return { ...figures, warning: findWarning(figures) }
}

/** The moment from which on tasks are sent whose final poll falls in the next month. */
function lastSendMs({ monthEndsAt, dayMs }: CallMonth): number {
  return monthEndsAt.getTime() - dayMs * (1 - FINAL_BEFORE_DEADLINE_DAYS)
}

function countAdmittable(given: CallMonth, left: number): number {
  const { now, budget, finalPolls, finalPollsNext } = given
  return now.getTime() < lastSendMs(given)
    ? countServable({ left, finalPolls })
    : countServable({ left: budget, finalPolls: finalPollsNext })
}

function expectTasks(given: CallMonth): number {
  const { now, dayMs, firstSentAt, tasksInWeek } = given
  if (firstSentAt === null) return 0
  const days = Math.min(RATE_DAYS, Math.max(1, (now.getTime() - firstSentAt.getTime()) / dayMs))
  return Math.round((tasksInWeek / days) * Math.max(0, (lastSendMs(given) - now.getTime()) / dayMs))
}

function findEnd(given: CallMonth, left: number): Date | null {
  const { now, monthEndsAt } = given
  const at = usedUpAt({ left, ...sumWeek(given), nowMs: now.getTime(), monthEndMs: monthEndsAt.getTime() })
  return at === null ? null : new Date(Math.round(at))
}

/** The calls of the last 7 times 24 hours: of the day that lies only partly in them, that part. An app that is younger has fewer days. */
function sumWeek({ callsByDay, now, monthStartsAt, dayMs }: CallMonth): { readonly calls: number; readonly overMs: number } {
  const today = ((now.getTime() - monthStartsAt.getTime()) / dayMs) % 1
  const whole = callsByDay.slice(0, RATE_DAYS).reduce((sum, calls) => sum + calls, 0)
  const cut = callsByDay[RATE_DAYS]
  if (cut !== undefined) return { calls: whole + cut * (1 - today), overMs: RATE_DAYS * dayMs }
  return { calls: whole, overMs: Math.max(1, callsByDay.length - 1 + today) * dayMs }
}

type Threatened = Pick<CallForecast, 'tasksRefused' | 'tasksAdmittable' | 'tasksExpected' | 'endsEarly'>

function findWarning({ tasksRefused, tasksAdmittable, tasksExpected, endsEarly }: Threatened): CallWarning | null {
  if (tasksRefused > 0) return 'tasks_refused'
  if (tasksAdmittable === 0) return 'none_left'
  if (tasksExpected > tasksAdmittable) return 'tasks_beyond'
  return endsEarly ? 'used_up_early' : null
}
