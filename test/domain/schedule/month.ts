import { HOUR_MS, MINUTE_MS } from '../../../src/domain/delivery.ts'
import { isAdmitted, reservedCalls } from '../../../src/domain/schedule/budget.ts'
import { expectedCalls } from '../../../src/domain/schedule/calls.ts'
import { curveOf, shareBy } from '../../../src/domain/schedule/curve.ts'
import { assumedPerWorkDay, forecastDemand } from '../../../src/domain/schedule/demand.ts'
import { planFamily } from '../../../src/domain/schedule/plan-family.ts'
import {
  averageSteps,
  type CallStep,
  expectedCallsBetween,
  type PricedPlan,
  pollsAtPrice,
  priceOf,
  priceSteps,
} from '../../../src/domain/schedule/price.ts'
import { PRIOR_LAW } from '../../../src/domain/schedule/prior.ts'
import type { Curve, PollPlan } from '../../../src/domain/schedule/types.ts'

/** A month in memory: tasks are scheduled at the price of that moment, and polled as the limiter permits. All times are local. */

const DAY_MS = 24 * HOUR_MS
const FINAL_MS = 1_431.5 * MINUTE_MS
/** A reader whom no poll covered counts as a whole day. */
const UNCOVERED_MINUTES = 1_440

export const isFreeDay = (day: number): boolean => [0, 6].includes(new Date(day * DAY_MS).getUTCDay())
const calendar = { localAt: (at: Date): number => at.getTime(), isFreeDay }

export interface SentTask {
  readonly at: number
  readonly people: number
  /** Of each who reads, ascending. */
  readonly readsMs: readonly number[]
}

export interface Month {
  readonly startMs: number
  readonly endMs: number
  readonly history: readonly { readonly at: number; readonly people: number }[]
  readonly tasks: readonly SentTask[]
}

interface Plans {
  readonly curve: Curve
  readonly family: readonly PollPlan[]
  /** By people. */
  readonly offers: Map<number, { readonly plans: readonly PricedPlan[]; readonly steps: readonly CallStep[] }>
}
const kept = new Map<number, Plans>()

/** Plans of the prior law for the send time rounded to the hour. */
function plansAt(at: number): Plans {
  const rounded = Math.round(at / HOUR_MS) * HOUR_MS
  const key = rounded % (7 * DAY_MS)
  const known = kept.get(key)
  if (known !== undefined) return known
  const curve = curveOf(PRIOR_LAW, new Date(rounded), calendar)
  const made = {
    curve,
    family: planFamily(curve, { finalOffsetMs: FINAL_MS, maxGapMs: null, forcedAges: [] }),
    offers: new Map(),
  }
  kept.set(key, made)
  return made
}

function offerOf(at: number, people: number) {
  const { curve, family, offers } = plansAt(at)
  const known = offers.get(people)
  if (known !== undefined) return known
  const plans = family.map(({ offsetsMs, widthMs }) => ({ calls: expectedCalls(curve, offsetsMs, people), widthMs }))
  const made = { plans, steps: priceSteps(plans, people) }
  offers.set(people, made)
  return made
}

export function drawReads(at: number, people: number, random: () => number): number[] {
  const { curve } = plansAt(at)
  const drawn = Array.from({ length: people }, () => {
    const share = random()
    let [low, high] = [0, DAY_MS]
    while (high - low > 1_000) {
      const middle = (low + high) / 2
      if (shareBy(curve, middle) < share) low = middle
      else high = middle
    }
    return high
  })
  return drawn.filter((ms) => ms <= FINAL_MS).sort((a, b) => a - b)
}

export interface Outcome {
  readonly used: number
  readonly unserved: number
  /** Final polls of this month that were not made. */
  readonly missed: number
  readonly meanWidth: number
  readonly polls: readonly number[]
}

interface OpenTask {
  readonly task: SentTask
  readonly offsetsMs: readonly number[]
  lastMs: number
  seen: number
  next: number
}

type Strategy = (scheduled: { task: SentTask; left: number; finalPolls: number; open: ReadonlySet<OpenTask>; waiting: number }) => PollPlan

