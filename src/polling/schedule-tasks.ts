import { passing } from '../lib/fail-points.ts'
import { isLastLook, planStart } from '../domain/plan.ts'
import type { Clock, DeliveryStore, Journal, LookTimers, Scheduled, Unplanned } from './ports.ts'
import type { Timing } from '../domain/poll-times.ts'

export interface AdoptDeps {
  readonly store: Pick<DeliveryStore, 'adopt' | 'unadopt'>
  readonly timers: Pick<LookTimers, 'set' | 'restore'>
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
    const claimed = await deps.store.adopt((task) => planAgain(task, deps), BATCH)
    if (claimed.length === 0) return total
    await passing('adopt.claimed')
    try {
      await setTimers(deps.timers, claimed)
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

/** Restoring asks the queue for each job; a new task has none. */
async function setTimers(timers: AdoptDeps['timers'], claimed: readonly Scheduled[]): Promise<void> {
  const [fresh, resumed] = [claimed.filter((timer) => !timer.resumed), claimed.filter((timer) => timer.resumed)]
  if (fresh.length > 0) await timers.set(fresh)
  if (resumed.length > 0) await timers.restore(resumed)
}

/** A task that was brought forward is polled at once, whatever its plan says. */
function planAgain(task: Unplanned, { now, timing }: Pick<AdoptDeps, 'now' | 'timing'>): ReturnType<typeof planStart> {
  const start = planStart(task, now(), timing)
  if (!task.resumed) return start
  return { ...start, first: { at: now(), last: isLastLook({ key: task.key, deadlineAt: start.deadlineAt }, now(), timing) } }
}
