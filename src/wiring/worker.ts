import type { Config, QueueConfig } from '../config.ts'
import { TrackerError } from '../core/errors.ts'
import type { AppLimits, DeliveryStore, Journal } from '../core/ports.ts'
import { type Timing, timingOf } from '../core/schedule.ts'
import type { DingTalkApp } from '../dingtalk/app.ts'
import { createDingTalkApi } from '../dingtalk/client.ts'
import type { HealthReport } from '../http/health.ts'
import type { Metrics } from '../http/metrics.ts'
import { type Closers, createClosers } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import { type JobQueue, openQueue } from '../queue/connection.ts'
import { createLookTimers } from '../queue/look-timers.ts'
import { type LookWorker, startLookWorker } from '../queue/look-worker.ts'
import { assertQueueSchema } from '../queue/schema.ts'
import { adopt } from '../service/adopt.ts'
import { look } from '../service/look.ts'
import { createPermits } from '../service/permits.ts'
import { reconcile } from '../service/reconcile.ts'
import { createAppGate } from '../store/app-gate.ts'
import { createDeliveryStore } from '../store/delivery-store.ts'
import { readGauges } from '../store/gauges.ts'
import { assertSchemaVersion, type Database, openDatabase } from '../store/prisma.ts'
import { type Interval, startInterval } from './interval.ts'
import { createJournal } from './journal.ts'
import { within } from './within.ts'

/** An app whose tasks are tracked, and how often DingTalk may be asked about them. */
export interface TrackedApp extends DingTalkApp {
  /** Over all workers together. */
  readonly callsPerSecond: number
  readonly monthlyCallBudget: number | null
}

/** What of the configuration a worker needs. */
export interface WorkerConfig
  extends Pick<Config, 'databaseUrl' | 'queue' | 'pollsPerTask' | 'timeScale' | 'workerConcurrency' | 'shutdownGraceSeconds'> {
  readonly apps: readonly TrackedApp[]
}

export interface RunningWorker {
  /**
   * Resolves when looks are being made. Waits for a database that is away.
   * Rejects with `SCHEMA_MISMATCH` when the database is of another version: starting would write half-truths.
   */
  readonly ready: Promise<void>
  health(): Promise<HealthReport>
  /** Lets the looks that run finish, then closes everything, within `shutdownGraceSeconds`. Safe to call twice. */
  close(): Promise<void>
}

/** The longest wait between two attempts to reach a database that is away at the start, in milliseconds. */
const START_RETRY_MS = 1_000
/** Of the grace, kept for closing connections after the looks. */
const CLOSING_SHARE = 0.2

/**
 * Starts polling. Returns at once: what it needs may still be down, and `/livez` must answer meanwhile.
 * @throws {TrackerError} `INVALID_CONFIG` without a database, queue or app
 */
export function startWorker(config: WorkerConfig, log: Logger, options: { readonly metrics?: Metrics } = {}): RunningWorker {
  const { databaseUrl, queue } = config
  if (databaseUrl === null || queue === null) {
    throw new TrackerError(
      'INVALID_CONFIG',
      'DATABASE_URL is not set. Give a postgres:// URL, or use "start", which brings its own PostgreSQL.',
    )
  }
  warnAbout(config, log)
  const closers = createClosers(log)
  const parts = openParts(config, databaseUrl, queue, log, closers, options.metrics ?? null)
  let closing: Promise<void> | null = null
  const ready = begin(parts, () => closing !== null)
  // Whoever awaits `ready` handles it; a caller that does not must not crash on it.
  ready.catch(() => {})
  return {
    ready,
    health: () => healthOf(parts),
    close() {
      closing ??= closers.close(config.shutdownGraceSeconds * 1_000).then(() => undefined)
      return closing
    },
  }
}

interface Parts {
  readonly config: WorkerConfig
  readonly queueConfig: QueueConfig
  readonly timing: Timing
  readonly database: Database
  readonly store: DeliveryStore
  readonly queue: JobQueue
  readonly journal: Journal
  readonly closers: Closers
  readonly log: Logger
  readonly look: Parameters<typeof startLookWorker>[0]['look']
  worker: LookWorker | null
  intervals: readonly Interval[]
}

function openParts(
  config: WorkerConfig,
  databaseUrl: string,
  queueConfig: QueueConfig,
  log: Logger,
  closers: Closers,
  metrics: Metrics | null,
): Parts {
  const journal = createJournal(log, metrics)
  const timing = timingOf(config.pollsPerTask, config.timeScale)
  const now = (): Date => new Date()
  const failed = (what: string) => (error: unknown) => journal.failed({ what, error })

  const database = openDatabase(databaseUrl, {
    onPoolError: failed('database connection'),
    onConnectionError: failed('database connection'),
  })
  closers.add('database', () => database.close())
  const store = createDeliveryStore(database)
  const gate = createAppGate(database)
  const queue = openQueue(queueConfig, 'consumer', failed('queue connection'))
  closers.add('queue', () => queue.close())
  const apps = new Map<string, DingTalkApp>(config.apps.map((app) => [app.name, app]))
  const api = createDingTalkApi(apps, {
    now,
    tokens: compressedTokenTiming(config.timeScale),
    ...(metrics && { onCall: (call) => metrics.apiCall(call), onTokenRefresh: (app) => metrics.tokenRefresh(app) }),
  })
  closers.add('DingTalk client', () => api.close())
  metrics?.onCollect(() => readGauges(database, budgetsOf(config.apps)))

  const limits = new Map(config.apps.map((app) => [app.name, limitsOf(app)]))
  const permits = createPermits({
    gate,
    limitsOf: (app) => limits.get(app) ?? DEFAULT_LIMITS,
    now,
    maxWaiting: Math.max(1, Math.floor(config.workerConcurrency / 2)),
  })
  const deps = { store, api, gate, permits, timing, now, journal }
  return {
    ...{ config, queueConfig, timing, database, store, queue: queue.it, journal, closers, log },
    look: (key, signal) => look(deps, key, signal),
    worker: null,
    intervals: [],
  }
}

