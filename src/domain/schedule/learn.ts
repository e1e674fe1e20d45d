import { at } from './curve.ts'
import { type Model, spreadReads, type Tally, type WeightedTimeline } from './spread-reads.ts'
import { CELLS, HOURS, timelineOf } from './timeline.ts'
import type { Calendar, Law, ObservedTask } from './types.ts'

export interface LearnOptions {
  /** The law without data: cells and bins with few reads stay near it. Where its hazard or attention is 0, the learned one is. */
  readonly prior: Law
  readonly calendar: Calendar
}

/** The iteration stands still by then: 60 rounds change no figure of `bench/calls/learning.mjs`. */
const ROUNDS = 25
/**
 * After so many tasks of 50 recipients a task counts half. A longer memory of 75 tasks makes the bracket 0.4 % narrower while the law stays the same,
 * and 9 % wider 100 tasks after it has changed.
 */
const HALF_LIFE_TASKS = 30
/** A task that counts less than 2^-8 is left out, and more tasks than this are never read. So the cost of learning is bounded. */
const HALF_LIVES = 8
const MAX_TASKS = 2_000

/**
 * The share of the variance of a read time that the recipients of a task have in common: the message and its sender. So n recipients tell as much as
 * n / (1 + (n − 1) · share) independent ones. An assumption: a speed of exp(0.5 Z) for each message would be a share of 0.2.
 */
const COMMON_SHARE = 0.25
const informationOf = (people: number): number => Math.max(people, 0) / (1 + Math.max(people - 1, 0) * COMMON_SHARE)
const HALF_LIFE = HALF_LIFE_TASKS * informationOf(50)

/**
 * Estimates when recipients read, from ended tasks: observed over expected reads, in turn for the attention of each cell and for the hazard of each
 * bin. A read lies somewhere between two polls: it is spread over that time as the law of the round before says (expectation maximisation). So late
 * first polls, missing polls and tasks that ended early need no treatment of their own.
 * @param tasks oldest first; a newer one counts more, and at most the newest {@link MAX_TASKS} are read
 */
export function learnLaw(tasks: readonly ObservedTask[], options: LearnOptions): Law {
  const steps = learnInSteps(tasks, options)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}

/**
 * {@link learnLaw} in steps of some milliseconds each, for a program that has other work to do between them.
 * @returns the law, when the steps are over
 */
export function* learnInSteps(tasks: readonly ObservedTask[], { prior, calendar }: LearnOptions): Generator<undefined, Law, undefined> {
  const weighted = yield* weighInSteps(tasks, calendar)
  const start = toModel(prior)
  const binLevels = createBinLevels(start.slopes.length)
  let model = start
  for (let round = 0; round < ROUNDS; round++) {
    const { cells } = yield* spreadInSteps(weighted, model)
    model = normalise({ ...model, attention: refine(model.attention, start.attention, cells, CELL_LEVELS) })
    const { bins } = yield* spreadInSteps(weighted, model)
    model = { ...model, slopes: refine(model.slopes, start.slopes, bins, binLevels) }
  }
  return toLaw(model)
}

/** Tasks of one step. */
const TASKS_A_STEP = 50

function* weighInSteps(tasks: readonly ObservedTask[], calendar: Calendar): Generator<undefined, WeightedTimeline[], undefined> {
  const weighted: WeightedTimeline[] = []
  let since = 0
  for (const task of tasksThatCount(tasks).toReversed()) {
    weighted.push({ timeline: timelineOf(task, calendar), weight: 0.5 ** (since / HALF_LIFE) })
    since += informationOf(task.people)
    if (weighted.length % TASKS_A_STEP === 0) yield
  }
  return weighted
}

type Spread = ReturnType<typeof spreadReads>

function* spreadInSteps(tasks: readonly WeightedTimeline[], model: Model): Generator<undefined, Spread, undefined> {
  const sum = spreadReads([], model)
  for (let from = 0; from < tasks.length; from += TASKS_A_STEP) {
    const part = spreadReads(tasks.slice(from, from + TASKS_A_STEP), model)
    addTally(sum.cells, part.cells)
    addTally(sum.bins, part.bins)
    yield
  }
  return sum
}

function addTally(sum: Tally, part: Tally): void {
  part.observed.forEach((reads, i) => (sum.observed[i] = at(sum.observed, i) + reads))
  part.expected.forEach((reads, i) => (sum.expected[i] = at(sum.expected, i) + reads))
}

