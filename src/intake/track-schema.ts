import { MAX_RECIPIENTS } from '../domain/delivery.ts'
import {
  APP_PATTERN,
  EARLIEST_SEND,
  ID_PATTERN,
  LABEL_PATTERN,
  MAX_CAMPAIGN,
  MAX_USER_ID,
  TIME_PATTERN,
  type TRACK_FIELDS,
  USER_ID_PATTERN,
} from '../domain/field-rules.ts'

const ID = [
  { type: 'string', pattern: ID_PATTERN },
  { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
] as const
const NOTHING = { type: 'null' } as const
/** The last moment that a JavaScript Date can hold. */
const LAST_MOMENT = 8.64e15

/** One schema a field, under the names of {@link TRACK_FIELDS}. */
const properties = {
  taskId: {
    description: 'The task_id that DingTalk returned. As text: a JSON number above 2^53 - 1 would lose digits, and is refused.',
    anyOf: ID,
  },
  agentId: { description: "The agent id that the message was sent with. Default: the app's own.", anyOf: [...ID, NOTHING] },
  app: {
    description: "The name of the app in the worker's configuration. Default: `default`.",
    anyOf: [{ type: 'string', pattern: APP_PATTERN }, NOTHING],
  },
  userIds: {
    description: `All recipients of the message, at most ${MAX_RECIPIENTS} different ids. Left out: the recipients that DingTalk lists. One id an item, without quotation marks. Characters beyond the Basic Multilingual Plane count twice.`,
    anyOf: [
      { type: 'array', minItems: 1, items: { type: 'string', minLength: 1, maxLength: MAX_USER_ID, pattern: USER_ID_PATTERN } },
      NOTHING,
    ],
  },
  campaign: {
    description: 'A label over tasks. Characters beyond the Basic Multilingual Plane count twice.',
    anyOf: [{ type: 'string', minLength: 1, maxLength: MAX_CAMPAIGN, pattern: LABEL_PATTERN }, NOTHING],
  },
  sentAt: {
    description:
      'When the message was sent: ISO 8601 with a time zone, or epoch milliseconds; not before 2015 and not more than 15 minutes ahead. Should be given: without it the time at which the request is stored is assumed, and no bracket of a read relies on it.',
    anyOf: [{ type: 'string', pattern: TIME_PATTERN }, { type: 'number', minimum: EARLIEST_SEND, maximum: LAST_MOMENT }, NOTHING],
  },
} as const satisfies Readonly<Record<(typeof TRACK_FIELDS)[number], object>>

/**
 * What `parseTrackRequest` accepts in JSON, as JSON Schema (2020-12). JSON Schema cannot express some rules, which only the intake applies:
 * at most 100 *different* user ids, lengths in UTF-16 code units, and the earliest and latest `sentAt` given as text.
 */
export const TRACK_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['taskId'],
  properties,
  examples: [
    {
      taskId: '256271667526',
      agentId: '836390886',
      userIds: ['036632523163121146', 'manager4220'],
      campaign: 'payroll-11',
      sentAt: '2026-11-23T09:00:00+08:00',
    },
  ],
} as const
