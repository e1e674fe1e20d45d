import { isFinalPoll, type Timing } from '../domain/poll-times.ts'
import { failPoint } from '../lib/fail-points.ts'
import type { Clock, DeliveryStore, EventLog, PollTimers, Scheduled, TaskPlanner, TaskStart, UnscheduledTask } from './ports.ts'

export interface ScheduleDeps {
  readonly store: Pick<DeliveryStore, 'schedule' | 'unschedule'>
  readonly timers: Pick<PollTimers, 'set' | 'restore'>
  readonly planner: TaskPlanner
  readonly timing: Timing
  readonly now: Clock
  readonly events: Pick<EventLog, 'scheduled'>
}

const BATCH = 500

/**
 * Gives every enqueued or resumed task its plan and its timer.
 * @returns how many; rejects when the store or the queue does not answer, and then the tasks wait for the next call
 */
export async function schedule(deps: ScheduleDeps): Promise<number> {
  let total = 0
  for (;;) {
    const claimed = await deps.store.schedule((task) => planFirst(task, deps), BATCH)
    if (claimed.length === 0) return total
    await failPoint('schedule.claimed')
    try {
      await setTimers(deps.timers, claimed)
    } catch (error) {
      // If that fails as well, the reconciler sets the timers. The error of the queue is the one to throw.
      await deps.store.unschedule(claimed.map((timer) => timer.key)).catch(() => undefined)
      throw error
    }
    total += claimed.length
    await failPoint('schedule.set')
    deps.events.scheduled({ tasks: claimed.length })
    if (claimed.length < BATCH) return total
  }
}

/** Restoring reads each job from the queue; a new task has none. */
async function setTimers(timers: ScheduleDeps['timers'], claimed: readonly Scheduled[]): Promise<void> {
  const [fresh, resumed] = [claimed.filter((timer) => !timer.resumed), claimed.filter((timer) => timer.resumed)]
  if (fresh.length > 0) await timers.set(fresh)
  if (resumed.length > 0) await timers.restore(resumed)
}

/** A resumed task is polled at once, whatever its plan says. */
async function planFirst(task: UnscheduledTask, { planner, now, timing }: ScheduleDeps): Promise<TaskStart> {
  const start = await planner.plan(task)
  if (!task.resumed) return start
  return { ...start, first: { at: now(), last: isFinalPoll({ key: task.key, deadlineAt: start.deadlineAt }, now(), timing) } }
}
