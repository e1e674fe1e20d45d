import type { Counts, Recipient, StateKind, Task, TaskKey } from './delivery.ts'
import type { PlannedLook } from './schedule.ts'

/** What one look leaves behind. The store writes all of it or nothing, and only while what `believes` says still holds. */
export interface LookPlan {
  readonly key: TaskKey
  readonly believes: { readonly pollNo: number; readonly erasureNo: number }
  readonly poll: Poll
  /** Only the people whose row changes. */
  readonly changed: readonly Recipient[]
  readonly transitions: readonly Transition[]
  readonly task: TaskUpdate
  readonly app: AppEffect
  readonly next: Next
}

/** The task's columns after the look. */
export interface TaskUpdate extends Pick<Task, TaskColumn> {
  readonly counts: Counts
}

type TaskColumn =
  | 'status'
  | 'reason'
  | 'nextPollAt'
  | 'lastGoodRequestedAt'
  | 'lastObservedAt'
  | 'goodPolls'
  | 'failuresInRow'
  | 'timeoutsInRow'
  | 'listedFingerprint'
  | 'listedSince'

export const OUTCOMES = ['observed', 'empty', 'throttled', 'quota', 'configuration', 'task', 'call_timeout', 'transient'] as const
export type PollOutcome = (typeof OUTCOMES)[number]

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
}

/** A change of one person's state. `afterAt` and `at` are the bracket of the change. */
export interface Transition {
  readonly userId: string
  readonly from: StateKind
  readonly to: StateKind
  readonly afterAt: Date
  readonly at: Date
}

/** What the answer says about the app as a whole. */
export type AppEffect =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'none' }
  | { readonly kind: 'throttle'; readonly until: Date; readonly reason: string }
  | { readonly kind: 'pause'; readonly reason: string }
  | { readonly kind: 'quota'; readonly until: Date; readonly reason: string }

export type Next = { readonly kind: 'again'; readonly look: PlannedLook } | { readonly kind: 'done' }
