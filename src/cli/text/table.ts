import CliTable from 'cli-table3'
import type { Colors } from 'picocolors/types.js'
import cellsOf from 'string-width'
import { cutTo } from './width.ts'

/** A column of a table for people. */
export interface Column<Row> {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Text that came from outside goes through `plainText`. */
  readonly show: (row: Row) => string
  /** Columns that do not fit the terminal are left out, the highest number first. A column without it always stays. */
  readonly spare?: number
  /** Longer texts are cut to this width before a column is left out, and further when no more columns can be left out. No colours in them. */
  readonly shrinkTo?: number
}

/** A text is never cut below this width. */
const MIN_SHRUNK = 8

/** A table for a terminal of `width` columns. */
export function renderTable<Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: readonly Row[],
  colors: Colors,
  width: number = Number.POSITIVE_INFINITY,
): string {
  return fitted(columns, rows, colors, width)
    .map((line) => line.trimEnd())
    .join('\n')
}

function fitted<Row>(columns: ReadonlyArray<Column<Row>>, rows: readonly Row[], colors: Colors, width: number): string[] {
  const whole = renderLines(columns, rows, colors)
  if (widthOf(whole) <= width) return whole
  const cut = renderLines(
    columns.map((column) => shrunk(column)),
    rows,
    colors,
  )
  if (widthOf(cut) <= width) return cut
  const first = columns.reduce((most, { spare = 0 }) => Math.max(most, spare), 0)
  if (first > 0)
    return fitted(
      columns.filter(({ spare }) => spare !== first),
      rows,
      colors,
      width,
    )
  const over = widthOf(cut) - width
  return renderLines(
    columns.map((column) => shrunk(column, Math.max(MIN_SHRUNK, findWidest(column, rows) - over))),
    rows,
    colors,
  )
}

function findWidest<Row>({ show, shrinkTo = 0 }: Column<Row>, rows: readonly Row[]): number {
  return rows.reduce((widest, row) => Math.max(widest, cellsOf(cutTo(show(row), shrinkTo))), 0)
}

function shrunk<Row>(column: Column<Row>, to: number | undefined = column.shrinkTo): Column<Row> {
  const { show, shrinkTo } = column
  return shrinkTo === undefined || to === undefined ? column : { ...column, show: (row) => cutTo(show(row), to) }
}

/** All lines are as wide as the titles. */
function widthOf([titles = '']: readonly string[]): number {
  return cellsOf(titles) - GAP
}

function renderLines<Row>(columns: ReadonlyArray<Column<Row>>, rows: readonly Row[], colors: Colors): string[] {
  const table = new CliTable({
    head: columns.map(({ title }) => colors.bold(title)),
    colAligns: columns.map(({ align = 'left' }) => align),
    // Colours come from `colors`, which is off without a terminal; the table's own colours are not.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    chars: LINES,
  })
  for (const row of rows) table.push(columns.map(({ show }) => show(row)))
  return table.toString().split('\n')
}

/** Between two columns. */
const GAP = 2

/** No lines, so that the table can be copied into a mail. */
const LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
}

/** Replaces the control characters in a text of DingTalk or a sender, which must not reach the terminal. */
export function plainText(text: string | null, missing = '–'): string {
  return text === null ? missing : text.replace(/\p{Cc}/gu, '\uFFFD')
}
