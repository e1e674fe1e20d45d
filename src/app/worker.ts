import { TrackerError } from '../domain/errors.ts'
import { startInterval } from '../lib/interval.ts'
import { keepMeasuring } from '../ops/clock.ts'
import { watchEventLoop } from '../ops/event-loop.ts'
import { healthOf } from '../ops/health.ts'
import type { Logger } from '../ops/logger.ts'
import type { Metrics } from '../ops/metrics.ts'
import { watchOver } from '../ops/watchdog.ts'
import { reconcile } from '../polling/reconcile.ts'
import { schedule } from '../polling/schedule-tasks.ts'
import { assertQueueSchema } from '../queue/schema.ts'
import { createPollTimers } from '../queue/timers.ts'
import { type PollWorker, startPollWorker } from '../queue/worker.ts'
import { createOldDetails, recountCampaigns } from '../store/maintenance.ts'
import { assertSchemaVersion } from '../store/prisma.ts'
import type { HealthReport } from '../web/health.ts'
import { createClosers } from './lifecycle.ts'
import { retentionOf, type WorkerConfig, type WorkerTiming, workerTiming } from './settings.ts'
import { type HostDeps, openWorkerDeps, type Parts } from './worker-deps.ts'

export interface RunningWorker {
  /**
   * Resolves when polls are being made. Waits for a database that is away.
   * Rejects with `SCHEMA_MISMATCH` when the database is of another version: starting would write half-truths.
   */
  readonly ready: Promise<void>
  health(): Promise<HealthReport>
  /**
   * Resolves, with what is wrong, when polls are due and this worker has taken none for minutes although its servers answer. It does not heal:
   * a program that runs nothing else should end, and be started again.
   */
  readonly wedged: Promise<string>
  /** Lets the polls that run finish, then closes everything, within `shutdownGraceSeconds`. Safe to call twice. */
  close(): Promise<void>
}

/** Between two attempts to reach a database that is away at the start. */
const START_RETRY_MS = 1_000
/** How long the watchdog waits for one answer: a server that is slower is not what it watches for. */
const WATCH_TIMEOUT_MS = 5_000
/** Of the grace, kept for closing connections after the polls. */
const CLOSING_SHARE = 0.2

/**
 * Starts polling. Returns at once: what it needs may still be down, and `/livez` must answer meanwhile.
 * @throws {TrackerError} `INVALID_CONFIG` without a database
 */
export function startWorker(config: WorkerConfig, log: Logger, options: { readonly metrics?: Metrics } = {}): RunningWorker {
  warnAbout(config, log)
  const pace = workerTiming(config)
  const outside: HostDeps = { log, metrics: options.metrics ?? null, closers: createClosers(log) }
  const parts = openWorkerDeps(config, pace, outside)
  const eventLoop = watchEventLoop()
  outside.closers.add('event loop watch', () => eventLoop.stop())
  const wedged = promised<string>()
  let closing: Promise<void> | null = null
  let polls: PollWorker | null = null

  async function begin(): Promise<void> {
    await databaseReady(parts, () => closing !== null)
    if (closing !== null) return
    polls = run(parts, pace, config, outside)
    const watchdog = watchOver({ ...parts, timeoutMs: WATCH_TIMEOUT_MS }, polls, pace, wedged.resolve)
    outside.closers.add('watchdog', () => void watchdog.stop())
    log.info({ queue: parts.queueConfig.backend, concurrency: config.workerConcurrency }, 'worker ready')
  }

  const health = (): Promise<HealthReport> => healthOf({ ...parts, eventLoop }, closing === null ? polls : null, pace)
  options.metrics?.onHealth(async () => (await health()).checks)

  const ready = begin()
  // Whoever awaits `ready` handles it; a caller that does not must not crash on it.
  ready.catch(() => {})
  return {
    ready,
    health,
    wedged: wedged.promise,
    close() {
      closing ??= outside.closers.close(config.shutdownGraceSeconds * 1_000).then(() => undefined)
      return closing
    },
  }
}

