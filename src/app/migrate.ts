import { TrackerError } from '../domain/errors.ts'
import { isPostgres } from '../queue/connection.ts'
import { migrateQueueSchema } from '../queue/schema.ts'
import { migrate } from '../store/migrate.ts'
import type { Config } from './config/config.ts'

export interface Migrated {
  /** The migrations that were applied now, in order; empty when the database was up to date. */
  readonly database: readonly string[]
  /** What the queue's own schema is at, in words; null where the queue is Redis, which has none. */
  readonly queue: string | null
}

/** Brings the database, and the queue's schema where the queue is PostgreSQL, up to date. Safe to run twice and from many machines at once. */
export async function migrateAll(config: Pick<Config, 'databaseUrl' | 'queue'>): Promise<Migrated> {
  if (config.databaseUrl === null)
    throw new TrackerError('INVALID_CONFIG', 'DATABASE_URL is not set. Give the postgres:// URL of the database to migrate.')
  const database = await migrate(config.databaseUrl)
  const { queue } = config
  if (queue === null || !isPostgres(queue.url)) return { database, queue: null }
  return { database, queue: `schema version ${await migrateQueueSchema(queue.url, [queue.name])}` }
}
