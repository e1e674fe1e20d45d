import { penaltyEndOf, quotaResetAfter, type Verdict, verdictOf } from './classify.ts'
import type { Answer, Counts, Observation, Recipient, Refusal, StateKind, Task, TaskKey, TaskStatus } from './delivery.ts'
import { fingerprintOf, unitOf } from './hash.ts'
import { mergeRecipient } from './merge.ts'
import { deadlineOf, firstLook, jitterOf, lastLookAt, nextPlannedLook, type PlannedLook, retryDelayMs, type Timing } from './schedule.ts'

/** What one look leaves behind. The store writes all of it or nothing, and only while `pollNo` is still what `believes` says. */
export interface LookPlan {
  readonly key: TaskKey
  readonly believes: { readonly pollNo: number }
  readonly poll: Poll
  /** Only the people whose row changes. */
  readonly changed: readonly Recipient[]
  readonly transitions: readonly Transition[]
  readonly task: TaskUpdate
  readonly app: AppEffect
  readonly next: Next
}

/** The task's columns after the look. */
export interface TaskUpdate {
  readonly status: TaskStatus
  readonly reason: string | null
  readonly nextPollAt: Date | null
  readonly lastGoodRequestedAt: Date | null
  readonly lastObservedAt: Date | null
  readonly goodPolls: number
  readonly failuresInRow: number
  readonly timeoutsInRow: number
  readonly listedFingerprint: string | null
  readonly listedSince: Date | null
  readonly counts: Counts
}

export type PollOutcome = 'observed' | 'empty' | 'throttled' | 'quota' | 'configuration' | 'task' | 'call_timeout' | 'transient'

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

/** "Call timeout" answers in a row, with no good answer ever, that show a task to be untrackable. */
const MAX_CALL_TIMEOUTS = 3

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

/** True while a look must not be missed: from the time of the guaranteed last look on. */
export function isLastLook(task: Pick<Task, 'key' | 'deadlineAt'>, now: Date, timing: Timing): boolean {
  return now >= lastLookAt(task.deadlineAt, timing, jitterOf(task.key))
}

/** What one answer of DingTalk changes. Pure and total: any answer to any task gives a plan. */
export function planLook(task: Task, answer: Answer, now: Date, timing: Timing): LookPlan {
  switch (answer.kind) {
    case 'observed':
      return planObserved(task, answer.observation, now, timing)
    case 'empty':
      return planEmpty(task, answer, now, timing)
    case 'refused':
      return planRefused(task, answer, now, timing)
    default:
      return answer satisfies never
  }
}

/**
 * What the end of the window changes: nothing about the people, whose states stay as of the last good look.
 * @param hindrance why looks were put off lately (a paused app, a used-up budget), if they were
 */
export function planExpiry(task: Task, timing: Timing, hindrance: string | null): TaskUpdate {
  return { ...unchanged(task), status: 'expired', reason: expiryReason(task, timing, hindrance), nextPollAt: null }
}

function expiryReason(task: Task, timing: Timing, hindrance: string | null): string {
  const because = hindrance === null ? '' : `; ${hindrance}`
  if (task.pollNo === 0 && hindrance === null)
    return 'sent_too_long_ago: tracking began after the 24 hours in which DingTalk answers; no call was made'
  if (task.lastObservedAt === null) return `never_observed: no look was answered before the deadline${because}`
  const blindFrom = lastLookAt(task.deadlineAt, timing, 1)
  if (task.lastObservedAt >= blindFrom) return 'window_over: the 24 hours in which DingTalk answers have passed'
  return `blind_before_deadline: nothing is known after ${task.lastObservedAt.toISOString()}${because}`
}

/** A task's columns as they are. */
export function unchanged(task: Task): TaskUpdate {
  const {
    status,
    reason,
    nextPollAt,
    lastGoodRequestedAt,
    lastObservedAt,
    goodPolls,
    failuresInRow,
    timeoutsInRow,
    listedFingerprint,
    listedSince,
  } = task
  return {
    ...{
      status,
      reason,
      nextPollAt,
      lastGoodRequestedAt,
      lastObservedAt,
      goodPolls,
      failuresInRow,
      timeoutsInRow,
      listedFingerprint,
      listedSince,
    },
    counts: countsOf(task.recipients),
  }
}

