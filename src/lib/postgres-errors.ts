import { TrackerError } from '../domain/errors.ts'
import { readAddress } from './postgres-client.ts'
import { type ConnectCode, connectCodeOf } from './postgres-connect-error.ts'

/**
 * PostgreSQL's errors, however they arrive: from `pg` (senders, BullMQ's backend) or through Prisma.
 *
 * `again`: the statement changed nothing, or repeating it is harmless; `unknown`: the connection was lost or the server gave up, so the statement
 * may have been committed; `unavailable`: repeating is useless until a person acts; `schema`: the tables are missing or of another version;
 * `rights`: the role lacks a right; `refused`: a function of the tracker rejected its input; `fatal`: the statement is wrong.
 */
export type PostgresErrorKind = 'again' | 'unknown' | 'unavailable' | 'schema' | 'rights' | 'refused' | 'fatal'

interface PostgresError {
  /** PostgreSQL's condition name of the code, or the title of the class. */
  readonly name: string
  readonly kind: PostgresErrorKind
  /** What a person can do. @param url the variable with the address of the server */
  readonly remedy?: (url: string) => string
}

/** By SQLSTATE, or its class (its first two characters). Source: PostgreSQL's manual, appendix A. An error that is not here is fatal. */
const POSTGRES_ERRORS: Readonly<Record<string, PostgresError>> = {
  '08': { name: 'connection exception', kind: 'unknown' },
  '22023': { name: 'invalid_parameter_value', kind: 'refused' },
  '25006': {
    name: 'read_only_sql_transaction',
    kind: 'unavailable',
    remedy: (url) => `${url} names a server that may only be read: give the primary.`,
  },
  '28': {
    name: 'invalid authorization specification',
    kind: 'unavailable',
    remedy: (url) => `Check user and password in ${url}, and pg_hba.conf of the server.`,
  },
  '3D': {
    name: 'invalid catalog name',
    kind: 'unavailable',
    remedy: (url) => `Check the name of the database in ${url}, or create it.`,
  },
  '3F000': { name: 'invalid_schema_name', kind: 'schema' },
  '40001': { name: 'serialization_failure', kind: 'again' },
  '40P01': { name: 'deadlock_detected', kind: 'again' },
  '42501': { name: 'insufficient_privilege', kind: 'rights' },
  '42703': { name: 'undefined_column', kind: 'schema' },
  '42883': { name: 'undefined_function', kind: 'schema' },
  '42P01': { name: 'undefined_table', kind: 'schema' },
  '53': {
    name: 'insufficient resources',
    kind: 'unknown',
    remedy: () => 'The server is out of connections, memory or disk: give it more.',
  },
  '54': { name: 'program limit exceeded', kind: 'unavailable' },
  '55P03': { name: 'lock_not_available', kind: 'again' },
  '57': { name: 'operator intervention', kind: 'unknown' },
  '57014': {
    name: 'query_canceled',
    kind: 'unknown',
    remedy: () => 'The server is overloaded, or a session has locked its tables.',
  },
  '58': { name: 'system error', kind: 'unknown' },
  XX: { name: 'internal error', kind: 'unknown' },
}

const FATAL: PostgresError = { name: 'other', kind: 'fatal' }

/** A driver's error without an SQLSTATE comes from the socket or the pool. */
const LOST = /connect|socket|terminated|timeout|reach|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|not queryable/i

const CONNECT_KINDS: Readonly<Record<ConnectCode, PostgresErrorKind>> = {
  CONNECT_LATER: 'unknown',
  CONNECT_NEVER: 'unavailable',
  CONNECT_VERSION: 'unavailable',
}

export function classifyPostgresError(error: unknown): PostgresErrorKind {
  const connect = connectCodeOf(error)
  if (connect !== null) return CONNECT_KINDS[connect]
  const state = sqlStateOf(error)
  if (state !== null) return entryOf(state).kind
  return error instanceof Error && LOST.test(error.message) && !/after calling end/.test(error.message) ? 'unknown' : 'fatal'
}

