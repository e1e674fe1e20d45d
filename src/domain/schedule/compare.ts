import { HOUR_MS, MINUTE_MS } from '../delivery.ts'
import { buildTiming } from '../poll-times.ts'
import { findBestPaths } from './best-paths.ts'
import { at, sharesBy } from './curve.ts'
import { createFineGrid } from './grid.ts'
import type { Curve } from './types.ts'

/**
 * The mean bracket of the best plan of so many polls on a grid of 15 seconds: the exact optimum, without any other wish. It takes tens of
 * milliseconds.
 */
export function optimumWidthMs(curve: Curve, finalOffsetMs: number, polls: number): number {
  const grid = createFineGrid(curve, 0, finalOffsetMs)
  const count = Math.min(polls, grid.parts.length - 1)
  return at(findBestPaths(grid, count).costs, count - 1) * MINUTE_MS
}

/** The longest time between two polls, or between the send and the first one. */
export function longestGapMs(offsetsMs: readonly number[]): number {
  return Math.max(...offsetsMs.map((offsetMs, i) => offsetMs - at(offsetsMs, i - 1)))
}

/**
 * The mean time from a read to the poll that shows it, for those who read before the last poll: `(∫F − Σ (tᵢ − tᵢ₋₁) F(tᵢ₋₁)) / F(t_last)`.
 * Half of the last offset where nobody reads would say nothing: it is 0 then.
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
  return offsetsMs.reduce((sum, offsetMs, i) => sum + (offsetMs - at(offsetsMs, i - 1)) * height(at(shares, i - 1), at(shares, i)), 0)
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
