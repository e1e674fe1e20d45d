import { assertSchemaCompatibility, runMigrations } from 'bullmq'
import { quoteIdentifier } from '../lib/database-schema.ts'
import { connectFault, roleIn } from '../lib/postgres-errors.ts'
import { deniedByPostgres, schemaError } from './errors.ts'
import { withClient } from './pooler.ts'
import { assertSession, POSTGRES_SCHEMA } from './postgres.ts'

/**
 * Creates or updates BullMQ's own schema in a PostgreSQL queue. Safe to run many times at once: BullMQ takes an advisory lock.
 * @param names the queues that workers will use
 * @returns the schema version
 * @throws {TrackerError} `NOT_PERMITTED`; `INVALID_CONFIG` behind a pooler in transaction mode; `QUEUE_UNAVAILABLE`
 */
export async function migrateQueueSchema(url: string, names: readonly string[] = [], schema = POSTGRES_SCHEMA): Promise<number> {
  try {
    await assertSession(url)
    return await withClient(url, async (client) => {
      const version = await runMigrations(client, schema, OWN_CHECK)
      // BullMQ creates a sequence for each queue with its first job, for which the role of a worker may have no right.
      await client.query(`SELECT ${quoteIdentifier(schema)}.next_job_id(name) FROM unnest($1::text[]) AS name`, [names])
      return version
    })
  } catch (error) {
    throw connectFaultOf(error) ?? deniedByPostgres(error, { role: roleIn(url), groups: ['delivery_migrate'] }) ?? error
  }
}

/**
 * @throws {TrackerError} `SCHEMA_MISMATCH` where BullMQ's schema is missing or newer than this build, or the server too old; `INVALID_CONFIG` behind a
 * pooler in transaction mode; `NOT_PERMITTED`, `QUEUE_UNAVAILABLE`
 */
export async function assertQueueSchema(url: string, schema = POSTGRES_SCHEMA): Promise<void> {
  try {
    await assertSession(url)
    await withClient(url, (client) => assertSchemaCompatibility(client, schema, OWN_CHECK))
  } catch (error) {
    throw (
      connectFaultOf(error) ?? schemaError(error) ?? deniedByPostgres(error, { role: roleIn(url), groups: ['delivery_worker'] }) ?? error
    )
  }
}

/** The version is checked when the connection is made. BullMQ would print a warning for PostgreSQL 13. */
const OWN_CHECK = { skipVersionCheck: true }

const connectFaultOf = (error: unknown) => connectFault(error, error instanceof Error ? error.message : String(error), 'QUEUE_URL')
