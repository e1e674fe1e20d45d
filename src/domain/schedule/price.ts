import { HOUR_MS, MINUTE_MS } from '../delivery.ts'
import { RETRY_SHARE } from './budget.ts'
import { at, shareBy, sharesBy } from './curve.ts'
import type { Curve } from './types.ts'

/**
 * The price of a call: what spends a monthly budget where it tells most. Each task takes the number of polls N that minimises
 * `√people · mean bracket in minutes + price · expected calls`; the price is the one at which what is still expected costs what is still left.
 * A price has the unit "√people · minutes of the mean bracket a call".
 */

/** One poll plan of a task, as the price sees it. */
export interface PricedPlan {
  /** Expected calls of the plan, its early end counted. */
  readonly calls: number
  /** Its mean bracket. */
  readonly widthMs: number
}

/**
 * The number of polls that minimises `√people · mean bracket in minutes + price · calls`: `chooseN` for calls that are known already, as they are
 * wherever plans are kept.
 * @param plans with one poll, two polls and so on; at least one, up to the ceiling
 */
export function pollsAtPrice(plans: readonly PricedPlan[], people: number, price: number): number {
  const weight = Math.sqrt(people) / MINUTE_MS
  let [best, least] = [1, Number.POSITIVE_INFINITY]
  for (const [i, { calls, widthMs }] of plans.entries()) {
    const cost = weight * widthMs + price * calls
    if (cost < least) [best, least] = [i + 1, cost]
  }
  return best
}

/** How many calls are bought at which price: `calls` in total at every price below `price`. Prices fall, calls rise. */
export interface CallStep {
  readonly price: number
  readonly calls: number
}

/** The first step has the price Infinity: the fewest calls that are made at any price. */
export type CallSteps = readonly CallStep[]

/**
 * The calls of one task at every price: the lower convex hull of (expected calls, √people · width).
 * @param plans with one poll, two polls and so on; at least one, up to the ceiling
 * @param people recipients of the task; at least 1
 */
export function priceSteps(plans: readonly PricedPlan[], people: number): CallStep[] {
  const weight = Math.sqrt(people) / MINUTE_MS
  const hull: { calls: number; cost: number; price: number }[] = []
  for (const { calls, widthMs } of plans) {
    const cost = weight * widthMs
    let price = Number.POSITIVE_INFINITY
    for (let last = hull.at(-1); last !== undefined; last = hull.at(-1)) {
      price = (last.cost - cost) / Math.max(calls - last.calls, Number.MIN_VALUE)
      if (price < last.price) break
      hull.pop()
      price = Number.POSITIVE_INFINITY
    }
    if (price > 0) hull.push({ calls, cost, price })
  }
  return hull.map(({ calls, price }) => ({ price, calls }))
}

/**
 * The average task of many: the calls that it buys at every price.
 * @param parts the steps of tasks, and the share or the number of tasks that each stands for
 */
export function averageSteps(parts: readonly { readonly steps: CallSteps; readonly weight: number }[]): CallStep[] {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0)
  const gains = parts
    .filter(({ weight }) => weight > 0)
    .flatMap(({ steps, weight }) =>
      steps.map(({ price, calls }, i) => ({ price, calls: ((calls - (steps[i - 1]?.calls ?? 0)) * weight) / total })),
    )
    .sort((a, b) => (a.price === b.price ? 0 : b.price - a.price))
  const steps: CallStep[] = []
  let calls = 0
  for (const gain of gains) {
    calls += gain.calls
    if (steps.at(-1)?.price === gain.price) steps.pop()
    steps.push({ price: gain.price, calls })
  }
  return steps
}

/** The calls that are bought at a price: those of the steps above it. */
export function callsAtPrice(steps: CallSteps, price: number): number {
  let low = 0
  let high = steps.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (Number(steps[middle]?.price) > price) low = middle + 1
    else high = middle
  }
  return steps[low - 1]?.calls ?? 0
}

/** Tasks to come, as `forecastDemand` expects them. */
export interface Demand {
  /** Tasks from now to the end of the month, those that wait for a plan among them. One with half of its calls in the next month is half a task. */
  readonly tasks: number
  /**
   * How many tasks the price is set for: the root of the mean square of what is possible. A bracket is inversely proportional to the calls that are left
   * for its task, so the value of a call grows with the square of the tasks.
   */
  readonly pricedTasks: number
  /** Tasks of a whole month at the usual rate. */
  readonly monthTasks: number
}

