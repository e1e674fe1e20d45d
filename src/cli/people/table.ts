import { InvalidInputError } from '../../domain/errors.ts'
import { MAX_DEPARTMENTS } from '../../domain/field-rules.ts'
import { quote } from '../../domain/quote.ts'
import { departmentFault, nameFault, type PersonRecord } from '../../intake/people.ts'
import { parseRecipient } from '../../intake/track-request.ts'
import { type Column, type Field, findHeader, type Header, missingHeader } from './columns.ts'
import { type Cell, type Row, textOf } from './rows.ts'

/** What a file says about people. */
export interface PeopleTable {
  readonly people: readonly PersonRecord[]
  /** The titles of the columns that are read, and of those that are not. */
  readonly columns: readonly string[]
  readonly ignored: readonly string[]
  /** The file has DingTalk's own separators of departments: `-` and `,`. */
  readonly isOfDingTalk: boolean
  /** User ids that are numbers in the file: a leading zero would be lost. */
  readonly numbers: number
}

/** Faults that are shown; with more of them the rest is counted. */
const MAX_FAULTS = 10

/** A file that cannot be imported. The message has a line for each fault, up to ten. */
export class FileFaults extends Error {
  override readonly name = 'FileFaults'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    const more = faults.length - MAX_FAULTS
    super([...faults.slice(0, MAX_FAULTS), ...(more > 0 ? [`and ${more} more`] : [])].join('\n'))
    this.faults = faults
  }
}

/** @throws {FileFaults} naming line, column, value and remedy */
export function readPeopleTable(rows: readonly Row[]): PeopleTable {
  const header = headerOf(rows)
  const lines = rows.slice(header.index + 1).filter(({ cells }) => cells.some((cell) => textOf(cell) !== ''))
  const isOfDingTalk = header.isOfDingTalk && hasSeparatorsOfDingTalk(header, lines)
  const faults: string[] = []
  const read = lines.flatMap((row): Line[] => {
    try {
      return [{ line: row.line, person: readPerson(row, header.columns, isOfDingTalk) }]
    } catch (error) {
      if (!(error instanceof CellFault)) throw error
      faults.push(error.message)
      return []
    }
  })
  const merged = mergeLines(read, faults)
  findRounded(read, header.columns, faults)
  if (faults.length > 0) throw new FileFaults(faults)
  if (merged.length === 0) throw new FileFaults([`there is no person below the header in line ${rows[header.index]?.line ?? 1}`])
  const userIds = header.columns.get('userId')
  return {
    people: merged,
    columns: [...header.columns.values()].map(({ title }) => title),
    ignored: header.ignored,
    isOfDingTalk,
    numbers: lines.filter(({ cells }) => isNumber(cells[userIds?.place ?? 0])).length,
  }
}

function headerOf(rows: readonly Row[]): Header {
  let header: Header | null
  try {
    header = findHeader(rows)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new FileFaults([error.message])
  }
  if (header === null) throw new FileFaults([missingHeader(rows)])
  if (header.columns.size > 1) return header
  throw new FileFaults([
    `line ${rows[header.index]?.line ?? 1} has a column of user ids, and none of names, departments or managers. Name them name, department and manager_user_id, or 姓名, 部门 and 直属主管UserID.`,
  ])
}

/** A file that has DingTalk's title of the column may have been made by hand, with the separators of this page. */
function hasSeparatorsOfDingTalk({ columns }: Header, lines: readonly Row[]): boolean {
  const column = columns.get('departments')
  if (column === undefined) return true
  const texts = lines.map(({ cells }) => textOf(cells[column.place]))
  return texts.some((text) => text.includes('-')) || !texts.some((text) => /[/;；]/.test(text))
}

interface Line {
  readonly line: number
  readonly person: PersonRecord
}

class CellFault extends Error {
  constructor(line: number, column: Column, value: string, what: string) {
    super(`line ${line}, column ${quote(column.title)}: ${value === '' ? 'it' : quote(value)} ${what}`)
  }
}

function readPerson({ line, cells }: Row, columns: Header['columns'], isOfDingTalk: boolean): PersonRecord {
  const read = <T>(field: Field, parse: (cell: Cell, fail: (what: string, value?: string) => never) => T): T | undefined => {
    const column = columns.get(field)
    if (column === undefined) return undefined
    const cell = cells[column.place] ?? null
    const fail = (what: string, value = textOf(cell)): never => {
      throw new CellFault(line, column, value, what)
    }
    return parse(cell, fail)
  }
  const name = read('name', (cell, fail) => readName(cell, fail))
  const departments = read('departments', (cell, fail) => readDepartments(cell, fail, isOfDingTalk))
  const managerUserId = read('managerUserId', (cell, fail) => (textOf(cell) === '' ? null : readUserId(cell, fail)))
  return {
    userId: read('userId', readUserId) ?? '',
    ...(name !== undefined && { name }),
    ...(departments !== undefined && { departments }),
    ...(managerUserId !== undefined && { managerUserId }),
  }
}

type Fail = (what: string, value?: string) => never

const AS_TEXT = 'Format the column as text in Excel, and put the ids in again.'
/** What a spreadsheet shows of a long number. */
const ROUNDED = /^\d([.,]\d+)?E\+?\d+$/i
/** Digits that Excel keeps. */
const EXACT_DIGITS = 15

