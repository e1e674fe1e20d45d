import type { Colors } from 'picocolors/types.js'
import { HOUR_MS } from '../../domain/delivery.ts'
import type { BandStep } from '../../report/rates.ts'
import { EIGHTHS, momentOf, type Span, stepAt, type ToldSpan } from './sparkline.ts'
import { showDuration } from './time.ts'
import { cellsOf } from './width.ts'

const ROWS = 5
const MARGIN = 6
const MAX_PLOT_WIDTH = 96

interface Level {
  /** Of the people, 0 to 1. */
  readonly atLeast: number
  readonly atMost: number
}

/**
 * How many of `people` had read by when: solid as far as is known, shaded as far as is possible, blank ahead of now.
 * Without colours it says the same.
 */
export function readChart(
  steps: readonly BandStep[],
  people: number,
  span: ToldSpan,
  { colors, width }: { readonly colors: Colors; readonly width: number },
): string {
  const columns = Math.max(10, Math.min(MAX_PLOT_WIDTH, width - MARGIN - 2))
  const levels = Array.from({ length: columns }, (_, i) => levelAt(steps, people, momentOf(span, i, columns)))
  const rows = Array.from({ length: ROWS }, (_, i) => {
    const row = ROWS - 1 - i
    return `${labelOf(row)}${row === ROWS - 1 ? '┤' : '│'}${rowOf(levels, row, colors)}`
  })
  const nowColumn = columnOf(span, columns)
  const ticks = ticksIn(span, columns)
  return [...rows, axisOf(columns, ticks, nowColumn), labelsOf(span, columns, ticks, nowColumn)].map((line) => line.trimEnd()).join('\n')
}

/** Null ahead of now. Before the first step nothing was sent. */
function levelAt(steps: readonly BandStep[], people: number, moment: number | null): Level | null {
  if (moment === null || people === 0) return null
  const { atLeast, atMost } = stepAt(steps, moment) ?? { atLeast: 0, atMost: 0 }
  return { atLeast: Math.min(1, atLeast / people), atMost: Math.min(1, atMost / people) }
}

function labelOf(row: number): string {
  const label = row === ROWS - 1 ? '100 %' : row === (ROWS - 1) / 2 ? '50 %' : ''
  return label.padStart(MARGIN - 1).padEnd(MARGIN)
}

/** Neighbours of one kind are painted together: an escape sequence for each cell would be most of the text. */
function rowOf(levels: ReadonlyArray<Level | null>, row: number, colors: Colors): string {
  const cells = levels.map((level) => (level === null ? ' ' : cellOf(level, row)))
  return cells
    .join('')
    .replace(/[▁▂▃▄▅▆▇█]+/g, (solid) => colors.green(solid))
    .replace(/░+/g, (shade) => colors.dim(shade))
}

/** A cell that is solid in part shows that part: a shade above it is seen in the row above. */
function cellOf({ atLeast, atMost }: Level, row: number): string {
  const solid = Math.floor(eighths(atLeast)) - row * 8
  if (solid >= 1) return EIGHTHS[Math.min(8, solid) - 1] ?? ''
  return eighths(atMost) - row * 8 >= 1 ? '░' : ' '
}

/** One person is an eighth at least. */
function eighths(share: number): number {
  return share > 0 ? Math.max(1, share * ROWS * 8) : 0
}

function columnOf({ from, until, now }: Span, columns: number): number | null {
  const at = ((now.getTime() - from.getTime()) / (until.getTime() - from.getTime())) * columns
  return at >= 0 && at < columns ? Math.floor(at) : null
}

function axisOf(columns: number, ticks: readonly Tick[], nowColumn: number | null): string {
  const isTick = (i: number): boolean => ticks.some(({ column }) => column === i)
  const line = Array.from({ length: columns }, (_, i) => (i === nowColumn ? '▲' : isTick(i) ? '┴' : '─')).join('')
  return `${'0 %'.padStart(MARGIN - 1)} └${line}┘`
}

/** A time after the begin, and where it is. */
interface Tick {
  readonly ms: number
  readonly column: number
}

/** Between two ticks. */
const STEPS_IN_HOURS = [1, 2, 3, 6, 12, 24, 48, 120, 240, 480, 1_200, 2_400, 4_800, 12_000]
const MAX_STEPS = 5

/** Round times between both ends, a handful at most; none that would run into the end. */
function ticksIn({ from, until, scale }: ToldSpan, columns: number): Tick[] {
  const spanMs = (until.getTime() - from.getTime()) * scale
  const stepMs = (STEPS_IN_HOURS.find((hours) => spanMs <= hours * HOUR_MS * MAX_STEPS) ?? Infinity) * HOUR_MS
  const ticks = Array.from({ length: Math.max(0, Math.ceil(spanMs / stepMs) - 1) }, (_, i) => (i + 1) * stepMs)
  return ticks.map((ms) => ({ ms, column: Math.round((columns * ms) / spanMs) })).filter(({ column }) => column < columns - 2)
}

/** The ends first, then now, then what has room. */
function labelsOf({ ends }: ToldSpan, columns: number, ticks: readonly Tick[], nowColumn: number | null): string {
  const line = new Line(MARGIN + columns + 2)
  line.put(ends.from, MARGIN)
  line.put(ends.until, MARGIN + columns + 2 - cellsOf(ends.until))
  if (nowColumn !== null) line.put('now', MARGIN + 1 + nowColumn - 1)
  for (const { ms, column } of ticks) line.put(showDuration(ms), MARGIN + 1 + column - 1)
  return line.text()
}

/** Labels on one line, of which a later one gives way to an earlier. */
class Line {
  readonly #cells: string[]

  constructor(width: number) {
    this.#cells = Array.from({ length: width }, () => ' ')
  }

  put(label: string, wanted: number): void {
    const begin = Math.max(0, Math.min(wanted, this.#cells.length - label.length))
    const room = this.#cells.slice(Math.max(0, begin - 1), begin + label.length + 1)
    if (room.some((cell) => cell !== ' ')) return
    for (const [i, sign] of [...label].entries()) this.#cells[begin + i] = sign
  }

  text(): string {
    return this.#cells.join('')
  }
}
