import type { StateKind } from '../domain/delivery.ts'
import { forbiddenReasonOf } from '../domain/problems.ts'
import { type Cell, csvHead, csvRows, toCsv } from './csv.ts'
import { joinDepartments } from './departments.ts'
import type { CampaignRates, CampaignRecipient, DepartmentRates, Person, PersonTask, RecipientStatus, TaskRates } from './rates.ts'

/**
 * The columns of every exported file, in their order. A column has the name of its field in SQL, see {@link toSqlName}. A new one is appended, so
 * that a program that reads by position goes on.
 */

type PersonRow = RecipientStatus | CampaignRecipient

/** Files with people have these columns, whether the people are of a task or of a campaign. */
const PERSON_COLUMNS = {
  app: ({ app }) => app,
  taskId: ({ taskId }) => taskId,
  campaign: ({ campaign }) => campaign,
  userId: ({ userId }) => userId,
  state: ({ state }) => state,
  firstSeenAt: ({ firstSeenAt }) => firstSeenAt,
  lastUnreadAt: ({ lastUnreadAt }) => lastUnreadAt,
  firstReadAt: ({ firstReadAt }) => firstReadAt,
  readAfter: ({ readAfter }) => readAfter,
  readBefore: ({ readBefore }) => readBefore,
  forbiddenCode: ({ forbiddenCode }) => forbiddenCode,
  forbiddenCount: ({ forbiddenCount }) => forbiddenCount,
  named: ({ named }) => named,
  asOf: ({ asOf }) => asOf,
  /** In how many tasks the person is; 1 in the file of a task. */
  tasks: (person) => ('tasks' in person ? person.tasks : 1),
  forbiddenReason: ({ state, forbiddenCode }) => (state === 'forbidden' ? forbiddenReasonOf(forbiddenCode) : null),
  name: ({ name }) => name,
  department: ({ department }) => department,
} as const satisfies Record<keyof CampaignRecipient | 'forbiddenReason', (person: PersonRow) => Cell>

/** A file with what was sent to one person: the columns of people, and those of the task. */
const PERSON_TASK_COLUMNS = {
  ...PERSON_COLUMNS,
  sentAt: ({ sentAt }) => sentAt,
  deadlineAt: ({ deadlineAt }) => deadlineAt,
  status: ({ status }) => status,
} as const satisfies Record<string, (task: PersonTask) => Cell>

/** The directory of people. `people import` reads this file: it has the headers that it knows. */
const DIRECTORY_COLUMNS = {
  app: ({ app }) => app,
  userId: ({ userId }) => userId,
  name: ({ name }) => name,
  department: ({ departments }) => (departments.length === 0 ? null : joinDepartments(departments)),
  managerUserId: ({ managerUserId }) => managerUserId,
  updatedAt: ({ updatedAt }) => updatedAt,
} as const satisfies Record<string, (person: Person) => Cell>

export function peopleCsvHead(): string {
  return csvHead(Object.keys(PERSON_COLUMNS).map(toSqlName))
}

export function peopleCsvRows(people: readonly PersonRow[]): string {
  return csvRows(people.map((person) => Object.values(PERSON_COLUMNS).map((toCell) => toCell(person))))
}

export function peopleCsv(people: readonly PersonRow[]): string {
  return `${peopleCsvHead()}${peopleCsvRows(people)}`
}

export function personTasksCsv(tasks: readonly PersonTask[]): string {
  return columnsCsv(PERSON_TASK_COLUMNS, tasks)
}

export function directoryCsv(people: readonly Person[]): string {
  return columnsCsv(DIRECTORY_COLUMNS, people)
}

function columnsCsv<Row>(columns: Readonly<Record<string, (row: Row) => Cell>>, rows: readonly Row[]): string {
  return toCsv(
    Object.keys(columns).map(toSqlName),
    rows.map((row) => Object.values(columns).map((toCell) => toCell(row))),
  )
}

const COUNT_FIELDS = [
  'targeted',
  'delivered',
  'read',
  'unread',
  'pending',
  'failed',
  'forbidden',
  'invalid',
  'readRate',
  'readRateOfTargeted',
] as const satisfies ReadonlyArray<StateKind | keyof TaskRates>

export const TASK_FIELDS = [
  ...([
    'app',
    'taskId',
    'agentId',
    'campaign',
    'status',
    'reason',
    'sentAt',
    'deadlineAt',
    'lastObservedAt',
    'finishedAt',
    'polls',
  ] as const),
  ...COUNT_FIELDS,
  ...(['reasonCode', 'reasonDetail', 'problemCode', 'problemDetail', 'problemSince', 'sentAtGiven', 'calls'] as const),
] as const satisfies ReadonlyArray<keyof TaskRates>

export const CAMPAIGN_FIELDS = [
  ...(['app', 'campaign', 'tasks', 'openTasks', 'firstSentAt', 'lastDeadlineAt'] as const),
  ...COUNT_FIELDS,
  ...(['lastSentAt', 'lastObservedAt'] as const),
] as const satisfies ReadonlyArray<keyof CampaignRates>

export const DEPARTMENT_FIELDS = [...(['app', 'campaign', 'department'] as const), ...COUNT_FIELDS] as const satisfies ReadonlyArray<
  keyof DepartmentRates
>

/** A file with the fields of rows. The details of a code are JSON in a cell. */
export function rowsCsv<Field extends string>(
  fields: readonly Field[],
  rows: ReadonlyArray<Readonly<Record<Field, Cell | object>>>,
): string {
  return toCsv(
    fields.map(toSqlName),
    rows.map((row) => fields.map((field) => cellIn(row[field]))),
  )
}

function cellIn(value: Cell | object): Cell {
  return typeof value !== 'object' || value === null || value instanceof Date ? value : JSON.stringify(value)
}

/** `firstReadAt` → `first_read_at`: the name that the field has in SQL. */
export function toSqlName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
