import { Socket } from 'node:net'
import pg from 'pg'
import { schemaIn } from '../lib/database-schema.ts'
import { SchemaClient } from '../lib/own-schema.ts'
import { clientConfig, poolSize } from '../lib/postgres-client.ts'
import { withTimeout } from '../lib/timeout.ts'
import { setUpSession } from '../store/session-settings.ts'

/** Connections of a sender, each with a limit on how long the sender waits for it. */
export interface TrackPool {
  /** A connection, within `ms` milliseconds. One that comes later is kept for the next caller. */
  connect(ms: number): Promise<pg.PoolClient>
  /** A connection did not answer: the others are as old and likely broken too, so the next caller gets a new one. */
  renew(): void
  /** Waits at most {@link CLOSE_TIMEOUT_MS}, then destroys the sockets that are left. */
  close(): Promise<void>
}

const CONNECTIONS = 4
/** Longer than a caller waits: to a distant server, with TLS and a password, a connection takes six round trips. */
const CONNECT_TIMEOUT_MS = 5_000
/** The first task over a new connection costs ten times as much as one over a used one, and senders that send now and then pause for longer than `pg` waits. */
const IDLE_TIMEOUT_MS = 60_000
/** The server's limit ends before the sender's, so that an expired statement is surely not stored. */
export const STATEMENT_TIMEOUT_MS = 1_200
const CLOSE_TIMEOUT_MS = 1_500

export function createTrackPool(databaseUrl: string, connections: number = poolSize(databaseUrl, CONNECTIONS)): TrackPool {
  let current = open(databaseUrl, connections)
  return {
    connect: (ms) => connect(current.pool, ms),
    renew() {
      void closePool(current)
      current = open(databaseUrl, connections)
    },
    close: () => closePool(current),
  }
}

interface OpenPool {
  readonly pool: pg.Pool
  readonly sockets: Set<Socket>
}

function open(databaseUrl: string, max: number): OpenPool {
  const sockets = new Set<Socket>()
  const settings = { statementTimeoutMs: STATEMENT_TIMEOUT_MS, schema: schemaIn(databaseUrl) }
  const pool = new pg.Pool({
    ...clientConfig(databaseUrl),
    Client: SchemaClient,
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    application_name: 'dingtalk-delivery sender',
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for the promise; its types do not say so
    onConnect: (client) => setUpSession(client, settings).then(() => undefined),
    allowExitOnIdle: true,
    stream() {
      const socket = new Socket()
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
  })
  // The pool replaces an idle connection that breaks. Without a listener the error would end the process.
  pool.on('error', () => undefined)
  return { pool, sockets }
}

async function closePool({ pool, sockets }: OpenPool): Promise<void> {
  await withTimeout(CLOSE_TIMEOUT_MS, pool.end()).catch(() => undefined)
  for (const socket of sockets) socket.destroy()
}

async function connect(pool: pg.Pool, ms: number): Promise<pg.PoolClient> {
  const connecting = pool.connect()
  try {
    return await withTimeout(ms, connecting)
  } catch (error) {
    connecting.then((client) => client.release()).catch(() => undefined)
    throw error
  }
}
