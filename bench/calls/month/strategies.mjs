/** How a month's tasks get their polls: with one number of polls, at one price, or at the price that the product finds as the month goes on. */
import { buildTiming } from '../../../dist/domain/poll-times.js'
import { expectedCalls } from '../../../dist/domain/schedule/calls.js'
import { curveOf } from '../../../dist/domain/schedule/curve.js'
import { assumedPerWorkDay, forecastDemand } from '../../../dist/domain/schedule/demand.js'
import { planFamily } from '../../../dist/domain/schedule/plan-family.js'
import { averageSteps, expectedCallsBetween, pollsAtPrice, priceOf, priceSteps } from '../../../dist/domain/schedule/price.js'
import { calendar, FINAL_MINUTES, GRID_MINUTES, trueShares } from '../worlds.mjs'
import { DAY_MS } from './draw.mjs'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const FINAL_MS = FINAL_MINUTES * MINUTE_MS
export const CEILING = 64
/** Plans are made for the send time rounded to this, and kept by weekday. */
const ROUND_MS = 30 * MINUTE_MS
const WEEK_DAYS = 7

/** Plans by send time. `refresh` is for a law that follows the month. */
class Planner {
  kept = new Map()

  /** @param {(sentAt: Date) => import("../../../src/domain/schedule/types.js").Curve} curveAt @param {{ ages?: number[], refresh?: (nowMs: number, ended: object[]) => void }} options */
  constructor(curveAt, { ages = [], refresh = () => {} } = {}) {
    this.curveAt = curveAt
    this.ages = ages
    this.refresh = refresh
  }

  /** The read curve, all plans, and for each size their calls and the steps of their price. */
  at(ms) {
    const rounded = Math.round(ms / ROUND_MS) * ROUND_MS
    const key = rounded % (WEEK_DAYS * DAY_MS)
    const known = this.kept.get(key)
    if (known !== undefined) return known
    const curve = this.curveAt(new Date(rounded))
    const family = planFamily(curve, {
      finalOffsetMs: FINAL_MS,
      maxGapMs: { ms: 6 * HOUR_MS, isHard: false },
      forcedAges: this.ages,
      max: CEILING,
    })
    const plans = { curve, family, offers: new Map() }
    this.kept.set(key, plans)
    return plans
  }

  /** For a number of recipients: calls and width of each plan, and the steps of their price. */
  offerOf(ms, people) {
    const { curve, family, offers } = this.at(ms)
    const known = offers.get(people)
    if (known !== undefined) return known
    const plans = family.map(({ offsetsMs, widthMs }) => ({ calls: expectedCalls(curve, offsetsMs, people), widthMs }))
    const offer = { plans, steps: priceSteps(plans, people) }
    offers.set(people, offer)
    return offer
  }
}

/** Plans from the true read curve of a world. It holds for every month of the world. */
export function createTruePlanner(world, options) {
  return new Planner((sentAt) => {
    const shares = trueShares(world, sentAt)
    // Every point of the first half hour, then one in four.
    const points = [...shares.keys()].filter((i) => i * GRID_MINUTES <= 30 || i % 4 === 0 || i === shares.length - 1)
    return { offsetsMs: points.map((i) => i * GRID_MINUTES * MINUTE_MS), shares: points.map((i) => shares[i]) }
  }, options)
}

/** Plans from a law that is learned once a day from the tasks that have ended. @param learn makes a law from observed tasks, oldest first */
export function createLearningPlanner(learn, options) {
  let law = learn([])
  let learnedDay = null
  const planner = new Planner((sentAt) => curveOf(law, sentAt, calendar), {
    ...options,
    refresh: (nowMs, ended) => {
      const day = Math.floor(nowMs / DAY_MS)
      if (learnedDay === day || ended.length === 0) return
      learnedDay = day
      law = learn(ended)
      planner.kept.clear()
    },
  })
  return planner
}

export const equalPolls =
  (planner, polls) =>
  ({ task, ended }) => {
    planner.refresh(task.at, ended)
    return planner.at(task.at).family[polls - 1].offsetsMs
  }

/** Today's schedule: gaps that grow. */
export function growingPolls(polls) {
  const offsetsMs = [...buildTiming(polls).offsetsMs, FINAL_MS]
  return () => offsetsMs
}

export const atPrice =
  (planner, price) =>
  ({ task, ended }) => {
    planner.refresh(task.at, ended)
    return planAt(planner, task, price)
  }

function planAt(planner, { at, people }, price) {
  return planner.at(at).family[pollsAtPrice(planner.offerOf(at, people).plans, people, price) - 1].offsetsMs
}

/** Tasks that the average is made of. */
const TYPICAL_TASKS = 40
/** Without history: tasks of these sizes at these hours stand for some of them. */
const ASSUMED_SIZES = [1, 10, 50, 100]
const ASSUMED_HOURS = [9, 11, 14, 16]
const ASSUMED_WEIGHT = 0.25
const ASSUMED_UNTIL = 20

/** The product's way: the price is found anew whenever a task is scheduled, from what was seen until then. */
export function onlinePrice(planner, budget) {
  let seen = null
  const trace = []
  const strategy = ({ task, left, finalPolls, open, month, waiting, ended }) => {
    planner.refresh(task.at, ended)
    seen ??= month.history.slice()
    const demand = forecastDemand({
      counts: seen.map(({ at }) => ({ hour: Math.floor(at / HOUR_MS), tasks: 1 })),
      waiting,
      sinceMs: seen[0]?.at ?? task.at,
      nowMs: task.at,
      month,
      isFreeDay: calendar.isFreeDay,
      assumedPerWorkDay: assumedPerWorkDay(budget),
    })
    seen.push(task)
    let committed = 0
    for (const { task: each, offsetsMs, last, seen: read } of open) {
      const openTask = { curve: planner.at(each.at).curve, offsetsMs, unread: each.people - read }
      committed += expectedCallsBetween(openTask, last * MINUTE_MS, month.endMs - each.at)
    }
    const typical = averageSteps(typicalTasks(planner, seen, month.startMs))
    const own = planner.offerOf(task.at, task.people).steps
    const price = priceOf({ budget, left, committed, finalPolls, endsInMs: month.endMs - task.at, demand, typical, own })
    const plan = planAt(planner, task, price)
    trace.push({ day: (task.at - month.startMs) / DAY_MS, left, committed, ...demand, price, polls: plan.length, people: task.people })
    return plan
  }
  return Object.assign(strategy, { trace })
}

function typicalTasks(planner, seen, startMs) {
  const parts = seen.slice(-TYPICAL_TASKS).map(({ at, people }) => ({ steps: planner.offerOf(at, people).steps, weight: 1 }))
  if (seen.length < ASSUMED_UNTIL) {
    for (const people of ASSUMED_SIZES) {
      for (const hour of ASSUMED_HOURS)
        parts.push({ steps: planner.offerOf(firstWorkDay(startMs) + hour * HOUR_MS, people).steps, weight: ASSUMED_WEIGHT })
    }
  }
  return parts
}

function firstWorkDay(ms) {
  let day = Math.floor(ms / DAY_MS)
  while (calendar.isFreeDay(day)) day++
  return day * DAY_MS
}
