import type { Answer, BareTask, Refusal, Task, TaskKey } from '../domain/delivery.ts'
import type { Department, Member } from '../domain/directory.ts'
import type { Erasure } from '../domain/erasure.ts'
import type { Start, TaskUpdate, WritePlan } from '../domain/plan.ts'
import type { ScopeFailure } from '../domain/plan-failed.ts'
import type { PlannedPoll } from '../domain/poll-times.ts'
import type { Problem } from '../domain/problems.ts'
import type { DelayReason, EndReason } from '../domain/reasons.ts'
import type { PlanDetail } from '../domain/schedule/plan-detail.ts'
import type { Law, ObservedTask } from '../domain/schedule/types.ts'
import type { TrackOutcome } from '../domain/track-outcome.ts'
import type { PeopleRequest } from '../intake/people.ts'
import type { TrackRequest } from '../intake/track-request.ts'

/** The interfaces between the use cases in this folder and the adapters that implement them. */

/** Tasks and polls in PostgreSQL, which is the truth. */
export interface DeliveryStore {
  /** Stores new tasks, and newer data of a task that never had a successful poll. Results in the order of the requests. */
  track(requests: readonly TrackRequest[]): Promise<Tracked[]>
  /**
   * Claims up to `limit` tasks that were enqueued and not scheduled yet, or that were resumed, so that no other worker gets them. `plan` gives
   * each its deadline and its poll plan, which are stored with the claim. Where the month's budget has no call left for a task's final poll, what
   * its plan says for that case is stored instead: it is decided with the app's row locked, so no two workers admit on the same call.
   */
  schedule(plan: (task: UnscheduledTask) => TaskStart | Promise<TaskStart>, limit: number): Promise<Scheduled[]>
  /** Undoes the claim: the queue could not take the timers. */
  unschedule(keys: readonly TaskKey[]): Promise<void>
  /** The task with its recipients, or null. Loads at the same time share a query. */
  load(key: TaskKey): Promise<LoadedTask | null>
  /** The same, but without recipients where the task has the digest of an answer, which the next one probably repeats. */
  loadForPoll(key: TaskKey): Promise<LoadedTask | LoadedBareTask | null>
  /** Writes all of a poll, or nothing (`stale`) where another poll was stored or a person erased meanwhile. Writes at the same time share a statement. */
  apply(plan: WritePlan): Promise<'stored' | 'stale'>
  /** Ends a task without a poll. */
  end(key: TaskKey, expected: { readonly pollNo: number }, update: TaskUpdate): Promise<'stored' | 'stale'>
  /** Sets when the next poll is due, and why it is later than planned. No poll was made. */
  delay(key: TaskKey, expected: { readonly pollNo: number }, delay: Delay): Promise<'stored' | 'stale'>
  /** Replaces a person in a task, and in all others of its campaign, by their pseudonym. */
  rename(key: TaskKey, userId: string, pseudonym: string): Promise<void>
  /**
   * Runs `work` in one worker at a time; `null` when another worker holds the lease. `work` should end when `isHeld` is false: then another
   * worker may do the same.
   */
  exclusively<T>(work: (lease: Lease) => Promise<T>): Promise<T | null>
  /** Tasks whose poll was due before `before`, nearest deadline first (then by app and task id); the page after `after`. */
  overdue(before: Date, limit: number, after: Timer | null): Promise<Timer[]>
}

/** The right to do what one worker at a time may do. Its time is limited, and extended while the work runs. */
export interface Lease {
  /** False once the lease may be another worker's. */
  isHeld(): boolean
}

/** Removes old data of tasks that ended, and people who are not named any more. */
export interface OldDetails {
  /** Replaces the names of people in tasks that ended before `before`, longest ended first. Resolves with how many tasks, at most `limit`. */
  removeNames(before: Date, limit: number): Promise<number>
  /** Makes room for the polls of tasks to come, where little is left. */
  makeRoom(): Promise<void>
  /** Removes all polls of a period at once, where all its tasks may be deleted. `none`: there is none; `busy`: a lock was not free, so try again. */
  removePolls(before: Date): Promise<'removed' | 'none' | 'busy'>
  /** Deletes at most `limit` of the same tasks, and resolves with how many. They may wait for their period: two days, or a twentieth of their age. */
  removeTasks(before: Date, limit: number): Promise<number>
  /** Deletes people whom no import or sync has named since `before`. Resolves with how many, at most `limit`. */
  forgetPeople(before: Date, limit: number): Promise<number>
  /** Forgets the digests of people who were erased before `before`. */
  forgetErasures(before: Date): Promise<void>
}

