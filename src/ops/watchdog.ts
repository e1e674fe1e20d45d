import type { WorkerTiming } from '../app/settings.ts'
import { type Interval, startInterval } from '../lib/interval.ts'
import { withTimeout } from '../lib/timeout.ts'
import type { WriteBreaker } from '../polling/write-breaker.ts'
import { assertConsuming, type ConsumptionNeeds, type Polls, Stuck } from './checks/consumption.ts'

/** Told once: this worker takes no polls, although they are due and database and queue answer, and has not for too long. */
export type OnWedged = (detail: string) => void

/**
 * Watches over a worker from outside of what may be wedged. A process that is started anew is well within a second; one that waits for
 * somebody to read `/readyz` misses polls.
 */
export function watchOver(needs: WatchNeeds, polls: Polls, pace: WorkerTiming, onWedged: OnWedged): Interval {
  let sinceMs: number | null = null
  return startInterval(
    pace.overdueMs / 4,
    async () => {
      const detail = await wedgedBy(needs, polls, pace.overdueMs)
      sinceMs = detail === null ? null : (sinceMs ?? performance.now())
      if (detail !== null && sinceMs !== null && performance.now() - sinceMs > pace.wedgedMs) onWedged(detail)
    },
    () => undefined,
  )
}

interface WatchNeeds extends ConsumptionNeeds {
  readonly queue: ConsumptionNeeds['queue'] & { count(): Promise<number> }
  readonly writes: Pick<WriteBreaker, 'failing'>
}

/** Null: not wedged, or not to be known while a server is away. */
async function wedgedBy(needs: WatchNeeds, polls: Polls, overdueMs: number): Promise<string | null> {
  // A worker that keeps answers until they can be stored must live: with it they would be gone, and their calls paid for nothing.
  if (needs.writes.failing() !== null) return null
  try {
    await assertConsuming(needs, polls, overdueMs)
  } catch (error) {
    if (!(error instanceof Stuck)) return null
    return withTimeout(needs.timeoutMs, needs.queue.count()).then(
      () => error.message,
      () => null,
    )
  }
  return null
}
