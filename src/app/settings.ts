import type { TokenTiming } from '../dingtalk/options.ts'
import { TrackerError } from '../domain/errors.ts'
import { buildTiming, longestGapMs, type Timing } from '../domain/poll-times.ts'
import type { Budgets } from '../ops/checks/budget.ts'
import type { CallClock } from '../store/call-clock.ts'
import type { BlindLimits } from '../store/gauges.ts'
import type { Config } from './config/config.ts'

/** Everything that the time scale divides, in real milliseconds. Durations that protect processes and servers have a lower bound. */
export interface WorkerTiming {
  readonly timing: Timing
  /** Interval of asking for new tasks and changed campaigns while there are new tasks, and after a failure. */
  readonly scheduleEveryMs: number
  /** The same while there are none. Polling starts within 5 s of the sender's commit, so a second is left for the rest. */
  readonly restEveryMs: number
  readonly reconcileEveryMs: number
  /** How long no old data is looked for after a pass that left none. */
  readonly retainEveryMs: number
  /** Between two recounts of changed campaigns, so that reading them is fast. */
  readonly recountEveryMs: number
  /** Interval of learning when people read. */
  readonly learnEveryMs: number
  /** A poll that is later than this is overdue. A worker that takes no poll for this long while polls are overdue is not well. */
  readonly overdueMs: number
  /** When an open task missed a planned poll. */
  readonly blind: BlindLimits
  /** A worker that is not well for this long, although database and queue answer, is wedged: lost timers are put back long before. */
  readonly wedgedMs: number
  /** JavaScript that is blocked for this long at a time is about to lose its locks. */
  readonly blockedMs: number
  /** How long the polls of a dead worker, and its lease on reconciling, wait for another worker. */
  readonly lockMs: number
  readonly heartbeatMs: number
  /** How long the one probe of a paused app excludes others when it gets no answer. */
  readonly probeLeaseMs: number
  /** The longest pause before an answer that could not be stored is written again. */
  readonly writeRetryMaxMs: number
  readonly tokens: Pick<TokenTiming, 'outageRetryMs' | 'refusalRetryMs'>
}

export function workerTiming({ pollsPerTask, timeScale }: Pick<Config, 'pollsPerTask' | 'timeScale'>): WorkerTiming {
  const scaled = (ms: number, floorMs: number): number => Math.max(floorMs, ms / timeScale)
  const timing = buildTiming(pollsPerTask, timeScale)
  const overdueMs = scaled(50_000, 5_000)
  const lockMs = scaled(30_000, 2_000)
  return {
    timing,
    scheduleEveryMs: scaled(1_000, 100),
    restEveryMs: scaled(4_000, 100),
    reconcileEveryMs: scaled(60_000, 500),
    retainEveryMs: scaled(600_000, 500),
    recountEveryMs: scaled(5_000, 500),
    learnEveryMs: scaled(900_000, 2_000),
    overdueMs,
    blind: { missedMs: timing.retryMaxMs + overdueMs, minGapMs: timing.minGapMs, blindMs: longestGapMs(timing) + overdueMs },
    wedgedMs: scaled(300_000, 5_000),
    blockedMs: Math.max(2_000, lockMs / 4),
    lockMs,
    heartbeatMs: scaled(10_000, 500),
    probeLeaseMs: scaled(60_000, 1_000),
    writeRetryMaxMs: scaled(15_000, 1_000),
    tokens: { outageRetryMs: scaled(1_000, 50), refusalRetryMs: scaled(5_000, 50) },
  }
}

export function noDatabase(): TrackerError {
  const message = 'DATABASE_URL is not set. Give a postgres:// URL, or use "start", which brings its own PostgreSQL.'
  return new TrackerError('INVALID_CONFIG', message)
}

/**
 * The calls of each app, see {@link budgetsOf}.
 * @param callClock by which months pass; null: the real one
 */
export function callBudgets(
  { apps, monthlyCallBudget = null }: Pick<Config, 'apps'> & Partial<Pick<Config, 'monthlyCallBudget'>>,
  callClock: CallClock | null,
): Budgets {
  return { budgets: budgetsOf({ apps, monthlyCallBudget }), callClock }
}

/**
 * The monthly call budgets of the apps that have one. A process may have no credentials, and so no apps: MONTHLY_CALL_BUDGET is
 * then that of the app named `default`.
 */
export function budgetsOf({ apps, monthlyCallBudget }: Pick<Config, 'apps' | 'monthlyCallBudget'>): ReadonlyMap<string, number> {
  if (apps.length === 0 && monthlyCallBudget !== null) return new Map([['default', monthlyCallBudget]])
  return new Map(apps.flatMap(({ name, monthlyCallBudget: own }) => (own === null ? [] : [[name, own] as const])))
}
