import type { Answer, Task, TaskKey } from './delivery.ts'
import type { LookPlan, TaskUpdate } from './look-plan.ts'
import { unchanged } from './plan-finish.ts'
import { planObserved } from './plan-observed.ts'
import { planEmpty, planRefused } from './plan-refused.ts'
import { deadlineOf, firstLook, jitterOf, lastLookAt, type PlannedLook, type Timing } from './schedule.ts'

export type { AppEffect, LookPlan, Poll, TaskUpdate, Transition } from './look-plan.ts'
export { countsOf, isLastLook, unchanged } from './plan-finish.ts'

/** What tracking a task begins with. Deadline and first look depend on the worker's time scale, so a worker sets them. */
export function planStart(
  task: { readonly key: TaskKey; readonly sentAt: Date },
  now: Date,
  timing: Timing,
): { deadlineAt: Date; first: PlannedLook } {
  const deadlineAt = deadlineOf(task.sentAt, timing)
  return { deadlineAt, first: firstLook(task.sentAt, deadlineAt, now, timing, jitterOf(task.key)) }
}

export function isOver(task: { readonly deadlineAt: Date }, now: Date): boolean {
  return now >= task.deadlineAt
}

/** What one answer of DingTalk changes. Pure and total: any answer to any task gives a plan. A task that has ended stays as it ended. */
export function planLook(task: Task, answer: Answer, now: Date, timing: Timing): LookPlan {
  switch (answer.kind) {
    case 'observed':
      return planObserved(task, answer.observation, now, timing)
    case 'empty':
      return planEmpty(task, answer, now, timing)
    case 'refused':
      return planRefused(task, answer, now, timing)
  }
}

/**
 * What the end of the window changes: nothing about the people, whose states stay as of the last good look.
 * A task that has ended already stays as it ended.
 * @param hindrance why looks were put off lately (a paused app, a used-up budget), if they were
 */
export function planExpiry(task: Task, timing: Timing, hindrance: string | null): TaskUpdate {
  if (task.status !== 'tracking') return unchanged(task)
  return { ...unchanged(task), status: 'expired', reason: expiryReason(task, timing, hindrance), nextPollAt: null }
}

function expiryReason(task: Task, timing: Timing, hindrance: string | null): string {
  const because = hindrance === null ? '' : `; ${hindrance}`
  if (hindrance === null && cameTooLate(task))
    return 'sent_too_long_ago: tracking began after the 24 hours in which DingTalk answers; no call was made'
  if (task.lastObservedAt === null) return `never_observed: no look brought a result before the deadline${because}`
  const blindFrom = lastLookAt(task.deadlineAt, timing, 1)
  if (task.lastObservedAt >= blindFrom) return 'window_over: the 24 hours in which DingTalk answers have passed'
  return `blind_before_deadline: nothing is known after ${task.lastObservedAt.toISOString()}${because}`
}

/** No look of this task was ever due inside the window. One that was due and not made (everything was down) is another reason. */
function cameTooLate(task: Task): boolean {
  return task.pollNo === 0 && (task.nextPollAt === null || task.nextPollAt >= task.deadlineAt)
}
