import { assertSchemaCompatibility, runMigrations } from 'bullmq'
import pg from 'pg'
import { POSTGRES_SCHEMA } from './connection.ts'
import { schemaError } from './errors.ts'

/**
 * Creates or updates BullMQ's own schema in a PostgreSQL queue. BullMQ takes an advisory lock, so many may do it at once.
 * @returns the schema version
 */
export function migrateQueueSchema(url: string): Promise<number> {
  return withClient(url, (client) => runMigrations(client, POSTGRES_SCHEMA))
}

/** @throws {TrackerError} `SCHEMA_MISMATCH` where BullMQ's schema is missing or newer than this build */
export async function assertQueueSchema(url: string): Promise<void> {
  try {
    await withClient(url, (client) => assertSchemaCompatibility(client, POSTGRES_SCHEMA))
  } catch (error) {
    throw schemaError(error) ?? error
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    application_name: 'dingtalk-delivery queue schema',
  })
  // A connection that breaks while it waits is reported by the query.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
