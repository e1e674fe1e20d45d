import { SECOND_MS } from '../delivery.ts'
import { at, floatAt, sharesBy } from './curve.ts'
import type { Curve } from './types.ts'

/**
 * Polls are placed on multiples of this from the send (from the first poll, where tracking began late). So two planned polls are never nearer.
 */
export const CELL_MS = 15 * SECOND_MS

/** The times at which a poll may be: from the start, which is no poll but the end of what is known, to the final poll. */
export interface Grid {
  readonly offsetsMs: Float64Array
  /** For each of them, the part of the reads between start and final poll that has happened: 0 at the start, 1 at the end. */
  readonly parts: Float64Array
}

/**
 * This part of all reads counts as if it were even over the window: polls that bring nothing are then spread over it, and not thrown together.
 */
const EVEN_PART = 1e-6

/** A smaller part of the reads than this after the start is rounding. */
const ROUNDING = 1e-12

/**
 * Every cell from the start to the final poll. The last step may be longer than a cell, by less than one.
 * Where no one reads after the start, the parts are those of an even curve.
 * @param evenPart in [0, 1]; 0: the curve as it is
 */
export function createFineGrid(curve: Curve, startMs: number, finalMs: number, evenPart = EVEN_PART): Grid {
  const cells = Math.max(1, Math.floor((finalMs - startMs) / CELL_MS))
  const offsetsMs = new Float64Array(cells + 1)
  for (let i = 0; i < cells; i++) offsetsMs[i] = startMs + i * CELL_MS
  offsetsMs[cells] = finalMs
  const shares = sharesBy(curve, offsetsMs)
  const first = at(shares, 0)
  const total = at(shares, cells) - first
  const even = total > ROUNDING * at(shares, cells) ? evenPart : 1
  const scale = even < 1 ? (1 - even) / total : 0
  const parts = new Float64Array(cells + 1)
  for (let i = 0; i <= cells; i++) {
    parts[i] = scale * (floatAt(shares, i) - first) + (even * (floatAt(offsetsMs, i) - startMs)) / (finalMs - startMs)
  }
  return { offsetsMs, parts }
}

/** For each poll of the longest plan, so many cells are chosen where many people read, at least 128 in all. */
const DENSE_NODES_A_POLL = 4
const LEAST_DENSE_NODES = 128
/** For each poll so many are chosen evenly, at least 160 in all: there must be more cells than polls where all read in one minute. */
const EVEN_NODES_A_POLL = 2
const LEAST_EVEN_NODES = 160
/** And the cells after which the density jumps, at most this many, the highest jumps first. */
const JUMPS = 100

/**
 * The cells among which the plans are chosen. The best density of many polls is the root of the density of reads (Keller 1974), so the
 * cells stand in that density, and evenly besides for plans of few polls. A plan's poll at the beginning or end of a sharp peak is exact.
 * @param wanted cells that must be among them, and the number of polls of the longest plan
 * @returns ascending cells, the first and the last one of the fine grid included
 */
export function chooseCells({ parts }: Grid, { extra, max }: { readonly extra: readonly number[]; readonly max: number }): number[] {
  const denseNodes = Math.max(LEAST_DENSE_NODES, DENSE_NODES_A_POLL * max)
  const evenNodes = Math.max(LEAST_EVEN_NODES, EVEN_NODES_A_POLL * max)
  const last = parts.length - 1
  const chosen = new Uint8Array(last + 1)
  for (const cell of [0, last, ...extra]) chosen[cell] = 1
  const roots = new Float64Array(last + 1)
  let total = 0
  for (let i = 1; i <= last; i++) {
    const root = Math.sqrt(Math.max(0, floatAt(parts, i) - floatAt(parts, i - 1)))
    roots[i] = root
    total += root
  }
  let sum = 0
  for (let i = 1; i <= last; i++) {
    const before = Math.floor(sum)
    sum += (denseNodes * floatAt(roots, i)) / total + evenNodes / last
    if (Math.floor(sum) > before) chosen[i] = 1
  }
  for (const cell of findJumps(roots, total)) chosen[cell] = 1
  const cells: number[] = []
  for (let i = 0; i <= last; i++) if (chosen[i] === 1) cells.push(i)
  return cells
}

/** The cells after which the density is another: its root differs by a twentieth of the mean root at least. */
function findJumps(roots: Float64Array, total: number): number[] {
  const least = (total / roots.length) * 0.05
  const jumps: { readonly cell: number; readonly height: number }[] = []
  for (let cell = 1; cell < roots.length - 1; cell++) {
    const height = Math.abs(floatAt(roots, cell + 1) - floatAt(roots, cell))
    if (height > least) jumps.push({ cell, height })
  }
  return jumps
    .sort((a, b) => b.height - a.height)
    .slice(0, JUMPS)
    .map(({ cell }) => cell)
}

/** The grid of some cells alone. */
export function pickCells({ offsetsMs, parts }: Grid, cells: readonly number[]): Grid {
  return {
    offsetsMs: Float64Array.from(cells, (cell) => at(offsetsMs, cell)),
    parts: Float64Array.from(cells, (cell) => at(parts, cell)),
  }
}
