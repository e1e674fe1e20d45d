import { MAX_RECIPIENTS, MINUTE_MS, type TaskKey } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import {
  APP_PATTERN,
  CLOCK_SKEW_MS,
  EARLIEST_SEND,
  FUTURE_TOLERANCE_MS,
  ID_PATTERN,
  isLabel,
  isUserId,
  MAX_CAMPAIGN,
  MAX_LONG,
  MAX_USER_ID,
  TIME_PATTERN,
  TRACK_FIELDS,
  USER_ID_FAULTS,
} from '../domain/field-rules.ts'
import { quote } from '../domain/quote.ts'

// Considered: zod. Sending code loads this file, and zod would triple what it loads; the JSON Schema of the API is in track-schema.ts.

/** A request to track a sent work notification. All ways to enqueue accept the same. */
export interface TrackInput {
  /** The `task_id` that DingTalk returned, as digits in a string, a safe integer or a bigint. */
  readonly taskId: string | number | bigint
  /** The agent id that the message was sent with. Default: the app's. */
  readonly agentId?: string | number | bigint | null | undefined
  /** The name of the app in the worker's configuration. Default: `default`. */
  readonly app?: string | null | undefined
  /** All recipients of the message, at most 100. Left out: the recipients that DingTalk lists. */
  readonly userIds?: readonly string[] | null | undefined
  /** A label over tasks: one message to 3,000 people is 30 tasks of one campaign. */
  readonly campaign?: string | null | undefined
  /**
   * When the message was sent: a Date, an ISO 8601 text with a time zone, or epoch milliseconds. Should be given: left out, the time at which the
   * request is stored is assumed, and no figure about read times relies on it.
   */
  readonly sentAt?: Date | string | number | null | undefined
}

/** A checked request. */
export interface TrackRequest extends TaskKey {
  readonly agentId: string | null
  readonly userIds: readonly string[] | null
  readonly campaign: string | null
  /** Null: not given, or stamped by a clock that is wrong. Then {@link assumedSentAt} stands for it. */
  readonly sentAt: Date | null
  /** Of use where `sentAt` is null. Left out: the time at which the request is stored. */
  readonly assumedSentAt?: Date
}

const FIELDS = new Set<string>(TRACK_FIELDS)
const APP = new RegExp(APP_PATTERN, 'u')
const ID = new RegExp(ID_PATTERN, 'u')
const TIME = new RegExp(TIME_PATTERN, 'u')

/**
 * Checks a request to track.
 * @param now by the clock that decides how far ahead `sentAt` may be
 * @throws {InvalidInputError} naming the field, the value and the remedy; code `TOO_MANY_RECIPIENTS` for more than 100 users
 */
export function parseTrackRequest(input: unknown, now: Date): TrackRequest {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new InvalidInputError('body', `A request to track must be an object with at least "taskId", not ${quote(input)}.`)
  }
  const fields = new Map(Object.entries(input))
  for (const name of fields.keys()) {
    if (!FIELDS.has(name)) throw new InvalidInputError(name, `Unknown field ${quote(name)}. Accepted: ${[...FIELDS].join(', ')}.`)
  }
  return {
    app: parseApp(fields.get('app')),
    taskId: parseTaskId(fields.get('taskId')),
    agentId: isMissing(fields.get('agentId'))
      ? null
      : parseId('agentId', fields.get('agentId'), 'the agent id of the app that sent the message'),
    userIds: parseUserIds(fields.get('userIds')),
    campaign: parseCampaign(fields.get('campaign')),
    sentAt: parseSentAt(fields.get('sentAt'), now),
  }
}

/** @throws {InvalidInputError} */
export function parseTaskId(value: unknown): string {
  return parseId('taskId', value, 'the task_id that DingTalk returned when the message was sent')
}

/** @throws {InvalidInputError} */
export function parseApp(value: unknown): string {
  if (isMissing(value)) return 'default'
  if (typeof value === 'string' && APP.test(value)) return value
  throw new InvalidInputError(
    'app',
    `app must be 1 to 64 letters, digits, "_" or "-", beginning with a letter or digit, not ${quote(value)}. Use the name that the app has in the worker's configuration.`,
  )
}

/** A positive Java Long in canonical digits: one task must not have two names. */
function parseId(field: string, value: unknown, meaning: string): string {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new InvalidInputError(
      field,
      `${field} ${quote(value)} is not a safe integer: its digits may be wrong already. Give it as a string or a bigint.`,
    )
  }
  const text = typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'bigint' ? String(value) : null
  if (text !== null && ID.test(text)) return text
  throw new InvalidInputError(
    field,
    `${field} must be a whole number from 1 to ${MAX_LONG} in digits without leading zeros, not ${quote(value)}. Give ${meaning}.`,
  )
}

