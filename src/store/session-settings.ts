import type { ClientBase, QueryConfig } from 'pg'

export interface SessionSettings {
  /** How long one statement may run, on the server, in milliseconds. */
  readonly statementTimeoutMs: number
}

/**
 * Sets up a new session: its zone, and the time limit of its statements. Not in the start-up packet, where PgBouncer refuses the limit.
 * Behind a pooler the limit is left to the role: there it would stay with a session of the server that others use next. The zone is carried
 * by PgBouncer from session to session, as is every setting that the server reports.
 */
export async function setUpSession(client: ClientBase, { statementTimeoutMs }: SessionSettings): Promise<void> {
  await client.query(bounded(SET_UP, [processIdOf(client), String(statementTimeoutMs)]))
}

/** A server that went silent after it let us in. Whoever waits for the connection has given up before. */
const ANSWER_TIMEOUT_MS = 5_000

/** The types of `pg` do not know that a query may have a time limit of its own. */
function bounded(text: string, values: unknown[]): QueryConfig & { readonly query_timeout: number } {
  return { text, values, query_timeout: ANSWER_TIMEOUT_MS }
}

/**
 * $1 the process that the other side said it is, $2 the limit in milliseconds. A pooler makes the number up, so the process that answers is another.
 * Prisma's adapter reads and writes times without their zone: any zone but UTC would shift them by hours.
 */
const SET_UP = `/* set_up_session */
SELECT set_config('TimeZone', 'UTC', false),
  CASE WHEN pg_backend_pid() = $1::bigint THEN set_config('statement_timeout', $2, false) END`

/** What `BackendKeyData` said; null where nothing was. The types of `pg` do not know of it. */
function processIdOf(client: ClientBase): number | null {
  const processId: unknown = Reflect.get(client, 'processID')
  return typeof processId === 'number' ? processId : null
}
