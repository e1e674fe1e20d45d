import { randomUUID } from 'node:crypto'
import { createDingTalkApi, type DingTalkApi } from '../dingtalk/client.ts'
import { HOUR_MS } from '../domain/delivery.ts'
import { TrackerError } from '../domain/errors.ts'
import type { HealthReport } from '../lib/finding.ts'
import { type Interval, startInterval } from '../lib/interval.ts'
import { poolSize } from '../lib/postgres-client.ts'
import { createCallWatch } from '../ops/call-watch.ts'
import type { Budgets } from '../ops/checks/budget.ts'
import { createDatabaseClock, type DatabaseClock } from '../ops/clock.ts'
import { createEventLog } from '../ops/event-log.ts'
import { watchEventLoop } from '../ops/event-loop.ts'
import { checkWorkerHealth } from '../ops/health.ts'
import type { Logger } from '../ops/logger.ts'
import type { Metrics } from '../ops/metrics.ts'
import { startWatchdog } from '../ops/watchdog.ts'
import { createPermits } from '../polling/permits.ts'
import { poll } from '../polling/poll.ts'
import type { PollDeps } from '../polling/poll-delays.ts'
import type { AppLimits, DeliveryStore, EventLog } from '../polling/ports.ts'
import { reconcile } from '../polling/reconcile.ts'
import { createRestingRetain } from '../polling/retain.ts'
import { schedule } from '../polling/schedule-tasks.ts'
import { createWorkerScope, type WorkerScope } from '../polling/worker-scope.ts'
import { createWriteBreaker, type WriteBreaker } from '../polling/write-breaker.ts'
import type { JobQueue } from '../queue/connection.ts'
import { assertQueueSchema } from '../queue/schema.ts'
import { startPollWorkers } from '../queue/shard-workers.ts'
import { type OpenedQueues, openQueues } from '../queue/shards.ts'
import { createPollTimers } from '../queue/timers.ts'
import type { PollWorker } from '../queue/worker.ts'
import { onRepeated } from '../store/database-errors.ts'
import { createDeliveryStore } from '../store/delivery-store.ts'
import { computeDigest } from '../store/erase-people.ts'
import { readCallForecasts, readGauges } from '../store/gauges.ts'
import { checkKept, createOldDetails, type KeptCheck, keepFigures } from '../store/maintenance.ts'
import { assertSchemaVersion, type Database, openDatabase, POOL_SIZES } from '../store/prisma.ts'
import { createRateLimiter } from '../store/rate-limiter.ts'
import { createWorkerRegistry } from '../store/worker-registry.ts'
import { createCallClock } from './calendar.ts'
import type { AppConfig, QueueConfig } from './config/config.ts'
import { CALLS_PER_SECOND } from './config/values.ts'
import type { WorkerConfig } from './config/worker-options.ts'
import { createLearning } from './learning.ts'
import { type Closers, createClosers } from './lifecycle.ts'
import { createPlanner } from './planner.ts'
import { callBudgets, noDatabase, type WorkerTiming, workerTiming } from './settings.ts'
import { traceParts } from './traced.ts'
import { startWorkFinder, type WorkFinder } from './work-finder.ts'

export interface RunningWorker {
  /**
   * Resolves when polls are being made. Waits for a database that is away.
   * Rejects with `SCHEMA_MISMATCH` when the database is of another version, and with `INVALID_CONFIG` when the queue is behind a pooler that lends
   * no sessions.
   */
  readonly ready: Promise<void>
  health(): Promise<HealthReport>
  /**
   * Resolves, with what is wrong, when polls are due and this worker has taken none for minutes although its servers answer. It does not
   * recover: a program that runs nothing else should end, and be started again.
   */
  readonly wedged: Promise<string>
  /** Waits for running polls, then closes everything, within `shutdownGraceSeconds`. Safe to call twice. */
  close(): Promise<void>
}

/** Between two attempts to reach a database that is away at the start. */
const START_RETRY_MS = 1_000
/** Of one query of the watchdog. */
const WATCH_TIMEOUT_MS = 5_000
/** The share of the grace that is left for closing connections after the polls. */
const CLOSING_SHARE = 0.2

/** What the caller of a worker provides. */
interface HostDeps {
  readonly log: Logger
  readonly metrics: Metrics | null
  readonly closers: Closers
}

/**
 * Starts polling. Returns at once, because `/livez` must answer while database and queue are away.
 * @throws {TrackerError} `INVALID_CONFIG` without a database
 */
