import { startInterval } from '../lib/interval.ts'
import type { DatabaseClock } from '../ops/clock.ts'
import { readPendingWork } from '../store/pending-work.ts'
import type { Database } from '../store/prisma.ts'
import type { WorkerTiming } from './settings.ts'

export interface WorkFinderDeps {
  readonly database: Pick<Database, 'pool'>
  readonly clock: Pick<DatabaseClock, 'observe'>
  readonly timing: Pick<WorkerTiming, 'scheduleEveryMs' | 'restEveryMs'>
  /** There are tasks without a plan. */
  readonly onUnscheduled: () => void
  /** There are campaigns or ended tasks to count. */
  readonly onUncounted: () => void
  readonly onError: (error: unknown) => void
}

export interface WorkFinder {
  /** False where the last answer is fresh and says that no task is open. */
  mayBeOverdue(): boolean
  /** Waits for the question under way. */
  stop(): Promise<void>
}

/**
 * Asks the database what there is to do, at an interval that grows while there is nothing. It replaces an interval for each of the questions, and the
 * answer also measures the database's clock. LISTEN and NOTIFY are no way: behind a pooler in transaction mode they do not work.
 */
export function startWorkFinder({ database, clock, timing, onUnscheduled, onUncounted, onError }: WorkFinderDeps): WorkFinder {
  const { scheduleEveryMs, restEveryMs } = timing
  let isAtRest = false
  let noneOpenMs = -Infinity
  const ask = async (): Promise<void> => {
    isAtRest = false
    const answer = readPendingWork(database.pool)
    await clock.observe(answer.then((each) => each.clock))
    const { isUnscheduled, isUncounted, isOpen } = (await answer).work
    if (isUnscheduled) onUnscheduled()
    if (isUncounted) onUncounted()
    if (!isOpen) noneOpenMs = performance.now()
    isAtRest = !isUnscheduled
  }
  const interval = startInterval(() => (isAtRest ? restEveryMs : scheduleEveryMs), ask, onError)
  return {
    mayBeOverdue: () => performance.now() - noneOpenMs > 2 * restEveryMs,
    stop: () => interval.stop(),
  }
}
