import type { FastifySchemaValidationError } from 'fastify'
import { z } from 'zod'
import { STATES, STATUSES } from '../../domain/delivery.ts'
import { describeDurations, parseDuration } from '../../domain/duration.ts'
import { InvalidInputError } from '../../domain/errors.ts'
import { APP_PATTERN, ID_PATTERN, LABEL_PATTERN, MAX_CAMPAIGN, MAX_USER_ID, TIME_PATTERN } from '../../domain/field-rules.ts'
import { LANGUAGES } from '../../domain/messages.ts'
import { quote } from '../../domain/quote.ts'
import { TARGET_WIDTH_MS } from '../../domain/schedule/place.ts'
import { parseApp, parseCampaignName, parseOneOf, parseTaskId, parseTime, parseUserId } from '../../intake/track-request.ts'
import { assertComparable, MAX_COMPARED, MIN_COMPARED } from '../../report/compare.ts'
import { parseDepartment } from '../../report/departments.ts'
import { MAX_FORECAST_RECIPIENTS } from '../../report/forecast.ts'
import { DEFAULT_PAGE, MAX_PAGE } from '../../report/rates.ts'
import { MAX_TASK_POLLS, MAX_TASK_RECIPIENTS } from '../../report/schedule.ts'
import { parseTimeZone } from '../../report/zoned-time.ts'

/** Values in paths and queries: each is checked by the parser that all ways to enqueue share, so its error messages are the same. */

type Documented = Readonly<Record<string, unknown>> & { readonly description: string }

/**
 * @param parse throws {@link InvalidInputError}; its message becomes the issue
 * @param documented JSON Schema of the value, for the OpenAPI document alone
 */
function parameter<Value>(name: string, parse: (text: string, name: string) => Value, documented: Documented) {
  return z
    .string({
      error: ({ input }) =>
        input === undefined
          ? `${name} is missing. Give it in the query: ${documented.description}`
          : `${name} is there more than once. Give it once.`,
    })
    .meta({ ...documented })
    .transform((text, context) => {
      try {
        return parse(text, name)
      } catch (error) {
        if (!(error instanceof InvalidInputError)) throw error
        context.addIssue(error.message)
        return z.NEVER
      }
    })
}

/** Refuses an unknown parameter: a filter with a misspelt name would otherwise filter nothing. */
export function strictQuery<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const names = Object.keys(shape)
  const accepted = names.length === 0 ? 'None is accepted here.' : `Accepted: ${names.join(', ')}.`
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `Unknown parameter ${quote(issue.keys[0])}. ${accepted}` : undefined),
  })
}

/** Fastify's `schemaErrorFormatter`: the first issue, as the error that all ways to enqueue throw. */
export function parameterError(issues: readonly FastifySchemaValidationError[]): InvalidInputError {
  const [issue] = issues
  const unknown: unknown = [issue?.params['keys']].flat()[0]
  const field = typeof unknown === 'string' ? unknown : (issue?.instancePath.slice(1) ?? '')
  return new InvalidInputError(field, issue?.message ?? 'A parameter is not accepted.')
}

/**
 * Refuses a query that is not percent-encoded UTF-8: the decoder would replace it by other text.
 * @param url path and query as they were sent
 * @throws {InvalidInputError} naming the parameter
 */
export function assertDecodable(url: string): void {
  for (const part of url.split('?').slice(1).join('?').split('&')) {
    try {
      decodeURIComponent(part)
    } catch {
      const [name = ''] = part.split('=')
      throw new InvalidInputError(name, `${name} is not percent-encoded UTF-8. Encode what is not a letter or digit: % is %25, & is %26.`)
    }
  }
}

const label = (maxLength: number, description: string): Documented => ({ minLength: 1, maxLength, pattern: LABEL_PATTERN, description })
const APP = { pattern: APP_PATTERN }
const CAMPAIGN = label(MAX_CAMPAIGN, 'The name of a campaign; percent-encoded, so that it may hold any character.')

/** In paths. */
export const taskId = parameter('taskId', parseTaskId, { pattern: ID_PATTERN, description: 'The task_id that DingTalk returned.' })
export const userId = parameter('userId', (text, name) => parseUserId(name, text), label(MAX_USER_ID, 'A user id of DingTalk.'))
export const campaignName = parameter('name', parseCampaignName, CAMPAIGN)
export const appName = parameter('app', parseApp, { ...APP, description: 'The name of an app.' })

/** In queries. */
export const app = parameter('app', parseApp, { ...APP, description: 'The app; needed only where several have it.' }).optional()
export const campaign = parameter('campaign', parseCampaignName, CAMPAIGN).optional()
export const search = parameter(
  'search',
  parseCampaignName,
  label(MAX_CAMPAIGN, 'Only names that contain this, whatever the case.'),
).optional()

export const department = parameter('department', parseDepartment, {
  description:
    'Only people of this department or one below it: a path such as `Headquarters/Sales`. Empty: people whose department is not known. Needs the right to names.',
  examples: ['Headquarters/Sales'],
}).optional()