export function startWorker(config: WorkerConfig, log: Logger, options: { readonly metrics?: Metrics } = {}): RunningWorker {
  logWarnings(config, log)
  const timing = workerTiming(config)
  const host: HostDeps = { log, metrics: options.metrics ?? null, closers: createClosers(log) }
  const deps = openWorkerDeps(config, timing, host)
  const eventLoop = watchEventLoop()
  host.closers.add('event loop watch', () => eventLoop.stop())
  let onWedged = (_: string): void => undefined
  const wedged = new Promise<string>((resolve) => {
    onWedged = resolve
  })
  let closing: Promise<void> | null = null
  let polls: PollWorker | null = null

  async function begin(): Promise<void> {
    await waitForServers(deps, () => closing !== null)
    if (closing !== null) return
    const loops = startLoops(deps, timing, config, host)
    polls = loops.polls
    const needs = { ...deps, timeoutMs: WATCH_TIMEOUT_MS, mayBeOverdue: loops.finder.mayBeOverdue }
    const watchdog = startWatchdog(needs, polls, timing, (detail) => onWedged(detail))
    host.closers.add('watchdog', () => void watchdog.stop())
    log.info({ queue: deps.queueConfig.backend, concurrency: config.workerConcurrency }, 'worker ready')
  }

  const health = (): Promise<HealthReport> => checkWorkerHealth({ ...deps, eventLoop }, closing === null ? polls : null, timing)
  options.metrics?.onHealth(async () => (await health()).checks)

  const ready = begin()
  // A caller that does not await `ready` must not crash when it rejects.
  ready.catch(() => {})
  return {
    ready,
    health,
    wedged,
    close() {
      closing ??= host.closers.close(config.shutdownGraceSeconds * 1_000).then(() => undefined)
      return closing
    },
  }
}

/** What a worker is made of. Nothing has connected yet. */
interface WorkerDeps {
  readonly database: Database
  readonly store: DeliveryStore
  readonly queueConfig: QueueConfig
  readonly queues: OpenedQueues
  readonly queue: JobQueue
  readonly events: EventLog
  readonly clock: DatabaseClock
  /** The database's time. */
  readonly now: () => Date
  readonly worker: WorkerScope
  readonly writes: WriteBreaker
  readonly calls: Budgets
  /** Schedules probes of what a new configuration may have repaired. */
  probeRepaired(): Promise<void>
  readonly poll: (...args: [key: Parameters<typeof poll>[1], signal: AbortSignal]) => ReturnType<typeof poll>
}

function openWorkerDeps(config: WorkerConfig, timing: WorkerTiming, { log, metrics, closers }: HostDeps): WorkerDeps {
  const { databaseUrl, queue: queueConfig, apps } = config
  if (databaseUrl === null || queueConfig === null) throw noDatabase()
  const eventLog = createEventLog(log, metrics)
  const failed = (what: string) => (error: unknown) => eventLog.failed({ what, error })
  const onConnectionError = failed('database connection')
  const max = config.databaseConnections ?? poolSize(databaseUrl, POOL_SIZES.worker)
  const database = openDatabase(databaseUrl, { max, onPoolError: onConnectionError, onConnectionError })
  const unsubscribe = onRepeated(failed('a statement, which is repeated,'))
  closers.add('database', () => database.close().finally(unsubscribe))
  const clock = createDatabaseClock(database.pool, (differenceMs) => log.warn({ differenceMs }, CLOCK_DIFFERS))
  const { now } = clock
  const callClock = createCallClock(config.schedule.calendar, config.timeScale)
  // Timers are set again by the next run, so a command fails at once while the server is away.
  const queues = openQueues(queueConfig, 'producer', failed('queue connection'))
  closers.add('queue', () => queues.close())
  const calls = callBudgets(config, callClock)
  metrics?.onCollect(() => readGauges(database, calls.budgets, timing.blind, callClock))
  metrics?.onProcess(() => ({ clockDifferenceMs: clock.differenceMs(), poolWaiting: database.pool.waitingCount }))
  metrics?.onRefusedJobs(() => queues.it.getFailedCount())

  const agentIds = new Map(apps.map(({ name, agentId }) => [name, agentId]))
  const agentIdOf = (app: string): string | null => agentIds.get(app) ?? null
  const { probeLeaseMs, heartbeatMs } = timing
  const parts = {
    events: eventLog,
    store: createDeliveryStore(database, { leaseMs: timing.lockMs, agentIdOf, callClock }),
    api: openApi(config, timing, clock, metrics),
  }
  closers.add('DingTalk client', () => parts.api.close())
  const { api, store, events, poll: tracePoll } = traceParts(parts)
  const limiter = createRateLimiter(database, { probeLeaseMs, agentIdOf, callClock })
  const maxWaiting = Math.max(1, Math.floor(config.workerConcurrency / 2))
  const onRefundFailed = failed('giving unused calls back')
  const permits = createPermits({ limiter, limitsOf: limitsByApp(apps), now, maxWaiting, onRefundFailed })
  const registry = createWorkerRegistry(database)
  const scope = {
    workerId: randomUUID(),
    apps: [...agentIds.keys()],
    registry,
    timing: timing.timing,
    now,
    events,
    heartbeatMs,
    probeLeaseMs,
  }
  const worker = createWorkerScope(scope)
  const onFailed = failed('storing the result of a poll, which is repeated,')
  const writes = createWriteBreaker({ now, maxPauseMs: timing.writeRetryMaxMs, onFailed })
  const pollDeps: PollDeps = {
    ...{ store, digest: computeDigest, api, limiter, permits, scopes: limiter, worker, writes, timing: timing.timing, now, events },
  }
  return {
    ...{ database, store, queueConfig, queues, queue: queues.it, events, clock, now, worker, writes, calls },
    probeRepaired: () => registry.probeRepaired(apps.map(({ name, agentId }) => ({ name, agentId }))),
    poll: tracePoll(async (key, signal) => {
      await clock.measureIfStale()
      return poll(pollDeps, key, signal)
    }),
  }
}