/** A promise to be kept from outside. */
function promised<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve = (_: T): void => undefined
  const promise = new Promise<T>((keep) => {
    resolve = keep
  })
  return { promise, resolve: (value) => resolve(value) }
}

/** Waits until both databases answer and fit. */
async function databaseReady(parts: Parts, isClosing: () => boolean): Promise<void> {
  const { backend, url } = parts.queueConfig
  while (!isClosing()) {
    try {
      await assertSchemaVersion(parts.database.prisma)
      if (backend === 'postgres') await assertQueueSchema(url)
      // Nothing is stamped by a clock that was not measured.
      await parts.clock.measure()
      return
    } catch (error) {
      if (error instanceof TrackerError && error.code === 'SCHEMA_MISMATCH') throw error
      parts.events.failed({ what: 'reaching the database, which will be tried again,', error })
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
    }
  }
}

/** Scheduler, reconciler, recounter and polls; closed in reverse. */
function run(parts: Parts, pace: WorkerTiming, config: WorkerConfig, { closers }: HostDeps): PollWorker {
  const { store, events, now } = parts
  const deps = { store, timers: createPollTimers(parts.queue, now), timing: pace.timing, now, events }
  const failed = (what: string) => (error: unknown) => events.failed({ what, error })
  let isRepaired = false
  const beat = startInterval(
    pace.heartbeatMs,
    async () => {
      await parts.worker.heartbeat()
      // Once for each start, when the database answers: the configuration may be another than before.
      if (!isRepaired) await parts.repaired()
      isRepaired = true
    },
    failed('saying that this worker runs'),
  )
  closers.add('sign of life', async () => {
    await beat.stop()
    await parts.worker.close()
  })
  const measuring = keepMeasuring(parts.clock)
  closers.add('clock', () => void measuring.stop())
  const scheduler = startInterval(pace.scheduleEveryMs, () => schedule(deps), failed('planning new tasks'))
  closers.add('scheduler', () => scheduler.stop())
  const graceMs = pace.reconcileEveryMs
  const old = { store: createOldDetails(parts.database), retention: retentionOf(config) }
  const reconciler = startInterval(pace.reconcileEveryMs, () => reconcile({ ...deps, old, graceMs }), failed('reconciling'))
  closers.add('reconciler', () => reconciler.stop())
  const recounter = startInterval(pace.recountEveryMs, () => recountCampaigns(parts.database), failed('counting campaigns'))
  closers.add('recounter', () => recounter.stop())

  const polls = startPollWorker({
    address: parts.queueConfig,
    concurrency: config.workerConcurrency,
    lockMs: pace.lockMs,
    poll: parts.poll,
    async track(request) {
      for (const tracked of await store.track([request])) events.tracked(tracked)
      scheduler.runNow()
    },
    now,
    events,
  })
  closers.add('polls', () => finish(polls, config.shutdownGraceSeconds * 1_000))
  return polls
}

/** Polls that run may finish; those that cannot (DingTalk does not answer) are given up in time to close the rest. */
async function finish(polls: PollWorker, graceMs: number): Promise<void> {
  const patience = setTimeout(() => polls.abort(), graceMs * (1 - CLOSING_SHARE))
  try {
    await polls.close()
  } finally {
    clearTimeout(patience)
  }
}

function warnAbout({ timeScale, apps }: WorkerConfig, log: Logger): void {
  if (timeScale !== 1) {
    log.warn({ timeScale }, 'TIME_SCALE is not 1: every duration of the tracking plan is divided by it. For demos and tests only')
  }
  if (apps.length === 0) {
    log.warn('no app is configured: set DINGTALK_APP_KEY, DINGTALK_APP_SECRET and DINGTALK_AGENT_ID, or DINGTALK_APPS_FILE. Tasks wait')
  }
}
