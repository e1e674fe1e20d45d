import { assertSchemaCompatibility, runMigrations } from 'bullmq'
import type pg from 'pg'
import { clientConfig, connectTimeoutMs, PostgresClient, processIdOf } from '../lib/postgres-client.ts'
import { roleIn } from '../lib/postgres-errors.ts'
import { deniedByPostgres, schemaError } from './errors.ts'
import { POSTGRES_SCHEMA } from './postgres.ts'

/**
 * Creates or updates BullMQ's own schema in a PostgreSQL queue. Safe to run many times at once: BullMQ takes an advisory lock.
 * @param names the queues that workers will use
 * @returns the schema version
 * @throws {TrackerError} `NOT_PERMITTED`
 */
export async function migrateQueueSchema(url: string, names: readonly string[] = []): Promise<number> {
  try {
    return await withClient(url, async (client) => {
      const version = await runMigrations(client, POSTGRES_SCHEMA)
      // BullMQ creates a sequence for each queue with its first job, for which the role of a worker may have no right.
      await client.query(`SELECT ${POSTGRES_SCHEMA}.next_job_id(name) FROM unnest($1::text[]) AS name`, [names])
      return version
    })
  } catch (error) {
    throw deniedByPostgres(error, { role: roleIn(url), groups: ['delivery_migrate'] }) ?? error
  }
}

/** @throws {TrackerError} `SCHEMA_MISMATCH` where BullMQ's schema is missing or newer than this build */
export async function assertQueueSchema(url: string): Promise<void> {
  try {
    await withClient(url, (client) => assertSchemaCompatibility(client, POSTGRES_SCHEMA))
  } catch (error) {
    throw schemaError(error) ?? deniedByPostgres(error, { role: roleIn(url), groups: ['delivery_worker'] }) ?? error
  }
}

/** True behind a pooler: the process that answers is not the one that was announced when the connection was made. */
export function isPooled(url: string): Promise<boolean> {
  return withClient(url, async (client) => {
    // The types of `pg` lack it.
    const processId: unknown = Reflect.get(client, 'processID')
    const { rows } = await client.query<{ id: number }>('SELECT pg_backend_pid() AS id')
    return rows[0]?.id !== processId
  })
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new PostgresClient({
    ...clientConfig(url),
    connectionTimeoutMillis: connectTimeoutMs(url, 5_000),
    application_name: 'dingtalk-delivery queue schema',
  })
  // A query reports a connection that breaks under it.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
