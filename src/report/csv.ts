/** What a cell of a table may hold. */
export type Cell = string | number | boolean | Date | null

/** Spreadsheets read UTF-8 only with it; without it Chinese names are garbled. */
const BOM = '\uFEFF'

/**
 * A cell that begins like this is a formula to a spreadsheet: `=HYPERLINK(…)` in a campaign name would run. The wide forms are
 * the same to one that is set to Chinese or Japanese. Source: OWASP, "CSV Injection".
 */
const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/

/** A table as a file, see {@link csvHead} and {@link csvRows}. */
export function toCsv(headers: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string {
  return `${csvHead(headers)}${csvRows(rows)}`
}

/** How the file begins; rows may follow in as many parts as there are. */
export function csvHead(headers: readonly string[]): string {
  return `${BOM}${csvRows([headers])}`
}

/** RFC 4180 with CRLF, for spreadsheets and scripts alike. Times are ISO 8601, rates are numbers, nothing is an empty cell. */
export function csvRows(rows: ReadonlyArray<readonly Cell[]>): string {
  return rows.map((row) => `${row.map(cellOf).join(',')}\r\n`).join('')
}

function cellOf(value: Cell): string {
  if (value === null) return ''
  if (value instanceof Date) return value.toISOString()
  if (typeof value !== 'string') return String(value)
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
