import { type Row, textOf } from './rows.ts'

/** What a column of a file means. */
export type Field = 'userId' | 'name' | 'departments' | 'managerUserId'

/** Headers without spaces, `_`, `-`, `*` and what is in parentheses, in lower case. */
const HEADERS: Readonly<Record<Field, RegExp>> = {
  userId: /^(?:userids?|staffid|(?:员工|用户|成员)?userid|(?:员工|用户|成员)id)$/u,
  name: /^(?:name|fullname|(?:员工|成员)?姓名)$/u,
  departments: /^(?:departments?|dept|(?:所在|所属)?部门(?:名称|路径)?)$/u,
  // Without "id" such a column has names.
  managerUserId: /^(?:manager(?:user)?id|(?:直属)?(?:主管|上级)(?:user)?id)$/u,
}

/** A job number is chosen by the organisation. DingTalk answers with user ids. */
const JOB_NUMBER = /^(?:工号|员工工号|jobnumber|employeenumber|employeeid)$/u

/** A file exported by DingTalk: its departments are separated by "," and their levels by "-". */
const OF_DINGTALK = /^员工userid$/u

export interface Header {
  /** Its place in the rows. */
  readonly index: number
  readonly columns: ReadonlyMap<Field, Column>
  /** Titles of columns that mean nothing here. */
  readonly ignored: readonly string[]
  readonly isOfDingTalk: boolean
}

export interface Column {
  readonly place: number
  /** As the file has it. */
  readonly title: string
}

/** Rows in which a header is looked for: files of DingTalk's console begin with a title and instructions. */
const HEADER_ROWS = 20

/**
 * The header row: the first that has a column of user ids and another one.
 * @throws {RangeError} where two columns mean the same
 */
export function findHeader(rows: readonly Row[]): Header | null {
  for (const [index, row] of rows.slice(0, HEADER_ROWS).entries()) {
    const titles = titlesOf(row)
    const known = titles.flatMap((column) => {
      const field = fieldOf(column.title)
      return field === null ? [] : [{ ...column, field }]
    })
    if (titles.length < 2 || !known.some(({ field }) => field === 'userId')) continue
    const columns = new Map<Field, Column>()
    for (const { field, place, title } of known) {
      const other = columns.get(field)
      if (other !== undefined)
        throw new RangeError(`line ${row.line}: the columns "${other.title}" and "${title}" mean the same. Rename or remove one`)
      columns.set(field, { place, title })
    }
    const ignored = titles.filter(({ title }) => fieldOf(title) === null).map(({ title }) => title)
    return { index, columns, ignored, isOfDingTalk: OF_DINGTALK.test(normalise(columns.get('userId')?.title ?? '')) }
  }
  return null
}

/** A header with a fault is one, too. */
export function hasHeader(rows: readonly Row[]): boolean {
  try {
    return findHeader(rows) !== null
  } catch {
    return true
  }
}

/** Why no header was found, with the titles of the row that has most of them. */
export function missingHeader(rows: readonly Row[]): string {
  const [titles = []] = rows
    .slice(0, HEADER_ROWS)
    .map(titlesOf)
    .toSorted((a, b) => b.length - a.length)
  const found = titles.length === 0 ? '' : ` It has: ${titles.map(({ title }) => title).join(', ')}.`
  const number = titles.find(({ title }) => JOB_NUMBER.test(normalise(title)))
  const hint = number === undefined ? '' : ` "${number.title}" is a job number, and no user id: the two may differ.`
  return `has no column of user ids in its first ${HEADER_ROWS} lines.${found}${hint} Name the column user_id or 员工UserID, and give it the ids that DingTalk uses; export the address book in DingTalk's console to get them.`
}

function titlesOf({ cells }: Row): Column[] {
  return cells.flatMap((cell, place) => {
    const title = textOf(cell).replaceAll(/\s+/g, ' ')
    return title === '' ? [] : [{ place, title }]
  })
}

function fieldOf(title: string): Field | null {
  const name = normalise(title)
  for (const field of FIELDS) if (HEADERS[field].test(name)) return field
  return null
}

const FIELDS = ['userId', 'name', 'departments', 'managerUserId'] as const satisfies readonly Field[]

function normalise(title: string): string {
  return title
    .normalize('NFKC')
    .replaceAll(/\([^)]*\)/g, '')
    .replaceAll(/[\s_*-]/g, '')
    .toLowerCase()
}
