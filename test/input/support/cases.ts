import { isDeepStrictEqual } from 'node:util'
import { InvalidInputError } from '../../../src/domain/errors.ts'
import { TRACK_FIELDS } from '../../../src/domain/field-rules.ts'
import { parseTrackRequest } from '../../../src/intake/track-request.ts'
import { HOSTILE_JSON, HOSTILE_TEXTS, HOSTILE_VALUES } from './values.ts'

/** One thing that a sender may say, and what becomes of it. */
export interface Case {
  readonly name: string
  readonly input: unknown
  /** As JSON, where that says just the same. */
  readonly json: string | null
  readonly expected: Expected
}

export type Expected =
  | { readonly kind: 'accepted'; readonly row: StoredTask }
  | { readonly kind: 'refused'; readonly code: string; readonly field: string; readonly message: string }

/** What a database holds of an accepted request. */
export interface StoredTask {
  readonly app: string
  readonly task_id: string
  readonly agent_id: string | null
  readonly campaign: string | null
  /** Null where the request gave none: then it is when the door was asked. */
  readonly sent_at: Date | null
  readonly users: readonly string[] | null
}

export const SENT_AT = '2026-01-01T00:00:00.000Z'

/** Every field with every hostile value, and whatever is no request at all. Each is a task of its own, so that none hides behind another. */
export function everyCase(): Case[] {
  const values = [...HOSTILE_TEXTS, ...HOSTILE_JSON, ...HOSTILE_VALUES]
  const inFields = TRACK_FIELDS.flatMap((field) => values.map((value) => ({ field: field as string, value })))
  const inNames = HOSTILE_TEXTS.filter((name) => name !== '__proto__').map((field) => ({ field, value: 'x' }))
  const requests = [...inFields, ...inNames].map(({ field, value }, i) =>
    caseOf(`${field} is ${shown(value)}`, { taskId: String(i + 1), app: `app-${i}`, sentAt: SENT_AT, [field]: value }),
  )
  const bodies = values.filter((value) => typeof value !== 'object' || value === null || Array.isArray(value))
  return [...requests, ...bodies.map((value) => caseOf(`the request is ${shown(value)}`, value))]
}

function caseOf(name: string, input: unknown): Case {
  return { name, input, json: jsonOf(input), expected: expectedOf(input) }
}

function expectedOf(input: unknown): Expected {
  try {
    const { app, taskId, agentId, campaign, sentAt, userIds } = parseTrackRequest(input, new Date())
    const isSaid = typeof input === 'object' && input !== null && 'sentAt' in input && input.sentAt !== undefined && input.sentAt !== null
    const row = { app, task_id: taskId, agent_id: agentId, campaign, sent_at: isSaid ? sentAt : null, users: userIds }
    return { kind: 'accepted', row }
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    return { kind: 'refused', code: error.code, field: error.field, message: sameMoment(error.message) }
  }
}

/** Minutes until a far date differ by the moment at which each door was asked. */
export function sameMoment(message: string): string {
  return message.replace(/is \d+ minutes in the future/, 'is N minutes in the future')
}

function jsonOf(input: unknown): string | null {
  try {
    const json = JSON.stringify(input) as string | undefined
    return json !== undefined && isDeepStrictEqual(JSON.parse(json), input) ? json : null
  } catch {
    return null
  }
}

function shown(value: unknown): string {
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function') return String(value).slice(0, 40)
  return `${typeof value} ${JSON.stringify(value)?.slice(0, 40)}`
}
