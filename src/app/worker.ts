import { TrackerError } from '../domain/errors.ts'
import type { HealthReport } from '../web/health.ts'
import type { Metrics } from '../ops/metrics.ts'
import { createClosers } from './lifecycle.ts'
import type { Logger } from '../ops/logger.ts'
import { createLookTimers } from '../queue/timers.ts'
import { type LookWorker, startLookWorker } from '../queue/worker.ts'
import { assertQueueSchema } from '../queue/schema.ts'
import { adopt } from '../polling/schedule-tasks.ts'
import { reconcile } from '../polling/reconcile.ts'
import { createOldDetails } from '../store/old-details.ts'
import { assertSchemaVersion } from '../store/prisma.ts'
import { settleCampaigns } from '../store/recount-campaigns.ts'
import { keepMeasuring } from '../ops/clock.ts'
import { watchEventLoop } from '../ops/event-loop.ts'
import { healthOf } from '../ops/health.ts'
import { startInterval } from '../lib/interval.ts'
import { type Outside, openParts, type Parts } from './worker-deps.ts'
import { type Pace, paceOf, retentionOf, type WorkerConfig } from './settings.ts'
import { watchOver } from '../ops/watchdog.ts'

export interface RunningWorker {
  /**
   * Resolves when looks are being made. Waits for a database that is away.
   * Rejects with `SCHEMA_MISMATCH` when the database is of another version: starting would write half-truths.
   */
  readonly ready: Promise<void>
  health(): Promise<HealthReport>
  /**
   * Resolves, with what is wrong, when looks are due and this worker has taken none for minutes although its servers answer. It does not heal:
   * a program that runs nothing else should end, and be started again.
   */
  readonly wedged: Promise<string>
  /** Lets the looks that run finish, then closes everything, within `shutdownGraceSeconds`. Safe to call twice. */
  close(): Promise<void>
}

/** Between two attempts to reach a database that is away at the start. */
const START_RETRY_MS = 1_000
/** How long the watchdog waits for one answer: a server that is slower is not what it watches for. */
const WATCH_PATIENCE_MS = 5_000
/** Of the grace, kept for closing connections after the looks. */
const CLOSING_SHARE = 0.2

/**
 * Starts polling. Returns at once: what it needs may still be down, and `/livez` must answer meanwhile.
 * @throws {TrackerError} `INVALID_CONFIG` without a database
 */
export function startWorker(config: WorkerConfig, log: Logger, options: { readonly metrics?: Metrics } = {}): RunningWorker {
  warnAbout(config, log)
  const pace = paceOf(config)
  const outside: Outside = { log, metrics: options.metrics ?? null, closers: createClosers(log) }
  const parts = openParts(config, pace, outside)
  const eventLoop = watchEventLoop()
  outside.closers.add('event loop watch', () => eventLoop.stop())
  const wedged = promised<string>()
  let closing: Promise<void> | null = null
  let looks: LookWorker | null = null

  async function begin(): Promise<void> {
    await databaseReady(parts, () => closing !== null)
    if (closing !== null) return
    looks = run(parts, pace, config, outside)
    const watchdog = watchOver({ ...parts, patienceMs: WATCH_PATIENCE_MS }, looks, pace, wedged.resolve)
    outside.closers.add('watchdog', () => void watchdog.stop())
    log.info({ queue: parts.queueConfig.backend, concurrency: config.workerConcurrency }, 'worker ready')
  }

  const health = (): Promise<HealthReport> => healthOf({ ...parts, eventLoop }, closing === null ? looks : null, pace)
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
      parts.journal.failed({ what: 'reaching the database, which will be tried again,', error })
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
    }
  }
}

/** Adopter, reconciler, settler and looks; closed in reverse. */
function run(parts: Parts, pace: Pace, config: WorkerConfig, { closers }: Outside): LookWorker {
  const { store, journal, now } = parts
  const deps = { store, timers: createLookTimers(parts.queue, now), timing: pace.timing, now, journal }
  const failed = (what: string) => (error: unknown) => journal.failed({ what, error })
  let isRepaired = false
  const beat = startInterval(
    pace.beatEveryMs,
    async () => {
      await parts.worker.beat()
      // Once for each start, when the database answers: the configuration may be another than before.
      if (!isRepaired) await parts.repaired()
      isRepaired = true
    },
    failed('saying that this worker runs'),
  )
  closers.add('sign of life', async () => {
    await beat.stop()
    await parts.worker.leave()
  })
  const measuring = keepMeasuring(parts.clock)
  closers.add('clock', () => void measuring.stop())
  const adopter = startInterval(pace.adoptEveryMs, () => adopt(deps), failed('planning new tasks'))
  closers.add('adopter', () => adopter.stop())
  const graceMs = pace.reconcileEveryMs
  const old = { store: createOldDetails(parts.database), retention: retentionOf(config) }
  const reconciler = startInterval(pace.reconcileEveryMs, () => reconcile({ ...deps, old, graceMs }), failed('reconciling'))
  closers.add('reconciler', () => reconciler.stop())
  const settler = startInterval(pace.settleEveryMs, () => settleCampaigns(parts.database), failed('counting campaigns'))
  closers.add('settler', () => settler.stop())

  const looks = startLookWorker({
    address: parts.queueConfig,
    concurrency: config.workerConcurrency,
    lockMs: pace.lockMs,
    look: parts.look,
    async track(request) {
      for (const tracked of await store.track([request])) journal.tracked(tracked)
      adopter.poke()
    },
    now,
    journal,
  })
  closers.add('looks', () => finish(looks, config.shutdownGraceSeconds * 1_000))
  return looks
}

/** Looks that run may finish; those that cannot (DingTalk does not answer) are given up in time to close the rest. */
async function finish(looks: LookWorker, graceMs: number): Promise<void> {
  const patience = setTimeout(() => looks.abort(), graceMs * (1 - CLOSING_SHARE))
  try {
    await looks.close()
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
