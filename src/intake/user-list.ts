/** Recipients in a file: one id a line, or a table with a header row, as our own CSV exports and spreadsheets write it. */
// Considered: csv-parse and papaparse. A fault must name the line of the file, and sending code must not need another package.

export interface UserLine {
  /** From 1. */
  readonly line: number
  /** As it stands in the file, without what a CSV file puts around it. Not checked yet. */
  readonly value: string
}

/** @throws {RangeError} naming the line, where a row of a table has no user id */
export function readUserList(text: string): UserLine[] {
  const body = text.replace(/^\uFEFF/, '')
  return readTable(body) ?? readLines(body)
}

/** Heads the column of ids in our own files, in those of DingTalk's console, and in what people make of them. */
const HEADERS = /^(?:user[ _-]?ids?|staff[ _-]?id|员工\s?user[ _-]?id|用户\s?(?:id|编号)|员工\s?id)$/iu
/** Of a table only: alone on a line each may be an id. */
const TABLE_HEADERS = /^(?:user|person|recipient|人员|用户|员工|接收人|收件人)$/iu
const DELIMITERS = [',', ';', '\t'] as const

const NO_ROW: Row = { line: 1, cells: [] }

/** Null: the first line is no header row of a table. */
function readTable(text: string): UserLine[] | null {
  for (const delimiter of DELIMITERS) {
    const [header = NO_ROW, ...rows] = rowsIn(text, delimiter)
    const names = header.cells.map((cell) => cell.trim())
    if (names.length < 2) continue
    const exact = names.findIndex((name) => HEADERS.test(name))
    const column = exact >= 0 ? exact : names.findIndex((name) => TABLE_HEADERS.test(name))
    if (column < 0) continue
    return rows.map(({ line, cells }) => {
      const value = plain(cells[column] ?? '')
      if (value === '') throw new RangeError(`line ${line} has nothing in the column of the user ids, ${column + 1} from the left`)
      return { line, value }
    })
  }
  return null
}

/** "#" begins a comment, at the beginning of a line or after a space. */
function readLines(text: string): UserLine[] {
  const lines = text
    .split(/\r\n|\n|\r/)
    .map((content, i) => ({ line: i + 1, value: plain(unquoted(content.replace(/(^|\s)#.*$/, '').trim())) }))
    .filter(({ value }) => value !== '')
  return lines[0] !== undefined && HEADERS.test(lines[0].value) ? lines.slice(1) : lines
}

function unquoted(cell: string): string {
  const inner = /^"((?:[^"]|"")*)"$/.exec(cell)?.[1]
  return inner === undefined ? cell : inner.replaceAll('""', '"')
}

/** Without what protects a text in spreadsheets: the apostrophe of our own files before a formula's first letter, or `="…"`, which keeps leading zeros. */
function plain(cell: string): string {
  return cell
    .trim()
    .replace(/^="([^"]*)"$/, '$1')
    .replace(/^'(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/, '')
}

interface Row {
  readonly line: number
  readonly cells: readonly string[]
}

const QUOTED = / *"((?:[^"]|"")*)"/y

/** RFC 4180: a cell in quotation marks may hold delimiters, line ends, and quotation marks twice. Rows without anything are left out. */
function rowsIn(text: string, delimiter: string): Row[] {
  const rows: Row[] = []
  let [at, line] = [0, 1]
  while (at < text.length) {
    const { cells, end } = rowAt(text, at, delimiter)
    if (cells.some((cell) => cell.trim() !== '')) rows.push({ line, cells })
    line += text.slice(at, end).split(/\r\n|\n|\r/).length - 1
    at = end
  }
  return rows
}

/** The row that begins at a place, and where the next one begins. */
function rowAt(text: string, start: number, delimiter: string): { readonly cells: string[]; readonly end: number } {
  const cells: string[] = []
  for (let at = start; ; ) {
    const { cell, end } = cellAt(text, at, delimiter)
    cells.push(cell)
    if (text[end] === delimiter) at = end + 1
    else return { cells, end: text.startsWith('\r\n', end) ? end + 2 : end + 1 }
  }
}

function cellAt(text: string, start: number, delimiter: string): { readonly cell: string; readonly end: number } {
  QUOTED.lastIndex = start
  const quoted = QUOTED.exec(text)
  // What stands between the closing mark and the delimiter belongs to nothing.
  const end = endOfCell(text, quoted === null ? start : start + quoted[0].length, delimiter)
  return { cell: quoted?.[1]?.replaceAll('""', '"') ?? text.slice(start, end), end }
}

function endOfCell(text: string, from: number, delimiter: string): number {
  for (let at = from; at < text.length; at++) {
    const letter = text[at]
    if (letter === delimiter || letter === '\n' || letter === '\r') return at
  }
  return text.length
}
