import { HOUR_MS, MINUTE_MS } from '../delivery.ts'
import { buildTiming } from '../poll-times.ts'
import { at, floatAt, sharesBy } from './curve.ts'
import { createFineGrid, type Grid } from './grid.ts'
import type { Curve } from './types.ts'

/**
 * The mean bracket of the best plan of so many polls on a grid of 15 seconds: the exact optimum, without any other wish.
 * It takes about a millisecond for three polls of a day.
 */
export function optimumWidthMs(curve: Curve, finalOffsetMs: number, polls: number): number {
  const grid = createFineGrid(curve, 0, finalOffsetMs, 0)
  const last = grid.parts.length - 1
  let before = new Float64Array(last + 1).fill(Number.POSITIVE_INFINITY)
  before[0] = 0
  let now = new Float64Array(last + 1)
  for (let poll = 1; poll <= Math.min(polls, last); poll++) {
    addPoll(grid, before, now, { from: 0, to: last, low: 0, high: last })
    ;[before, now] = [now, before]
  }
  return at(before, last)
}

/**
 * One more poll, at each node `from` … `to`, whose best predecessors are between `low` and `high`. The predecessor of a node bounds those of the nodes
 * before and after it (see best-paths.ts), so halves are solved apart. With so many nodes and one plan only that is faster than the way of that file.
 */
function addPoll({ offsetsMs, parts }: Grid, before: Float64Array, now: Float64Array, range: Range): void {
  const { from, to, low, high } = range
  const node = (from + to) >> 1
  const ms = floatAt(offsetsMs, node)
  const part = floatAt(parts, node)
  let least = Number.POSITIVE_INFINITY
  let best = low
  for (let k = low; k <= Math.min(high, node - 1); k++) {
    const cost = Number(before[k]) + (ms - Number(offsetsMs[k])) * (part - Number(parts[k]))
    if (cost < least) {
      least = cost
      best = k
    }
  }
  now[node] = least
  if (from < node)
    addPoll({ offsetsMs, parts }, before, now, { from, to: node - 1, low, high: least < Number.POSITIVE_INFINITY ? best : high })
  if (node < to) addPoll({ offsetsMs, parts }, before, now, { from: node + 1, to, low: best, high })
}

interface Range {
  readonly from: number
  readonly to: number
  readonly low: number
  readonly high: number
}

/** The longest time between two polls, or between the send and the first one. */
export function longestGapMs(offsetsMs: readonly number[]): number {
  return Math.max(...offsetsMs.map((offsetMs, i) => offsetMs - at(offsetsMs, i - 1)))
}

/**
 * The mean time from a read to the poll that shows it, for those who read before the last poll: `(∫F − Σ (tᵢ − tᵢ₋₁) F(tᵢ₋₁)) / F(t_last)`.
 * It is 0 where no one reads.
 * @param offsetsMs all polls, the final one last
 */
export function meanDelayMs(curve: Curve, offsetsMs: readonly number[]): number {
  const lastMs = at(offsetsMs, offsetsMs.length - 1)
  const points = [...curve.offsetsMs.filter((offsetMs) => offsetMs < lastMs), lastMs]
  const total = at(sharesBy(curve, [lastMs]), 0)
  if (total === 0) return 0
  const between = areaBelow(points, sharesBy(curve, points), (left, right) => (left + right) / 2)
  const shown = areaBelow(offsetsMs, sharesBy(curve, offsetsMs), (left) => left)
  return (between - shown) / total
}

function areaBelow(offsetsMs: readonly number[], shares: Float64Array, height: (left: number, right: number) => number): number {
  return offsetsMs.reduce(
    (sum, offsetMs, i) => sum + (offsetMs - at(offsetsMs, i - 1)) * height(floatAt(shares, i - 1), floatAt(shares, i)),
    0,
  )
}

/** Schedules that others use, and the one that this product used before it learned. */
export type ComparedSchedule = 'growing' | 'backOff' | 'hourly' | 'quarterHourly'

const BACK_OFF_FIRST_MS = MINUTE_MS
const BACK_OFF_FACTOR = 1.5

/**
 * The polls of each compared schedule, ascending, the final one last.
 * - `growing`: so many polls with growing gaps, as `SCHEDULE=growing` plans them (without jitter)
 * - `backOff`: one minute after the send, then each gap is 1.5 times the one before
 * - `hourly`, `quarterHourly`: each 60 or 15 minutes
 * @param polls of the growing schedule; the others need as many as they need
 */
export function buildComparedOffsets(polls: number, finalOffsetMs: number): Readonly<Record<ComparedSchedule, readonly number[]>> {
  const complete = (offsetsMs: readonly number[]): number[] => [...offsetsMs.filter((offsetMs) => offsetMs < finalOffsetMs), finalOffsetMs]
  const every = (gapMs: number): number[] => complete(Array.from({ length: Math.ceil(finalOffsetMs / gapMs) }, (_, i) => (i + 1) * gapMs))
  return {
    growing: complete(buildTiming(polls).offsetsMs),
    backOff: complete(backOffOffsets(finalOffsetMs)),
    hourly: every(HOUR_MS),
    quarterHourly: every(HOUR_MS / 4),
  }
}

function backOffOffsets(endMs: number): number[] {
  const offsetsMs: number[] = []
  for (let gapMs = BACK_OFF_FIRST_MS, offsetMs = gapMs; offsetMs < endMs; gapMs *= BACK_OFF_FACTOR, offsetMs += gapMs)
    offsetsMs.push(offsetMs)
  return offsetsMs
}
