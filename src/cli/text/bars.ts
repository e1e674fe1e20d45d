import type { Colors } from 'picocolors/types.js'
import type { StateKind } from '../../domain/delivery.ts'
import { formatRate } from '../../report/rate.ts'
import type { CurvePoint } from '../../report/rates.ts'
import { NO_BREAK } from './layout.ts'

const BAR_WIDTH = 20
/** In a table, beside other columns. */
export const SHORT_BAR_WIDTH = 10
/** Of the longest text of a rate. */
const RATE_WIDTH = 6

/** A rate as a bar and a percentage, such as `██████████░░░░░░░░░░  50.0%`. Null is an empty bar and a dash. */
export function readBar(rate: number | null, colors: Colors, width: number = BAR_WIDTH): string {
  const filled = filledCells(rate ?? 0, width)
  const paint = rate === null || rate >= 0.8 ? colors.green : rate >= 0.4 ? colors.yellow : colors.red
  return `${paint('█'.repeat(filled))}${colors.dim('░'.repeat(width - filled))} ${formatRate(rate).padStart(RATE_WIDTH)}`
}

/** Full only for 1, and empty only for 0. */
function filledCells(rate: number, width: number): number {
  if (rate <= 0) return 0
  if (rate >= 1) return width
  return Math.min(width - 1, Math.max(1, Math.round(rate * width)))
}

/** The sign of each state differs without colours too. */
const SIGNS: ReadonlyArray<readonly [state: StateKind, sign: string, paint: 'green' | 'yellow' | 'dim' | 'red' | 'magenta']> = [
  ['read', '█', 'green'],
  ['unread', '▒', 'yellow'],
  ['pending', '·', 'dim'],
  ['forbidden', '×', 'red'],
  ['failed', '!', 'red'],
  ['invalid', '?', 'magenta'],
]

/** Recipients by state as one bar of `width` columns, and the legend of the states in it. Without recipients: null. */
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

/** Whole cells in proportion, at least one for each; together `width`, which must be at least the number of counts. */
function shareOut(counts: readonly number[], width: number): readonly number[] {
  const total = sum(counts)
  const exact = counts.map((count) => (count / total) * width)
  let cells = exact.map((share) => Math.max(1, Math.floor(share)))
  const change = (by: number, weights: readonly number[]): void => {
    const chosen = weights.indexOf(Math.max(...weights))
    cells = cells.map((cell, i) => (i === chosen ? cell + by : cell))
  }
  while (sum(cells) < width)
    change(
      1,
      exact.map((share, i) => share - (cells[i] ?? 0)),
    )
  while (sum(cells) > width) change(-1, cells)
  return cells
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** The time that a sparkline shows, and the time up to which it has data. */
export interface Span {
  readonly from: Date
  readonly until: Date
  readonly now: Date
}

export const EIGHTHS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** How many of `people` had read by the right edge of each column: `▁▃▅▆▇▇▇·····`. Columns after `now` are dots. */
export function sparkline(
  points: ReadonlyArray<Pick<CurvePoint, 'at' | 'read'>>,
  people: number,
  { from, until, now }: Span,
  width: number,
): string {
  const columnMs = (until.getTime() - from.getTime()) / width
  return Array.from({ length: width }, (_, i) => {
    const begin = from.getTime() + i * columnMs
    if (i > 0 && begin >= now.getTime()) return '·'
    const moment = Math.min(begin + columnMs, Math.max(now.getTime(), from.getTime()))
    const read = points.findLast(({ at }) => at.getTime() <= moment)?.read ?? 0
    return EIGHTHS[people === 0 ? 0 : filledCells(read / people, 8)]
  }).join('')
}
