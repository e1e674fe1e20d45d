import { HOUR_MS, QUERY_WINDOW_MS } from '../delivery.ts'
import { at } from './curve.ts'
import { callShareBy, type Demand } from './price.ts'

/** How many tasks are still to be expected until the month ends, from the counts of the last weeks. */

const DAY_HOURS = 24
const HISTORY_HOURS = 28 * DAY_HOURS
/** A rate above the usual is expected to last about as long as it has been seen. */
const TRENDS = [
  { seenHours: 7 * DAY_HOURS, lastsHours: 14 * DAY_HOURS },
  { seenHours: 2 * DAY_HOURS, lastsHours: 2 * DAY_HOURS },
] as const

/** Tasks that were scheduled in one hour. */
export interface SendCount {
  /** Whole hours since 1970-01-01 00:00 of the organisation's local time. */
  readonly hour: number
  readonly tasks: number
}

/** What the forecast is made from. All times are epoch milliseconds of the organisation's local time, as `Calendar.localAt` returns them. */
export interface DemandHistory {
  /** In any order: from 28 days before the month began, or longer ago, until now. Tasks that wait for their plan are not among them. */
  readonly counts: readonly SendCount[]
  /** Tasks that are known and have no plan yet. */
  readonly waiting: number
  /** Since when the tasks are counted, such as the first task of the app. */
  readonly sinceMs: number
  readonly nowMs: number
  /** The month whose calls are budgeted. */
  readonly month: { readonly startMs: number; readonly endMs: number }
  isFreeDay(day: number): boolean
  /** Tasks on a work day while nothing is known of the app: {@link assumedPerWorkDay}. */
  readonly assumedPerWorkDay: number
}

/** Part of a work day's tasks that is sent in each hour, while nothing is known. */
const WORK_SHARES = [2, 2, 2, 2, 2, 2, 4, 15, 45, 120, 140, 100, 45, 60, 110, 110, 95, 75, 35, 15, 10, 5, 2, 2].map((share) => share / 1000)
/** The cells of a work day, then those of a free day, which has a fifth of the tasks. */
const ASSUMED_SHARES = [...WORK_SHARES, ...WORK_SHARES.map((share) => share / 5)]
/** Most tasks of a work day are sent in so many hours. */
const BUSY_HOURS = 8
/** An assumed share counts as much as this many days that were seen. */
const SHAPE_DAYS = 3

/** Relative variance of the assumed rate: it may be half or double. */
const ASSUMED_VARIANCE = 0.5
/** Relative variance of the rate of a week against that of four weeks, and what is added of the assumed rate: a quiet app may become a busy one. */
const TREND_VARIANCE = 0.1
const NEW_VARIANCE = 0.05
/** Relative variance of the rate of the month ahead; it shrinks to 0 as the month ends. */
const CHANGE_VARIANCE = 0.2
/** The part of the variance of clusters that is insured against. All of it leaves calls unused at the month's end. */
const CLUSTER_PART = 0.3
/** How likely it is that what came once comes again although the rate does not tell: the last month's total, and the last two days. */
const REPEAT_CHANCE = 0.4
const REPEAT_HOURS = 2 * DAY_HOURS
/** What is missing to the last month's total is no longer waited for in the last days. */
const CARRY_HOURS = 3 * DAY_HOURS

const WORK_DAYS_A_MONTH = 21
/** Calls of a task, of which an app without history is assumed to need so many that its budget lasts a month. */
const ASSUMED_CALLS = 12

/** The tasks on a work day of an app without history: those that its budget is enough for, at 12 calls each. @param budget calls a month */
export function assumedPerWorkDay(budget: number): number {
  return Math.max(1, budget) / WORK_DAYS_A_MONTH / ASSUMED_CALLS
}

/** Forecasts the tasks of the rest of the month. It walks at most 59 days of hours. */
export function forecastDemand(history: DemandHistory): Demand {
  const seen = tally(history)
  const rates = estimateRates(seen, history.assumedPerWorkDay)
  const expected = sumAhead(history, seen, rates)
  const rateVariance = ASSUMED_VARIANCE * rates.assumedPart + CHANGE_VARIANCE * Math.min(1, hoursLeft(history) / HISTORY_HOURS)
  const variance = CLUSTER_PART * seen.clusterSize * expected + rateVariance * expected ** 2
  const again = Math.max(0, repeated(history) ** 2 - expected ** 2)
  const tasks = history.waiting + expected
  return {
    tasks,
    pricedTasks: Math.sqrt(tasks ** 2 + variance + REPEAT_CHANCE * again),
    monthTasks: rates.usual * WORK_DAYS_A_MONTH,
  }
}

const hoursLeft = ({ nowMs, month }: DemandHistory): number => Math.max(0, month.endMs - nowMs) / HOUR_MS

/** Tasks, and the work days in which they came: a day counts as much of one as its assumed share of tasks. */
class Amount {
  tasks = 0
  workDays = 0

  add(tasks: number, workDays: number): void {
    this.tasks += tasks
    this.workDays += workDays
  }
}

interface Seen {
  readonly all: Amount
  /** That of each of {@link TRENDS}. */
  readonly trends: readonly Amount[]
  /** By cell: tasks, and how many such hours there were. */
  readonly cellTasks: Float64Array
  readonly cellHours: Float64Array
  /** How many tasks come together: 1 where each comes alone. */
  readonly clusterSize: number
}

