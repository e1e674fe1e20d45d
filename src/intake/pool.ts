import { Socket } from 'node:net'
import pg from 'pg'
import { setUpSession } from '../store/session-settings.ts'

/** Connections of a sender, which never make it wait for longer than it will. */
export interface TrackPool {
  /** A connection, within `ms` milliseconds. One that comes too late for its caller is there for the next. */
  connect(ms: number): Promise<pg.PoolClient>
  /** A connection was silent: the others are as old, and likely as dead, so the next caller gets a new one. */
  renew(): void
  /** Bounded: whoever does not say goodbye is left. */
  close(): Promise<void>
}

const MAX_CONNECTIONS = 4
/** Longer than a caller waits: far away, and with TLS and a password, a connection takes six times the way there and back. */
const CONNECT_TIMEOUT_MS = 5_000
/** The server gives up before we do, so that given up means not stored. */
export const STATEMENT_TIMEOUT_MS = 1_200
const CLOSE_TIMEOUT_MS = 1_500

export function createTrackPool(databaseUrl: string): TrackPool {
  let current = open(databaseUrl)
  return {
    connect: (ms) => connect(current.pool, ms),
    renew() {
      void leave(current)
      current = open(databaseUrl)
    },
    close: () => leave(current),
  }
}

interface OpenPool {
  readonly pool: pg.Pool
  readonly sockets: Set<Socket>
}

function open(connectionString: string): OpenPool {
  const sockets = new Set<Socket>()
  const pool = new pg.Pool({
    connectionString,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'dingtalk-delivery sender',
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for the promise; its types do not say so
    onConnect: (client) => setUpSession(client, { statementTimeoutMs: STATEMENT_TIMEOUT_MS }),
    allowExitOnIdle: true,
    stream() {
      const socket = new Socket()
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      return socket
    },
  })
  // An idle connection that breaks is replaced by the pool; nobody waits for it.
  pool.on('error', () => undefined)
  return { pool, sockets }
}

async function leave({ pool, sockets }: OpenPool): Promise<void> {
  await inTime(CLOSE_TIMEOUT_MS, pool.end()).catch(() => undefined)
  for (const socket of sockets) socket.destroy()
}

async function connect(pool: pg.Pool, ms: number): Promise<pg.PoolClient> {
  const coming = pool.connect()
  try {
    return await inTime(ms, coming)
  } catch (error) {
    coming.then((client) => client.release()).catch(() => undefined)
    throw error
  }
}

/** Rejects when `work` takes longer than `ms` milliseconds. The work itself goes on. */
export async function inTime<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${Math.max(0, Math.round(ms))} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
