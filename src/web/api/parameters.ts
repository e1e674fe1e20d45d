import { STATES, STATUSES } from '../../domain/delivery.ts'
import { InvalidInputError } from '../../domain/errors.ts'
import { APP_PATTERN, ID_PATTERN, LABEL_PATTERN, MAX_CAMPAIGN, MAX_USER_ID, TIME_PATTERN } from '../../domain/field-rules.ts'
import { show } from '../../domain/quote.ts'
import { parseApp, parseCampaignName, parseOneOf, parseTaskId, parseTime, parseUserId } from '../../intake/track-request.ts'
import { DEFAULT_PAGE, MAX_PAGE } from '../../report/rates.ts'

/** One value in a path or a query: what the document says of it, and the check that holds it. */
export interface Parameter<Value> {
  readonly schema: Readonly<Record<string, unknown>>
  /** @throws {InvalidInputError} */
  readonly parse: (text: string, name: string) => Value
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>

export type Parsed<P extends Parameters> = { readonly [Name in keyof P]: ReturnType<P[Name]['parse']> }

/**
 * A misspelt filter would silently be none, so what is not known is refused.
 * @param query as Fastify gives it: a text, or a list where a name is there twice
 * @throws {InvalidInputError} naming the parameter
 */
export function parseQuery<P extends Parameters>(query: unknown, parameters: P): Partial<Parsed<P>> {
  const values: Array<readonly [string, unknown]> = []
  for (const [name, text] of Object.entries(query ?? {})) {
    // `constructor` is no parameter, though every object has one.
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    if (parameter === undefined) throw new InvalidInputError(name, `Unknown parameter ${show(name)}. ${accepted(parameters)}`)
    if (typeof text !== 'string') throw new InvalidInputError(name, `${name} is there more than once. Give it once.`)
    values.push([name, parameter.parse(text, name)])
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each value comes from the parameter of its name
  return Object.fromEntries(values) as Partial<Parsed<P>>
}

/**
 * Text that is not UTF-8 would come through as something else.
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

function accepted(parameters: Parameters): string {
  const names = Object.keys(parameters)
  return names.length === 0 ? 'None is accepted here.' : `Accepted: ${names.join(', ')}.`
}

const label = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength, pattern: LABEL_PATTERN })

function oneOf<Value extends string>(values: readonly Value[], description: string): Parameter<Value> {
  return {
    schema: { type: 'string', enum: values, description },
    parse: (text, name) => parseOneOf(name, values, text),
  }
}

function timeParameter(description: string): Parameter<Date> {
  return {
    schema: { type: 'string', pattern: TIME_PATTERN, description, examples: ['2026-11-23T01:00:00Z'] },
    parse(text, name) {
      const time = parseTime(text)
      if (time !== null && isOfCalendar(time)) return time
      throw new InvalidInputError(
        name,
        `${name} must be an ISO 8601 time with a time zone such as "2026-11-23T01:00:00Z", not ${show(text)}. In a query, write + as %2B.`,
      )
    },
  }
}

/** The years that both PostgreSQL and ISO 8601 write with four digits, in UTC. */
function isOfCalendar(time: Date): boolean {
  return time.getUTCFullYear() >= 1 && time.getUTCFullYear() <= 9_999
}

export const taskId: Parameter<string> = {
  schema: { type: 'string', pattern: ID_PATTERN, description: 'The task_id that DingTalk returned.' },
  parse: parseTaskId,
}

export const campaign: Parameter<string> = {
  schema: { ...label(MAX_CAMPAIGN), description: 'The name of a campaign; percent-encoded, so that it may hold any character.' },
  parse: parseCampaignName,
}

export const userId: Parameter<string> = {
  schema: { ...label(MAX_USER_ID), description: 'A user id of DingTalk.' },
  parse: (text, name) => parseUserId(name, text),
}

export const app: Parameter<string> = {
  schema: { type: 'string', pattern: APP_PATTERN, description: 'The app; needed only where several have it.' },
  parse: parseApp,
}

export const search: Parameter<string> = {
  schema: { ...label(MAX_CAMPAIGN), description: 'Only names that contain this, whatever the case.' },
  parse: (text, name) => parseCampaignName(text, name),
}

/** Long enough for every cursor that this server makes. */
const MAX_CURSOR = 2_000

export const cursor: Parameter<string> = {
  schema: { type: 'string', maxLength: MAX_CURSOR, description: '`nextCursor` of the page before.' },
  parse(text, name) {
    if (/^[!-~]{1,2000}$/.test(text)) return text
    throw new InvalidInputError(
      name,
      `${name} is not one that this server gave. Take nextCursor of the page before, or leave it out for the first page.`,
    )
  },
}

export const limit: Parameter<number> = {
  schema: { type: 'integer', minimum: 1, maximum: MAX_PAGE, default: DEFAULT_PAGE, description: 'Rows of a page at most.' },
  parse(text, name) {
    const rows = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (rows >= 1 && rows <= MAX_PAGE) return rows
    throw new InvalidInputError(name, `${name} must be a whole number from 1 to ${MAX_PAGE}, not ${show(text)}.`)
  },
}

export const status = oneOf(STATUSES, 'Only tasks with this status.')
export const state = oneOf(STATES, 'Only people in this state.')
export const format = oneOf(['json', 'csv'], 'How to answer. CSV has everybody, not a page.')
export const since = timeParameter('Sent at this time or later.')
export const until = timeParameter('Sent before this time.')
export const at = timeParameter('The moment.')
