import type { Answer, Task, TaskKey } from '../domain/delivery.ts'
import type { Erasure } from '../domain/erasure.ts'
import type { ScopeReport, TaskUpdate, WritePlan } from '../domain/plan.ts'
import type { PlannedPoll } from '../domain/poll-times.ts'
import type { Problem } from '../domain/problems.ts'
import type { DelayReason, EndReason } from '../domain/reasons.ts'
import type { TrackOutcome } from '../domain/track-outcome.ts'
import type { TrackRequest } from '../intake/track-request.ts'

/** What the use cases in `service/` need from the world. Each port is a small object of verbs; adapters implement them. */

/** PostgreSQL is the truth. */
export interface DeliveryStore {
  /** Stores what is new, and what is newer where a task may take it, see {@link Tracked}. Results in the order of the requests. */
  track(requests: readonly TrackRequest[]): Promise<Tracked[]>
  /**
   * Claims up to `limit` tasks that no worker has scheduled yet (they were enqueued) or that were brought forward (resumed, healed), so that no other
   * worker gets them. `plan` gives each its deadline and first poll, which are stored with the claim.
   */
  schedule(plan: (task: Unplanned) => { readonly deadlineAt: Date; readonly first: PlannedPoll }, limit: number): Promise<Scheduled[]>
  /** Gives claimed tasks back: the queue could not take their timers. */
  unschedule(keys: readonly TaskKey[]): Promise<void>
  /** The task with its recipients, or null. Loads of one moment share a query. */
  load(key: TaskKey): Promise<LoadedTask | null>
  /** Writes a poll whole, or nothing (`stale`) where another poll was recorded or somebody erased meanwhile. Writes of one moment share a statement. */
  apply(plan: WritePlan): Promise<'stored' | 'stale'>
  /** Ends a task without a poll. */
  end(key: TaskKey, expected: { readonly pollNo: number }, update: TaskUpdate): Promise<'stored' | 'stale'>
  /** Sets when the next poll is due, and why it is later than planned, without a poll having been made. */
  delay(key: TaskKey, expected: { readonly pollNo: number }, delay: Delay): Promise<'stored' | 'stale'>
  /** Replaces a person in a task, and in all others of its campaign, by their pseudonym. */
  rename(key: TaskKey, userId: string, pseudonym: string): Promise<void>
  /**
   * Runs `work` in one worker at a time; `null` when another worker holds the lease. `work` should end when `isHeld` is false: then another
   * worker may do the same.
   */
  exclusively<T>(work: (lease: Lease) => Promise<T>): Promise<T | null>
  /** Tasks whose poll was due before `before`, nearest deadline first (then by app and task id); the page behind `after`. */
  overdue(before: Date, limit: number, after: Timer | null): Promise<Timer[]>
}

/** The right to do what one worker at a time may do, for a limited time that is extended while the work runs. */
export interface Lease {
  /** False once the lease may be another worker's. */
  isHeld(): boolean
}

/** What is stored of tasks that ended, by its age. */
export interface OldDetails {
  /** Replaces the names of people in tasks that ended before `before`, longest ended first. Resolves with how many tasks, at most `limit`. */
  removeNames(before: Date, limit: number): Promise<number>
  /** Deletes tasks that ended before `before` and have no names any more. Resolves with how many, at most `limit`. */
  removeTasks(before: Date, limit: number): Promise<number>
  /** Forgets the digests of people who were erased before `before`. */
  forgetErasures(before: Date): Promise<void>
}

/** Somebody who wants to be forgotten. */
export interface Person {
  readonly userId: string
  /** Null: in all apps. One id may be two people in apps of two organisations. */
  readonly app: string | null
}

/** What callers of the HTTP API may do to tasks. */
export interface Tracking {
  /** Committed before it resolves. */
  track(request: TrackRequest): Promise<TrackOutcome>
  /** Ends a task as `cancelled`; false when it had ended before, or is not there. */
  cancel(key: TaskKey): Promise<boolean>
  readonly resuming: Resuming
}

