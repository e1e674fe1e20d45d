import { SECOND_MS } from '../domain/delivery.ts'
import { buildTiming, finalPollAt, growingPlan, jitterOf, type Timing } from '../domain/poll-times.ts'
import { ASSUMED_PEOPLE, choosePlan, type PlaceSettings } from '../domain/schedule/place.ts'
import { placePolls } from '../domain/schedule/place-polls.ts'
import { PRIOR_LAW } from '../domain/schedule/prior.ts'
import type { Calendar } from '../domain/schedule/types.ts'
import { createLru } from '../lib/lru.ts'
import type { CallOutlooks, SentTask } from './call-outlook.ts'
import { type CallPrices, createCallPrices } from './call-prices.ts'
import { createPlanCache, type PlanCache, type SendPlans, type VersionedLaw } from './plan-cache.ts'
import type { PlacedPolls, Placing, TaskToPlace } from './plan-tasks.ts'
import type { Clock, Laws } from './ports.ts'

export interface LearnedPlacingDeps {
  readonly settings: PlaceSettings
  readonly calendar: Calendar
  readonly laws: Laws
  readonly outlooks: CallOutlooks
  readonly timing: Timing
  readonly now: Clock
}

/** How long a law, and the sizes of tasks, hold before they are read again, in milliseconds of plan time. */
const LAW_MS = 60 * SECOND_MS
const SIZES_MS = 600 * SECOND_MS
/** A poll of a late plan nearer than this to the first one brings nothing. */
const LEAST_GAP_MS = 30 * SECOND_MS
const MAX_TIMINGS = 64

/** Apps whose law is kept. */
const MAX_APPS = 1_000

/** Polls where the law of the app says that people read, as many as the price of a call allows. */
export function createLearnedPlacing(deps: LearnedPlacingDeps): Placing {
  const { settings, calendar, laws, outlooks, timing, now } = deps
  const unpriced = createPlanCache({ calendar, settings, hasPrice: false })
  const plans = createPlanCache({ calendar, settings, hasPrice: true })
  const readPrices = createCallPrices({ outlooks, plans, calendar, timing, now })
  const readLaw = keepFor(LAW_MS / timing.timeScale, now, async (app): Promise<VersionedLaw> => {
    return (await laws.latest(app)) ?? { law: PRIOR_LAW, version: null }
  })
  const readSizes = keepFor(SIZES_MS / timing.timeScale, now, (app) => outlooks.recentTasks(app))
  const assumedTiming = createLru<number, Timing>(MAX_TIMINGS)
  return {
    name: 'the read law',
    async place(task) {
      const { key, budget, batch } = task
      const law = await readLaw(key.app)
      const prices = budget === null ? null : await readPrices(key.app, { budget, law, batch })
      const people = task.people > 0 ? task.people : medianPeople(prices?.recent ?? (await readSizes(key.app)))
      const choice = await choose({ ...task, people }, { law, prices, plans: prices === null ? unpriced : plans }, deps)
      prices?.commit({ ...choice, people, sentAt: task.sentAt })
      if (task.sentAtGiven) return placeChosen(task, choice, deps)
      const ownTiming = assumedTiming.get(choice.offsetsMs.length, () => buildTiming(choice.offsetsMs.length, timing.timeScale))
      return { offsetsMs: growingPlan(task, ownTiming), plan: { ...choice.plan, placedBy: 'assumed_send_time', law: null, widthMs: null } }
    },
  }
}

interface Sources {
  readonly law: VersionedLaw
  /** Null: no budget. */
  readonly prices: CallPrices | null
  readonly plans: PlanCache
}

interface Choice extends Pick<PlacedPolls, 'plan'>, Pick<SendPlans, 'curve'> {
  /** In plan time. */
  readonly offsetsMs: readonly number[]
  /** When tracking began, where the first poll is due at once; 0: it is not. */
  readonly fromMs: number
}

/** The plan for the send; where its first poll is over, the plan for a task that is tracked late. */
async function choose(task: TaskToPlace, sources: Sources, deps: LearnedPlacingDeps): Promise<Choice> {
  const nowMs = Math.max(0, (deps.now().getTime() - task.sentAt.getTime()) * deps.timing.timeScale)
  const onTime = await chooseFrom(task, 0, sources, deps)
  const isLate = nowMs > (onTime.offsetsMs[0] ?? 0) && task.sentAtGiven
  return isLate ? chooseFrom(task, nowMs, sources, deps) : onTime
}

async function chooseFrom(
  task: TaskToPlace,
  fromMs: number,
  sources: Sources,
  { settings, calendar }: LearnedPlacingDeps,
): Promise<Choice> {
  const { law, prices, plans } = sources
  const { people } = task
  const found = await plans.plansAt(law, calendar.localAt(task.sentAt), fromMs)
  const { calls, steps } = plans.costs(found, people)
  const price = prices?.priceFor(steps) ?? null
  const { offsetsMs, widthMs } = choosePlan(found.family, settings, { curve: found.curve, people, price, calls })
  return {
    curve: found.curve,
    offsetsMs: fromMs === 0 ? offsetsMs : beginAt(fromMs, offsetsMs),
    fromMs,
    plan: {
      placedBy: law.version === null ? 'prior' : 'learned',
      ...{ people, law: law.version, price, expectedCalls: calls[offsetsMs.length - 1] ?? null, widthMs },
    },
  }
}

/** Late plans are kept for a rounded begin: the first poll is due now. */
function beginAt(fromMs: number, offsetsMs: readonly number[]): number[] {
  const final = offsetsMs.slice(-1)
  if (offsetsMs.length === 1) return final
  return [fromMs, ...offsetsMs.slice(1, -1).filter((offsetMs) => offsetMs >= fromMs + LEAST_GAP_MS), ...final]
}

function placeChosen(task: TaskToPlace, { offsetsMs, fromMs, plan }: Choice, { settings, timing }: LearnedPlacingDeps): PlacedPolls {
  const { key, sentAt, deadlineAt } = task
  const finalMs = finalPollAt({ key, deadlineAt }, timing).getTime() - sentAt.getTime()
  const { timeScale, minGapMs } = timing
  const place = { jitter: jitterOf(key), ages: settings.reportAgesMs, fromMs, timeScale, finalMs, minGapMs }
  return { offsetsMs: placePolls(offsetsMs, place), plan }
}

/** The size of the task in the middle: most of them have about as many recipients. */
function medianPeople(tasks: readonly SentTask[]): number {
  const sizes = tasks.map(({ people }) => people).toSorted((a, b) => a - b)
  return sizes[Math.floor(sizes.length / 2)] ?? ASSUMED_PEOPLE
}

/** @param ms in real time */
function keepFor<T>(ms: number, now: Clock, read: (app: string) => Promise<T>): (app: string) => Promise<T> {
  const kept = new Map<string, { readonly readAtMs: number; readonly value: T }>()
  return async (app) => {
    const nowMs = now().getTime()
    const last = kept.get(app)
    // The database's clock may step back.
    if (last !== undefined && Math.abs(nowMs - last.readAtMs) < ms) return last.value
    const value = await read(app)
    if (kept.size >= MAX_APPS) kept.clear()
    kept.set(app, { readAtMs: nowMs, value })
    return value
  }
}
