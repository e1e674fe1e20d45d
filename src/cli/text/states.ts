import type { Colors } from 'picocolors/types.js'
import type { StateKind } from '../../domain/delivery.ts'
import { NO_BREAK } from './facts.ts'

/** How a state is drawn: told apart without colours too. */
const SIGNS: ReadonlyArray<readonly [state: StateKind, sign: string, paint: 'green' | 'yellow' | 'dim' | 'red' | 'magenta']> = [
  ['read', '█', 'green'],
  ['unread', '▒', 'yellow'],
  ['pending', '·', 'dim'],
  ['forbidden', '×', 'red'],
  ['failed', '!', 'red'],
  ['invalid', '?', 'magenta'],
]

/** People by state as one bar of `width` columns, and the legend, of the states that there are. Nobody: null. */
export function statesBar(
  counts: Readonly<Record<StateKind, number>>,
  colors: Colors,
  width: number,
): { readonly bar: string; readonly legend: string } | null {
  const there = SIGNS.filter(([state]) => counts[state] > 0)
  if (there.length === 0) return null
  const cells = shareOut(
    there.map(([state]) => counts[state]),
    width,
  )
  return {
    bar: there.map(([, sign, paint], i) => colors[paint](sign.repeat(cells[i] ?? 0))).join(''),
    legend: there.map(([state, sign, paint]) => `${colors[paint](sign)}${NO_BREAK}${counts[state]}${NO_BREAK}${state}`).join('  '),
  }
}

/** Whole cells in proportion, one at least for each; together `width`, which must have that many. */
function shareOut(counts: readonly number[], width: number): readonly number[] {
  const total = sum(counts)
  const exact = counts.map((count) => (count / total) * width)
  let cells = exact.map((share) => Math.max(1, Math.floor(share)))
  while (sum(cells) < width)
    cells = changed(
      cells,
      1,
      exact.map((share, i) => share - (cells[i] ?? 0)),
    )
  while (sum(cells) > width) cells = changed(cells, -1, cells)
  return cells
}

function changed(cells: readonly number[], by: number, weights: readonly number[]): number[] {
  const chosen = weights.indexOf(Math.max(...weights))
  return cells.map((cell, i) => (i === chosen ? cell + by : cell))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