/** For an app that no configuration names: its looks are refused before a call, and its tasks pause as one. */
const DEFAULT_LIMITS: AppLimits = { callsPerSecond: 15, monthlyBudget: null }

function limitsOf(app: TrackedApp): AppLimits {
  return { callsPerSecond: app.callsPerSecond, monthlyBudget: app.monthlyCallBudget }
}

function budgetsOf(apps: readonly TrackedApp[]): ReadonlyMap<string, number> {
  return new Map(apps.flatMap((app) => (app.monthlyCallBudget === null ? [] : [[app.name, app.monthlyCallBudget] as const])))
}

function compressedTokenTiming(timeScale: number) {
  return { outageRetryMs: Math.max(50, 1_000 / timeScale), refusalRetryMs: Math.max(50, 5_000 / timeScale) }
}

/** Waits for the database, then lets the queue, the adopter and the reconciler run. */
async function begin(parts: Parts, isClosing: () => boolean): Promise<void> {
  while (!isClosing()) {
    try {
      await assertSchemaVersion(parts.database.prisma)
      if (parts.queueConfig.backend === 'postgres') await assertQueueSchema(parts.queueConfig.url)
      break
    } catch (error) {
      if (error instanceof TrackerError && error.code === 'SCHEMA_MISMATCH') throw error
      parts.journal.failed({ what: 'reaching the database, will be tried again; it', error })
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
    }
  }
  if (isClosing()) return
  run(parts)
  parts.log.info({ queue: parts.queueConfig.backend, concurrency: parts.config.workerConcurrency }, 'worker ready')
}

function run(parts: Parts): void {
  const { store, timing, journal, closers, config } = parts
  const now = (): Date => new Date()
  const timers = createLookTimers(parts.queue, now)
  const deps = { store, timers, timing, now, journal }

  const adopter = startInterval(
    adoptEveryMs(config),
    () => adopt(deps),
    (error) => journal.failed({ what: 'planning new tasks', error }),
  )
  const every = reconcileEveryMs(config)
  const reconciler = startInterval(
    every,
    () => reconcile({ ...deps, graceMs: every }),
    (error) => journal.failed({ what: 'reconciling', error }),
  )
  closers.add('reconciler', () => reconciler.stop())
  closers.add('adopter', () => adopter.stop())

  const worker = startLookWorker({
    address: parts.queueConfig,
    concurrency: config.workerConcurrency,
    lockMs: lockMs(config),
    look: parts.look,
    async track(request) {
      const [tracked] = await store.track([request])
      if (tracked === undefined) return
      journal.tracked(tracked)
      adopter.poke()
    },
    now,
    journal,
  })
  closers.add('looks', () => finishLooks(worker, config.shutdownGraceSeconds * 1_000))
  parts.worker = worker
  parts.intervals = [adopter, reconciler]
}

/** New tasks are looked for this often. They are promised to start within 5 s of the sender's commit. */
function adoptEveryMs(config: WorkerConfig): number {
  return Math.max(100, 1_000 / config.timeScale)
}

function reconcileEveryMs(config: WorkerConfig): number {
  return Math.max(500, 60_000 / config.timeScale)
}

/** A dead worker's looks wait this long for another one. */
function lockMs(config: WorkerConfig): number {
  return Math.max(2_000, 30_000 / config.timeScale)
}

/** Looks that run may finish; those that cannot (DingTalk does not answer) are given up in time to close the rest. */
async function finishLooks(worker: LookWorker, graceMs: number): Promise<void> {
  const patience = setTimeout(() => worker.abort(), graceMs * (1 - CLOSING_SHARE))
  try {
    await worker.close()
  } finally {
    clearTimeout(patience)
  }
}

const CHECK_TIMEOUT_MS = 1_500

async function healthOf(parts: Parts): Promise<HealthReport> {
  const [database, queue] = await Promise.all([
    check('database', () => assertSchemaVersion(parts.database.prisma)),
    check('queue', () => parts.queue.count()),
  ])
  const consuming = {
    name: 'consumption',
    ok: parts.worker?.isRunning() ?? false,
    ...(parts.worker === null && { detail: 'not started yet: waiting for the database' }),
  }
  const checks = [database, queue, consuming]
  return { ok: checks.every((each) => each.ok), checks }
}

async function check(name: string, ask: () => Promise<unknown>): Promise<HealthReport['checks'][number]> {
  try {
    await within(CHECK_TIMEOUT_MS, ask())
    return { name, ok: true }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}

function warnAbout(config: WorkerConfig, log: Logger): void {
  if (config.timeScale !== 1)
    log.warn(
      { timeScale: config.timeScale },
      'TIME_SCALE is not 1: every duration of the tracking plan is divided by it. For demos and tests only',
    )
  if (config.apps.length === 0)
    log.warn(
      'no app is configured: set DINGTALK_APP_KEY, DINGTALK_APP_SECRET and DINGTALK_AGENT_ID, or DINGTALK_APPS_FILE. Tasks are kept, and wait',
    )
}