export function countsOf(recipients: readonly Recipient[]): Counts {
  const counts: Record<StateKind, number> = { pending: 0, invalid: 0, failed: 0, forbidden: 0, unread: 0, read: 0 }
  for (const { state } of recipients) counts[state.kind]++
  return counts
}

// ---- an answer with lists

function planObserved(task: Task, seen: Observation, now: Date, timing: Timing): LookPlan {
  const newest = task.lastGoodRequestedAt === null || seen.requestedAt >= task.lastGoodRequestedAt
  const known = new Map(task.recipients.map((recipient) => [recipient.userId, recipient]))
  const people = [...known.values(), ...newcomers(known, seen)].sort(byUserId)
  const merged = people.map((recipient) => mergeRecipient(recipient, seen.people.get(recipient.userId) ?? null, seen, newest))
  const recipients = merged.map((person) => person.recipient)
  const changed = recipients.filter((recipient) => recipient.firstSeenAt !== null && isChanged(known.get(recipient.userId), recipient))
  const listed = listedRun(task, seen)
  const update: TaskUpdate = {
    ...unchanged(task),
    lastGoodRequestedAt: newest ? seen.requestedAt : task.lastGoodRequestedAt,
    lastObservedAt: newest ? seen.respondedAt : task.lastObservedAt,
    goodPolls: task.goodPolls + 1,
    failuresInRow: 0,
    timeoutsInRow: 0,
    ...listed,
    counts: countsOf(recipients),
  }
  const complete = isComplete(task.recipientsKnown, update, seen, timing)
  const ending = complete ? ({ status: 'complete', reason: completeReason(update.counts), nextPollAt: null } as const) : {}
  return finish(task, now, timing, {
    poll: {
      ...exchangeOf(seen),
      outcome: 'observed',
      code: '0',
      message: null,
      anomalies: merged.filter((person) => person.anomaly).length,
    },
    changed,
    transitions: changed.flatMap((recipient) => transitionOf(task, known.get(recipient.userId), recipient, seen)),
    task: { ...update, ...ending },
    app: { kind: 'healthy' },
    retryAt: null,
  })
}

function newcomers(known: ReadonlyMap<string, Recipient>, seen: Observation): Recipient[] {
  return [...seen.people.keys()]
    .filter((userId) => !known.has(userId))
    .map((userId) => ({ userId, firstSeenAt: null, state: { kind: 'pending' } }))
}

/** Code units, not a locale: every writer on every machine must sort alike, or writers can deadlock. */
function byUserId(a: Recipient, b: Recipient): number {
  return a.userId < b.userId ? -1 : a.userId > b.userId ? 1 : 0
}

/**
 * Does the stored row change? An unread person listed again does not: the task's last good look says as of when.
 */
function isChanged(before: Recipient | undefined, after: Recipient): boolean {
  if (before === undefined || before.firstSeenAt?.getTime() !== after.firstSeenAt?.getTime()) return true
  const [was, is] = [before.state, after.state]
  if (was.kind === 'unread' && is.kind === 'unread') {
    return was.listed !== is.listed || (!is.listed && was.lastUnreadAt.getTime() !== is.lastUnreadAt.getTime())
  }
  if (was.kind === 'read' && is.kind === 'read') {
    return was.firstReadAt.getTime() !== is.firstReadAt.getTime() || was.lastUnreadAt?.getTime() !== is.lastUnreadAt?.getTime()
  }
  if (was.kind === 'forbidden' && is.kind === 'forbidden') return was.code !== is.code || was.count !== is.count
  return was.kind !== is.kind
}

function transitionOf(task: Task, before: Recipient | undefined, after: Recipient, seen: Observation): Transition[] {
  const from = before?.state.kind ?? 'pending'
  if (from === after.state.kind) return []
  const afterAt = after.state.kind === 'read' ? (after.state.lastUnreadAt ?? task.sentAt) : (task.lastGoodRequestedAt ?? task.sentAt)
  return [{ userId: after.userId, from, to: after.state.kind, afterAt, at: seen.respondedAt }]
}

