import type { ClientBase, QueryConfig } from 'pg'
import { ownSchema, useSchema } from '../lib/own-schema.ts'
import { processIdOf } from '../lib/postgres-client.ts'

export interface SessionSettings {
  /** How long one statement may run, on the server, in milliseconds. */
  readonly statementTimeoutMs: number
  /** Of the tracker's tables; null: the one that is found. */
  readonly schema: string | null
}

/**
 * Sets up a new session: its zone, the time limit of its statements, and the schema that they name. The start-up packet does not have them, because
 * PgBouncer refuses the limit there. Behind a pooler the limit is left to the role: it would stay with a session of the server that other clients use next. PgBouncer
 * sets the zone for each session, as every setting that the server reports.
 * @returns the schema
 */
export async function setUpSession(client: ClientBase, { statementTimeoutMs, schema }: SessionSettings): Promise<string> {
  const { rows } = await client.query<{ schema: string }>(bounded(SET_UP, [processIdOf(client), String(statementTimeoutMs), schema]))
  const [found] = rows
  if (found === undefined) throw new TypeError('the query returns one row')
  useSchema(client, found.schema)
  return found.schema
}

/** For a server that stops answering after the log-in. Callers wait for the connection for less. */
const ANSWER_TIMEOUT_MS = 5_000

/** The types of `pg` lack the time limit of a single query. */
function bounded(text: string, values: unknown[]): QueryConfig & { readonly query_timeout: number } {
  return { text, values, query_timeout: ANSWER_TIMEOUT_MS }
}

/**
 * $1 the process id that the log-in returned, $2 the limit in milliseconds, $3 the chosen schema. A pooler invents that id, so the process that answers has another.
 * Prisma's adapter reads and writes times without their zone: any zone but UTC would shift them by hours.
 */
const SET_UP = `/* set_up_session */
SELECT set_config('TimeZone', 'UTC', false),
  CASE WHEN pg_backend_pid() = $1::bigint THEN set_config('statement_timeout', $2, false) END,
  ${ownSchema('$3::text')} AS schema`
