import type { Counts, Recipient, StateKind, Task } from './delivery.ts'
import type { AppEffect, LookPlan, Poll, TaskUpdate, Transition } from './look-plan.ts'
import { jitterOf, lastLookAt, nextPlannedLook, type PlannedLook, type Timing } from './schedule.ts'

/** What one kind of answer decides; {@link finish} adds what every look ends with. */
export interface Draft {
  readonly poll: Omit<Poll, 'pollNo' | 'dueAt'>
  readonly changed: readonly Recipient[]
  readonly transitions: readonly Transition[]
  readonly task: TaskUpdate
  readonly app: AppEffect
  /** Instead of the next planned look; null: the plan decides. */
  readonly retryAt: Date | null
}

export function finish(task: Task, now: Date, timing: Timing, draft: Draft): LookPlan {
  const { status, reason } = task.status === 'tracking' ? draft.task : task
  const look = status === 'tracking' ? followingLook(task, now, timing, draft.retryAt) : null
  return {
    key: task.key,
    believes: { pollNo: task.pollNo, erasureNo: task.erasureNo },
    poll: { pollNo: task.pollNo + 1, dueAt: task.nextPollAt, ...draft.poll },
    changed: draft.changed,
    transitions: draft.transitions,
    task: { ...draft.task, status, reason, nextPollAt: look?.at ?? null },
    app: draft.app,
    next: look === null ? { kind: 'done' } : { kind: 'again', look },
  }
}

/** The retry or the next planned look; after the last one the deadline itself, where the task is ended. Never past the deadline. */
function followingLook(task: Task, now: Date, timing: Timing, retryAt: Date | null): PlannedLook {
  const planned = nextPlannedLook(task, now, timing, jitterOf(task.key))
  const at = retryAt ?? planned?.at ?? task.deadlineAt
  const bounded = at < task.deadlineAt ? at : task.deadlineAt
  return { at: bounded, last: isLastLook(task, bounded, timing) }
}

/** True while a look must not be missed: from the time of the guaranteed last look on. */
export function isLastLook(task: Pick<Task, 'key' | 'deadlineAt'>, now: Date, timing: Timing): boolean {
  return now >= lastLookAt(task.deadlineAt, timing, jitterOf(task.key))
}

/** A task's columns as they are. */
export function unchanged(task: Task): TaskUpdate {
  return {
    status: task.status,
    reason: task.reason,
    nextPollAt: task.nextPollAt,
    lastGoodRequestedAt: task.lastGoodRequestedAt,
    lastObservedAt: task.lastObservedAt,
    goodPolls: task.goodPolls,
    failuresInRow: task.failuresInRow,
    timeoutsInRow: task.timeoutsInRow,
    listedFingerprint: task.listedFingerprint,
    listedSince: task.listedSince,
    counts: countsOf(task.recipients),
  }
}

export function countsOf(recipients: readonly Recipient[]): Counts {
  const counts: Record<StateKind, number> = { pending: 0, invalid: 0, failed: 0, forbidden: 0, unread: 0, read: 0 }
  for (const { state } of recipients) counts[state.kind]++
  return counts
}

/** The three columns that any exchange leaves in `delivery_poll`. */
export function exchangeOf(look: {
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly requestId: string | null
}): Pick<Poll, 'requestedAt' | 'respondedAt' | 'requestId'> {
  return { requestedAt: look.requestedAt, respondedAt: look.respondedAt, requestId: look.requestId }
}