/** Since when the answers list just these people. Nobody listed is no settled list. */
function listedRun(task: Task, seen: Observation): Pick<TaskUpdate, 'listedFingerprint' | 'listedSince'> {
  if (seen.people.size === 0) return { listedFingerprint: null, listedSince: null }
  const listedFingerprint = fingerprintOf(seen.people.keys())
  const same = task.listedFingerprint === listedFingerprint && task.listedSince !== null
  return { listedFingerprint, listedSince: same ? task.listedSince : seen.requestedAt }
}

/**
 * Every known person is accounted for. Where the sender named nobody the lists may still be filling,
 * so they must have stayed the same for `settleMs` first.
 */
function isComplete(recipientsKnown: boolean, update: TaskUpdate, seen: Observation, timing: Timing): boolean {
  const { counts } = update
  const known = Object.values(counts).reduce((sum, count) => sum + count, 0)
  if (known === 0 || counts.pending > 0 || counts.unread > 0) return false
  if (recipientsKnown) return true
  return update.listedSince !== null && seen.requestedAt.getTime() - update.listedSince.getTime() >= timing.settleMs
}

function completeReason(counts: Counts): string {
  const unreachable = counts.failed + counts.forbidden + counts.invalid
  return unreachable === 0
    ? 'all_read: every recipient has read'
    : `all_accounted_for: ${counts.read} read, ${unreachable} could not be reached`
}

// ---- an answer without lists

function planEmpty(task: Task, answer: Extract<Answer, { kind: 'empty' }>, now: Date, timing: Timing): LookPlan {
  const planned = nextPlannedLook(task, now, timing, jitterOf(task.key))
  return finish(task, now, timing, {
    poll: { ...exchangeOf(answer), outcome: 'empty', code: '0', message: 'errcode 0 without send_result: no information', anomalies: 0 },
    changed: [],
    transitions: [],
    task: { ...unchanged(task), failuresInRow: task.failuresInRow + 1, timeoutsInRow: 0 },
    app: { kind: 'healthy' },
    // As after any failed look: the last one is retried, and so are the first few.
    retryAt: retryAtOf(task, now, timing, TRANSIENT_RETRIES, planned),
  })
}

const TRANSIENT_RETRIES = 6

function planRefused(task: Task, answer: Refusal, now: Date, timing: Timing): LookPlan {
  const verdict = verdictOf(answer.code, answer.message)
  const failed: TaskUpdate = {
    ...unchanged(task),
    failuresInRow: task.failuresInRow + 1,
    timeoutsInRow: verdict.kind === 'callTimeout' ? task.timeoutsInRow + 1 : 0,
  }
  const reaction = react(task, answer, verdict, failed, now, timing)
  return finish(task, now, timing, {
    poll: { ...exchangeOf(answer), outcome: outcomeOf(verdict), code: answer.code, message: answer.message, anomalies: 0 },
    changed: [],
    transitions: [],
    ...reaction,
  })
}

type Reaction = Pick<Draft, 'task' | 'app' | 'retryAt'>