/** A person who is to be erased. */
export interface Person {
  readonly userId: string
  /** Null: in all apps. The same user id may be two people in apps of two organisations. */
  readonly app: string | null
}

/** What callers of the HTTP API may change. */
export interface Tracking {
  /** Committed before it resolves. */
  track(request: TrackRequest): Promise<TrackOutcome>
  /** Ends a task as `cancelled`; false when it had ended before, or does not exist. */
  cancel(key: TaskKey): Promise<boolean>
  readonly resuming: Resuming
  /** Stores names and departments of people, all of them or none. Committed before it resolves. */
  putPeople(request: PeopleRequest): Promise<PeopleCounts>
}

/** How many people a request, or an import, concerns. Each person counts once. */
export interface PeopleCounts {
  readonly created: number
  readonly changed: number
  readonly unchanged: number
  /** Erased less than a day ago, so they were left out. */
  readonly erased: number
}

/** Polls delayed tasks at once, and lifts pauses. The rate limit and the monthly call budget stay. */
export interface Resuming {
  /** One task. Its poll is the probe of the pauses that concern it. Null: it has ended, or does not exist. */
  task(key: TaskKey): Promise<ResumedTask | null>
  /** An app: its pause and those of its agent ids, and every task that was delayed or has a problem. Null: it has no task and made no call. */
  app(app: string): Promise<ResumedApp | null>
}

export interface ResumedTask {
  /** Its poll was delayed by the monthly call budget, and will be again while that is used up. */
  readonly isWithoutBudget: boolean
}

export interface ResumedApp {
  readonly app: string
  /** How many tasks are polled at once. */
  readonly tasks: number
  /** Of these: how many were delayed by the monthly call budget, and will be again while that is used up. */
  readonly tasksWithoutBudget: number
}

export interface Tracked extends TrackOutcome {
  readonly key: TaskKey
}

/** What a task begins with, and why. */
export interface TaskStart extends Start {
  /** Left out: what is stored stays. */
  readonly plan?: PlanDetail
  /** Left out: the app has no monthly call budget, or the task was admitted before. */
  readonly admission?: Admission
}

export interface Admission {
  /** Calls a month. */
  readonly budget: number
  /** The start of a task that is not admitted. @param monthEndsAt when the next month's budget begins */
  refuse(monthEndsAt: Date): Omit<TaskStart, 'admission'>
}

export interface UnscheduledTask {
  readonly key: TaskKey
  readonly campaign: string | null
  readonly sentAt: Date
  readonly sentAtGiven: boolean
  /** Recipients that the sender named; 0: none. */
  readonly people: number
  /** The plan that it has from before; null: none, or its send time was corrected. */
  readonly pollOffsetsMs: readonly number[] | null
  readonly admitted: boolean
  /** The task was scheduled before, and is to be polled at once. */
  readonly resumed: boolean
}

/** Decides when a task is polled, once: what it decides is stored. */
export interface TaskPlanner {
  plan(task: UnscheduledTask): Promise<TaskStart>
}

/** When the recipients of an app read, as the worker learned it. */
export interface LearnedLaw {
  /** What a plan names; ascending. */
  readonly version: number
  readonly law: Law
  /** From how many ended tasks, of how many delivered recipients. */
  readonly tasks: number
  readonly people: number
  /** When the latest of them was sent; null: it was learned from none of the app's own. */
  readonly lastSentAt: Date | null
  readonly learnedAt: Date
}

/** The laws that were learned. */
export interface Laws {
  /** The newest law of an app; null: none was learned, or another version wrote it in a form of its own, so `PRIOR_LAW` holds. */
  latest(app: string): Promise<LearnedLaw | null>
}

/** Whose tasks: of one app; left out: of all. */
export interface TasksOf {
  readonly app?: string
}

