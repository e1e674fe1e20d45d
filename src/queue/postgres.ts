import { Socket } from 'node:net'
import { isPgPool, type PgPool } from 'bullmq'
import pg from 'pg'
import { TrackerError } from '../domain/errors.ts'
import { DEFAULT_QUEUE_SCHEMA } from '../lib/database-schema.ts'
import { clientConfig, connectTimeoutMs, processIdOf } from '../lib/postgres-client.ts'
import { isSessionPooled } from './pooler.ts'

/** Of BullMQ's tables, where no other is chosen. */
export const POSTGRES_SCHEMA = DEFAULT_QUEUE_SCHEMA

export interface PostgresTimeouts {
  /** The server stops a statement that runs for longer. */
  readonly statementMs: number
  /** The client drops the connection when a statement has no answer after this time. */
  readonly queryMs: number
  /**
   * False: a commit does not wait until it is on the disk, which lets few connections do the work of many. A server that crashes then loses the last
   * moves of jobs; BullMQ's stalled check and the reconciler make them fire again, which does no harm. True for a sender, whose job is the request.
   */
  readonly waitsForDisk: boolean
}

/** A queue in PostgreSQL. */
interface QueueDatabase {
  readonly url: string
  /** Of BullMQ's tables. Default: {@link POSTGRES_SCHEMA}. */
  readonly schema?: string
}

export interface QueuePool {
  readonly pool: PgPool
  /** Waits for the statements under way, at most {@link END_TIMEOUT_MS}, then drops what is left. Safe to call twice. */
  end(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
const END_TIMEOUT_MS = 1_000

/**
 * A pool for BullMQ, which would send its settings with the log-in, where PgBouncer refuses them, and would make its LISTEN connection itself.
 * @param max number of connections; that of a worker includes the one that listens
 */
export function openQueuePool(
  { url, schema = POSTGRES_SCHEMA }: QueueDatabase,
  max: number,
  timeouts: PostgresTimeouts,
  sockets: Sockets,
): QueuePool {
  const pool = new pg.Pool({
    ...clientConfig(url),
    max,
    keepAlive: true,
    application_name: 'dingtalk-delivery queue',
    connectionTimeoutMillis: connectTimeoutMs(url, CONNECT_TIMEOUT_MS),
    query_timeout: timeouts.queryMs,
    stream: sockets.open,
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for the promise; its types do not say so
    onConnect: (client) => setUpQueueSession(client, { url, schema }, timeouts),
  })
  // The types of the two packages describe the listeners in different words.
  if (!isPgPool(pool)) throw new TypeError('this release of BullMQ takes another kind of pool')
  const close = async (): Promise<void> => {
    const timer = setTimeout(sockets.destroy, END_TIMEOUT_MS)
    await pool.end().finally(() => clearTimeout(timer))
  }
  let closed: Promise<void> | null = null
  return { pool, end: () => (closed ??= close()) }
}

/** @throws {TrackerError} `INVALID_CONFIG` behind a pooler in transaction mode */
async function setUpQueueSession(
  client: pg.ClientBase,
  { url, schema = POSTGRES_SCHEMA }: QueueDatabase,
  { statementMs, waitsForDisk }: PostgresTimeouts,
): Promise<void> {
  const settings = [schema, String(statementMs), waitsForDisk ? null : 'off']
  const { rows } = await client.query<{ pid: number }>(OWN_SESSION)
  if (rows[0]?.pid !== processIdOf(client)) await assertSession(url)
  await client.query(SET_UP, settings)
}

/** A pooler invents the process id of the log-in, so the process that answers has another. */
const OWN_SESSION = 'SELECT pg_catalog.pg_backend_pid() AS pid'

/** $1 the schema: BullMQ's statements name none. $2 the limit in milliseconds. $3 null: the server's own setting. */
const SET_UP = `SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident($1), false), pg_catalog.set_config('statement_timeout', $2, false),
  CASE WHEN $3::text IS NOT NULL THEN pg_catalog.set_config('synchronous_commit', $3, false) END`

/**
 * A queue needs sessions of its own, for LISTEN and for the schema of BullMQ's tables.
 * @throws {TrackerError} `INVALID_CONFIG` behind a pooler in transaction mode
 */
export async function assertSession(url: string): Promise<void> {
  if (!(await isSessionPooled(url))) throw new TrackerError('INVALID_CONFIG', NO_SESSION)
}

const NO_SESSION =
  'QUEUE_URL leads through a pooler in transaction mode, where no worker is notified of a job that is due and no session keeps its settings. Give the address of a pooler in session mode, of PostgreSQL itself or of Redis; DATABASE_URL may stay with the pooler.'

/** `pg` has no code for a server that did not answer within `query_timeout`. */
export function isQueryTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** The sockets of one pool. `pg` ends a pool only after each server has closed its side, which a server that is away never does. */
export interface Sockets {
  /** For `pg`, as its option `stream`. */
  readonly open: () => Socket
  destroy(): void
  /** After every caller's timeout. Until then the sockets keep no process alive. */
  destroyLater(): void
}

const DESTROY_AFTER_MS = 40_000

export function openSockets(): Sockets {
  const open = new Set<Socket>()
  const destroy = (): void => open.forEach((socket) => socket.destroy())
  return {
    open() {
      const socket = new Socket()
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      return socket
    },
    destroy,
    destroyLater() {
      for (const socket of open) socket.unref()
      setTimeout(destroy, DESTROY_AFTER_MS).unref()
    },
  }
}