const CLOCK_DIFFERS = `this machine's clock differs from the database's, which is the one that counts: synchronise both (NTP)`

/** For an app that is not configured. Its polls are refused before a call. */
const DEFAULT_LIMITS: AppLimits = { callsPerSecond: CALLS_PER_SECOND.fallback, monthlyBudget: null }

function limitsByApp(apps: readonly AppConfig[]): (app: string) => AppLimits {
  const limits = new Map(
    apps.map(({ name, callsPerSecond, monthlyCallBudget }) => [name, { callsPerSecond, monthlyBudget: monthlyCallBudget }]),
  )
  return (app) => limits.get(app) ?? DEFAULT_LIMITS
}

function openApi(
  { apps, privateHosts, proxies }: WorkerConfig,
  { tokens }: WorkerTiming,
  clock: DatabaseClock,
  metrics: Metrics | null,
): DingTalkApi {
  return createDingTalkApi(new Map(apps.map((app) => [app.name, app])), {
    ...{ now: clock.now, uncertaintyMs: clock.uncertaintyMs, privateHosts, tokens },
    ...(proxies && { proxies }),
    ...(metrics && { onCall: (call) => metrics.apiCall(call), onTokenRefresh: (app, ok) => metrics.tokenRefresh(app, ok) }),
  })
}

/** Waits until database and queue answer with the right schema. */
async function waitForServers({ database, queueConfig, clock, events }: WorkerDeps, isClosing: () => boolean): Promise<void> {
  while (!isClosing()) {
    try {
      await assertSchemaVersion(database)
      if (queueConfig.backend === 'postgres') await assertQueueSchema(queueConfig.url, queueConfig.schema)
      // Before the first measurement the clock is the system's, which may be wrong.
      await clock.measure()
      return
    } catch (error) {
      if (error instanceof TrackerError && (error.code === 'SCHEMA_MISMATCH' || error.code === 'INVALID_CONFIG')) throw error
      events.failed({ what: 'reaching the database, which is repeated,', error })
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS))
    }
  }
}

interface Loops {
  readonly polls: PollWorker
  readonly finder: WorkFinder
}