/** What a person can do about the error; null where the table says nothing, '' where the error itself says it. @param url the variable with the address of the server */
export function postgresRemedy(error: unknown, url: string): string | null {
  if (connectCodeOf(error) !== null) return ''
  const state = sqlStateOf(error)
  return (state !== null && entryOf(state).remedy?.(url)) || null
}

function entryOf(state: string): PostgresError {
  return POSTGRES_ERRORS[state] ?? POSTGRES_ERRORS[state.slice(0, 2)] ?? FATAL
}

/** The five characters of PostgreSQL's error code: `code` of pg's errors, inside Prisma's `meta` otherwise. */
export function sqlStateOf(error: unknown): string | null {
  const own = property(error, 'code')
  if (typeof own === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(own) && !own.startsWith('P')) return own
  const state = property(prismaCauseOf(error), 'originalCode')
  return typeof state === 'string' ? state : null
}

/** PostgreSQL's own fields of an error of either driver. */
export function readServerError(error: unknown): { readonly message: string; readonly column: unknown; readonly detail: unknown } {
  const source = prismaCauseOf(error) ?? error
  const message = property(source, 'message') ?? property(source, 'originalMessage')
  return {
    message: typeof message === 'string' ? message : readLastLine(error),
    column: property(source, 'column'),
    detail: property(source, 'detail'),
  }
}

function prismaCauseOf(error: unknown): unknown {
  return property(property(property(error, 'meta'), 'driverAdapterError'), 'cause')
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** Prisma puts the driver's own message on the last line, after the place in the source, and there in quotes. */
export function readLastLine(error: unknown): string {
  const last = (error instanceof Error ? error.message.trim().split('\n').at(-1) : undefined) ?? String(error)
  // An error of the connection has the causes and remedies of several servers.
  return (/Message: `(.*)`$/.exec(last)?.[1] ?? last).slice(0, connectCodeOf(error) === null ? 300 : 2_000)
}

/**
 * The sentences for an error of the connection, which has its cause and remedy; null for any other error.
 * @param said its message
 * @param url the variable with the address
 */
export function connectFault(error: unknown, said: string, url: string): TrackerError | null {
  const code = connectCodeOf(error)
  if (code === null) return null
  const text = said.replaceAll('the address', url)
  if (code === 'CONNECT_VERSION') return new TrackerError('SCHEMA_MISMATCH', `The server of ${url} is too old: ${text}.`, { cause: error })
  return new TrackerError(
    url === 'QUEUE_URL' ? 'QUEUE_UNAVAILABLE' : 'DATABASE_UNAVAILABLE',
    `${NOUNS[url] ?? url} cannot be used: ${text}.`,
    { cause: error },
  )
}

const NOUNS: Readonly<Record<string, string>> = { DATABASE_URL: 'The database', QUEUE_URL: 'The queue' }

/** A role of deploy/postgres/roles.sql. */
type Group = 'delivery_migrate' | 'delivery_worker' | 'delivery_names' | 'delivery_read' | 'delivery_send'

/** What a role may not do in the database, and what gives it the right. */
export interface Denial {
  /** PostgreSQL's own message. */
  readonly said: string
  /** The role that was refused, where it is known. */
  readonly role: string | null
  /** Those that are allowed to do it. */
  readonly groups: readonly Group[]
}

export function notPermitted({ said, role, groups }: Denial, cause: unknown): TrackerError {
  const who = role === null ? 'The role of DATABASE_URL' : `The role "${role}"`
  const remedy = `Run deploy/postgres/roles.sql as the owner of the database, and make the role a member of ${groups.join(' or ')}.`
  return new TrackerError('NOT_PERMITTED', `${who} lacks a right in the database: ${said}. ${remedy}`, { cause })
}

/** The role that a connection URL names; null where it names none. */
export function roleIn(databaseUrl: string): string | null {
  return readAddress(databaseUrl).user ?? null
}