function readUserId(cell: Cell, fail: Fail): string {
  const text = textOf(cell)
  if (text === '') fail('is empty. Give the user id of the person, or remove the line.')
  if (isNumber(cell)) return readNumber(text, fail)
  if (isDate(cell)) fail(`is a date in the file. ${AS_TEXT}`)
  if (ROUNDED.test(text)) fail(`is a number that Excel has rounded, so the id is lost. ${AS_TEXT}`)
  try {
    return parseRecipient('user id', text)
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    // The message begins with the field and the value, which stand before it.
    return fail(error.message.replace(/^user id (?:"(?:[^"\\]|\\.)*"…? )?/u, ''))
  }
}

/** A cell that is a number in the workbook. */
function readNumber(text: string, fail: Fail): string {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) fail(`is a number, and no user id. ${AS_TEXT}`)
  if (value >= 10 ** EXACT_DIGITS)
    fail(`is a number of more than ${EXACT_DIGITS} digits in the file, of which Excel has rounded the last, so the id is lost. ${AS_TEXT}`)
  return String(value)
}

function readName(cell: Cell, fail: Fail): string | null {
  if (isDate(cell)) fail(`is a date in the file. Format the column as text in Excel.`)
  const text = textOf(cell)
  if (text === '') return null
  const fault = nameFault(text)
  return fault === null ? text : fail(`${fault}. Correct it in the file.`)
}

function readDepartments(cell: Cell, fail: Fail, isOfDingTalk: boolean): readonly string[] {
  if (isDate(cell)) fail(`is a date in the file. Format the column as text in Excel.`)
  const paths = splitDepartments(textOf(cell), isOfDingTalk)
  for (const path of paths) {
    const fault = departmentFault(path)
    if (fault !== null) fail(`${fault}. Write the names of a path with "/" between them, and several paths with ";".`, path)
  }
  if (paths.length > MAX_DEPARTMENTS) fail(`has ${paths.length} departments, and ${MAX_DEPARTMENTS} are the most.`)
  return paths
}

/** Paths as they are stored. In DingTalk's own file the name of a department may have "/" in it, which is the full-width one here. */
function splitDepartments(text: string, isOfDingTalk: boolean): string[] {
  const [between, level] = isOfDingTalk ? [/[,，]/, '-'] : [/[;；]/, '/']
  const paths = text
    .split(between)
    .map((path) => path.trim())
    .filter((path) => path !== '')
    .map((path) =>
      (isOfDingTalk ? path.replaceAll('/', '／') : path)
        .split(level)
        .map((name) => name.trim())
        .join('/'),
    )
  return [...new Set(paths)]
}

function isNumber(cell: Cell | undefined): boolean {
  return typeof cell === 'object' && cell?.kind === 'number'
}

function isDate(cell: Cell | undefined): boolean {
  return typeof cell === 'object' && cell?.kind === 'date'
}

/** A person on several lines is in several departments. */
function mergeLines(lines: readonly Line[], faults: string[]): PersonRecord[] {
  const found = new Map<string, Line>()
  for (const { line, person } of lines) {
    const other = found.get(person.userId)
    if (other === undefined) {
      found.set(person.userId, { line, person })
      continue
    }
    const difference = person.name !== other.person.name ? 'name' : person.managerUserId !== other.person.managerUserId ? 'manager' : null
    if (difference !== null) {
      faults.push(
        `lines ${other.line} and ${line} have the same user id ${quote(person.userId)}, and another ${difference}. Correct or remove one of them.`,
      )
      continue
    }
    const departments = [...new Set([...(other.person.departments ?? []), ...(person.departments ?? [])])]
    found.set(person.userId, { line: other.line, person: { ...other.person, ...(other.person.departments && { departments }) } })
  }
  for (const { line, person } of found.values()) {
    const count = person.departments?.length ?? 0
    if (count > MAX_DEPARTMENTS)
      faults.push(`line ${line}: ${quote(person.userId)} has ${count} departments over all lines, and ${MAX_DEPARTMENTS} are the most.`)
  }
  return [...found.values()].map(({ person }) => person)
}

/** With fewer of them it may be chance: of 16 digits every tenth id ends in 0. */
const SUSPICIOUS = 5

/** Excel writes a long number that it shows in full with zeros for the digits that it has lost. Then all long ids of a file end in zeros. */
function findRounded(lines: readonly Line[], columns: Header['columns'], faults: string[]): void {
  const long = lines.filter(({ person }) => /^[1-9]\d{15,}$/.test(person.userId))
  const [first] = long
  const column = columns.get('userId')
  if (first === undefined || column === undefined || long.length < SUSPICIOUS) return
  if (!long.every(({ person }) => /^0+$/.test(person.userId.slice(EXACT_DIGITS)))) return
  faults.push(
    `line ${first.line}, column ${quote(column.title)}: ${quote(first.person.userId)}, and the other ${long.length - 1} ids of more than ${EXACT_DIGITS} digits, end in zeros: Excel has rounded them, so the ids are lost. ${AS_TEXT}`,
  )
}
