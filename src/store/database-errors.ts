import { channel } from 'node:diagnostics_channel'
import { TrackerError } from '../domain/errors.ts'
import { INSUFFICIENT_PRIVILEGE, notPermitted } from '../lib/not-permitted.ts'

/**
 * What to do about a failed statement.
 * `again`: it changed nothing, or repeating it is harmless; `unknown`: the connection went, so it may have been committed;
 * `unavailable`: no use to repeat; `schema`: the tables are not there; `rights`: the role may not; `fatal`: the statement itself is wrong.
 */
type Cause = 'again' | 'unknown' | 'unavailable' | 'schema' | 'rights' | 'fatal'

/** By SQLSTATE or its first two characters (its class). Source: PostgreSQL's manual, appendix A. */
const BY_SQLSTATE: Readonly<Record<string, Cause>> = {
  '40001': 'again', // serialization failure
  '40P01': 'again', // deadlock
  '55P03': 'again', // lock timeout
  '57014': 'unknown', // statement timeout
  '53': 'unknown', // too many connections, out of memory, disk full
  '08': 'unknown', // connection exception
  '57': 'unknown', // shutdown, crash, starting up
  '58': 'unknown', // the server's own input and output failed
  XX: 'unknown', // internal error, damaged page
  '25006': 'unavailable', // a replica, or set read-only
  '54': 'unavailable', // a limit of the server
  '28': 'unavailable', // wrong password
  '3D': 'unavailable', // no such database
  '42P01': 'schema', // no such table
  '42703': 'schema', // no such column
  '42883': 'schema', // no such function
  [INSUFFICIENT_PRIVILEGE]: 'rights',
}

/** A driver's error without an SQLSTATE comes from the socket or the pool. */
const LOST = /connect|socket|terminated|timeout|reach|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|not queryable/i

function causeOf(error: unknown): Cause {
  const state = sqlStateOf(error)
  if (state !== null) return BY_SQLSTATE[state] ?? BY_SQLSTATE[state.slice(0, 2)] ?? 'fatal'
  return error instanceof Error && LOST.test(error.message) && !/after calling end/.test(error.message) ? 'unknown' : 'fatal'
}

/** The five characters of PostgreSQL's error code: `code` of pg's errors, inside Prisma's `meta` otherwise. */
export function sqlStateOf(error: unknown): string | null {
  const own = property(error, 'code')
  if (typeof own === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(own) && !own.startsWith('P')) return own
  const state = property(property(property(property(error, 'meta'), 'driverAdapterError'), 'cause'), 'originalCode')
  return typeof state === 'string' ? state : null
}

/** PostgreSQL's own fields of an error that came through Prisma. */
export function driverErrorOf(error: unknown): { readonly message: string; readonly column: unknown; readonly detail: unknown } {
  const cause = property(property(property(error, 'meta'), 'driverAdapterError'), 'cause')
  const message = property(cause, 'message') ?? property(cause, 'originalMessage')
  return {
    message: typeof message === 'string' ? message : lastLineOf(error),
    column: property(cause, 'column'),
    detail: property(cause, 'detail'),
  }
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** Carries the error of every statement that is made again: it shows what a slow poll waited for. For all databases of the process. */
const REPEATED = channel('dingtalk-delivery:statement-repeated')

/** @returns what ends it */
export function onRepeated(listener: (error: unknown) => void): () => void {
  REPEATED.subscribe(listener)
  return () => {
    REPEATED.unsubscribe(listener)
  }
}

/** Waits before the second, third and fourth attempt, ± half, so that workers which failed together do not come back together. */
const RETRY_DELAYS_MS = [25, 100, 400]

/**
 * Runs a statement, and again after deadlocks and lost connections.
 * @param statement is told whether an earlier attempt may have been committed without our knowing
 * @throws {TrackerError} `DATABASE_UNAVAILABLE` when the database does not answer, `SCHEMA_MISMATCH` when the tables are missing,
 * `NOT_PERMITTED` when the role may not
 */
export async function retrying<T>(statement: (attempt: { readonly maybeCommitted: boolean }) => Promise<T>): Promise<T> {
  let maybeCommitted = false
  for (const delayMs of RETRY_DELAYS_MS) {
    try {
      return await statement({ maybeCommitted })
    } catch (error) {
      const cause = causeOf(error)
      if (cause !== 'again' && cause !== 'unknown') throw explained(error)
      maybeCommitted ||= cause === 'unknown'
      REPEATED.publish(error)
      await new Promise((resolve) => setTimeout(resolve, delayMs * (0.5 + Math.random())))
    }
  }
  return await statement({ maybeCommitted }).catch((error: unknown) => {
    throw explained(error)
  })
}

/**
 * An error that says what to do, where something can be done.
 * @param role who asked, where that is known
 */
export function explained(error: unknown, role: string | null = null): unknown {
  switch (causeOf(error)) {
    case 'again':
    case 'unknown':
    case 'unavailable':
      return new TrackerError(
        'DATABASE_UNAVAILABLE',
        `The database cannot be used: ${lastLineOf(error)}. Check that it runs and that DATABASE_URL names its host, port, user, password and database.`,
        { cause: error },
      )
    case 'schema':
      return new TrackerError(
        'SCHEMA_MISMATCH',
        `The database is not what this version expects: ${lastLineOf(error)}. Run: dingtalk-delivery migrate`,
        { cause: error },
      )
    case 'rights':
      return notPermitted({ said: lastLineOf(error), role, groups: ['delivery_worker', 'delivery_read', 'delivery_migrate'] }, error)
    case 'fatal':
      return error
  }
}

/** Prisma puts the driver's own words on the last line, after the place in the source, and there in quotes. */
function lastLineOf(error: unknown): string {
  const last = (error instanceof Error ? error.message.trim().split('\n').at(-1) : undefined) ?? String(error)
  return (/Message: `(.*)`$/.exec(last)?.[1] ?? last).slice(0, 300)
}
