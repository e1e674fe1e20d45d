import { stripVTControlCharacters } from 'node:util'
import CliTable from 'cli-table3'
import type { Colors } from 'picocolors/types.js'

/** A column of a table for people. */
export interface Column<Row> {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Text that came from outside goes through `plainText`. */
  readonly show: (row: Row) => string
  /** Left out where the terminal is too narrow, the highest first. Without it a column always stays. */
  readonly spare?: number
}

/** A table for a terminal of `width` columns. Chinese characters count as two. */
export function renderTable<Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: readonly Row[],
  colors: Colors,
  width: number = Number.POSITIVE_INFINITY,
): string {
  const lines = linesOf(columns, rows, colors)
  const first = columns.reduce((most, { spare = 0 }) => Math.max(most, spare), 0)
  if (first > 0 && widthOf(lines) > width) {
    const kept = columns.filter(({ spare }) => spare !== first)
    return renderTable(kept, rows, colors, width)
  }
  return lines.map((line) => line.trimEnd()).join('\n')
}

/** All lines are as wide as the titles, which have no wide characters. */
function widthOf([titles = '']: readonly string[]): number {
  return stripVTControlCharacters(titles).length - GAP
}

function linesOf<Row>(columns: ReadonlyArray<Column<Row>>, rows: readonly Row[], colors: Colors): string[] {
  const table = new CliTable({
    head: columns.map(({ title }) => colors.bold(title)),
    colAligns: columns.map(({ align = 'left' }) => align),
    // Colours come from `colors`, which knows whether this is a terminal; the table's own do not.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    chars: LINES,
  })
  for (const row of rows) table.push(columns.map(({ show }) => show(row)))
  return table.toString().split('\n')
}

/** Between two columns. */
const GAP = 2

/** Only the line under the titles: a table that can be read, and copied into a mail. */
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

/** Names come from DingTalk and from senders: control characters in them must not reach the terminal. */
export function plainText(text: string | null, missing = '–'): string {
  return text === null ? missing : text.replace(/\p{Cc}/gu, '\uFFFD')
}