/** What learning reads and writes. */
export interface LearnerStore extends Laws {
  /** Runs `work` in one worker at a time; null when another one learns. */
  exclusively<T>(work: (lease: Lease) => Promise<T>): Promise<T | null>
  /** Apps that have tasks, or had calls, and when a task of each last ended; null: not in the last days. */
  apps(): Promise<ReadonlyArray<{ readonly app: string; readonly lastEndedAt: Date | null }>>
  /** The database's time. What a law is learned from is read after it. */
  now(): Promise<Date>
  /** The newest ended tasks that tell when people read, oldest first: with their send time, delivered recipients and a successful poll. */
  observedTasks(of: TasksOf, limit: number): Promise<ObservedTask[]>
  /** Stores the newest law of an app, and removes its older ones but for those that plans of open tasks name. Resolves with its version. */
  add(app: string, law: Omit<LearnedLaw, 'version'>): Promise<number>
}

export interface Scheduled extends Timer {
  /** It may have a timer already, which is to be moved. */
  readonly resumed: boolean
}

/** The columns of a task that `delay` writes. */
export interface Delay extends Pick<TaskUpdate, 'problem' | 'failuresInRow' | 'calls' | 'finalCalls'> {
  readonly nextPollAt: Date
  /** Null: the poll is due as planned. */
  readonly reason: DelayReason | null
}

export interface LoadedTask extends Task {
  /** People who were erased after the message was sent: DingTalk may still name them. */
  readonly erasures: readonly Erasure[]
}

export interface LoadedBareTask extends BareTask {
  readonly erasures: readonly Erasure[]
}

/** One poll that is due at a time. */
export interface Timer {
  readonly key: TaskKey
  /** Of the task: where many polls are due, the nearest deadline goes first. */
  readonly deadlineAt: Date
  readonly poll: PlannedPoll
}

/** One BullMQ job a task, which fires when the next poll is due. */
export interface PollTimers {
  /** Sets a timer for each task that has none. An existing timer stays as it is. */
  set(timers: readonly Timer[]): Promise<void>
  /** Repairs timers after the queue lost some: missing → set; finished → removed and set; later than `poll.at` → moved there; waiting or running → left. */
  restore(timers: readonly Timer[]): Promise<Restored>
}

export type Restored = Readonly<Record<'added' | 'replaced' | 'moved' | 'left', number>>

/** DingTalk's getsendresult. A failure of DingTalk or the network is an {@link Answer}. It rejects only when aborted. */
export interface SendResultApi {
  sendResult(query: SendResultQuery, signal: AbortSignal): Promise<SendResult>
}

export interface SendResultQuery extends TaskKey {
  readonly agentId: string | null
  /** Called before a call is repeated with a fresh token: each call needs a permit of its own. */
  readonly mayRepeat: (signal: AbortSignal) => Promise<boolean>
}

export interface SendResult {
  readonly answer: Answer
  /** Calls of getsendresult that were sent: 0 without a token, 2 where the first token was refused. */
  readonly calls: number
}

/** DingTalk's contact API for one app, with the names of its addresses. A failure is a `Refusal`. It rejects only when aborted. */
export interface ContactsApi {
  /** The departments one level below. */
  listsub(departmentId: string, call: ContactCall): Promise<ContactResult<readonly Department[]>>
  get(departmentId: string, call: ContactCall): Promise<ContactResult<Department>>
  /** Those who are in the department itself, at most 100. @param cursor 0, then `next` of the page before */
  listsimple(departmentId: string, cursor: number, call: ContactCall): Promise<ContactResult<MemberPage>>
}

export interface ContactCall {
  readonly signal: AbortSignal
  /** As in {@link SendResultQuery}. */
  readonly mayRepeat: SendResultQuery['mayRepeat']
}

export interface ContactResult<Value> {
  readonly answer: Refusal | { readonly kind: 'answered'; readonly value: Value }
  /** Calls that were sent, as in {@link SendResult}. */
  readonly calls: number
}

export interface MemberPage {
  readonly members: readonly Member[]
  /** Null: it is the last one. */
  readonly next: number | null
}

