import CliTable from 'cli-table3'
import type { Colors } from 'picocolors/types.js'

/** A column of a table for people. */
export interface Column<Row> {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** Text that came from outside goes through `plainText`. */
  readonly show: (row: Row) => string
}

/** A table for a terminal. Chinese characters count as two columns. */
export function renderTable<Row>(columns: ReadonlyArray<Column<Row>>, rows: readonly Row[], colors: Colors): string {
  const table = new CliTable({
    head: columns.map(({ title }) => colors.bold(title)),
    colAligns: columns.map(({ align = 'left' }) => align),
    // Colours come from `colors`, which knows whether this is a terminal; the table's own do not.
    style: { head: [], border: [] },
    chars: LINES,
  })
  for (const row of rows) table.push(columns.map(({ show }) => show(row)))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

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
  middle: ' ',
}

/** Names come from DingTalk and from senders: control characters in them must not reach the terminal. */
export function plainText(text: string | null, missing = '–'): string {
  return text === null ? missing : text.replace(/\p{Cc}/gu, '\uFFFD')
}
