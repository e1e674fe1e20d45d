import type { Counts, Recipient, StateKind, Task, TaskKey } from './delivery.ts'
import type { PlannedPoll } from './poll-times.ts'
import type { PollOutcome, Problem, ProblemCode, Scope } from './problems.ts'
import type { EndReason } from './reasons.ts'

/** What one poll leaves behind. The store writes all of it or nothing, and only while what `expected` says still holds. */
export interface WritePlan {
  readonly key: TaskKey
  readonly expected: { readonly pollNo: number; readonly erasureNo: number }
  readonly poll: Poll
  /** Only the people whose row changes. */
  readonly changed: readonly Recipient[]
  readonly transitions: readonly Transition[]
  readonly task: TaskUpdate
  readonly report: Report
  readonly next: Next
}

/** The task's columns after the poll. */
export interface TaskUpdate extends Pick<Task, TaskColumn> {
  /** Why it ended; null while it is tracked. */
  readonly reason: EndReason | null
  readonly counts: Counts
}

type TaskColumn =
  | 'status'
  | 'nextPollAt'
  | 'lastGoodRequestedAt'
  | 'lastObservedAt'
  | 'goodPolls'
  | 'failuresInRow'
  | 'calls'
  | 'finalCalls'
  | 'problem'
  | 'delay'
  | 'listedFingerprint'
  | 'listedSince'

export { OUTCOMES, type PollOutcome } from './problems.ts'

/** One row of `delivery_poll`. */
export interface Poll {
  readonly pollNo: number
  readonly dueAt: Date | null
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly outcome: PollOutcome
  readonly code: string
  readonly message: string | null
  readonly requestId: string | null
  readonly anomalies: number
  /** What a failed poll means, and what it says something about; null after a successful one. */
  readonly problemCode: ProblemCode | null
  readonly scope: Scope | null
  /** Calls of getsendresult that it took. */
  readonly calls: number
}

/** A change of one person's state. `afterAt` and `at` are the bracket of the change; null: nothing bounds it from below. */
export interface Transition {
  readonly userId: string
  readonly from: StateKind
  readonly to: StateKind
  readonly afterAt: Date | null
  readonly at: Date
}

/** What a poll says about the scopes around its task. */
export type Report =
  /** It succeeded: that refutes every problem of the app and of the pair. */
  | { readonly kind: 'good'; readonly requestedAt: Date }
  /** Nothing beyond the task. */
  | { readonly kind: 'none' }
  /** This worker cannot poll the app; another may. */
  | { readonly kind: 'worker'; readonly problem: Problem }
  | ScopeReport

/** A failed poll that may mean that its pair or its app cannot be polled. */
export interface ScopeReport {
  readonly kind: 'app' | 'pair'
  readonly problem: Problem
  readonly requestedAt: Date
  /** Failed polls, of at least so many tasks, that pause the scope. */
  readonly agreement: { readonly polls: number; readonly tasks: number }
  /** Waits before the first probe, the second, and so on, in milliseconds; the last one repeats. */
  readonly probeDelaysMs: readonly number[]
  /** The end of the pause where the answer names it. */
  readonly until: Date | null
}

export type Next = { readonly kind: 'again'; readonly poll: PlannedPoll } | { readonly kind: 'done' }