/** The newest of the tasks, from which a law is learned: older ones count too little. With one recipient or more in each, these are at most 1,000. */
export function tasksThatCount(tasks: readonly ObservedTask[]): readonly ObservedTask[] {
  let since = 0
  const older = tasks.slice(-MAX_TASKS).findLastIndex(({ people }) => {
    const isOlder = since > HALF_LIVES * HALF_LIFE
    since += informationOf(people)
    return isOlder
  })
  return tasks.slice(-MAX_TASKS).slice(older + 1)
}

/** One step of {@link refine}: what is expected of a cell is corrected by the reads of it and of the cells near it. */
interface Level {
  /** As many reads, as the belief expects them, stand against the observed ones. */
  readonly priorReads: number
  /** Row by row: how much the reads of a cell count for another. */
  readonly nearness: Float64Array
}

function createLevel(count: number, priorReads: number, nearness: (a: number, b: number) => number): Level {
  return { priorReads, nearness: Float64Array.from({ length: count ** 2 }, (_, i) => nearness(Math.floor(i / count), i % count)) }
}

/** 1 at the distance 0, 0 at `width` + 1. */
const fade = (distance: number, width: number): number => Math.max(0, 1 - distance / (width + 1))

function hoursBetween(a: number, b: number): number {
  const distance = Math.abs((a % HOURS) - (b % HOURS))
  return Math.min(distance, HOURS - distance)
}

const isSameKind = (a: number, b: number): boolean => a < HOURS === b < HOURS

/**
 * From coarse to fine: the hours around, whatever the kind of day; the next hours of the same kind of day; the hour itself. The first level carries
 * over to days of which little is known. With these three the bracket 50 tasks after the start is 1.03 times the optimum, with the last alone 1.06.
 * Half as many prior reads make the means 0.3 % better, and the worst plans worse by 10 to 20 %.
 */
const CELL_LEVELS = [
  createLevel(CELLS, 8, (a, b) => fade(hoursBetween(a, b), 3)),
  createLevel(CELLS, 4, (a, b) => (isSameKind(a, b) ? fade(hoursBetween(a, b), 1) : 0)),
  createLevel(CELLS, 8, (a, b) => (a === b ? 1 : 0)),
]

function createBinLevels(count: number): Level[] {
  return [createLevel(count, 8, (a, b) => fade(Math.abs(a - b), 4)), createLevel(count, 4, (a, b) => (a === b ? 1 : 0))]
}

/**
 * @param now the values with which the expected reads were computed
 * @param prior the values without data
 */
function refine(now: Float64Array, prior: Float64Array, { observed, expected }: Tally, levels: readonly Level[]): Float64Array {
  const exposure = expected.map((reads, i) => (reads === 0 ? 0 : reads / at(now, i)))
  return levels.reduce((values, { priorReads, nearness }) => {
    return values.map((value, i) => {
      let [reads, expectedReads] = [priorReads, priorReads]
      for (let j = 0; j < values.length; j++) {
        const near = at(nearness, i * values.length + j)
        reads += near * at(observed, j)
        expectedReads += near * at(exposure, j) * at(values, j)
      }
      return (value * reads) / expectedReads
    })
  }, prior)
}

/** The same law with an attention whose average on work days is 1. The edges stay, so the hazard is moved to them. */
function normalise({ attention, edges, slopes }: Model): Model {
  const mean = attention.subarray(0, HOURS).reduce((sum, value) => sum + value, 0) / HOURS
  const moved = slopes.map((_, bin) => {
    const [from, to] = [at(edges, bin), at(edges, bin + 1)]
    return (hazardBy(edges, slopes, to * mean) - hazardBy(edges, slopes, from * mean)) / (to - from)
  })
  return { attention: attention.map((value) => value / mean), edges, slopes: moved }
}

/** The cumulative hazard after minutes of attention. */
function hazardBy(edges: Float64Array, slopes: Float64Array, minutes: number): number {
  return slopes.reduce((sum, slope, bin) => {
    const end = bin === slopes.length - 1 ? minutes : Math.min(at(edges, bin + 1), minutes)
    return sum + slope * Math.max(0, end - at(edges, bin))
  }, 0)
}

function toModel({ attention, hazard: { edges, values } }: Law): Model {
  const slopes = values.slice(1).map((value, bin) => (value - at(values, bin)) / (at(edges, bin + 1) - at(edges, bin)))
  return {
    attention: Float64Array.from([...attention.work, ...attention.free]),
    edges: Float64Array.from(edges),
    slopes: Float64Array.from(slopes),
  }
}

function toLaw({ attention, edges, slopes }: Model): Law {
  return {
    attention: { work: [...attention.subarray(0, HOURS)], free: [...attention.subarray(HOURS)] },
    hazard: { edges: [...edges], values: Array.from(edges, (edge) => hazardBy(edges, slopes, edge)) },
  }
}