/** What the price of a call for one task depends on. Calls are those of one budget in its month. */
export interface PriceQuestion {
  /** Calls a month, without those of other programs. */
  readonly budget: number
  /** Calls of the budget that are not used yet. */
  readonly left: number
  /** Calls that open tasks are still expected to make this month, their final polls among them: {@link expectedCallsBetween}. */
  readonly committed: number
  /** Open tasks whose final poll falls in this month. */
  readonly finalPolls: number
  /** Milliseconds of plan time until the month ends. */
  readonly endsInMs: number
  /** Tasks to come, without this one. */
  readonly demand: Demand
  /** The average task: {@link averageSteps} of recent ones. Not empty. */
  readonly typical: CallSteps
  /** The task that gets a plan now. */
  readonly own: CallSteps
}

/**
 * The price of a call for a task that is scheduled now: the one at which this task and those to come use up what is left of the budget, less what
 * open tasks have committed. For the part of the calls that falls in the next month it is that of a full budget and the usual demand.
 * @returns at least 0, where calls cost nothing: every task gets its ceiling; above every step where not even one call a task is left
 */
export function priceOf({ budget, left, committed, finalPolls, endsInMs, demand, typical, own }: PriceQuestion): number {
  const share = shareBy(CALLS_MADE, endsInMs)
  const buyers = [
    { steps: own, tasks: share },
    { steps: typical, tasks: demand.pricedTasks },
  ]
  const price = findPrice(buyers, left - committed - RETRY_SHARE * finalPolls)
  if (share >= 1) return price
  return share * price + (1 - share) * findPrice([{ steps: typical, tasks: demand.monthTasks }], budget)
}

/** Halvings of the range of prices: the price is exact to a millionth of the highest one, and to its own size. */
const HALVINGS = 48
/** Nearer to 0 than this part of the highest price, calls cost nothing. */
const LEAST_PART = 1e-7

/** The lowest price, but for rounding, at which the tasks buy no more than the calls. */
function findPrice(buyers: readonly { readonly steps: CallSteps; readonly tasks: number }[], calls: number): number {
  const bought = (price: number): number => buyers.reduce((sum, { steps, tasks }) => sum + tasks * callsAtPrice(steps, price), 0)
  if (bought(0) <= calls) return 0
  // The first step is bought at any price.
  let high = 2 * Math.max(...buyers.map(({ steps }) => steps[1]?.price ?? 0))
  if (bought(high) >= calls) return high
  let low = high * LEAST_PART
  for (let i = 0; i < HALVINGS; i++) {
    const middle = Math.sqrt(low * high)
    if (bought(middle) > calls) low = middle
    else high = middle
  }
  return high
}

/**
 * Share of the calls of a typical task that is made by an offset from its send, so that a task near the end of a month takes from two budgets.
 * From the best plans of 8 to 24 polls for office hours.
 */
const CALLS_MADE: Curve = { offsetsMs: [0, 1, 3, 8, 14, 24].map((hours) => hours * HOUR_MS), shares: [0, 0.3, 0.5, 0.7, 0.8, 1] }

/** Share of the calls of a typical task that is made by an offset from its send: that which falls in a month that ends then. */
export function callShareBy(offsetMs: number): number {
  return shareBy(CALLS_MADE, offsetMs)
}

/** Part of an open task, as {@link expectedCallsBetween} needs it. */
export interface OpenTask {
  readonly curve: Curve
  /** All polls, the final one last. */
  readonly offsetsMs: readonly number[]
  /** Recipients that had not read at the last poll, at least 1. */
  readonly unread: number
}

/**
 * The calls that an open task is still expected to make: each poll is made unless the one before it found that everybody has read.
 * @param fromMs offset of its last poll, or of now: later polls count
 * @param untilMs offset of the month's end: polls before it count
 */
export function expectedCallsBetween({ curve, offsetsMs, unread }: OpenTask, fromMs: number, untilMs: number): number {
  const first = offsetsMs.findIndex((offsetMs) => offsetMs > fromMs)
  if (first === -1) return 0
  const later = offsetsMs.slice(first)
  const shares = sharesBy(curve, [fromMs, ...later])
  const unreadShare = 1 - at(shares, 0)
  let calls = 0
  for (const [i, offsetMs] of later.entries()) {
    if (offsetMs >= untilMs) break
    // Of those who had not read: who still has not, by the poll before this one. The next poll is made in any case.
    const stillUnread = i === 0 ? 1 : (1 - at(shares, i)) / Math.max(unreadShare, Number.MIN_VALUE)
    calls += 1 - (1 - stillUnread) ** unread
  }
  return calls
}