/** An app's rate, its monthly call budget and its pause, over all workers together. */
export interface RateLimiter {
  /**
   * Reserves up to the wanted calls. Calls are spaced evenly: call i may start `firstInMs + i * everyMs` from now.
   * One call for the final poll of each open task is not available to ordinary calls.
   */
  reserve(app: string, wanted: WantedCalls, limits: AppLimits): Promise<Reservation>
  /** Returns calls that were not made, or that DingTalk does not count. @param month in which they were reserved, as in {@link Reservation} */
  refund(app: string, month: string, calls: number): Promise<void>
}

export interface WantedCalls {
  readonly ordinary: number
  /** How many of the ordinary ones are retries of final polls: a tenth of what is reserved is kept for them. Default: none. */
  readonly retries?: number
  /** First calls of final polls: one is reserved for each open task. */
  readonly reserved: number
  /** How many of the reserved ones pass a pause: they cannot be made later. */
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
  /** Other calls use the rate for this long. */
  | { readonly kind: 'busy'; readonly forMs: number }
  /** The app is paused; the next probe is due at `until`. */
  | { readonly kind: 'paused'; readonly until: Date; readonly problem: Problem }
  /** The budget has no call left for this request until the month ends at `until`. */
  | { readonly kind: 'budget'; readonly until: Date; readonly used: number; readonly reserved: number; readonly month: string }

/** What polls show about an app and about an app with an agent id (a pair). It is counted where the pause is stored. */
export interface ScopeEvidence {
  /** Resolves with whether the scope is paused. */
  recordFailure(key: TaskKey, agentId: string | null, failure: ScopeFailure): Promise<boolean>
  /** Lifts the pauses around a successful poll, and polls the tasks that waited for it at once. Resolves with whether a pause was lifted. */
  recordSuccess(key: TaskKey, agentId: string | null, requestedAt: Date): Promise<boolean>
  /** Claims the due probe of a paused pair; false: another worker has it. */
  claimProbe(app: string, agentId: string): Promise<boolean>
}

/** Which workers run, and which apps each of them cannot poll. */
export interface WorkerRegistry {
  /** Stores that this worker runs, for `forMs`. */
  heartbeat(worker: WorkerState, forMs: number): Promise<void>
  /** True when another running worker polls this app. */
  isServedByOthers(workerId: string, app: string): Promise<boolean>
  /** Polls the tasks at once that waited for a worker that can poll the app. */
  resumeWaiting(app: string): Promise<void>
  /** Probes at once what the configuration of a worker that starts may have repaired. */
  probeRepaired(apps: readonly WorkerApp[]): Promise<void>
  remove(workerId: string): Promise<void>
}

export interface WorkerApp {
  readonly name: string
  /** For tasks without an agent id of their own. */
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
  /** A pair or an app is paused, or this worker does not poll an app. */
  paused(event: { readonly app: string; readonly problem: Problem }): void
  /** A poll succeeded where polls were paused. */
  recovered(event: { readonly app: string }): void
  reconciled(event: { readonly actions: Restored & { readonly ended: number } }): void
  /** Old data was removed. `namesRemoved`: tasks that have no names any more; `periodsRemoved`: periods whose polls went at once. */
  retained(event: Readonly<Record<'namesRemoved' | 'peopleRemoved' | 'periodsRemoved' | 'tasksRemoved', number>>): void
  /** When the recipients of an app read was learned anew, from so many ended tasks of its own. */
  learned(event: { readonly app: string; readonly version: number; readonly tasks: number; readonly people: number }): void
  /** A timer fired this long before its poll was due: the clocks of workers differ. */
  early(event: { readonly key: TaskKey; readonly earlyMs: number }): void
  /**
   * A job ran for longer than its lock: `lost` by this worker (it was blocked, or had no connection to the queue), or `found` by it, from a
   * worker that crashed or hangs.
   */
  lock(event: { readonly kind: LockKind; readonly jobId: string }): void
  failed(event: { readonly what: string; readonly key?: TaskKey; readonly error: unknown }): void
}

export type LockKind = 'lost' | 'found'

export interface PollEvent {
  readonly key: TaskKey
  readonly plan: WritePlan
  readonly stored: 'stored' | 'stale'
  /** Start of the poll minus the time when it was due; null when it had none. */
  readonly lagMs: number | null
}