/** Polls at once what was delayed, and lifts pauses. The rate limit and the monthly call budget are not lifted. */
export interface Resuming {
  /** One task. Pauses around it become due, so its poll is their probe. Null: it has ended, or is not there. */
  task(key: TaskKey): Promise<ResumedTask | null>
  /** An app: its pause and those of its agent ids, and every task that was delayed or has a problem. Null: no such app is known. */
  app(app: string): Promise<ResumedApp | null>
}

export interface ResumedTask {
  /** Its poll was delayed by the monthly call budget, and will be again while that is used up. */
  readonly isWithoutBudget: boolean
}

export interface ResumedApp {
  readonly app: string
  /** How many tasks were brought forward. */
  readonly tasks: number
  /** Of these: how many were delayed by the monthly call budget, and will be again while that is used up. */
  readonly tasksWithoutBudget: number
}

export interface Tracked extends TrackOutcome {
  readonly key: TaskKey
}

export interface Unplanned {
  readonly key: TaskKey
  readonly sentAt: Date
  readonly sentAtGiven: boolean
  /** The task was scheduled before, and is to be polled at once. */
  readonly resumed: boolean
}

export interface Scheduled extends Timer {
  /** It may have a timer already, which is to be moved. */
  readonly resumed: boolean
}

/** What `delay` writes: these columns of the task and no others. */
export interface Delay extends Pick<TaskUpdate, 'problem' | 'failuresInRow' | 'calls' | 'finalCalls'> {
  readonly nextPollAt: Date
  /** Null: the poll is due as planned. */
  readonly reason: DelayReason | null
}

export interface LoadedTask extends Task {
  /** Who was erased after the message was sent: DingTalk may still name them. */
  readonly erasures: readonly Erasure[]
}

/** One poll that is due at a time. */
export interface Timer {
  readonly key: TaskKey
  /** Of the task: where many polls are due, the nearest deadline goes first. */
  readonly deadlineAt: Date
  readonly poll: PlannedPoll
}

/** BullMQ is the alarm clock: one timer a task. */
export interface PollTimers {
  /** Sets a timer for each task that has none; one that is there already is left alone. */
  set(timers: readonly Timer[]): Promise<void>
  /** Puts right what a lost or wiped queue left: missing → set; a finished leftover → removed and set; later than `poll.at` → moved there; waiting or running → left. */
  restore(timers: readonly Timer[]): Promise<Restored>
}

export type Restored = Readonly<Record<'added' | 'replaced' | 'moved' | 'left', number>>

/** DingTalk's getsendresult. Never rejects for what DingTalk or the network did: that is an {@link Answer}. Rejects only when aborted. */
export interface SendResultApi {
  sendResult(query: SendResultQuery, signal: AbortSignal): Promise<SendResult>
}

export interface SendResultQuery extends TaskKey {
  readonly agentId: string | null
  /** Asked before a call is repeated with a fresh token: each call needs a permit of its own. */
  readonly mayRepeat: (signal: AbortSignal) => Promise<boolean>
}

export interface SendResult {
  readonly answer: Answer
  /** Calls of getsendresult that were sent: 0 where no token was to be had, 2 where the first token was refused. */
  readonly calls: number
}

/** Guards an app's rate, its monthly budget and its pause, over all workers together. */
export interface RateLimiter {
  /**
   * Reserves up to the wanted calls. Calls are spaced evenly: call i may start `firstInMs + i * everyMs` from now.
   * One call for the final poll of each open task is kept back from ordinary calls.
   */
  reserve(app: string, wanted: WantedCalls, limits: AppLimits): Promise<Reservation>
  /** Gives back calls that were not made, or that DingTalk does not count. @param month in which they were reserved, as in {@link Reservation} */
  refund(app: string, month: string, calls: number): Promise<void>
}

export interface WantedCalls {
  readonly ordinary: number
  /** First calls of final polls: one is reserved for each open task. */
  readonly reserved: number
  /** How many of the reserved ones pass a pause: for them there is no later. */
  readonly forced: number
}

export interface AppLimits {
  readonly callsPerSecond: number
  readonly monthlyBudget: number | null
}