export function runMonth({ tasks, endMs }: Month, budget: number, strategy: Strategy): Outcome {
  const open = new Set<OpenTask>()
  const polls: number[] = []
  let [used, unserved, missed, finalPolls, readers, sum] = [0, 0, 0, 0, 0, 0]
  const isFinalHere = (task: SentTask): boolean => task.at + FINAL_MS < endMs
  const close = (state: OpenTask): void => {
    open.delete(state)
    if (isFinalHere(state.task)) finalPolls--
    sum += (state.task.readsMs.length - state.seen) * UNCOVERED_MINUTES
  }
  const poll = (state: OpenTask): void => {
    const offsetMs = state.offsetsMs[state.next] ?? FINAL_MS
    const isFinal = state.next === state.offsetsMs.length - 1
    const isHere = state.task.at + offsetMs < endMs
    const left = budget - used
    const isPermitted = !isHere || (isFinal ? left > 0 : left > reservedCalls(finalPolls))
    state.next++
    if (isPermitted) {
      if (isHere) used++
      const seen = state.task.readsMs.filter((ms) => ms <= offsetMs).length
      sum += ((seen - state.seen) * (offsetMs - state.lastMs)) / MINUTE_MS
      state.seen = seen
      state.lastMs = offsetMs
    } else if (isFinal) missed++
    if (isFinal || state.seen === state.task.people) close(state)
  }
  const pollUntil = (untilMs: number): void => {
    for (;;) {
      const due = [...open].map((state) => ({ state, at: state.task.at + (state.offsetsMs[state.next] ?? FINAL_MS) }))
      const first = due.reduce((a, b) => (b.at < a.at ? b : a), { state: null, at: untilMs } as { state: OpenTask | null; at: number })
      if (first.state === null) return
      poll(first.state)
    }
  }
  for (const [i, task] of tasks.entries()) {
    pollUntil(task.at)
    readers += task.readsMs.length
    const left = budget - used
    if (isFinalHere(task) && !isAdmitted({ left, finalPolls })) {
      unserved++
      sum += task.readsMs.length * UNCOVERED_MINUTES
      continue
    }
    const waiting = tasks.slice(i + 1).filter(({ at }) => at === task.at).length
    const { offsetsMs } = strategy({ task, left, finalPolls, open, waiting })
    polls.push(offsetsMs.length)
    if (isFinalHere(task)) finalPolls++
    open.add({ task, offsetsMs, lastMs: 0, seen: 0, next: 0 })
  }
  pollUntil(Number.POSITIVE_INFINITY)
  return { used, unserved, missed, meanWidth: sum / readers, polls }
}

export function atPrice(price: number): Strategy {
  return ({ task }) => planAt(task, price)
}

function planAt({ at, people }: SentTask, price: number): PollPlan {
  const plan = plansAt(at).family[pollsAtPrice(offerOf(at, people).plans, people, price) - 1]
  if (plan === undefined) throw new Error('a family has a plan of every number of polls')
  return plan
}

export function atOnlinePrice(month: Month, budget: number): Strategy {
  const seen: { at: number; people: number }[] = [...month.history]
  let typical: readonly CallStep[] = []
  let typicalOf = 0
  return ({ task, left, finalPolls, open, waiting }) => {
    const demand = forecastDemand({
      counts: seen.map(({ at }) => ({ hour: Math.floor(at / HOUR_MS), tasks: 1 })),
      sinceMs: seen[0]?.at ?? task.at,
      nowMs: task.at,
      assumedPerWorkDay: assumedPerWorkDay(budget),
      ...{ month, waiting, isFreeDay },
    })
    seen.push(task)
    // As the product does, the average is kept for a while.
    if (seen.length > 1.1 * typicalOf) {
      typicalOf = seen.length
      typical = averageSteps(seen.slice(-40).map((each) => ({ steps: offerOf(each.at, each.people).steps, weight: 1 })))
    }
    const committed = [...open].map(({ task: each, offsetsMs, lastMs, seen: read }) =>
      expectedCallsBetween({ curve: plansAt(each.at).curve, offsetsMs, unread: each.people - read }, lastMs, month.endMs - each.at),
    )
    const price = priceOf({
      ...{ budget, left, finalPolls, demand, endsInMs: month.endMs - task.at },
      committed: committed.reduce((sum, calls) => sum + calls, 0),
      typical,
      own: offerOf(task.at, task.people).steps,
    })
    return planAt(task, price)
  }
}
