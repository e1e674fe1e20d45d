import { STATUSES, type TaskKey } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { COMPARED_FIELDS, type ComparedField, type StoredFields, type TrackOutcome } from '../domain/track-outcome.ts'
import { classifyPostgresError, readServerError } from '../lib/postgres-errors.ts'
import type { TrackRequest } from './track-request.ts'

/**
 * The SQL function `delivery_track`, in which every way to enqueue ends: `pg` of senders calls it, Prisma of workers and servers, and
 * `track_delivery` inside the database.
 */
export const TRACK = '/* track_tasks */ SELECT is_new, status, conflict, updated, stored FROM delivery_track($1::jsonb) ORDER BY place'

/** $1 of {@link TRACK}. */
export function requestsAsJson(requests: readonly TrackRequest[]): string {
  return JSON.stringify(requests)
}

/** A row of {@link TRACK}, as either driver reads it. */
export interface TrackRow {
  readonly is_new: unknown
  readonly status: unknown
  readonly conflict: unknown
  readonly updated: unknown
  readonly stored: unknown
}

export function decodeOutcome(row: TrackRow): TrackOutcome {
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

/** The order in which every writer inserts and locks tasks, so that no two wait for each other. By code units, as COLLATE "C" has it for these ids. */
export function byKey(a: TaskKey, b: TaskKey): number {
  if (a.app !== b.app) return a.app < b.app ? -1 : 1
  return a.taskId < b.taskId ? -1 : a.taskId > b.taskId ? 1 : 0
}

/**
 * The function's refusal of a request, as the error that a client-side check throws: the clocks of sender and database may judge a send time
 * differently. PostgreSQL's error has the field as its column, and the code as its detail. Null for any other error.
 */
export function refusedInput(error: unknown): InvalidInputError | null {
  if (classifyPostgresError(error) !== 'refused') return null
  const { message, column, detail } = readServerError(error)
  const code = detail === 'TOO_MANY_RECIPIENTS' ? detail : 'INVALID_INPUT'
  return new InvalidInputError(typeof column === 'string' ? column : 'body', message, code)
}
