import { randomUUID } from 'node:crypto'
import type { DingTalkApp } from '../dingtalk/app.ts'
import { createDingTalkApi, type DingTalkApi } from '../dingtalk/client.ts'
import { createDatabaseClock, type DatabaseClock } from '../ops/clock.ts'
import { createEventLog } from '../ops/event-log.ts'
import type { Logger } from '../ops/logger.ts'
import type { Metrics, ProcessGauges } from '../ops/metrics.ts'
import { createPermits } from '../polling/permits.ts'
import { poll } from '../polling/poll.ts'
import type { PollDeps } from '../polling/poll-delays.ts'
import type { DeliveryStore, EventLog } from '../polling/ports.ts'
import { createWorkerScope, type WorkerScope } from '../polling/worker-scope.ts'
import { createWriteBreaker, type WriteBreaker } from '../polling/write-breaker.ts'
import { type JobQueue, openQueue } from '../queue/connection.ts'
import { onRepeated } from '../store/database-errors.ts'
import { createDeliveryStore } from '../store/delivery-store.ts'
import { digestOf } from '../store/erase-people.ts'
import { readGauges } from '../store/gauges.ts'
import { type Database, openDatabase } from '../store/prisma.ts'
import { createRateLimiter } from '../store/rate-limiter.ts'
import { createWorkerRegistry } from '../store/worker-registry.ts'
import type { QueueConfig } from './config/config.ts'
import type { Closers } from './lifecycle.ts'
import { budgetsOf, limitsBy, noDatabase, type WorkerConfig, type WorkerTiming } from './settings.ts'

/** What a worker is told from outside. */
export interface HostDeps {
  readonly log: Logger
  readonly metrics: Metrics | null
  readonly closers: Closers
}

/** What a worker is made of. Nothing has connected yet. */
export interface Parts {
  readonly database: Database
  readonly store: DeliveryStore
  readonly queueConfig: QueueConfig
  readonly queue: JobQueue
  readonly events: EventLog
  readonly clock: DatabaseClock
  /** The database's time. */
  readonly now: () => Date
  /** What this worker cannot poll. */
  readonly worker: WorkerScope
  /** Whether what polls bring is stored. */
  readonly writes: WriteBreaker
  /** Probes what a new configuration may have repaired. */
  repaired(): Promise<void>
  readonly poll: (...args: [key: Parameters<typeof poll>[1], signal: AbortSignal]) => ReturnType<typeof poll>
}

/** @throws {TrackerError} `INVALID_CONFIG` without a database */
export function openWorkerDeps(config: WorkerConfig, pace: WorkerTiming, { log, metrics, closers }: HostDeps): Parts {
  const { databaseUrl, queue: queueConfig } = config
  if (databaseUrl === null || queueConfig === null) throw noDatabase()
  const events = createEventLog(log, metrics)
  const failed = (what: string) => (error: unknown) => events.failed({ what, error })

  const database = openDatabase(databaseUrl, {
    onPoolError: failed('database connection'),
    onConnectionError: failed('database connection'),
  })
  const deaf = onRepeated(failed('a statement, which is made again,'))
  closers.add('database', () => database.close().finally(deaf))
  const clock = createDatabaseClock(database.pool, (differenceMs) => log.warn({ differenceMs }, CLOCK_DIFFERS))
  const { now } = clock
  // Whoever sets timers comes again by itself: commands must fail while the server is away, not pile up.
  const queue = openQueue(queueConfig, 'producer', failed('queue connection'))
  closers.add('queue', () => queue.close())
  metrics?.onCollect(() => readGauges(database, budgetsOf(config.apps), pace.blindMs))
  metrics?.onProcess(() => processGauges(database, clock))
  metrics?.onRefusedJobs(() => queue.it.getFailedCount())

  const agentIds = new Map(config.apps.map(({ name, agentId }) => [name, agentId]))
  const agentIdOf = (app: string): string | null => agentIds.get(app) ?? null
  const store = createDeliveryStore(database, { leaseMs: pace.lockMs, agentIdOf })
  const limiter = createRateLimiter(database, { probeLeaseMs: pace.probeLeaseMs, agentIdOf })
  const maxWaiting = Math.max(1, Math.floor(config.workerConcurrency / 2))
  const onRefundFailed = failed('giving unused calls back')
  const permits = createPermits({ limiter, limitsOf: limitsBy(config.apps), now, maxWaiting, onRefundFailed })
  const registry = createWorkerRegistry(database)
  const worker = createWorkerScope({
    ...{ workerId: randomUUID(), apps: [...agentIds.keys()], registry, timing: pace.timing, now, events },
    ...{ heartbeatMs: pace.heartbeatMs, probeLeaseMs: pace.probeLeaseMs },
  })
  const writes = createWriteBreaker({
    ...{ now, maxPauseMs: pace.writeRetryMaxMs },
    onFailed: failed('storing what a poll brought, which will be tried again,'),
  })
  const api = openApi({ config, pace, clock, metrics })
  closers.add('DingTalk client', () => api.close())
  const deps: PollDeps = {
    store,
    digest: digestOf,
    api,
    limiter,
    permits,
    scopes: limiter,
    worker,
    writes,
    timing: pace.timing,
    now,
    events,
  }
  return {
    ...{ database, store, queueConfig, queue: queue.it, events, clock, now, worker, writes },
    repaired: () => registry.probeRepaired(config.apps.map(({ name, agentId }) => ({ name, agentId }))),
    async poll(key, signal) {
      await clock.ensure()
      return poll(deps, key, signal)
    },
  }
}

const CLOCK_DIFFERS = `this machine's clock differs from the database's, which is the one that counts: synchronise both (NTP)`

export function processGauges({ pool }: Pick<Database, 'pool'>, clock: DatabaseClock): ProcessGauges {
  const differenceMs = clock.differenceMs()
  return { clockDifferenceSeconds: differenceMs === null ? null : differenceMs / 1_000, poolWaiting: pool.waitingCount }
}

interface ApiNeeds {
  readonly config: WorkerConfig
  readonly pace: WorkerTiming
  readonly clock: Pick<DatabaseClock, 'now' | 'uncertaintyMs'>
  readonly metrics: Metrics | null
}

function openApi({ config, pace, clock, metrics }: ApiNeeds): DingTalkApi {
  const apps = new Map<string, DingTalkApp>(config.apps.map((app) => [app.name, app]))
  return createDingTalkApi(apps, {
    now: clock.now,
    uncertaintyMs: clock.uncertaintyMs,
    privateHosts: config.privateHosts,
    tokens: pace.tokens,
    ...(metrics && { onCall: (call) => metrics.apiCall(call), onTokenRefresh: (app, ok) => metrics.tokenRefresh(app, ok) }),
  })
}
