import type { Answer, Task } from './delivery.ts'
import { planObserved } from './plan-observed.ts'
import { planEmpty, planRefused } from './plan-refused.ts'
import type { WritePlan } from './plan-types.ts'
import { deadlineOf, firstPoll, type Planned, type PlannedPoll, type Timing } from './poll-times.ts'

export { planExpiry } from './plan-end.ts'
export { countsOf, isFinalPoll, unchanged } from './plan-finish.ts'
export { planUncalled } from './plan-refused.ts'
export type { Poll, Report, ScopeReport, TaskUpdate, Transition, WritePlan } from './plan-types.ts'

/** What tracking a task begins with. Deadline and first poll depend on the worker's time scale, so a worker sets them. */
export function planStart(task: Omit<Planned, 'deadlineAt'>, now: Date, timing: Timing): { deadlineAt: Date; first: PlannedPoll } {
  const deadlineAt = deadlineOf(task.sentAt, timing)
  return { deadlineAt, first: firstPoll({ ...task, deadlineAt }, now, timing) }
}

export function isOver(task: { readonly deadlineAt: Date }, now: Date): boolean {
  return now >= task.deadlineAt
}

/**
 * What one answer of DingTalk changes. Pure and total: any answer to any task gives a plan. A task that has ended stays as it ended, and no
 * answer ends a task inside its window but one that accounts for everybody.
 * @param calls how many calls of getsendresult it took
 */
export function planPoll(task: Task, answer: Answer, calls: number, now: Date, timing: Timing): WritePlan {
  switch (answer.kind) {
    case 'observed':
      return planObserved(task, answer.observation, calls, now, timing)
    case 'empty':
      return planEmpty(task, answer, calls, now, timing)
    case 'refused':
      return planRefused(task, answer, calls, now, timing)
  }
}
