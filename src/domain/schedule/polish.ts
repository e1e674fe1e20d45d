import { at } from './curve.ts'
import type { Grid } from './grid.ts'

/** How far a poll is moved at most in one sweep, in cells: about half the distance of the evenly chosen ones. */
const REACH = 18
const SWEEPS = 2

/**
 * Moves each poll to the best of the cells near it, between its neighbours: the dynamic programme chose among some of the cells only.
 * @param path the cells of a plan, ascending; the last one stays
 * @param keep cells that stay, and the longest gap that a move may make
 */
export function polish(
  fine: Grid,
  path: readonly number[],
  keep: { readonly fixed: ReadonlySet<number>; readonly maxGapMs: number },
): number[] {
  const cells = [...path]
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let i = 0; i < cells.length - 1; i++) {
      const cell = at(cells, i)
      if (!keep.fixed.has(cell)) cells[i] = findBestCell(fine, { cell, left: at(cells, i - 1), right: at(cells, i + 1) }, keep.maxGapMs)
    }
  }
  return cells
}

function findBestCell({ offsetsMs, parts }: Grid, poll: { cell: number; left: number; right: number }, maxGapMs: number): number {
  const { cell, left, right } = poll
  const leftMs = at(offsetsMs, left)
  const rightMs = at(offsetsMs, right)
  const leftPart = at(parts, left)
  const rightPart = at(parts, right)
  // A plan that breaks the limit already may not break it more.
  const longestMs = Math.max(maxGapMs, at(offsetsMs, cell) - leftMs, rightMs - at(offsetsMs, cell))
  let best = cell
  let least = Number.POSITIVE_INFINITY
  const to = Math.min(right - 1, cell + REACH)
  for (let k = Math.max(left + 1, cell - REACH); k <= to; k++) {
    const before = Number(offsetsMs[k]) - leftMs
    const after = rightMs - Number(offsetsMs[k])
    const cost = before * (Number(parts[k]) - leftPart) + after * (rightPart - Number(parts[k]))
    if (cost < least && before <= longestMs && after <= longestMs) {
      least = cost
      best = k
    }
  }
  return best
}