/** Several times in the query, which Fastify gives as a list; once, it gives a text. */
export const comparedCampaigns = z
  .unknown()
  .meta({
    type: 'array',
    items: { type: 'string', ...CAMPAIGN },
    minItems: MIN_COMPARED,
    maxItems: MAX_COMPARED,
    uniqueItems: true,
    description: 'Once for each campaign to compare: `?campaign=a&campaign=b`.',
  })
  .transform((given, context) => {
    try {
      const names = [given ?? []].flat().map((name) => parseCampaignName(name, 'campaign'))
      assertComparable(names, 'campaign')
      return names
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error
      context.addIssue(error.message)
      return z.NEVER
    }
  })

/** Longer than every cursor that this server makes. */
const MAX_CURSOR = 2_000

export const cursor = parameter(
  'cursor',
  (text, name) => {
    if (text.length <= MAX_CURSOR && /^[!-~]+$/.test(text)) return text
    throw new InvalidInputError(
      name,
      `${name} is not one that this server gave. Take nextCursor of the page before, or leave it out for the first page.`,
    )
  },
  { maxLength: MAX_CURSOR, description: '`nextCursor` of the page before.' },
).optional()

export const limit = parameter(
  'limit',
  (text, name) => {
    const rows = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (rows >= 1 && rows <= MAX_PAGE) return rows
    throw new InvalidInputError(name, `${name} must be a whole number from 1 to ${MAX_PAGE}, not ${quote(text)}.`)
  },
  { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: DEFAULT_PAGE, description: 'Rows of a page at most.' },
).optional()

const oneOf = <Value extends string>(name: string, values: readonly Value[], description: string) =>
  parameter(name, (text) => parseOneOf(name, values, text), { enum: values, description })

export const status = oneOf('status', STATUSES, 'Only tasks with this status.').optional()
export const state = oneOf('state', STATES, 'Only people in this state.').optional()
export const format = oneOf('format', ['json', 'csv', 'xlsx'], 'The format of the answer. A file has all people, not a page.').optional()
export const language = oneOf('language', LANGUAGES, 'The language of an .xlsx file; default `en`.').optional()
export const timeZone = parameter('timeZone', parseTimeZone, {
  ...{ minLength: 1, maxLength: 64, examples: ['Asia/Shanghai'] },
  description: "The time zone of the times in an .xlsx file; default: the server's.",
}).optional()

const time = (name: string, description: string) =>
  parameter(name, parseMoment, { pattern: TIME_PATTERN, description, examples: ['2026-11-23T01:00:00Z'] })

export const since = time('since', 'Sent at this time or later.').optional()
export const until = time('until', 'Sent before this time.').optional()
export const at = time('at', 'The moment.')

/** Of one message, for its poll plan. */
export const sentAt = time('sentAt', 'When the message is sent. Default: now.').optional()

const wholeNumber = (name: string, max: number, description: string) =>
  parameter(
    name,
    (text) => {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
      if (value >= 1 && value <= max) return value
      throw new InvalidInputError(name, `${name} must be a whole number from 1 to ${max}, not ${quote(text)}.`)
    },
    { type: 'integer', minimum: 1, maximum: max, description },
  )

export const taskRecipients = wholeNumber(
  'recipients',
  MAX_TASK_RECIPIENTS,
  "Recipients of the task. Default: the median of the app's latest tasks.",
).optional()
/** Of a campaign, for its forecast. */
export const campaignRecipients = wholeNumber(
  'recipients',
  MAX_FORECAST_RECIPIENTS,
  'People in the campaign, which is sent in tasks of 100.',
)
const TARGET_WIDTHS = describeDurations(TARGET_WIDTH_MS.min, TARGET_WIDTH_MS.max)
/** In milliseconds. */
export const targetWidth = parameter(
  'targetWidth',
  (text, name) => {
    const ms = parseDuration(text)
    if (ms !== undefined && ms >= TARGET_WIDTH_MS.min && ms <= TARGET_WIDTH_MS.max) return ms
    throw new InvalidInputError(name, `${name} must be ${TARGET_WIDTHS}, not ${quote(text)}.`)
  },
  { description: `The fewest polls with which a read is known to within this on average: ${TARGET_WIDTHS}. Not beside polls.` },
).optional()
export const polls = wholeNumber(
  'polls',
  MAX_TASK_POLLS,
  'Polls of the task, the final one included. Default: as many as the settings and the budget give it.',
).optional()

/** @throws {InvalidInputError} where a number of polls and a target width are given */
export function assertOneTarget(given: { readonly polls?: number | undefined; readonly targetWidth?: number | undefined }): void {
  if (given.polls !== undefined && given.targetWidth !== undefined)
    throw new InvalidInputError('targetWidth', 'targetWidth is there beside polls. Give one of them.')
}

/** Of the years that both PostgreSQL and ISO 8601 write with four digits, in UTC. */
function parseMoment(text: string, name: string): Date {
  const moment = parseTime(text)
  const year = moment?.getUTCFullYear() ?? 0
  if (moment !== null && year >= 1 && year <= 9_999) return moment
  throw new InvalidInputError(
    name,
    `${name} must be an ISO 8601 time with a time zone such as "2026-11-23T01:00:00Z", not ${quote(text)}. In a query, write + as %2B.`,
  )
}
