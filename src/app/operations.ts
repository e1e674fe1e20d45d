import type { TaskKey } from '../domain/delivery.ts'
import { type Erased, erase } from '../polling/erase.ts'
import type { Person, Resuming } from '../polling/ports.ts'
import { isPostgres, type JobQueue } from '../queue/connection.ts'
import { migrateQueueSchema } from '../queue/schema.ts'
import { scrubJobs } from '../queue/scrub-jobs.ts'
import { openQueues } from '../queue/shards.ts'
import { withQueueTimeout } from '../queue/timeout.ts'
import type { RateReader } from '../report/rates.ts'
import type { BacktestReport } from '../report/schedule-backtest.ts'
import { createCallOutlooks } from '../store/call-outlook.ts'
import { createDeliveryStore } from '../store/delivery-store.ts'
import { beginErasure, erasePerson } from '../store/erase-people.ts'
import { createLaws } from '../store/laws.ts'
import { migrate } from '../store/migrate.ts'
import { assertSchemaVersion, type Database, openDatabase } from '../store/prisma.ts'
import { createRateReader } from '../store/rate-reader.ts'
import { createScheduleReader, runBacktest } from '../store/reading/schedule.ts'
import { createResuming } from '../store/resume.ts'
import type { Config, QueueConfig } from './config/config.ts'
import type { ForecastSource } from './forecast.ts'
import { scheduleOptions } from './schedules.ts'
import { budgetsOf, noDatabase } from './settings.ts'

/** What commands do once, with connections of their own that are closed afterwards. */

async function withDatabase<Result>(url: string, command: string, work: (database: Database) => Promise<Result>): Promise<Result> {
  const database = openDatabase(url, { max: 2, applicationName: `dingtalk-delivery ${command}` })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** Ends the tracking of a task. Returns false where it had ended before, or is not there. */
export function cancelTask(databaseUrl: string, key: TaskKey): Promise<boolean> {
  return withDatabase(databaseUrl, 'cancel', (database) => createDeliveryStore(database).cancel(key))
}

export function withResuming<Result>(databaseUrl: string, work: (resuming: Resuming) => Promise<Result>): Promise<Result> {
  return withDatabase(databaseUrl, 'resume', (database) => work(createResuming(database.prisma)))
}

/** Opens the database for reading rates. The first query connects. */
export function openReads(databaseUrl: string): { readonly reader: RateReader; close(): Promise<void> } {
  const database = openDatabase(databaseUrl, { max: 2, applicationName: 'dingtalk-delivery reads' })
  return { reader: createRateReader(database), close: () => database.close() }
}

/** Opens the database for a forecast. The first query connects. */
export function openForecastSource(databaseUrl: string): ForecastSource & { close(): Promise<void> } {
  const database = openDatabase(databaseUrl, { max: 2, applicationName: 'dingtalk-delivery forecast' })
  return {
    rates: createRateReader(database),
    laws: createLaws(database),
    outlooks: createCallOutlooks(database),
    close: () => database.close(),
  }
}

/** The same for poll plans. */
export function openSchedules(
  databaseUrl: string,
  config: Pick<Config, 'schedule' | 'timeScale' | 'apps' | 'monthlyCallBudget'>,
  now: () => Date,
) {
  const database = openDatabase(databaseUrl, { max: 2, applicationName: 'dingtalk-delivery schedule' })
  const options = scheduleOptions(config, budgetsOf(config), now)
  return {
    reader: createScheduleReader(database, options),
    backtest: (app: string | undefined): Promise<BacktestReport> => runBacktest(database, options, app),
    close: () => database.close(),
  }
}

const QUEUE_TIMEOUT_MS = 3_000

/**
 * Replaces a person by a pseudonym in the database and the queue. Both must answer before it begins.
 * @throws {TrackerError} `DATABASE_UNAVAILABLE`, `QUEUE_UNAVAILABLE` or `SCHEMA_MISMATCH`; changes until then are kept, and it can be repeated
 */
export function erasePersonEverywhere(databaseUrl: string, queueConfig: QueueConfig, person: Person): Promise<Erased> {
  return withDatabase(databaseUrl, 'erase', async (database) => {
    let lastError: unknown
    const queues = openQueues(queueConfig, 'producer', (error) => {
      lastError = error
    })
    try {
      await assertSchemaVersion(database)
      await withQueueTimeout(QUEUE_TIMEOUT_MS, queues.it.waitUntilReady(), () => lastError)
      for (const leftover of await withQueueTimeout(QUEUE_TIMEOUT_MS, queues.findLeftovers())) queues.include(leftover)
      const store = {
        begin: (each: Person) => beginErasure(database, each),
        erase: (each: Person, pseudonym: string) => erasePerson(database, each, pseudonym),
      }
      return await erase({ store, queue: { scrub: (each, pseudonym) => scrubAll(queues.each(), each, pseudonym) } }, person)
    } finally {
      await queues.close().catch(() => undefined)
    }
  })
}

async function scrubAll(queues: readonly JobQueue[], person: Person, pseudonym: string): Promise<number> {
  let jobs = 0
  for (const queue of queues) jobs += await scrubJobs(queue, person, pseudonym)
  return jobs
}

export interface Migrated {
  /** The migrations that were applied, in order. Empty: the database was up to date. */
  readonly database: readonly string[]
  /** The version of the queue's own schema, as text. Null: the queue is Redis, which has none. */
  readonly queue: string | null
}

/**
 * Brings the database up to date, and the queue's schema where the queue is PostgreSQL. It can be run twice and from many machines at once.
 * @throws {TrackerError} `INVALID_CONFIG` without a database
 */
export async function migrateAll({ databaseUrl, queue }: { databaseUrl: string | null; queue: QueueConfig | null }): Promise<Migrated> {
  if (databaseUrl === null) throw noDatabase()
  const database = await migrate(databaseUrl)
  if (queue === null || !isPostgres(queue.url)) return { database, queue: null }
  return { database, queue: `schema version ${await migrateQueueSchema(queue.url, [queue.name], queue.schema)}` }
}
