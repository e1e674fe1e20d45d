import { passing } from '../core/fail-points.ts'
import { planStart } from '../core/plan.ts'
import type { Clock, DeliveryStore, Journal, LookTimers } from '../core/ports.ts'
import type { Timing } from '../core/schedule.ts'

export interface AdoptDeps {
  readonly store: Pick<DeliveryStore, 'adopt' | 'unadopt'>
  readonly timers: Pick<LookTimers, 'set'>
  readonly timing: Timing
  readonly now: Clock
  readonly journal: Pick<Journal, 'adopted'>
}

const BATCH = 500

/**
 * Gives every task that came in through a door its plan and its timer.
 * @returns how many; rejects when the store or the queue is out of reach, and then the tasks wait for the next call
 */
export async function adopt(deps: AdoptDeps): Promise<number> {
  let total = 0
  for (;;) {
    const claimed = await deps.store.adopt((task) => planStart(task, deps.now(), deps.timing), BATCH)
    if (claimed.length === 0) return total
    await passing('adopt.claimed')
    try {
      await deps.timers.set(claimed)
    } catch (error) {
      // If that fails as well, the reconciler misses their timers; what the queue said must not be lost over it.
      await deps.store.unadopt(claimed.map((timer) => timer.key)).catch(() => undefined)
      throw error
    }
    total += claimed.length
    await passing('adopt.set')
    deps.journal.adopted({ tasks: claimed.length })
    if (claimed.length < BATCH) return total
  }
}
