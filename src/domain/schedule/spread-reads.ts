import { at } from './curve.ts'
import { CELLS, type Interval, type Timeline } from './timeline.ts'

/** A law in the form of the computation. */
export interface Model {
  /** Attention of a minute in each cell: the 24 hours of work days, then those of free days. */
  readonly attention: Float64Array
  /** Bounds of the bins in minutes of attention, ascending from 0; the last bin goes on without end. */
  readonly edges: Float64Array
  /** Hazard of each bin, per minute of attention. */
  readonly slopes: Float64Array
}

export interface WeightedTimeline {
  readonly timeline: Timeline
  readonly weight: number
}

/** Reads in each cell or bin: how many there were, and how many the law expects of those who had not read. */
export interface Tally {
  readonly observed: Float64Array
  readonly expected: Float64Array
}

/** The stretches of one interval in which cell and bin stay the same. Reused for every interval: `count` of them are in use. */
interface Stretches {
  count: number
  /** Cumulative hazard of each stretch. */
  readonly hazards: number[]
  readonly cells: number[]
  readonly bins: number[]
  /** The share of those unread at the start of the interval that reads in each stretch. */
  readonly shares: number[]
}

/** Where a task is on the clock of attention. */
interface Place {
  attention: number
  bin: number
}

/** A stretch shorter than this, in minutes of attention, is a rounding error. */
const NO_ATTENTION = 1e-9

/** Observed and expected reads of all cells and bins. The reads of an interval are spread over it as the model says. */
export function spreadReads(tasks: readonly WeightedTimeline[], model: Model): { readonly cells: Tally; readonly bins: Tally } {
  const cells = createTally(CELLS)
  const bins = createTally(model.slopes.length)
  const stretches: Stretches = { count: 0, hazards: [], cells: [], bins: [], shares: [] }
  for (const { timeline, weight } of tasks) {
    const place: Place = { attention: 0, bin: 0 }
    for (const interval of timeline.intervals) {
      cutInterval(timeline, interval, model, place, stretches)
      countInterval(interval, weight, stretches, { cells, bins })
    }
  }
  return { cells, bins }
}

function createTally(length: number): Tally {
  return { observed: new Float64Array(length), expected: new Float64Array(length) }
}

function cutInterval(timeline: Timeline, { start, end }: Interval, model: Model, place: Place, stretches: Stretches): void {
  const { attention, edges, slopes } = model
  const last = slopes.length - 1
  stretches.count = 0
  for (let piece = start; piece < end; piece++) {
    const cell = at(timeline.cells, piece)
    let left = at(timeline.minutes, piece) * at(attention, cell)
    while (left > NO_ATTENTION) {
      const room = place.bin === last ? Infinity : at(edges, place.bin + 1) - place.attention
      const step = Math.min(left, room)
      const { count } = stretches
      stretches.hazards[count] = step * at(slopes, place.bin)
      stretches.cells[count] = cell
      stretches.bins[count] = place.bin
      stretches.count++
      place.attention += step
      left -= step
      if (step === room) place.bin++
    }
  }
}

function countInterval(
  { unread, reads }: Interval,
  weight: number,
  stretches: Stretches,
  tallies: { readonly cells: Tally; readonly bins: Tally },
): void {
  const readShare = fillShares(stretches)
  // The law excludes a read here: it cannot say where one lies.
  if (readShare === 0) return
  const { count, hazards, shares, cells, bins } = stretches
  let readLater = reads
  for (let i = 0; i < count; i++) {
    const hazard = at(hazards, i)
    const observed = (reads * at(shares, i)) / readShare
    readLater -= observed
    // Those who go on without a read are exposed to the whole stretch, those who read in it to their part.
    const expected = (unread - reads + readLater) * hazard + observed * hazardUntilRead(hazard)
    add(tallies.cells, at(cells, i), weight * observed, weight * expected)
    add(tallies.bins, at(bins, i), weight * observed, weight * expected)
  }
}

/** @returns the share of those unread that reads in the interval */
function fillShares({ count, hazards, shares }: Stretches): number {
  let hazardBefore = 0
  let total = 0
  for (let i = 0; i < count; i++) {
    const hazard = at(hazards, i)
    const share = -Math.exp(-hazardBefore) * Math.expm1(-hazard)
    shares[i] = share
    total += share
    hazardBefore += hazard
  }
  return total
}

/** Below this the formula below loses its digits, and half of the hazard is as good. */
const SMALL_HAZARD = 1e-4

/** The mean hazard before the read, of those who read in a stretch of this hazard. */
function hazardUntilRead(hazard: number): number {
  return hazard < SMALL_HAZARD ? hazard / 2 : 1 + (hazard * Math.exp(-hazard)) / Math.expm1(-hazard)
}

function add({ observed, expected }: Tally, index: number, newObserved: number, newExpected: number): void {
  observed[index] = at(observed, index) + newObserved
  expected[index] = at(expected, index) + newExpected
}
