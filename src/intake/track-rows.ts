import { STATUSES, type TaskKey } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { COMPARED_FIELDS, type ComparedField, type StoredFields, type TrackOutcome } from '../domain/track-outcome.ts'
import type { TrackRequest } from './track-request.ts'

/** What the worker (`track-tasks.ts`) and programs of senders (`track-door.ts`, without Prisma) share of the SQL function `delivery_track`. */

/** What the function takes. */
export function requestsAsJson(requests: readonly TrackRequest[]): string {
  return JSON.stringify(requests)
}

/** A row of what it returns, as either driver reads it. */
export interface TrackRow {
  readonly is_new: unknown
  readonly status: unknown
  readonly conflict: unknown
  readonly updated: unknown
  readonly stored: unknown
}

export function outcomeOf(row: TrackRow): TrackOutcome {
  return {
    isNew: row.is_new === true,
    status: STATUSES.find((status) => status === row.status) ?? 'tracking',
    conflict: fieldsIn(row.conflict),
    updated: fieldsIn(row.updated),
    stored: storedIn(row.stored),
  }
}

function fieldsIn(names: unknown): ComparedField[] {
  return Array.isArray(names) ? COMPARED_FIELDS.filter((field) => names.includes(field)) : []
}

function storedIn(value: unknown): StoredFields | null {
  if (typeof value !== 'object' || value === null) return null
  const fields = new Map<string, unknown>(Object.entries(value))
  const text = (name: string): string | null => {
    const field = fields.get(name)
    return typeof field === 'string' ? field : null
  }
  const userIds = fields.get('userIds')
  return {
    agentId: text('agentId'),
    campaign: text('campaign'),
    sentAt: text('sentAt') ?? '',
    userIds: typeof userIds === 'number' ? userIds : null,
  }
}

/** The order in which every writer inserts and locks tasks, so that no two can wait for each other. Code units, as COLLATE "C" has them for these ids. */
export function byKey(a: TaskKey, b: TaskKey): number {
  if (a.app !== b.app) return a.app < b.app ? -1 : 1
  return a.taskId < b.taskId ? -1 : a.taskId > b.taskId ? 1 : 0
}

/**
 * The function's own refusal of a request: the same words as everywhere, where the clocks of sender and database judge a send time differently.
 * @param refusal what PostgreSQL says: SQLSTATE 22023 with the field as its column, and the code as its detail
 */
export function refusedInput(refusal: { readonly message: string; readonly column: unknown; readonly detail: unknown }): InvalidInputError {
  const code = refusal.detail === 'TOO_MANY_RECIPIENTS' ? refusal.detail : 'INVALID_INPUT'
  return new InvalidInputError(typeof refusal.column === 'string' ? refusal.column : 'body', refusal.message, code)
}

/** SQLSTATE `invalid_parameter_value`: the function refused a request. */
export const REFUSED = '22023'
