import type { WriteBreaker } from '../polling/write-breaker.ts'
import { assertConsuming, type ConsumptionNeeds, type Looks, Stuck } from './checks/consumption.ts'
import { type Interval, startInterval } from '../lib/interval.ts'
import type { Pace } from '../app/settings.ts'
import { within } from '../lib/timeout.ts'

/** Told once: this worker takes no looks, although they are due and database and queue answer, and has not for too long. */
export type OnWedged = (detail: string) => void

/**
 * Watches over a worker from outside of what may be wedged. A process that is started anew is well within a second; one that waits for
 * somebody to read `/readyz` misses looks.
 */
export function watchOver(needs: WatchNeeds, looks: Looks, pace: Pace, onWedged: OnWedged): Interval {
  let sinceMs: number | null = null
  return startInterval(
    pace.overdueMs / 4,
    async () => {
      const detail = await wedgedBy(needs, looks, pace.overdueMs)
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
async function wedgedBy(needs: WatchNeeds, looks: Looks, overdueMs: number): Promise<string | null> {
  // A worker that keeps answers until they can be stored must live: with it they would be gone, and their calls paid for nothing.
  if (needs.writes.failing() !== null) return null
  try {
    await assertConsuming(needs, looks, overdueMs)
  } catch (error) {
    if (!(error instanceof Stuck)) return null
    return within(needs.patienceMs, needs.queue.count()).then(
      () => error.message,
      () => null,
    )
  }
  return null
}
