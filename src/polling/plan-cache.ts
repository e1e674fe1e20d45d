import { setImmediate as nextTurn } from 'node:timers/promises'
import { HOUR_MS, MINUTE_MS } from '../domain/delivery.ts'
import { expectedCalls, leastNFor } from '../domain/schedule/calls.ts'
import { curveOf } from '../domain/schedule/curve.ts'
import { buildFamily, MEAN_FINAL_OFFSET_MS, type PlaceSettings } from '../domain/schedule/place.ts'
import { type CallSteps, priceSteps } from '../domain/schedule/price.ts'
import type { Calendar, Curve, Law, PollPlan } from '../domain/schedule/types.ts'
import { createLru } from '../lib/lru.ts'

/** A law, and what distinguishes it from others. */
export interface VersionedLaw {
  readonly law: Law
  /** Null: the law that is assumed before one is learned. */
  readonly version: number | null
}

/** The plans of tasks that were sent at the same time of the same kind of day. */
export interface SendPlans {
  /** Differs from that of all other plans. */
  readonly id: number
  readonly curve: Curve
  /** The best plan of each number of polls, up to the target width. */
  readonly family: readonly PollPlan[]
}

/** What those plans cost for a task of some size. */
export interface PlanCosts {
  /** Expected calls of each plan. */
  readonly calls: readonly number[]
  readonly steps: CallSteps
}

export interface PlanCache {
  /** The read curve of a task. @param sentMs the local time of its send, as `Calendar.localAt` gives it */
  curveAt(law: VersionedLaw, sentMs: number): Curve
  /**
   * The plans of a task. Making them takes some milliseconds: other work of the process runs before it resolves then.
   * @param sentMs the local time of its send
   * @param fromMs when tracking began, in milliseconds of plan time since the send; 0: with it
   */
  plansAt(law: VersionedLaw, sentMs: number, fromMs: number): Promise<SendPlans>
  /** @param people recipients, at least 1 */
  costs(plans: SendPlans, people: number): PlanCosts
}

export interface PlanCacheDeps {
  readonly calendar: Pick<Calendar, 'isFreeDay'>
  readonly settings: PlaceSettings
  /** True: a monthly budget decides about the number of polls. */
  readonly hasPrice: boolean
}

const DAY_MS = 24 * HOUR_MS
/** Send times are rounded to this. */
const ROUND_MS = 10 * MINUTE_MS
/** The begin of late tracking is rounded to steps of this factor. */
const LATE_STEP = 1.05

/** A day has 144 rounded times, and three of the four combinations of work days and free days are usual. */
const MAX_CURVES = 600
const MAX_PLANS = 600
const MAX_COSTS = 2_000

/** Keeps plans. Those of a law depend on the time of day of the send and on which days are free, and many tasks share both. */
export function createPlanCache({ calendar, settings, hasPrice }: PlanCacheDeps): PlanCache {
  const curves = createLru<string, Curve>(MAX_CURVES)
  const plans = createLru<string, SendPlans>(MAX_PLANS)
  const costs = createLru<string, PlanCosts>(MAX_COSTS)
  const local: Calendar = { isFreeDay: calendar.isFreeDay, localAt: (at) => at.getTime() }
  let made = 0

  const curveOfSend = ({ law, version }: VersionedLaw, { localMs, key }: RoundedSend): Curve =>
    curves.get(`${version} ${key}`, () => curveOf(law, new Date(localMs), local))
  return {
    curveAt: (law, sentMs) => curveOfSend(law, roundSend(calendar, sentMs)),
    async plansAt(law, sentMs, fromMs) {
      const send = roundSend(calendar, sentMs)
      const roundedFromMs = roundLate(fromMs)
      const before = made
      const found = plans.get(`${law.version} ${send.key} ${roundedFromMs}`, () => {
        const curve = curveOfSend(law, send)
        const options = { finalOffsetMs: MEAN_FINAL_OFFSET_MS, fromMs: roundedFromMs, hasPrice }
        return { id: made++, curve, family: upToTarget(buildFamily(curve, settings, options), settings) }
      })
      if (made > before) await nextTurn()
      return found
    },
    costs: ({ id, curve, family }, people) =>
      costs.get(`${id} ${people}`, () => {
        const calls = family.map(({ offsetsMs }) => expectedCalls(curve, offsetsMs, people))
        const priced = family.map(({ widthMs }, i) => ({ calls: calls[i] ?? 0, widthMs }))
        return { calls, steps: priceSteps(priced, people) }
      }),
  }
}

/** A narrower bracket is not bought. */
function upToTarget(family: readonly PollPlan[], { targetWidthMs }: PlaceSettings): readonly PollPlan[] {
  return targetWidthMs === null ? family : family.slice(0, leastNFor(family, targetWidthMs))
}

interface RoundedSend {
  readonly localMs: number
  /** All that the read curve depends on. */
  readonly key: string
}

function roundSend(calendar: Pick<Calendar, 'isFreeDay'>, sentMs: number): RoundedSend {
  const localMs = Math.round(sentMs / ROUND_MS) * ROUND_MS
  const day = Math.floor(localMs / DAY_MS)
  const [today, tomorrow] = [calendar.isFreeDay(day), calendar.isFreeDay(day + 1)]
  return { localMs, key: `${localMs - day * DAY_MS} ${today} ${tomorrow}` }
}

function roundLate(fromMs: number): number {
  if (fromMs <= 0) return 0
  return Math.round(LATE_STEP ** Math.round(Math.log(fromMs) / Math.log(LATE_STEP)))
}
