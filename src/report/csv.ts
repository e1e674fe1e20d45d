export type Cell = string | number | boolean | Date | null

/** Spreadsheets take a file for UTF-8 only with it. */
const BOM = '\uFEFF'

/**
 * A spreadsheet runs a cell that begins like this as a formula, such as `=HYPERLINK(…)` in a campaign name. A spreadsheet that is set to
 * Chinese or Japanese runs the wide forms too. Source: OWASP, "CSV Injection".
 */
const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/

/** A whole file. */
export function toCsv(headers: readonly string[], rows: ReadonlyArray<readonly Cell[]>): string {
  return `${csvHead(headers)}${csvRows(rows)}`
}

/** The begin of a file; rows may follow in several parts. */
export function csvHead(headers: readonly string[]): string {
  return `${BOM}${csvRows([headers])}`
}

/** RFC 4180 with CRLF. Times are ISO 8601, rates are numbers, null is an empty cell. */
export function csvRows(rows: ReadonlyArray<readonly Cell[]>): string {
  return rows.map((row) => `${row.map(formatCell).join(',')}\r\n`).join('')
}

function formatCell(value: Cell): string {
  if (value === null) return ''
  if (value instanceof Date) return value.toISOString()
  if (typeof value !== 'string') return String(value)
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
