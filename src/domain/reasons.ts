import type { Problem, ProblemCode } from './problems.ts'

/** Why a task ended, and why a poll is later than planned: codes with details. `messages.ts` has the texts. */

/** Stored as `reason_code` and `reason_detail`. Times are ISO 8601. */
export type EndReason =
  | { readonly code: 'all_read'; readonly detail: null }
  | { readonly code: 'all_accounted_for'; readonly detail: { readonly read: number; readonly unreachable: number } }
  | { readonly code: 'cancelled'; readonly detail: null }
  /** The final poll succeeded. */
  | { readonly code: 'window_over'; readonly detail: null }
  /** Polls succeeded, then DingTalk no longer answered for the task. The message was sent in (sentAfter, sentBefore]. */
  | { readonly code: 'window_closed_early'; readonly detail: WindowClosedEarly }
  | { readonly code: 'blind_before_deadline'; readonly detail: { readonly lastObservedAt: string; readonly because: Because | null } }
  | { readonly code: 'never_observed'; readonly detail: { readonly because: Because | null } }
  | { readonly code: 'sent_too_long_ago'; readonly detail: null }
  /** "Call timeout" until the deadline while other tasks of the app succeeded; the recipients were not named. */
  | { readonly code: 'probably_too_many_recipients'; readonly detail: Problem['detail'] }
  /** `stopped`: DingTalk refused every poll until the deadline. */
  | Problem

export interface WindowClosedEarly {
  readonly lastObservedAt: string
  readonly refusedSince: string
  readonly said: string
  readonly sentAfter: string
  readonly sentBefore: string
}

export type EndCode = EndReason['code']

/** Why polls did not succeed: the problem of the task, or the delay of its polls. */
export type Because = { readonly problem: Problem } | { readonly delay: DelayReason }

/** Stored as `delay_code` and `delay_detail`: why the next poll is later than planned. */
export type DelayReason =
  /** The poll waits for MAX_CALLS_PER_SECOND. */
  | { readonly code: 'call_rate'; readonly detail: null }
  | { readonly code: 'call_budget'; readonly detail: BudgetUse }
  /** A scope around the task is paused. `until`: its next probe, ISO 8601. */
  | { readonly code: 'paused'; readonly detail: PauseDetail }
  /** The task used up its calls, except for those of its final poll. */
  | { readonly code: 'calls_used_up'; readonly detail: { readonly calls: number } }
  /** The database refused the result of a poll. */
  | { readonly code: 'write_refused'; readonly detail: null }
  /** Stored by an earlier version, as text. */
  | { readonly code: 'earlier_version'; readonly detail: { readonly text: string } }

/** A month's budget where it has no call for a poll. `reserved`: for the final polls of open tasks. */
export interface BudgetUse {
  readonly budget: number
  readonly used: number
  readonly reserved: number
  /** `2026-11` */
  readonly month: string
}

export interface PauseDetail extends Omit<Problem['detail'], 'scope'> {
  readonly scope: 'pair' | 'worker' | 'app'
  readonly problem: ProblemCode
  readonly until: string
}

export type DelayCode = DelayReason['code']

export function callBudgetUsedUp({ budget, used, reserved, month }: BudgetUse): DelayReason {
  return { code: 'call_budget', detail: { budget, used, reserved, month } }
}

export function callsUsedUp(calls: number): DelayReason {
  return { code: 'calls_used_up', detail: { calls } }
}
