import { TrackerError } from '../domain/errors.ts'
import type { CallForecast } from '../domain/schedule/call-forecast.ts'
import { openIntakeDatabase } from '../intake/database.ts'
import type { HealthReport } from '../lib/finding.ts'
import { poolSize } from '../lib/postgres-client.ts'
import { withTimeout } from '../lib/timeout.ts'
import type { Budgets } from '../ops/checks/budget.ts'
import { createDatabaseClock, keepMeasuring } from '../ops/clock.ts'
import { createEventLog } from '../ops/event-log.ts'
import { checkServerHealth } from '../ops/health.ts'
import type { Logger } from '../ops/logger.ts'
import type { Metrics } from '../ops/metrics.ts'
import type { Tracking } from '../polling/ports.ts'
import type { Forecaster } from '../report/forecast.ts'
import type { RateReader } from '../report/rates.ts'
import type { ScheduleReader } from '../report/schedule.ts'
import { createCallOutlooks } from '../store/call-outlook.ts'
import { createDeliveryStore } from '../store/delivery-store.ts'
import { readCallForecasts, readGauges } from '../store/gauges.ts'
import { createLaws } from '../store/laws.ts'
import { type Database, openDatabase, POOL_SIZES } from '../store/prisma.ts'
import { createRateReader } from '../store/rate-reader.ts'
import type { RawClient } from '../store/raw-client.ts'
import { createScheduleReader } from '../store/reading/schedule.ts'
import { createResuming } from '../store/resume.ts'
import { putPeople } from '../store/write-people.ts'
import { createCallClock } from './calendar.ts'
import type { Config } from './config/config.ts'
import { createForecaster } from './forecast.ts'
import { scheduleOptions } from './schedules.ts'
import { callBudgets, noDatabase, workerTiming } from './settings.ts'

/** What the HTTP API and the dashboard use: the database alone, so they answer while the queue is away. */
export interface ServerDeps {
  readonly rates: RateReader
  readonly schedules: ScheduleReader
  readonly forecast: Forecaster
  readonly tracking: Tracking
  /** How long the calls of each app with a budget last, by name. */
  forecastCalls(): Promise<readonly CallForecast[]>
  /** The database's time. */
  readonly now: () => Date
  health(): Promise<HealthReport>
  close(): Promise<void>
}

const CLOSE_TIMEOUT_MS = 1_500

/** As long as a statement may run on the server. In a silent network, four attempts of 20 s each would hold a caller. */
const QUERY_TIMEOUT_MS = 15_000

/**
 * Opens the database for the server. The server goes on while the database is away.
 * @param metrics of a process that serves alone; null where a worker of the same process fills them
 * @param timeoutMs of one query; a request to track is answered within two seconds
 * @throws {TrackerError} `INVALID_CONFIG` without a database
 */
export function openServerDeps(
  config: Pick<Config, 'databaseUrl' | 'databaseConnections' | 'apps' | 'monthlyCallBudget' | 'pollsPerTask' | 'schedule' | 'timeScale'>,
  log: Logger,
  metrics: Metrics | null,
  timeoutMs = QUERY_TIMEOUT_MS,
): ServerDeps {
  if (config.databaseUrl === null) throw noDatabase()
  const events = createEventLog(log, null)
  const onError = (error: unknown): void => events.failed({ what: 'database connection', error })
  const database = openDatabase(config.databaseUrl, {
    ...{
      max: config.databaseConnections ?? poolSize(config.databaseUrl, POOL_SIZES.server),
      applicationName: 'dingtalk-delivery serve',
      onPoolError: onError,
      onConnectionError: onError,
    },
  })
  const store = createDeliveryStore(database)
  const resuming = createResuming(database.prisma)
  // With connections of its own: a request to track is answered within two seconds, however many pages are being read.
  const intake = openIntakeDatabase(config.databaseUrl)
  const timed = <T>(work: PromiseLike<T>): Promise<T> => withTimeout(timeoutMs, work, () => noAnswer(timeoutMs))
  const timing = workerTiming(config)
  const calls = callBudgets(config, createCallClock(config.schedule.calendar, config.timeScale))
  const clock = createDatabaseClock(database.pool)
  const measuring = keepMeasuring(clock)
  const health = (): Promise<HealthReport> => checkServerHealth(database, clock, timing, calls)
  metrics?.onCollect(() => readGauges(database, calls.budgets, timing.blind, calls.callClock))
  metrics?.onProcess(() => ({ clockDifferenceMs: clock.differenceMs(), poolWaiting: database.pool.waitingCount }))
  metrics?.onHealth(async () => (await health()).checks)
  const source: { readonly prisma: RawClient } = {
    prisma: { $queryRawUnsafe: (query, ...values) => timed(database.prisma.$queryRawUnsafe(query, ...values)) },
  }
  const rates = createRateReader(source)
  return {
    rates,
    forecast: openForecaster(config, { database, calls, rates, timed, now: clock.now }),
    schedules: createScheduleReader(source, scheduleOptions(config, calls.budgets, clock.now)),
    forecastCalls: () => timed(readCallForecasts(database, calls.budgets, calls.callClock)),
    now: clock.now,
    tracking: {
      async track(request) {
        const [outcome] = await intake.add([request])
        if (outcome === undefined) throw new TypeError('one request gives one result')
        events.tracked({ key: { app: request.app, taskId: request.taskId }, ...outcome })
        return outcome
      },
      cancel: (key) => timed(store.cancel(key)),
      putPeople: ({ app, people }) => timed(putPeople(database, app, people)),
      resuming: { task: (key) => timed(resuming.task(key)), app: (app) => timed(resuming.app(app)) },
    },
    health,
    async close() {
      void measuring.stop()
      await Promise.all([intake.close(), withTimeout(CLOSE_TIMEOUT_MS, database.close()).catch(() => undefined)])
    },
  }
}

/** A message that is not classified as a lost connection, because a query that timed out is not repeated. */
function noAnswer(ms: number): TrackerError {
  return new TrackerError('DATABASE_UNAVAILABLE', `The database gave no answer for ${ms} ms. Check that it runs and is not overloaded.`)
}

interface ForecastNeeds {
  readonly database: Database
  readonly calls: Budgets
  readonly rates: RateReader
  readonly timed: <T>(work: PromiseLike<T>) => Promise<T>
  readonly now: () => Date
}

function openForecaster(
  { schedule, timeScale, apps }: Pick<Config, 'schedule' | 'timeScale' | 'apps'>,
  { database, calls: { budgets, callClock }, rates, timed, now }: ForecastNeeds,
): Forecaster {
  const laws = createLaws(database)
  const outlooks = createCallOutlooks(database, callClock)
  return createForecaster({
    ...{ schedule, timeScale, apps: apps.map(({ name }) => name), budgets, now },
    stored: {
      rates,
      laws: { latest: (app) => timed(laws.latest(app)) },
      outlooks: {
        read: (...question) => timed(outlooks.read(...question)),
        recentTasks: (app) => timed(outlooks.recentTasks(app)),
      },
    },
  })
}
