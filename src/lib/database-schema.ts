import { TrackerError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import { assertName } from './address.ts'

/** The schema of the tracker's tables in an address, as Prisma writes it: `postgres://host/db?schema=dingtalk`. Every part of the program reads it there. */

/**
 * A name that PostgreSQL takes whole. It may need quotes in SQL (`order`, `Tracker`). BullMQ accepts the same names for its schema.
 * Names that begin with `pg_` are PostgreSQL's own.
 */
export const SCHEMA_NAME = {
  pattern: /^(?!pg_|information_schema$)[A-Za-z_][A-Za-z0-9_]{0,62}$/,
  accepted: '1 to 63 letters of a to z or A to Z, digits or "_", not beginning with a digit or with "pg_"',
} as const

/** BullMQ's tables have plain names such as `job` and `event`, so they need a schema in which nothing else is. */
export const QUEUE_SCHEMA_NAME = {
  pattern: new RegExp(`^(?!public$)${SCHEMA_NAME.pattern.source.slice(1)}`),
  accepted: `${SCHEMA_NAME.accepted}, and not public`,
} as const

/** Where the queue is in PostgreSQL: the schema of BullMQ's tables. */
export const DEFAULT_QUEUE_SCHEMA = 'bullmq'

/** The value of `?schema=`; null where the address names none. Not by the class URL, which refuses an address with several hosts. */
export function schemaIn(databaseUrl: string): string | null {
  const query = databaseUrl.slice(databaseUrl.indexOf('?') + 1)
  return databaseUrl.includes('?') ? (new URLSearchParams(query).getAll('schema').find((name) => name !== '') ?? null) : null
}

/** What the caller calls the settings. */
export interface SchemaNames {
  readonly url: string
  readonly schema: string
  readonly queueSchema: string
}

interface ChosenSchemas {
  readonly url: string | undefined
  readonly schema: string | undefined
  readonly queueSchema: string | undefined
}

/** Lines about settings of schemas that are right each in itself and contradict each other, and about the schema of the address. */
export function schemaFaults(names: SchemaNames, { url, schema, queueSchema }: ChosenSchemas): string[] {
  const given = url === undefined ? null : schemaIn(url)
  const faults: string[] = []
  if (given !== null && !SCHEMA_NAME.pattern.test(given))
    faults.push(`${names.url} has schema=${quote(given)}. Accepted: ${SCHEMA_NAME.accepted}.`)
  else if (given !== null && schema !== undefined && schema !== given)
    faults.push(`${names.schema} is ${quote(schema)}, and ${names.url} has schema=${quote(given)}. Give one of them, or the same in both.`)
  if (queueSchema !== undefined && queueSchema === (schema ?? given))
    faults.push(`${names.queueSchema} is ${quote(queueSchema)}, as that of the tracker's tables. Give each a schema of its own.`)
  return faults
}

/**
 * The address with the schema that was chosen beside it.
 * @param names of both, as the caller knows them
 * @param schema undefined: that of the address, or the one that is found in the database
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function withSchema(names: Omit<SchemaNames, 'queueSchema'>, url: string, schema: string | undefined): string {
  if (schema !== undefined) assertName(names.schema, schema, SCHEMA_NAME)
  const [fault] = schemaFaults({ ...names, queueSchema: '' }, { url, schema, queueSchema: undefined })
  if (fault !== undefined) throw new TrackerError('INVALID_CONFIG', fault)
  if (schema === undefined || schemaIn(url) === schema) return url
  return `${url}${url.includes('?') ? '&' : '?'}schema=${schema}`
}

/** As PostgreSQL's `quote_ident`, but always with quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
