import { HOUR_MS } from '../domain/delivery.ts'
import type { Timing } from '../domain/poll-times.ts'
import { assumedPerWorkDay, forecastDemand, type SendCount } from '../domain/schedule/demand.ts'
import { averageSteps, type CallSteps, type Demand, expectedCallsBetween, priceOf } from '../domain/schedule/price.ts'
import type { Calendar, Curve } from '../domain/schedule/types.ts'
import type { CallOutlook, CallOutlooks, Hours, OpenPlan, SentTask } from './call-outlook.ts'
import type { PlanCache, VersionedLaw } from './plan-cache.ts'
import type { Batch } from './plan-tasks.ts'
import type { Clock } from './ports.ts'

/** What a task that gets a plan now adds to what is committed. */
export interface PlannedTask {
  readonly curve: Curve
  /** In plan time. */
  readonly offsetsMs: readonly number[]
  readonly people: number
  readonly sentAt: Date
}

/** The calls of an app's month, while tasks of a batch get their plans. */
export interface CallPrices {
  /** The latest tasks, newest first. */
  readonly recent: readonly SentTask[]
  /** The price of a call for a task, see {@link priceOf}. @param own the calls that the task buys at every price */
  priceFor(own: CallSteps): number
  /** Counts what a plan commits, so that the next task of the batch finds less. */
  commit(task: PlannedTask): void
}

export interface CallPricesDeps {
  readonly outlooks: CallOutlooks
  readonly plans: PlanCache
  readonly calendar: Calendar
  readonly timing: Timing
  readonly now: Clock
}

/** How long an outlook holds, in milliseconds of plan time, and in real ones at least. Polls that are made meanwhile change little: they were committed. */
const OUTLOOK_MS = 20_000
const LEAST_OUTLOOK_MS = 100
/** For more tasks than these it is read anew: many more may wait behind them. */
const FEW_TASKS = 5
/** Hours until all sends of the history are counted again, for tasks that were tracked late; and how many are counted again each time. */
const HISTORY_HOURS = 6
const RECOUNTED_HOURS = 2

/** Without history: tasks of these sizes at these hours of a work day stand for some of the typical ones. */
const ASSUMED_SIZES = [1, 10, 50, 100]
const ASSUMED_HOURS = [9, 11, 14, 16]
const ASSUMED_WEIGHT = 0.25
const ASSUMED_UNTIL_TASKS = 20

const DAY_MS = 24 * HOUR_MS

interface Held {
  readonly readAt: Date
  readonly batch: number
  readonly version: number | null
  readonly history: History
  readonly prices: CallPrices
}

/** Sends by hour of the organisation's local time. */
interface History {
  readonly counts: ReadonlyMap<number, number>
  /** The app has tasks from before them. */
  readonly isOld: boolean
  /** The hour in which all of them were counted, and the last in which some were. */
  readonly countedHour: number
  readonly lastHour: number
}

/**
 * Prices of calls by app.
 * @returns a function that gives those of an app; it reads the outlook at the beginning of a batch, where the last one is not of just now
 */
export function createCallPrices(deps: CallPricesDeps) {
  const held = new Map<string, Held>()
  return async (app: string, { budget, law, batch }: { budget: number; law: VersionedLaw; batch: Batch }): Promise<CallPrices> => {
    const last = held.get(app)
    // Within a batch, plans that are not stored yet are known only here.
    if (
      last !== undefined &&
      (last.batch === batch.id || (last.version === law.version && batch.waiting <= FEW_TASKS && isFresh(last, deps)))
    )
      return last.prices
    const read = await readPrices(app, { budget, law, batch: batch.id, last: last?.history ?? null }, deps)
    held.set(app, read)
    return read.prices
  }
}

function isFresh({ readAt }: Held, { now, timing }: CallPricesDeps): boolean {
  const ageMs = now().getTime() - readAt.getTime()
  return ageMs >= 0 && ageMs < Math.max(LEAST_OUTLOOK_MS, OUTLOOK_MS / timing.timeScale)
}

interface Reading {
  readonly budget: number
  readonly law: VersionedLaw
  readonly batch: number
  readonly last: History | null
}

async function readPrices(app: string, { budget, law, batch, last }: Reading, deps: CallPricesDeps): Promise<Held> {
  const readAt = deps.now()
  const { hour, hours } = localHours(deps.calendar, readAt)
  const isWhole = last === null || hour - last.countedHour >= HISTORY_HOURS
  const sinceHour = isWhole ? null : last.lastHour - RECOUNTED_HOURS - hour
  const outlook = await deps.outlooks.read(app, { budget, hours, sinceHour })
  const fresh = outlook.sent.map((sent) => [hour + sent.hour, sent.tasks] as const)
  const kept = isWhole ? [] : [...last.counts].filter(([counted]) => counted < last.lastHour - RECOUNTED_HOURS)
  const history: History = {
    counts: new Map([...kept, ...fresh]),
    isOld: isWhole ? outlook.isOld : last.isOld,
    countedHour: isWhole ? hour : last.countedHour,
    lastHour: hour,
  }
  const typical = await findTypical(outlook.recent, law, deps)
  const prices = createPrices(
    { budget, outlook, demand: forecast({ budget, outlook, history, at: readAt }, deps), typical, law, readAt },
    deps,
  )
  return { readAt, batch, version: law.version, history, prices }
}

/** The current hour since 1970-01-01 of the local time, and hours of which it is hour 0. */
function localHours(calendar: Calendar, at: Date): { readonly hour: number; readonly hours: Hours } {
  const localMs = calendar.localAt(at)
  // Under a simulated clock more than an hour of it passes in a real one.
  const rate = (calendar.localAt(new Date(at.getTime() + HOUR_MS)) - localMs) / HOUR_MS
  const hour = Math.floor(localMs / HOUR_MS)
  return { hour, hours: { originAt: new Date(at.getTime() - (localMs - hour * HOUR_MS) / rate), lengthMs: HOUR_MS / rate } }
}

