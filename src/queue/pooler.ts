import type pg from 'pg'
import { clientConfig, connectTimeoutMs, PostgresClient, processIdOf } from '../lib/postgres-client.ts'
import { withTimeout } from '../lib/timeout.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** A pooler in session mode without a free server lets the second connection wait. */
const SECOND_TIMEOUT_MS = 1_500
/** In transaction mode the first round shows it where the pooler is idle; where it is busy, each round is likely to. */
const ROUNDS = 8

/** Opens a connection for `work` alone. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new PostgresClient({
    ...clientConfig(url),
    connectionTimeoutMillis: connectTimeoutMs(url, CONNECT_TIMEOUT_MS),
    application_name: 'dingtalk-delivery queue schema',
  })
  // A query reports a connection that breaks under it.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** How the connections of an address get their sessions. */
export type Sessions = 'direct' | 'session pooler' | 'transaction pooler'

/**
 * Finds out what is at an address. Behind a pooler the process that answers is not the one of the log-in. One in session mode keeps it for as long as
 * the connection lasts; one in transaction mode changes it, or gives it to two connections in turn.
 */
export function findSessions(url: string): Promise<Sessions> {
  return withClient(url, async (client) => {
    const process = await backendOf(client)
    if (process === processIdOf(client)) return 'direct'
    const compared = withClient(url, (other) => compareSessions(client, other, process))
    // It goes on, and ends by itself.
    compared.catch(() => undefined)
    return await withTimeout(SECOND_TIMEOUT_MS, compared).catch((): Sessions => 'session pooler')
  })
}

async function compareSessions(client: pg.Client, other: pg.Client, first: number | undefined): Promise<Sessions> {
  for (let round = 0; round < ROUNDS; round++) {
    const seen = [await backendOf(client), await backendOf(other)]
    if (seen[0] !== first || seen[1] === first) return 'transaction pooler'
  }
  return 'session pooler'
}

async function backendOf(client: pg.Client): Promise<number | undefined> {
  return (await client.query<{ id: number }>('SELECT pg_catalog.pg_backend_pid() AS id')).rows[0]?.id
}

const KEPT_MS = 60_000
const answers = new Map<string, { readonly until: number; readonly isSession: Promise<boolean> }>()

/** Whether the connections have sessions of their own. Kept for a minute, because each connection of a pool asks. */
export function isSessionPooled(url: string): Promise<boolean> {
  const now = performance.now()
  const kept = answers.get(url)
  if (kept !== undefined && kept.until > now) return kept.isSession
  const isSession = findSessions(url).then((sessions) => sessions !== 'transaction pooler')
  answers.set(url, { until: now + KEPT_MS, isSession })
  isSession.catch(() => answers.delete(url))
  return isSession
}
