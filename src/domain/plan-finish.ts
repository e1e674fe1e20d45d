import type { Counts, Recipient, StateKind, Task } from './delivery.ts'
import type { Poll, Report, TaskUpdate, Transition, WritePlan } from './plan-types.ts'
import { finalPollAt, nextPlannedPoll, type PlannedPoll, pollTimes, type Timing } from './poll-times.ts'
import type { DelayReason } from './reasons.ts'

/** What one kind of answer decides; {@link finish} adds what every poll ends with. */
export interface Draft {
  readonly poll: Omit<Poll, 'pollNo' | 'dueAt'>
  readonly changed: readonly Recipient[]
  readonly transitions: readonly Transition[]
  readonly task: TaskUpdate
  readonly report: Report
  readonly following: Following
}

/** What comes after a poll. */
export type Following =
  /** The next planned poll; after the final one the deadline. */
  | { readonly kind: 'planned' }
  /** The final poll, and after it the deadline. */
  | { readonly kind: 'final' }
  /** At this time, or at that of the final poll where it is sooner. Null: the next planned poll; the retries of the final one are spread over the time left. */
  | { readonly kind: 'retry'; readonly at: Date | null }

export function finish(task: Task, now: Date, timing: Timing, draft: Draft): WritePlan {
  const isOpen = task.status === 'tracking'
  const isFinal = isFinalPoll(task, now, timing)
  const counted: TaskUpdate = {
    ...draft.task,
    calls: task.calls + draft.poll.calls,
    finalCalls: task.finalCalls + (isFinal ? draft.poll.calls : 0),
  }
  const goesOn = isOpen && counted.status === 'tracking'
  const poll = goesOn ? followingPoll({ ...task, ...counted }, now, timing, draft.following) : null
  return {
    key: task.key,
    expected: { pollNo: task.pollNo, erasureNo: task.erasureNo },
    poll: { pollNo: task.pollNo + 1, dueAt: task.nextPollAt, ...draft.poll },
    changed: draft.changed,
    transitions: draft.transitions,
    task: {
      ...counted,
      ...(isOpen ? {} : { status: task.status, reason: null }),
      ...(goesOn && !isFinal && callsLeft({ ...task, ...counted }, timing) === 0 ? { delay: usedUp(counted.calls) } : {}),
      nextPollAt: poll?.at ?? null,
    },
    report: draft.report,
    next: poll === null ? { kind: 'done' } : { kind: 'again', poll },
  }
}

export function usedUp(calls: number): DelayReason {
  return { code: 'calls_used_up', detail: { calls } }
}

/** Calls that a task may still make before its final poll, which keeps its own. */
export function callsLeft(task: Pick<Task, 'calls'>, timing: Timing): number {
  return Math.max(0, timing.maxCalls - timing.finalCalls - task.calls)
}

/** Calls of the final poll that are left. */
export function finalCallsLeft(task: Pick<Task, 'calls' | 'finalCalls'>, timing: Timing): number {
  return Math.max(0, Math.min(timing.finalCalls - task.finalCalls, timing.maxCalls - task.calls))
}

/** Calls that a task may lose at `now` and still make all its planned polls. The final poll has none to lose. */
export function callsToSpare(task: Task, now: Date, timing: Timing): number {
  if (isFinalPoll(task, now, timing)) return 0
  const planned = pollTimes(task, timing).filter((poll) => poll.at > now && !poll.last).length
  const thisOne = 1
  return Math.max(0, callsLeft(task, timing) - planned - thisOne)
}

/** The poll after one made at `now`; after the last one the deadline itself, where the task is ended. Never past the deadline. */
export function followingPoll(task: Task, now: Date, timing: Timing, following: Following): PlannedPoll {
  const finalAt = finalPollAt(task, timing)
  const at = now >= finalAt ? afterFinal(task, now, timing, following) : beforeFinal(task, finalAt, now, timing, following)
  const bounded = at < task.deadlineAt ? at : task.deadlineAt
  return { at: bounded, last: isFinalPoll(task, bounded, timing) }
}

function beforeFinal(task: Task, finalAt: Date, now: Date, timing: Timing, following: Following): Date {
  if (following.kind === 'final' || callsLeft(task, timing) === 0) return finalAt
  const retryAt = following.kind === 'retry' ? following.at : null
  const wanted = retryAt ?? nextPlannedPoll(task, now, timing)?.at
  return wanted === undefined || wanted > finalAt ? finalAt : wanted
}

function afterFinal(task: Task, now: Date, timing: Timing, following: Following): Date {
  const left = finalCallsLeft(task, timing)
  if (left === 0 || following.kind !== 'retry') return task.deadlineAt
  const leftMs = task.deadlineAt.getTime() - now.getTime()
  // Attempts that make no call leave as many calls as before: without a shortest gap they would follow each other ever faster.
  const spread = new Date(now.getTime() + Math.max(leftMs / (left + 1), timing.handoverMs))
  // A wait that the answer names is kept as far as there is time.
  return following.at !== null && following.at < task.deadlineAt ? following.at : spread
}

/** True while a poll must not be missed: from the time of the guaranteed final poll on. */
export function isFinalPoll(task: Pick<Task, 'key' | 'deadlineAt'>, now: Date, timing: Timing): boolean {
  return now >= finalPollAt(task, timing)
}

/** A task's columns as they are. */
export function unchanged(task: Task): TaskUpdate {
  return {
    status: task.status,
    reason: null,
    nextPollAt: task.nextPollAt,
    lastGoodRequestedAt: task.lastGoodRequestedAt,
    lastObservedAt: task.lastObservedAt,
    goodPolls: task.goodPolls,
    failuresInRow: task.failuresInRow,
    calls: task.calls,
    finalCalls: task.finalCalls,
    problem: task.problem,
    delay: task.delay,
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
export function exchangeOf(poll: {
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly requestId: string | null
}): Pick<Poll, 'requestedAt' | 'respondedAt' | 'requestId'> {
  return { requestedAt: poll.requestedAt, respondedAt: poll.respondedAt, requestId: poll.requestId }
}