function parseUserIds(value: unknown): readonly string[] | null {
  if (isMissing(value)) return null
  if (!Array.isArray(value)) throw new InvalidInputError('userIds', `userIds must be a list of strings, not ${quote(value)}.`)
  if (value.length === 0) throw new InvalidInputError('userIds', 'userIds is empty. Leave it out if the recipients are not known.')
  const names = new Set<string>()
  for (const [i, item] of value.entries()) names.add(parseRecipient(`userIds[${i}]`, item))
  if (names.size > MAX_RECIPIENTS) {
    const message = `${names.size} recipients in one task: DingTalk reports at most ${MAX_RECIPIENTS}. Send in batches of ${MAX_RECIPIENTS} and track each task id under one campaign.`
    throw new InvalidInputError('userIds', message, 'TOO_MANY_RECIPIENTS')
  }
  return [...names].sort()
}

const FAULTS: ReadonlyArray<readonly [pattern: RegExp, advice: string]> = [
  [
    new RegExp(USER_ID_FAULTS.several, 'u'),
    'looks like several ids in one, joined by commas, semicolons, tabs or line ends. Give each id as an item of its own.',
  ],
  [new RegExp(USER_ID_FAULTS.quoted, 'u'), 'has quotation marks or brackets, which no id has. Give the id without them.'],
  [
    new RegExp(USER_ID_FAULTS.invisible, 'u'),
    'has an invisible character, such as a zero-width space, which no id has. Give the id without it.',
  ],
]

/**
 * A recipient of a message.
 * @throws {InvalidInputError} with the probable mistake, where it can be recognised
 */
export function parseRecipient(field: string, value: unknown): string {
  if (typeof value === 'string' && !isUserId(value)) {
    const advice = FAULTS.find(([pattern]) => pattern.test(value))?.[1]
    if (advice !== undefined) throw new InvalidInputError(field, `${field} ${quote(value)} ${advice}`)
  }
  return parseUserId(field, value)
}

/**
 * A user id to search for. Earlier versions accepted more than {@link isUserId} does, and what they stored can still be found.
 * @throws {InvalidInputError}
 */
export function parseUserId(field: string, value: unknown): string {
  if (typeof value !== 'string')
    throw new InvalidInputError(field, `${field} must be a string, not ${quote(value)}: a number loses leading zeros.`)
  if (!isLabel(value, MAX_USER_ID)) {
    throw new InvalidInputError(
      field,
      `${field} must have 1 to ${MAX_USER_ID} characters without spaces around them or control characters, not ${quote(value)}.`,
    )
  }
  return value
}

/**
 * @param values what is accepted
 * @throws {InvalidInputError}
 */
export function parseOneOf<Value extends string>(field: string, values: readonly Value[], value: unknown): Value {
  const accepted = values.find((each) => each === value)
  if (accepted !== undefined) return accepted
  throw new InvalidInputError(field, `${field} must be one of ${values.join(', ')}, not ${quote(value)}.`)
}

function parseCampaign(value: unknown): string | null {
  return isMissing(value) ? null : parseCampaignName(value, 'campaign', ' Leave it out for a task without a campaign.')
}

/**
 * @param remedy what else the sender may do, with a space before it
 * @throws {InvalidInputError}
 */
export function parseCampaignName(value: unknown, field: string, remedy = ''): string {
  if (typeof value === 'string' && isLabel(value, MAX_CAMPAIGN)) return value
  throw new InvalidInputError(
    field,
    `${field} must have 1 to ${MAX_CAMPAIGN} characters without spaces around them or control characters, not ${quote(value)}.${remedy}`,
  )
}

/** Null: not given, or so far ahead of `now` that the clock which stamped it is wrong; the true time is not known then. */
function parseSentAt(value: unknown, now: Date): Date | null {
  if (isMissing(value)) return null
  const given = toDate(value)
  if (given === null || Number.isNaN(given.getTime())) {
    throw new InvalidInputError(
      'sentAt',
      `sentAt must be an ISO 8601 time with a time zone such as "2026-11-23T09:00:00+08:00", or epoch milliseconds, not ${quote(value)}.`,
    )
  }
  if (given.getTime() < EARLIEST_SEND) {
    throw new InvalidInputError('sentAt', `sentAt ${given.toISOString()} is before 2015. Epoch times are milliseconds, not seconds.`)
  }
  const ahead = given.getTime() - now.getTime()
  if (ahead > FUTURE_TOLERANCE_MS) {
    throw new InvalidInputError(
      'sentAt',
      `sentAt ${given.toISOString()} is ${Math.round(ahead / MINUTE_MS)} minutes in the future. Check the clock and the time zone of the sender.`,
    )
  }
  if (ahead > CLOCK_SKEW_MS) return null
  return ahead > 0 ? now : given
}

function toDate(value: unknown): Date | null {
  if (value instanceof Date) return value
  if (typeof value === 'number' && Number.isFinite(value)) return new Date(value)
  return typeof value === 'string' ? parseTime(value) : null
}

/** ISO 8601 with a time zone; null for everything else. Brought to the one form that every engine reads alike. */
export function parseTime(text: string): Date | null {
  if (!TIME.test(text)) return null
  return new Date(
    text
      .toUpperCase()
      .replace(' ', 'T')
      .replace(/(?<=[+-]\d\d)(?=\d\d$)/, ':'),
  )
}

function isMissing(value: unknown): value is null | undefined {
  return value === null || value === undefined
}
