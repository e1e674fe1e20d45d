import { TrackerError } from '../domain/errors.ts'
import { openIntakeDatabase } from '../intake/database.ts'
import { withTimeout } from '../lib/timeout.ts'
import { createDatabaseClock, keepMeasuring } from '../ops/clock.ts'
import { createEventLog } from '../ops/event-log.ts'
import { serverHealthOf } from '../ops/health.ts'
import type { Logger } from '../ops/logger.ts'
import type { Metrics } from '../ops/metrics.ts'
import type { Tracking } from '../polling/ports.ts'
import type { RateReader } from '../report/rates.ts'
import { createDeliveryStore } from '../store/delivery-store.ts'
import { readGauges } from '../store/gauges.ts'
import { openDatabase } from '../store/prisma.ts'
import { createRateReader } from '../store/rate-reader.ts'
import { createResuming } from '../store/resume.ts'
import type { HealthReport } from '../web/health.ts'
import type { Config } from './config/config.ts'
import { budgetsOf, noDatabase, workerTiming } from './settings.ts'
import { processGauges } from './worker-deps.ts'

/** What the HTTP API and the dashboard stand on: the database alone, so they answer whatever the queue does. */
export interface ServerDeps {
  readonly rates: RateReader
  readonly tracking: Tracking
  /** Monthly call budgets by app. */
  readonly budgets: ReadonlyMap<string, number>
  /** The database's time. */
  readonly now: () => Date
  /** Whether the database answers and is of the right version, and what of the tracking a server can know. */
  health(): Promise<HealthReport>
  close(): Promise<void>
}

/** Connections of a server at most; a page asks half a dozen questions at once. */
const MAX_CONNECTIONS = 8

const CLOSE_TIMEOUT_MS = 1_500

/** As long as a statement may run on the server. A network that swallows everything would hold a caller for four attempts of 20 s each. */
const PATIENCE_MS = 15_000

/**
 * Opens the database for the server, and goes on while it is away.
 * @param metrics of a process that serves alone; null where a worker of the same process fills them
 * @param timeoutMs how long one answer of the database is waited for; a task to track is answered within two seconds
 * @throws {TrackerError} `INVALID_CONFIG` without a database
 */
export function openServerDeps(
  config: Pick<Config, 'databaseUrl' | 'apps' | 'monthlyCallBudget' | 'pollsPerTask' | 'timeScale'>,
  log: Logger,
  metrics: Metrics | null,
  timeoutMs = PATIENCE_MS,
): ServerDeps {
  if (config.databaseUrl === null) throw noDatabase()
  const events = createEventLog(log, null)
  const failed = (error: unknown): void => events.failed({ what: 'database connection', error })
  const database = openDatabase(config.databaseUrl, {
    max: MAX_CONNECTIONS,
    applicationName: 'dingtalk-delivery serve',
    onPoolError: failed,
    onConnectionError: failed,
  })
  const store = createDeliveryStore(database)
  const resuming = createResuming(database.prisma)
  // Connections of its own: a task is taken however many pages are being counted, or refused within two seconds.
  const door = openIntakeDatabase(config.databaseUrl)
  const inTime = <T>(work: PromiseLike<T>): Promise<T> => withTimeout(timeoutMs, work, () => noAnswer(timeoutMs))
  const budgets = config.apps.length > 0 ? budgetsOf(config.apps) : budgetOfDefault(config.monthlyCallBudget)
  const pace = workerTiming(config)
  const clock = createDatabaseClock(database.pool)
  const measuring = keepMeasuring(clock)
  const health = (): Promise<HealthReport> => serverHealthOf(database, clock, pace)
  metrics?.onCollect(() => readGauges(database, budgets, pace.blindMs))
  metrics?.onProcess(() => processGauges(database, clock))
  metrics?.onHealth(async () => (await health()).checks)
  return {
    rates: createRateReader({
      prisma: { $queryRawUnsafe: (query, ...values) => inTime(database.prisma.$queryRawUnsafe(query, ...values)) },
    }),
    budgets,
    now: clock.now,
    tracking: {
      async track(request) {
        const [outcome] = await door.add([request])
        if (outcome === undefined) throw new TypeError('one request gives one result')
        events.tracked({ key: { app: request.app, taskId: request.taskId }, ...outcome })
        return outcome
      },
      cancel: (key) => inTime(store.cancel(key)),
      resuming: { task: (key) => inTime(resuming.task(key)), app: (app) => inTime(resuming.app(app)) },
    },
    health,
    async close() {
      void measuring.stop()
      // A database that does not answer is not waited for: the process ends without its goodbye.
      await Promise.all([door.close(), withTimeout(CLOSE_TIMEOUT_MS, database.close()).catch(() => undefined)])
    },
  }
}

/** In words that are no lost connection's, which would be asked again. */
function noAnswer(ms: number): TrackerError {
  return new TrackerError('DATABASE_UNAVAILABLE', `The database gave no answer for ${ms} ms. Check that it runs and is not overloaded.`)
}

/** A server needs no credentials, and without them it knows no app by name. */
function budgetOfDefault(monthlyCallBudget: number | null): ReadonlyMap<string, number> {
  return new Map(monthlyCallBudget === null ? [] : [['default', monthlyCallBudget]])
}
