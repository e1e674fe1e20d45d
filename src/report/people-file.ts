import type { StateKind } from '../domain/delivery.ts'
import { type ForbiddenReason, forbiddenReasonOf } from '../domain/problems.ts'
import { COUNT_FIELDS, PERSON_COLUMNS, type PersonColumn, type PersonRow } from './columns.ts'
import type { CampaignRates, DepartmentRates, RateColumns, RecipientFilter, TaskRates } from './rates.ts'

/** What the file of people for a spreadsheet contains, in the language of its reader: sheets of cells, without the format of the file. */

/** A text is never a number or a formula, and a time is a moment. Null is an empty cell. */
export type SheetCell = string | number | Date | null

/** What the cells of a column are. A rate is a number between 0 and 1. */
export type CellKind = 'text' | 'number' | 'time' | 'rate'

export interface SheetColumn {
  readonly title: string
  readonly kind: CellKind
  /** In characters. */
  readonly width: number
}

export type Figure = (typeof COUNT_FIELDS)[number]

/** The texts of a language. */
export interface FileTexts {
  readonly sheets: Readonly<Record<'people' | 'summary' | 'departments', string>>
  readonly columns: Readonly<Record<PersonColumn, string>>
  readonly states: Readonly<Record<StateKind, string>>
  readonly forbiddenReasons: Readonly<Record<ForbiddenReason, string>>
  readonly yes: string
  readonly no: string
  /** Those that are no state. */
  readonly figures: Readonly<Record<Exclude<Figure, StateKind>, string>>
  readonly departmentUnknown: string
  readonly summary: Readonly<Record<SummaryLine, string>>
  readonly all: string
  readonly notes: {
    /** What the rate is, in words. */
    readonly rate: string
    readonly unread: string
    readonly once: string
    readonly namesRemoved: string
    readonly departments: string
  }
}

type SummaryLine =
  | 'title'
  | 'value'
  | 'campaign'
  | 'task'
  | 'app'
  | 'sent'
  | 'lastSent'
  | 'deadline'
  | 'asOf'
  | 'unreadAsOf'
  | 'zone'
  | 'filterState'
  | 'filterSearch'
  | 'filterDepartment'
  | 'people'
  | 'madeAt'
  | 'madeFor'
  | 'namesRemoved'
  | 'note'

/** Read from left to right this says who, and what of them; the others are in the order of the CSV file. */
const FIRST_COLUMNS = ['name', 'department', 'userId', 'state'] as const satisfies readonly PersonColumn[]
const NAMES: ReadonlySet<string> = new Set(['name', 'department'] satisfies PersonColumn[])

const TIME_WIDTH = 20
const WIDTHS: Readonly<Record<PersonColumn, readonly [kind: CellKind, width: number]>> = {
  app: ['text', 12],
  taskId: ['text', 20],
  campaign: ['text', 24],
  userId: ['text', 24],
  state: ['text', 12],
  firstSeenAt: ['time', TIME_WIDTH],
  lastUnreadAt: ['time', TIME_WIDTH],
  firstReadAt: ['time', TIME_WIDTH],
  readAfter: ['time', TIME_WIDTH],
  readBefore: ['time', TIME_WIDTH],
  forbiddenCode: ['text', 16],
  forbiddenCount: ['number', 10],
  named: ['text', 14],
  asOf: ['time', TIME_WIDTH],
  tasks: ['number', 10],
  forbiddenReason: ['text', 24],
  name: ['text', 16],
  department: ['text', 36],
}

export interface PeopleSheet {
  readonly columns: readonly SheetColumn[]
  toCells(person: PersonRow): readonly SheetCell[]
}

/** @param withNames false: the columns with name and department are left out */
export function peopleSheet(texts: FileTexts, withNames: boolean): PeopleSheet {
  const names = listColumns(withNames)
  return {
    columns: names.map((name) => ({ title: texts.columns[name], kind: WIDTHS[name][0], width: WIDTHS[name][1] })),
    toCells: (person) => names.map((name) => toCell(texts, name, person)),
  }
}

function listColumns(withNames: boolean): PersonColumn[] {
  const all = new Set<PersonColumn>(FIRST_COLUMNS)
  for (const name of objectKeys(PERSON_COLUMNS)) all.add(name)
  return [...all].filter((name) => withNames || !NAMES.has(name))
}

function toCell(texts: FileTexts, name: PersonColumn, person: PersonRow): SheetCell {
  if (name === 'state') return texts.states[person.state]
  if (name === 'forbiddenReason')
    return person.state === 'forbidden' ? texts.forbiddenReasons[forbiddenReasonOf(person.forbiddenCode)] : null
  const value = PERSON_COLUMNS[name](person)
  return typeof value === 'boolean' ? yesOrNo(texts, value) : value
}