export type Reservation =
  | {
      readonly kind: 'granted'
      readonly reserved: number
      readonly ordinary: number
      readonly firstInMs: number
      readonly everyMs: number
      /** The month in China time in which the calls count: `2026-11`. */
      readonly month: string
    }
  /** The rate is taken by other calls for this long. */
  | { readonly kind: 'busy'; readonly forMs: number }
  /** The app is paused; the next probe is due at `until`. */
  | { readonly kind: 'paused'; readonly until: Date; readonly problem: Problem }
  /** No budget for the calls asked for until the month ends at `until`. */
  | { readonly kind: 'budget'; readonly until: Date; readonly used: number; readonly reserved: number; readonly month: string }

/** Evidence about apps and pairs of app and agent id. */
export interface ScopeReports {
  /** Counts a failed poll as evidence. Resolves with whether the scope is paused. */
  failed(key: TaskKey, agentId: string | null, report: ScopeReport): Promise<boolean>
  /** A poll succeeded: lifts what is paused around it, and brings forward the tasks that waited for it. Resolves with whether a pause was lifted. */
  good(key: TaskKey, agentId: string | null, requestedAt: Date): Promise<boolean>
  /** Takes the one probe of a paused pair that is due; false: another worker has it. */
  claimProbe(app: string, agentId: string): Promise<boolean>
}

/** What workers tell each other: which run, and which apps one of them cannot poll. */
export interface WorkerBook {
  /** Says that this worker runs, for `forMs`. */
  seen(worker: WorkerState, forMs: number): Promise<void>
  /** Does another running worker poll this app? */
  isServedByOthers(workerId: string, app: string): Promise<boolean>
  /** Brings forward the tasks of an app that waited for a worker that can poll it. */
  recovered(app: string): Promise<void>
  /** A worker started, with a configuration that may have been repaired: what it may have repaired is probed at once. */
  repaired(apps: readonly WorkerApp[]): Promise<void>
  gone(workerId: string): Promise<void>
}

export interface WorkerApp {
  readonly name: string
  /** For tasks that do not bring their own. */
  readonly agentId: string | null
}

export interface WorkerState {
  readonly workerId: string
  readonly startedAt: Date
  readonly apps: readonly string[]
  readonly problems: Readonly<Record<string, Problem & { readonly since: string }>>
}

export type Clock = () => Date

/** What happened, for logs and metrics. Implementations must not throw. */
export interface EventLog {
  tracked(event: Tracked): void
  /** Tasks got their plan and their timer. */
  scheduled(event: { readonly tasks: number }): void
  polled(event: PollEvent): void
  ended(event: { readonly key: TaskKey; readonly status: string; readonly reason: EndReason | null }): void
  delayed(event: {
    readonly key: TaskKey
    readonly until: Date
    readonly reason: DelayReason | null
    readonly problem: Problem | null
  }): void
  /** A pair or an app is paused, or this worker leaves an app to others. */
  paused(event: { readonly app: string; readonly problem: Problem }): void
  /** A poll succeeded where polls were paused. */
  recovered(event: { readonly app: string }): void
  reconciled(event: { readonly actions: Restored & { readonly ended: number } }): void
  /** What was older than it may be went. `namesRemoved`: tasks that have no names any more. */
  retained(event: { readonly namesRemoved: number; readonly tasksRemoved: number }): void
  /** A timer fired this long before its poll was due: the clocks of workers differ. */
  early(event: { readonly key: TaskKey; readonly earlyMs: number }): void
  /**
   * A job was held for longer than its lock: `lost` by this worker (it was blocked, or cut off from the queue),
   * or `found` by it, of a worker that died or hangs.
   */
  lock(event: { readonly kind: LockKind; readonly jobId: string }): void
  failed(event: { readonly what: string; readonly key?: TaskKey; readonly error: unknown }): void
}

export type LockKind = 'lost' | 'found'

export interface PollEvent {
  readonly key: TaskKey
  readonly plan: WritePlan
  readonly stored: 'stored' | 'stale'
  /** Start of the poll minus when it was due; null when it was not due at a time. */
  readonly lagMs: number | null
}