function tally(history: DemandHistory): Seen {
  const { nowMs, sinceMs } = history
  const counts = countByHour(history.counts)
  const isYoung = sinceMs > nowMs - HISTORY_HOURS * HOUR_MS
  const fromMs = isYoung ? Math.min(sinceMs, nowMs) : nowMs - HISTORY_HOURS * HOUR_MS
  const firstHour = Math.floor(fromMs / HOUR_MS)
  const all = new Amount()
  const trends = TRENDS.map(({ seenHours }) => ({ amount: new Amount(), fromHour: nowMs / HOUR_MS - seenHours }))
  const cellTasks = new Float64Array(ASSUMED_SHARES.length)
  const cellHours = new Float64Array(ASSUMED_SHARES.length)
  let [total, squares] = [0, 0]
  forEachHour([fromMs, nowMs], history, (hour, part, cell) => {
    const count = counts.get(hour) ?? 0
    total += count
    squares += count ** 2
    // A history that begins with its first tasks began because of them: they do not tell how often tasks come.
    const tasks = isYoung && hour === firstHour ? 0 : count
    const workDays = part * at(ASSUMED_SHARES, cell)
    all.add(tasks, workDays)
    for (const { amount, fromHour } of trends) if (hour > fromHour) amount.add(tasks, workDays)
    cellTasks[cell] = at(cellTasks, cell) + tasks
    cellHours[cell] = at(cellHours, cell) + part
  })
  const clusterSize = measureClusters(total, squares, all.workDays)
  return { all, trends: trends.map(({ amount }) => amount), cellTasks, cellHours, clusterSize }
}

function countByHour(counts: readonly SendCount[]): Map<number, number> {
  const byHour = new Map<number, number>()
  for (const { hour, tasks } of counts) byHour.set(hour, (byHour.get(hour) ?? 0) + tasks)
  return byHour
}

/** The mean over tasks of how many come in the same hour, without those that do by chance. */
function measureClusters(tasks: number, squares: number, workDays: number): number {
  return tasks === 0 ? 1 : Math.max(1, squares / tasks - tasks / Math.max(1, workDays * BUSY_HOURS))
}

/** Visits the hours from a time to another, the one that begins with its end included. `part` is how much of the hour lies between them. */
function forEachHour(
  [fromMs, toMs]: readonly [number, number],
  { isFreeDay }: DemandHistory,
  visit: (hour: number, part: number, cell: number) => void,
): void {
  let [day, firstCell] = [Number.NaN, 0]
  for (let hour = Math.floor(fromMs / HOUR_MS); hour * HOUR_MS <= toMs; hour++) {
    const today = Math.floor(hour / DAY_HOURS)
    if (today !== day) {
      day = today
      firstCell = isFreeDay(today) ? DAY_HOURS : 0
    }
    visit(hour, Math.min(toMs / HOUR_MS, hour + 1) - Math.max(fromMs / HOUR_MS, hour), firstCell + hour - today * DAY_HOURS)
  }
}

/** Tasks on a work day. */
interface Rates {
  readonly usual: number
  /** That of each of {@link TRENDS}: at least the one before. */
  readonly trends: readonly number[]
  /** How much of the usual rate is only assumed: 1 without history, 0 after a long one. */
  readonly assumedPart: number
}

/**
 * Each rate is a credibility estimate (Bühlmann 1967): the tasks that were seen, and a rate known beforehand that counts as much as `clusterSize /
 * (relative variance · rate)` days. So one campaign of 60 tasks changes little, and 60 tasks in 60 hours change much.
 */
function estimateRates({ all, trends, clusterSize }: Seen, assumed: number): Rates {
  const assumedDays = clusterSize / (ASSUMED_VARIANCE * assumed)
  const usual = (assumedDays * assumed + all.tasks) / (assumedDays + all.workDays)
  let rate = usual
  const rates = trends.map(({ tasks, workDays }) => {
    const days = (clusterSize * rate) / (TREND_VARIANCE * rate ** 2 + NEW_VARIANCE * assumed ** 2)
    rate = Math.max(rate, (days * rate + tasks) / (days + workDays))
    return rate
  })
  return { usual, trends: rates, assumedPart: assumedDays / (assumedDays + all.workDays) }
}

function sumAhead(history: DemandHistory, { cellTasks, cellHours }: Seen, { usual, trends }: Rates): number {
  const { nowMs, month } = history
  const nowHour = nowMs / HOUR_MS
  const perHour = ASSUMED_SHARES.map(
    (share, cell) => (usual * share * SHAPE_DAYS + at(cellTasks, cell)) / (SHAPE_DAYS + at(cellHours, cell)) / usual,
  )
  let sum = 0
  forEachHour([nowMs, month.endMs], history, (hour, part, cell) => {
    // The last trend that still lasts is the highest.
    const trend = TRENDS.findLastIndex(({ lastsHours }) => hour - nowHour < lastsHours)
    const leftMs = month.endMs - (hour + 0.5) * HOUR_MS
    const inMonth = leftMs < QUERY_WINDOW_MS ? callShareBy(leftMs) : 1
    sum += part * at(perHour, cell) * inMonth * (trend === -1 ? usual : at(trends, trend))
  })
  return sum
}

/** The tasks that come if the last two days repeat, or if the month gets as many as the one before. */
function repeated(history: DemandHistory): number {
  const { startMs, endMs } = history.month
  const recentHour = history.nowMs / HOUR_MS - REPEAT_HOURS
  let [recent, came, before] = [history.waiting, history.waiting, 0]
  for (const { hour, tasks } of history.counts) {
    if (hour > recentHour) recent += tasks
    if (hour * HOUR_MS >= startMs) came += tasks
    else if (hour * HOUR_MS >= startMs - (endMs - startMs)) before += tasks
  }
  const left = hoursLeft(history)
  return Math.max(recent * Math.min(1, left / REPEAT_HOURS), Math.max(0, before - came) * Math.min(1, left / CARRY_HOURS))
}
