import type { Answer, Task, TaskKey } from './delivery.ts'
import type { Erasure } from './erasure.ts'
import type { LookPlan, TaskUpdate } from './plan.ts'
import type { PlannedLook } from './schedule.ts'
import type { TrackOutcome } from './track-outcome.ts'
import type { TrackRequest } from './track-request.ts'

/** What the use cases in `service/` need from the world. Each port is a small object of verbs; adapters implement them. */

/** PostgreSQL is the truth. */
export interface DeliveryStore {
  /** Stores what is new, and what is newer where a task may take it, see {@link Tracked}. Results in the order of the requests. */
  track(requests: readonly TrackRequest[]): Promise<Tracked[]>
  /**
   * Claims up to `limit` tasks that no worker has planned yet (they came through the SQL door or from `track`), so that no other worker gets them.
   * `plan` gives each its deadline and first look, which are stored with the claim.
   */
  adopt(plan: (task: Unplanned) => { readonly deadlineAt: Date; readonly first: PlannedLook }, limit: number): Promise<Timer[]>
  /** Gives claimed tasks back: the queue could not take their timers. */
  unadopt(keys: readonly TaskKey[]): Promise<void>
  /** The task with its recipients, or null. Loads of one moment share a query. */
  load(key: TaskKey): Promise<LoadedTask | null>
  /** Writes a look whole, or nothing (`stale`) where another look was recorded or somebody erased meanwhile. Writes of one moment share a statement. */
  apply(plan: LookPlan): Promise<'stored' | 'stale'>
  /** Ends a task without a look. */
  end(key: TaskKey, believes: { readonly pollNo: number }, update: TaskUpdate): Promise<'stored' | 'stale'>
  /** Puts a look off without one having been made; `hindrance` says why and is shown until the next good look. */
  putOff(key: TaskKey, believes: { readonly pollNo: number }, nextPollAt: Date, hindrance: string): Promise<'stored' | 'stale'>
  /** Replaces a person in a task, and in all others of its campaign, by their pseudonym. */
  rename(key: TaskKey, userId: string, pseudonym: string): Promise<void>
  /**
   * Runs `work` in one worker at a time (advisory lock); `null` when another worker holds the lock.
   */
  exclusively<T>(work: () => Promise<T>): Promise<T | null>
  /** Tasks whose look was due before `before`, nearest deadline first (then by app and task id); the page behind `after`. */
  overdue(before: Date, limit: number, after: Timer | null): Promise<Timer[]>
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
}

export interface Tracked extends TrackOutcome {
  readonly key: TaskKey
}

export interface Unplanned {
  readonly key: TaskKey
  readonly sentAt: Date
}

export interface LoadedTask extends Task {
  /** Why the last look was put off; null after a good look. */
  readonly hindrance: string | null
  /** Who was erased after the message was sent: DingTalk may still name them. */
  readonly erasures: readonly Erasure[]
}

/** One look that is due at a time. */
export interface Timer {
  readonly key: TaskKey
  /** Of the task: where many looks are due, the nearest deadline goes first. */
  readonly deadlineAt: Date
  readonly look: PlannedLook
}

/** BullMQ is the alarm clock: one timer a task. */
export interface LookTimers {
  /** Sets a timer for each task that has none; one that is there already is left alone. */
  set(timers: readonly Timer[]): Promise<void>
  /** Puts right what a lost or wiped queue left: missing → set; a finished leftover → removed and set; later than `look.at` → moved there; waiting or running → left. */
  restore(timers: readonly Timer[]): Promise<Restored>
}

export type Restored = Readonly<Record<'added' | 'replaced' | 'moved' | 'left', number>>

/** DingTalk's getsendresult. Never rejects for what DingTalk or the network did: that is an {@link Answer}. Rejects only when aborted. */
export interface SendResultApi {
  sendResult(query: SendResultQuery, signal: AbortSignal): Promise<Answer>
}

export interface SendResultQuery extends TaskKey {
  readonly agentId: string | null
}

/** Guards an app's rate, its monthly budget and its pauses, over all workers together. */
export interface AppGate {
  /**
   * Reserves up to `wanted` calls. Calls are spaced evenly: call i may start `firstInMs + i * everyMs` from now.
   * The budget that the last looks of open tasks need is kept back from ordinary looks.
   */
  reserve(app: string, wanted: { readonly ordinary: number; readonly last: number }, limits: AppLimits): Promise<Reservation>
  /** The app answered: lifts a pause. */
  healthy(app: string): Promise<void>
  throttle(app: string, until: Date, reason: string): Promise<void>
  /** Pauses a misconfigured app; `probeDelayMs` gives the wait before the next probe from the number of probes that failed. */
  pause(app: string, reason: string, now: Date, probeDelayMs: (probes: number) => number): Promise<void>
  quota(app: string, until: Date, reason: string): Promise<void>
  /** Gives back a reserved call that DingTalk did not count. */
  refund(app: string): Promise<void>
}

export interface AppLimits {
  readonly callsPerSecond: number
  readonly monthlyBudget: number | null
}

export type Reservation =
  | { readonly kind: 'granted'; readonly last: number; readonly ordinary: number; readonly firstInMs: number; readonly everyMs: number }
  /** The rate is taken by other calls for this long. */
  | { readonly kind: 'busy'; readonly forMs: number }
  /** Nobody may call before `until`. */
  | { readonly kind: 'paused'; readonly until: Date; readonly reason: string }
  /** No budget for the calls asked for until the month ends at `until`. */
  | { readonly kind: 'budget'; readonly until: Date; readonly reason: string }

export type Clock = () => Date

/** What happened, for logs and metrics. Implementations must not throw. */
export interface Journal {
  tracked(event: Tracked): void
  /** Tasks got their plan and their timer. */
  adopted(event: { readonly tasks: number }): void
  looked(event: LookEvent): void
  ended(event: { readonly key: TaskKey; readonly status: string; readonly reason: string | null }): void
  putOff(event: { readonly key: TaskKey; readonly until: Date; readonly reason: string }): void
  reconciled(event: { readonly actions: Restored & { readonly ended: number } }): void
  /** What was older than it may be went. `namesRemoved`: tasks that have no names any more. */
  retained(event: { readonly namesRemoved: number; readonly tasksRemoved: number }): void
  /** A timer rang this long before its look was due: the clocks of workers differ. */
  early(event: { readonly key: TaskKey; readonly earlyMs: number }): void
  /**
   * A job was held for longer than its lock: `lost` by this worker (it was blocked, or cut off from the queue),
   * or `found` by it, of a worker that died or hangs.
   */
  lock(event: { readonly kind: LockKind; readonly jobId: string }): void
  failed(event: { readonly what: string; readonly key?: TaskKey; readonly error: unknown }): void
}

export type LockKind = 'lost' | 'found'

export interface LookEvent {
  readonly key: TaskKey
  readonly plan: LookPlan
  readonly stored: 'stored' | 'stale'
  /** Start of the look minus when it was due; null when it was not due at a time. */
  readonly lagMs: number | null
}
