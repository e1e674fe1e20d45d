import type { DingTalkApp } from '../dingtalk/app.ts'
import type { TokenTiming } from '../dingtalk/options.ts'
import { HOUR_MS } from '../domain/delivery.ts'
import { TrackerError } from '../domain/errors.ts'
import { longestGapMs, type Timing, timingOf } from '../domain/poll-times.ts'
import type { AppLimits } from '../polling/ports.ts'
import type { Retention } from '../polling/retain.ts'
import type { Config } from './config/config.ts'

/** An app whose tasks are tracked, and how often DingTalk may be asked about them. */
export interface TrackedApp extends DingTalkApp {
  /** Over all workers together. */
  readonly callsPerSecond: number
  readonly monthlyCallBudget: number | null
}

/** What of the configuration a worker needs. */
export interface WorkerConfig
  extends Pick<
    Config,
    | 'databaseUrl'
    | 'queue'
    | 'privateHosts'
    | 'pollsPerTask'
    | 'timeScale'
    | 'workerConcurrency'
    | 'shutdownGraceSeconds'
    | 'retainDetailsDays'
    | 'retainTotalsDays'
  > {
  readonly apps: readonly TrackedApp[]
}

/** Everything that the time scale divides, in real milliseconds. What guards processes and servers has a floor. */
export interface WorkerTiming {
  readonly timing: Timing
  /** New tasks are looked for this often. They are promised to start within 5 s of the sender's commit. */
  readonly scheduleEveryMs: number
  readonly reconcileEveryMs: number
  /** Campaigns that changed are counted this often, so that reading them is fast. */
  readonly recountEveryMs: number
  /** A worker that takes no poll off its queue for this long while polls are later than it is not well. A minute after it stopped that shows. */
  readonly overdueMs: number
  /** An open task without a successful poll for this long missed one that was planned. */
  readonly blindMs: number
  /** A worker that is not well for this long, although database and queue answer, heals no more: lost timers are back long before. */
  readonly wedgedMs: number
  /** JavaScript that is blocked for this long at a time comes near to losing its locks. */
  readonly blockedMs: number
  /** A dead worker's polls, and its lease on reconciling, wait this long for another one. */
  readonly lockMs: number
  /** Workers say to each other that they run this often. */
  readonly heartbeatMs: number
  /** How long the one probe of a paused app keeps the others out when its answer never comes. */
  readonly probeLeaseMs: number
  /** The longest pause before an answer that could not be stored is written again. */
  readonly writeRetryMaxMs: number
  readonly tokens: Pick<TokenTiming, 'outageRetryMs' | 'refusalRetryMs'>
}

export function workerTiming({ pollsPerTask, timeScale }: Pick<WorkerConfig, 'pollsPerTask' | 'timeScale'>): WorkerTiming {
  const scaled = (ms: number, floorMs: number): number => Math.max(floorMs, ms / timeScale)
  const timing = timingOf(pollsPerTask, timeScale)
  const overdueMs = scaled(50_000, 5_000)
  const lockMs = scaled(30_000, 2_000)
  return {
    timing,
    scheduleEveryMs: scaled(1_000, 100),
    reconcileEveryMs: scaled(60_000, 500),
    recountEveryMs: scaled(5_000, 500),
    overdueMs,
    blindMs: longestGapMs(timing) + overdueMs,
    wedgedMs: scaled(300_000, 5_000),
    blockedMs: Math.max(2_000, lockMs / 4),
    lockMs,
    heartbeatMs: scaled(10_000, 500),
    probeLeaseMs: scaled(60_000, 1_000),
    writeRetryMaxMs: scaled(15_000, 1_000),
    tokens: { outageRetryMs: scaled(1_000, 50), refusalRetryMs: scaled(5_000, 50) },
  }
}

/** In real days, whatever the time scale. */
export function retentionOf({ retainDetailsDays, retainTotalsDays }: Pick<Config, 'retainDetailsDays' | 'retainTotalsDays'>): Retention {
  const msOf = (days: number | null): number | null => (days === null ? null : days * 24 * HOUR_MS)
  return { detailsMs: msOf(retainDetailsDays), totalsMs: msOf(retainTotalsDays) }
}

/** What is said where there is no database to work on or to serve from. */
export function noDatabase(): TrackerError {
  const message = 'DATABASE_URL is not set. Give a postgres:// URL, or use "start", which brings its own PostgreSQL.'
  return new TrackerError('INVALID_CONFIG', message)
}

/** For an app that no configuration names: its polls are refused before a call, and its tasks pause as one. */
const DEFAULT_LIMITS: AppLimits = { callsPerSecond: 15, monthlyBudget: null }

export function limitsBy(apps: readonly TrackedApp[]): (app: string) => AppLimits {
  const limits = new Map(apps.map((app) => [app.name, { callsPerSecond: app.callsPerSecond, monthlyBudget: app.monthlyCallBudget }]))
  return (app) => limits.get(app) ?? DEFAULT_LIMITS
}

/** The monthly call budgets of the apps that have one. */
export function budgetsOf(apps: readonly TrackedApp[]): ReadonlyMap<string, number> {
  return new Map(apps.flatMap(({ name, monthlyCallBudget }) => (monthlyCallBudget === null ? [] : [[name, monthlyCallBudget] as const])))
}