function yesOrNo({ yes, no }: FileTexts, value: boolean): string {
  return value ? yes : no
}

const FIGURE_WIDTH = 14
const isRate = (figure: Figure): boolean => figure === 'readRate' || figure === 'readRateOfTargeted'

function figureTitle({ states, figures }: FileTexts, figure: Figure): string {
  return { ...states, ...figures }[figure]
}

export function departmentColumns(texts: FileTexts): SheetColumn[] {
  return [
    { title: texts.columns.department, kind: 'text', width: 44 },
    ...COUNT_FIELDS.map(
      (figure): SheetColumn => ({ title: figureTitle(texts, figure), kind: isRate(figure) ? 'rate' : 'number', width: FIGURE_WIDTH }),
    ),
  ]
}

export function departmentCells(texts: FileTexts, row: DepartmentRates): SheetCell[] {
  return [row.department ?? texts.departmentUnknown, ...COUNT_FIELDS.map((figure) => row[figure])]
}

/** What the file is about, beside its people. */
export interface FileFacts {
  readonly of: TaskRates | CampaignRates
  readonly filter: RecipientFilter
  /** All unread people are unread as of this time at least; null: no person is. */
  readonly unreadAsOf: Date | null
  readonly madeAt: Date
  /** Who asked for it, as the server calls them; null: it has no name for them. */
  readonly madeFor: string | null
  readonly timeZone: string
  /** How many people are in the file. */
  readonly people: number
  readonly hasDepartments: boolean
}

export interface SummaryRow {
  readonly label: string
  readonly value: SheetCell
  /** Of the value. */
  readonly kind: CellKind
}

export function summaryColumns({ summary }: FileTexts): SheetColumn[] {
  return [
    { title: summary.title, kind: 'text', width: 32 },
    { title: summary.value, kind: 'text', width: 72 },
  ]
}

export function summaryRows(texts: FileTexts, facts: FileFacts): SummaryRow[] {
  const { of, people } = facts
  const { summary, notes } = texts
  const line = (name: SummaryLine, value: SheetCell): SummaryRow => ({ label: summary[name], value, kind: kindOf(value) })
  const named = 'taskId' in of ? [line('task', of.taskId), ...optional(line('campaign', of.campaign))] : [line('campaign', of.campaign)]
  return [
    ...named,
    line('app', of.app),
    ...sends(line, of),
    ...optional(line('asOf', of.lastObservedAt)),
    ...optional(line('unreadAsOf', facts.unreadAsOf)),
    ...COUNT_FIELDS.map(
      (figure): SummaryRow => ({ label: figureTitle(texts, figure), value: of[figure], kind: isRate(figure) ? 'rate' : 'number' }),
    ),
    ...filterLines(line, texts, facts.filter),
    line('people', people),
    line('madeAt', facts.madeAt),
    ...optional(line('madeFor', facts.madeFor)),
    line('zone', facts.timeZone),
    ...optional(line('namesRemoved', of.namesRemovedAt)),
    line('note', notes.rate),
    line('note', notes.unread),
    ...('taskId' in of ? [] : [line('note', notes.once)]),
    ...(of.namesRemovedAt === null ? [] : [line('note', notes.namesRemoved)]),
    ...(facts.hasDepartments ? [line('note', notes.departments)] : []),
  ]
}

type Line = (name: SummaryLine, value: SheetCell) => SummaryRow

function sends(line: Line, of: TaskRates | CampaignRates): SummaryRow[] {
  if ('taskId' in of) return [line('sent', of.sentAt), line('deadline', of.deadlineAt)]
  const { firstSentAt, lastSentAt, lastDeadlineAt } = of
  const last = lastSentAt > firstSentAt ? [line('lastSent', lastSentAt)] : []
  return [line('sent', firstSentAt), ...last, line('deadline', lastDeadlineAt)]
}

function filterLines(line: Line, texts: FileTexts, { state, search, department }: RecipientFilter): SummaryRow[] {
  return [
    line('filterState', state === undefined ? texts.all : texts.states[state]),
    ...(search === undefined || search === '' ? [] : [line('filterSearch', search)]),
    ...(department === undefined ? [] : [line('filterDepartment', department === '' ? texts.departmentUnknown : department)]),
  ]
}

function optional(row: SummaryRow): SummaryRow[] {
  return row.value === null ? [] : [row]
}

function kindOf(value: SheetCell): CellKind {
  if (value instanceof Date) return 'time'
  return typeof value === 'number' ? 'number' : 'text'
}

/** The largest number of people that `filter` may find, without a search. */
export function countMatching(of: RateColumns, { state }: RecipientFilter): number {
  return state === undefined ? of.targeted : of[state]
}

function objectKeys<Key extends string>(record: Readonly<Record<Key, unknown>>): Key[] {
  return Object.keys(record).filter((key): key is Key => Object.hasOwn(record, key))
}