interface Forecast {
  readonly budget: number
  readonly outlook: CallOutlook
  readonly history: History
  readonly at: Date
}

/** The demand without the first of the tasks that wait. */
function forecast({ budget, outlook, history, at }: Forecast, { calendar }: CallPricesDeps): Demand {
  const counts: SendCount[] = [...history.counts].map(([hour, tasks]) => ({ hour, tasks }))
  const nowMs = calendar.localAt(at)
  const [startMs, endMs] = [calendar.localAt(outlook.month.startsAt), calendar.localAt(outlook.month.endsAt)]
  const firstMs = counts.reduce((first, { hour }) => Math.min(first, hour * HOUR_MS), nowMs)
  return forecastDemand({
    counts,
    waiting: Math.max(0, outlook.waiting - 1),
    // All that matters of an older begin is that it is older than the history.
    sinceMs: history.isOld ? startMs - 28 * DAY_MS : firstMs,
    nowMs,
    month: { startMs, endMs },
    isFreeDay: calendar.isFreeDay,
    assumedPerWorkDay: assumedPerWorkDay(budget),
  })
}

/** The calls that an average task buys at every price. */
async function findTypical(recent: readonly SentTask[], law: VersionedLaw, { plans, calendar, now }: CallPricesDeps): Promise<CallSteps> {
  const parts: { readonly steps: CallSteps; readonly weight: number }[] = []
  const add = async (sentMs: number, people: number, weight: number): Promise<void> => {
    // To the hour: so they need few plans.
    const hourMs = Math.round(sentMs / HOUR_MS) * HOUR_MS
    parts.push({ steps: plans.costs(await plans.plansAt(law, hourMs, 0), people).steps, weight })
  }
  for (const { sentAt, people } of recent) await add(calendar.localAt(sentAt), people, 1)
  if (recent.length < ASSUMED_UNTIL_TASKS) {
    const dayMs = findWorkDay(calendar, now())
    for (const hour of ASSUMED_HOURS) {
      for (const people of ASSUMED_SIZES) await add(dayMs + hour * HOUR_MS, people, ASSUMED_WEIGHT)
    }
  }
  return averageSteps(parts)
}

/** The local time at which a work day begins. */
function findWorkDay({ localAt, isFreeDay }: Calendar, at: Date): number {
  let day = Math.floor(localAt(at) / DAY_MS)
  // No calendar has a month of free days; one that calls every day free is not walked for ever.
  for (let i = 0; i < 31 && isFreeDay(day); i++) day++
  return day * DAY_MS
}

interface Prices {
  readonly budget: number
  readonly outlook: CallOutlook
  readonly demand: Demand
  readonly typical: CallSteps
  readonly law: VersionedLaw
  readonly readAt: Date
}

function createPrices({ budget, outlook, demand, typical, law, readAt }: Prices, deps: CallPricesDeps): CallPrices {
  const { timing, now } = deps
  const { endsAt } = outlook.month
  const planTime = (fromAt: Date, toAt: Date): number => (toAt.getTime() - fromAt.getTime()) * timing.timeScale
  let committed = sumOpen(outlook, law, readAt, deps)
  let { finalPolls } = outlook
  let planned = 0
  // What is added to the square of the tasks for all that may come does not change while the tasks that wait get their plans.
  const spread = demand.pricedTasks ** 2 - demand.tasks ** 2
  const demandNow = (): Demand => {
    const tasks = demand.tasks - Math.min(planned, Math.max(0, outlook.waiting - 1))
    return { ...demand, tasks, pricedTasks: Math.sqrt(Math.max(0, tasks ** 2 + spread)) }
  }
  return {
    recent: outlook.recent,
    priceFor(own) {
      const endsInMs = Math.max(0, planTime(now(), endsAt))
      return priceOf({ budget, left: budget - outlook.used, committed, finalPolls, endsInMs, demand: demandNow(), typical, own })
    },
    commit({ curve, offsetsMs, people, sentAt }) {
      const untilMs = planTime(sentAt, endsAt)
      committed += expectedCallsBetween({ curve, offsetsMs, unread: people }, planTime(sentAt, now()), untilMs)
      if ((offsetsMs.at(-1) ?? 0) < untilMs) finalPolls++
      planned++
    },
  }
}

/** Calls that open tasks are still expected to make in this month. */
function sumOpen({ open, month }: CallOutlook, law: VersionedLaw, at: Date, { plans, calendar, timing }: CallPricesDeps): number {
  if (open.sample.length === 0) return 0
  const { timeScale } = timing
  const callsOf = ({ sentAt, unread, pollOffsetsMs }: OpenPlan): number => {
    const curve = plans.curveAt(law, calendar.localAt(sentAt))
    const offsetsMs = (pollOffsetsMs ?? defaultOffsets(timing)).map((offsetMs) => offsetMs * timeScale)
    const planTime = (to: Date): number => (to.getTime() - sentAt.getTime()) * timeScale
    return expectedCallsBetween({ curve, offsetsMs, unread }, planTime(at), planTime(month.endsAt))
  }
  return (open.sample.reduce((sum, plan) => sum + callsOf(plan), 0) * open.tasks) / open.sample.length
}

/** Of a task that has no plan of its own, in real milliseconds. */
function defaultOffsets({ offsetsMs, windowMs, finalMarginMs }: Timing): number[] {
  return [...offsetsMs, windowMs - finalMarginMs]
}