function react(task: Task, answer: Refusal, verdict: Verdict, failed: TaskUpdate, now: Date, timing: Timing): Reaction {
  const said = `${answer.code} ${answer.message}`.trim()
  const planned = nextPlannedLook(task, now, timing, jitterOf(task.key))
  const later = (quickRetries: number): Reaction => ({
    task: failed,
    app: { kind: 'none' },
    retryAt: retryAtOf(task, now, timing, quickRetries, planned),
  })
  switch (verdict.kind) {
    case 'throttled': {
      const hint = penaltyEndOf(answer.message)
      const until = hint !== null && hint > now ? hint : new Date(now.getTime() + timing.throttleMs)
      // Not this task's fault: it counts as no attempt.
      return { task: unchanged(task), app: { kind: 'throttle', until, reason: said }, retryAt: until }
    }
    case 'quota': {
      const until = quotaResetAfter(now)
      return {
        task: unchanged(task),
        app: { kind: 'quota', until, reason: `the organisation's monthly quota is used up (${said})` },
        retryAt: until,
      }
    }
    case 'token':
    case 'configuration': {
      const remedy = verdict.kind === 'token' ? 'check the app key and app secret' : verdict.remedy
      const retryAt = new Date(now.getTime() + timing.probeBaseMs)
      return { task: failed, app: { kind: 'pause', reason: `${remedy} (DingTalk said: ${said})` }, retryAt }
    }
    case 'task':
      return {
        task: { ...failed, status: 'stopped', reason: `refused: ${verdict.remedy} (DingTalk said: ${said})`, nextPollAt: null },
        app: { kind: 'none' },
        retryAt: null,
      }
    case 'callTimeout':
      if (task.goodPolls === 0 && failed.timeoutsInRow >= MAX_CALL_TIMEOUTS)
        return { task: { ...failed, ...TOO_MANY }, app: { kind: 'none' }, retryAt: null }
      return later(TRANSIENT_RETRIES)
    case 'transient':
      return later(verdict.quickRetries)
    case 'ok':
      // A refusal with the code of success cannot come from readAnswer; treat it as noise.
      return later(TRANSIENT_RETRIES)
    default:
      return verdict satisfies never
  }
}

const TOO_MANY = {
  status: 'stopped',
  reason: `probably_too_many_recipients: DingTalk answered "Call timeout" ${MAX_CALL_TIMEOUTS} times and never gave a result; it reports at most 100 recipients a task. Send in batches of 100`,
  nextPollAt: null,
} as const

function outcomeOf(verdict: Verdict): PollOutcome {
  switch (verdict.kind) {
    case 'callTimeout':
      return 'call_timeout'
    case 'token':
      return 'configuration'
    case 'ok':
      return 'transient'
    default:
      return verdict.kind
  }
}

/** After a failure: soon, while quick retries are left or the last look is at stake; else when the next look is planned. */
function retryAtOf(task: Task, now: Date, timing: Timing, quickRetries: number, planned: PlannedLook | null): Date | null {
  const failures = task.failuresInRow + 1
  const jitter = unitOf(`${task.key.app} ${task.key.taskId} ${task.pollNo}`)
  if (planned === null) {
    // The last look failed. It is retried ever faster until the deadline, at most a tenth of the time left away.
    const left = task.deadlineAt.getTime() - now.getTime()
    const delay = Math.min(retryDelayMs(failures, timing, jitter), Math.max(left / 10, timing.retryBaseMs / 6))
    return new Date(now.getTime() + delay)
  }
  if (failures > quickRetries) return null
  const retryAt = new Date(now.getTime() + retryDelayMs(failures, timing, jitter))
  return retryAt < planned.at ? retryAt : null
}

// ---- what every look ends with

interface Draft {
  readonly poll: Omit<Poll, 'pollNo' | 'dueAt'>
  readonly changed: readonly Recipient[]
  readonly transitions: readonly Transition[]
  readonly task: TaskUpdate
  readonly app: AppEffect
  /** Instead of the next planned look; null: the plan decides. */
  readonly retryAt: Date | null
}

function finish(task: Task, now: Date, timing: Timing, draft: Draft): LookPlan {
  const over = draft.task.status !== 'tracking'
  const look = over ? null : followingLook(task, now, timing, draft.retryAt)
  return {
    key: task.key,
    believes: { pollNo: task.pollNo },
    poll: { pollNo: task.pollNo + 1, dueAt: task.nextPollAt, ...draft.poll },
    changed: draft.changed,
    transitions: draft.transitions,
    task: { ...draft.task, nextPollAt: look?.at ?? null },
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

function exchangeOf(look: {
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly requestId: string | null
}): Pick<Poll, 'requestedAt' | 'respondedAt' | 'requestId'> {
  return { requestedAt: look.requestedAt, respondedAt: look.respondedAt, requestId: look.requestId }
}
