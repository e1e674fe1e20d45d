import pg from 'pg'
import { inject, onTestFinished } from 'vitest'
import { createTracker, type Tracker, type TrackerOptions } from '../../src/index.ts'
import { createRates, type Rates, type RatesOptions } from '../../src/rates.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { urlAs } from '../support/roles.ts'
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts'

/** Registers what ends with a test. Concurrent tests give that of their own context: the global one takes whichever test is current. */
export type Finished = (work: () => Promise<void>) => void

/** A tracker that is closed at the end of the test. */
export function aTracker(options: TrackerOptions): Tracker {
  const tracker = createTracker(options)
  onTestFinished(() => tracker.close())
  return tracker
}

/** Rates that are closed at the end of the test. On a database of the tests they have the rights of `delivery_read` alone. */
export function someRates({ databaseUrl, ...options }: RatesOptions): Rates {
  const rates = createRates(databaseUrl === undefined ? options : { ...options, databaseUrl: asReader(databaseUrl) })
  onTestFinished(() => rates.close())
  return rates
}

/** A URL that a test made up stays as it is. */
function asReader(databaseUrl: string): string {
  const owner = new URL(inject('postgresUrl')).username
  return new URL(databaseUrl).username === owner ? urlAs('read', databaseUrl) : databaseUrl
}

/** The URL of a database of the test's own. */
export async function aDatabase(
  options: { readonly migrated: boolean } = { migrated: true },
  finished: Finished = onTestFinished,
): Promise<string> {
  const database = await createTestDatabase(options)
  finished(() => database.drop())
  return database.url
}

export async function aRedis(finished: Finished = onTestFinished): Promise<RedisServer> {
  // Each write is on disk before it is acknowledged: what a crash may cost otherwise is in the README.
  const redis = await startRedis({ config: { appendfsync: 'always' } })
  finished(() => redis.stop())
  return redis
}

/** The same server behind a proxy, which can fail in every way. */
export async function proxied(
  serverUrl: string,
  finished: Finished = onTestFinished,
): Promise<{ readonly url: string; readonly proxy: TcpProxy }> {
  const url = new URL(serverUrl)
  const proxy = await startProxy(Number(url.port))
  finished(() => proxy.close())
  url.port = String(proxy.port)
  return { url: url.href, proxy }
}

export interface Sql {
  query<T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<T[]>
}

/** A session of its own, as a sender's program has. */
export async function aSession(databaseUrl: string, finished: Finished = onTestFinished): Promise<Sql> {
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', () => undefined)
  await client.connect()
  finished(() => client.end())
  return {
    async query<T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> {
      const { rows } = await client.query<T>(text, [...values])
      return rows
    },
  }
}

/** For tests that ask at the same time. */
export function aPool(databaseUrl: string, finished: Finished = onTestFinished): Sql {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 5 })
  pool.on('error', () => undefined)
  finished(() => pool.end())
  return {
    async query<T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> {
      const { rows } = await pool.query<T>(text, [...values])
      return rows
    },
  }
}

/** What the sender said of a task, as the rows have it. */
export async function taskRows(sql: Sql) {
  return sql.query<{
    app: string
    task_id: string
    agent_id: string | null
    campaign: string | null
    sent_at: Date
    users: string[] | null
  }>(`
    SELECT app, task_id, agent_id, campaign, sent_at,
      (SELECT array_agg(user_id ORDER BY user_id) FROM delivery_recipient_status AS people WHERE people.app = task.app AND people.task_id = task.task_id) AS users
    FROM delivery_task AS task ORDER BY app, task_id`)
}