/** Starts heartbeat, scheduler, reconciler, learner, recounter and polls. They are closed in reverse. */
function startLoops(deps: WorkerDeps, timing: WorkerTiming, config: WorkerConfig, { closers, log }: HostDeps): Loops {
  const { store, events, now, worker, database } = deps
  const { laws, learn, stop } = createLearning(config, { ...deps, leaseMs: timing.lockMs })
  const planner = createPlanner(config, { database, laws, timing: timing.timing, limitsOf: limitsByApp(config.apps), now, events })
  const planDeps = { store, planner, timers: createPollTimers(deps.queue, now), timing: timing.timing, now, events }
  const loop: Loop = (name, everyMs, work, what) => {
    const interval = startInterval(everyMs, work, (error) => events.failed({ what, error }))
    closers.add(name, () => interval.stop())
    return interval
  }
  closers.add('worker registry', () => worker.close())
  let hasProbed = false
  const beat = async (): Promise<void> => {
    await worker.heartbeat()
    // Once after each start, because the configuration may have changed.
    if (!hasProbed) await deps.probeRepaired()
    hasProbed = true
  }
  loop('heartbeat', timing.heartbeatMs, beat, 'the heartbeat of this worker')
  const scheduler = loop('scheduler', null, () => schedule(planDeps), PLANNING)
  const old = { store: createOldDetails(database), retention: retentionMs(config) }
  const graceMs = timing.reconcileEveryMs
  const restingRetain = createRestingRetain(timing.retainEveryMs)
  loop('reconciler', timing.reconcileEveryMs, () => reconcile({ ...planDeps, old, retain: restingRetain, graceMs }), 'reconciling')
  const watchCalls = createCallWatch({ log, read: () => readCallForecasts(database, deps.calls.budgets, deps.calls.callClock) })
  loop('call watch', timing.reconcileEveryMs, watchCalls, 'reading how long the calls last')
  loop('learner', timing.learnEveryMs, learn, 'learning when people read')
  closers.add('learning', () => stop())
  const recounter = startRecounter(database, loop, timing.recountEveryMs)
  const check = async (): Promise<void> => {
    const found = await checkKept(database)
    logKeptCheck(found, log)
    if (found.checked > 0) checker.runNow()
  }
  const checker = loop('kept check', KEPT_CHECK_MS, check, 'checking kept figures')
  const finder = startWorkFinder({
    ...{ database, clock: deps.clock, timing, onUnscheduled: scheduler.runNow },
    onUncounted: recounter.note,
    onError: (error) => events.failed({ what: PLANNING, error }),
  })
  closers.add('work finder', () => finder.stop())

  const polls = startPollWorkers({
    ...{ queues: deps.queues, concurrency: config.workerConcurrency, lockMs: timing.lockMs, poll: deps.poll, now, events },
    async track(request) {
      for (const tracked of await store.track([request])) events.tracked(tracked)
      scheduler.runNow()
    },
  })
  closers.add('polls', () => closePolls(polls, config.shutdownGraceSeconds * 1_000))
  loop('leftover queues', timing.reconcileEveryMs, () => polls.takeLeftovers(), 'looking for queues that were left behind')
  return { polls, finder }
}

const PLANNING = 'planning new tasks'

type Loop = (name: string, everyMs: number | null, work: () => Promise<unknown>, what: string) => Interval

/** Counts campaigns and ended tasks where there are some to count. `note` says that there may be. */
function startRecounter(database: Database, loop: Loop, everyMs: number): { readonly note: () => void } {
  let isUncounted = true
  const recount = async (): Promise<void> => {
    if (!isUncounted) return
    isUncounted = false
    if (await keepFigures(database)) return
    isUncounted = true
    recounter.runNow()
  }
  const recounter = loop('recounter', everyMs, recount, 'counting campaigns and ended tasks')
  return {
    note() {
      isUncounted = true
    },
  }
}

/** Real time, after a check that found nothing due. A campaign is due once a day. */
const KEPT_CHECK_MS = 600_000

function logKeptCheck({ checked, wrongCampaigns, wrongCounts }: KeptCheck, log: Logger): void {
  if (wrongCampaigns.length + wrongCounts === 0) return
  log.warn({ checked, wrongCampaigns, wrongCounts }, 'kept figures did not match a full count, and were repaired. Report this as a bug')
}

/** In real days, whatever the time scale is. */
function retentionMs({ retainDetailsDays, retainTotalsDays }: WorkerConfig) {
  const inMs = (days: number | null): number | null => (days === null ? null : days * 24 * HOUR_MS)
  return { detailsMs: inMs(retainDetailsDays), totalsMs: inMs(retainTotalsDays) }
}

/** Running polls may finish. Those that cannot (DingTalk does not answer) are aborted in time to close the rest. */
async function closePolls(polls: PollWorker, graceMs: number): Promise<void> {
  const timer = setTimeout(() => polls.abort(), graceMs * (1 - CLOSING_SHARE))
  try {
    await polls.close()
  } finally {
    clearTimeout(timer)
  }
}

function logWarnings({ timeScale, apps }: WorkerConfig, log: Logger): void {
  if (timeScale !== 1)
    log.warn({ timeScale }, 'TIME_SCALE is not 1: every duration of the tracking plan is divided by it. For demos and tests only')
  if (apps.length === 0)
    log.warn('no app is configured: set DINGTALK_APP_KEY, DINGTALK_APP_SECRET and DINGTALK_AGENT_ID, or DINGTALK_APPS_FILE. Tasks wait')
  const assumed = apps.filter(({ assumedRegion }) => assumedRegion !== undefined)
  if (assumed.length > 0)
    log.warn({ apps: assumed.map(({ name, assumedRegion: region, oapiUrl }) => ({ name, region, oapiUrl })) }, REGION_ASSUMED)
}

const REGION_ASSUMED =
  'no region is set, so "intl" is assumed: set DINGTALK_REGION (or "region" of the app) to "cn" where the developer console of the app is at dingtalk.com, to "intl" where it is at dingtalk.io'
