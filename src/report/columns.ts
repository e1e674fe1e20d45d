import type { StateKind } from '../domain/delivery.ts'
import { forbiddenReasonOf } from '../domain/problems.ts'
import { type Cell, csvHead, csvRows, toCsv } from './csv.ts'
import type { CampaignRates, CampaignRecipient, RecipientStatus, TaskRates } from './rates.ts'

/** The columns of every exported file, in their order. A column has the name of its field in SQL, see {@link toSqlName}. */

export type PersonRow = RecipientStatus | CampaignRecipient
export type PersonColumn = keyof typeof PERSON_COLUMNS

/** Files with people have these columns, whether the people are of a task or of a campaign. A new column comes last, so that programs find the others. */
export const PERSON_COLUMNS = {
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

export function peopleCsvHead(): string {
  return csvHead(Object.keys(PERSON_COLUMNS).map(toSqlName))
}

export function peopleCsvRows(people: readonly PersonRow[]): string {
  return csvRows(people.map((person) => Object.values(PERSON_COLUMNS).map((toCell) => toCell(person))))
}

export function peopleCsv(people: readonly PersonRow[]): string {
  return `${peopleCsvHead()}${peopleCsvRows(people)}`
}

export const COUNT_FIELDS = [
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
