import { isSameAnswer, nextDigest } from './answer-digest.ts'
import type { Answer, BareTask, Counts, Observation, Recipient, Refusal, StateKind, Task, TaskKey, TaskRow } from './delivery.ts'
import { computeFingerprint } from './hash.ts'
import { mergeRecipient } from './merge.ts'
import { assessFailure, type Evidence, type Failure, planEnd } from './plan-failed.ts'
import {
  callsLeft,
  deadlineOf,
  type Following,
  firstPoll,
  followingPoll,
  growingPlan,
  isFinalPoll,
  type Planned,
  type PlannedPoll,
  type Timing,
} from './poll-times.ts'
import { type PollOutcome, PROBLEM_RULES, type ProblemCode, type Scope } from './problems.ts'
import { callsUsedUp, type EndReason } from './reasons.ts'

/** What one poll changes. The store writes all of it or nothing, and only while what is `expected` is what is stored. */
export interface WritePlan {
  readonly key: TaskKey
  readonly expected: { readonly pollNo: number; readonly erasureNo: number }
  readonly poll: Poll
  /** Only the recipients whose row changes. */
  readonly changed: readonly Recipient[]
  readonly transitions: readonly Transition[]
  readonly task: TaskUpdate
  readonly evidence: Evidence
  readonly next: Next
}

/** When the task's job runs again, if it does. */
export type Next = { readonly kind: 'snooze'; readonly until: PlannedPoll } | { readonly kind: 'done' }

/** The task's columns after the poll. */
export interface TaskUpdate extends Pick<TaskRow, TaskColumn> {
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
  | 'answerDigest'

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
  /** The problem that a failed poll shows, and its scope; null after a successful one. */
  readonly problemCode: ProblemCode | null
  readonly scope: Scope | null
  /** Calls of getsendresult that it took. */
  readonly calls: number
}

/** A change of one recipient's state. `afterAt` and `at` are the bracket of the change; null: it has no lower bound. */
export interface Transition {
  readonly userId: string
  readonly from: StateKind
  readonly to: StateKind
  readonly afterAt: Date | null
  readonly at: Date
}

/** What a task begins with. */
export interface Start {
  readonly deadlineAt: Date
  readonly first: PlannedPoll
  readonly pollOffsetsMs: readonly number[]
}

type Sent = Pick<Planned, 'key' | 'sentAt' | 'sentAtGiven'>

/**
 * The deadline, the poll plan and the first poll of a task. They depend on the worker's time scale, so a worker sets them.
 * @param plan the poll plan for a deadline. Default: growing gaps
 */
export function planStart(
  { key, sentAt, sentAtGiven }: Sent,
  now: Date,
  timing: Timing,
  plan: (task: Sent & Pick<Planned, 'deadlineAt'>) => readonly number[] = (task) => growingPlan(task, timing),
): Start {
  const task = { key, sentAt, sentAtGiven, deadlineAt: deadlineOf(sentAt, timing) }
  const pollOffsetsMs = plan(task)
  return { deadlineAt: task.deadlineAt, pollOffsetsMs, first: firstPoll({ ...task, pollOffsetsMs }, now, timing) }
}

export function isOver(task: { readonly deadlineAt: Date }, now: Date): boolean {
  return now >= task.deadlineAt
}

/**
 * What one answer of DingTalk changes. Pure and total: any answer to any task gives a plan. A task that has ended stays as it ended. Inside
 * the window an answer ends a task only when it accounts for all recipients.
 * @param calls how many calls of getsendresult it took
 */
export function planPoll(task: Task, answer: Answer, calls: number, now: Date, timing: Timing): WritePlan {
  return answer.kind === 'observed'
    ? planObserved(task, answer.observation, calls, now, timing)
    : planFailed(task, answer, calls, now, timing)
}

/**
 * The same plan without the recipients; null where it depends on them: they are loaded then. It does not where the poll failed, and where the answer
 * is the same as the one before, which {@link BareTask.answerDigest} shows.
 */
export function planBarePoll(task: BareTask, answer: Answer, calls: number, now: Date, timing: Timing): WritePlan | null {
  if (answer.kind !== 'observed') return planFailed(task, answer, calls, now, timing)
  const seen = answer.observation
  if (!isSameAnswer(task, seen)) return null
  // The stored fingerprint is that of this answer too: to make it again took a tenth of the CPU of such a poll.
  const times = { lastGoodRequestedAt: seen.requestedAt, lastObservedAt: seen.respondedAt }
  const update = { ...succeeded(task), ...times, answerDigest: nextDigest(task, seen) }
  return finishObserved(task, seen, now, timing, { changed: [], transitions: [], anomalies: 0, update, calls })
}

function planFailed(
  task: Task | BareTask,
  given: Exclude<Answer, { readonly kind: 'observed' }>,
  calls: number,
  now: Date,
  timing: Timing,
): WritePlan {
  // An empty answer says nothing about the recipients, so it is followed up like a failure.
  const answer: Refusal =
    given.kind === 'empty' ? { ...given, kind: 'refused', code: '0', message: 'errcode 0 without send_result' } : given
  const failure = assessFailure(task, answer, now, timing)
  const { code, detail } = failure.problem
  const { requestedAt, respondedAt, requestId, message } = answer
  return finish(task, now, timing, {
    poll: {
      ...{ requestedAt, respondedAt, requestId, outcome: PROBLEM_RULES[code].outcome, code: answer.code, message },
      ...{ anomalies: 0, problemCode: code, scope: detail.scope, calls },
    },
    changed: [],
    transitions: [],
    task: afterFailure(task, failure),
    evidence: failure.evidence,
    following: failure.following,
  })
}

function afterFailure(task: Task | BareTask, { problem, failuresInRow }: Failure): TaskUpdate {
  return { ...unchanged(task), problem, failuresInRow, delay: null }
}

/** What is stored where getsendresult was not called: there is no poll, and the reserved call is returned. */
export interface UncalledPlan {
  readonly update: TaskUpdate
  readonly evidence: Evidence
  readonly poll: PlannedPoll
}

/** Plans an attempt that ended before getsendresult was called: no token, no agent id, no such app. */
export function planUncalled(task: Task | BareTask, answer: Refusal, now: Date, timing: Timing): UncalledPlan {
  const failure = assessFailure(task, answer, now, timing)
  const update = afterFailure(task, failure)
  const poll = followingPoll({ ...task, ...update }, now, timing, failure.following)
  return { update: { ...update, nextPollAt: poll.at }, evidence: failure.evidence, poll }
}

/**
 * What the end of the window changes: no recipient, whose states stay as of the last successful poll.
 * A task that has ended already stays as it ended.
 */
export function planExpiry(task: Task | BareTask, timing: Timing): TaskUpdate {
  if (task.status !== 'tracking') return unchanged(task)
  return { ...unchanged(task), ...planEnd(task, timing), nextPollAt: null }
}

/** What one kind of answer decides; {@link finish} adds what every poll ends with. */
interface Draft extends Pick<WritePlan, 'changed' | 'transitions' | 'task' | 'evidence'> {
  readonly poll: Omit<Poll, 'pollNo' | 'dueAt'>
  readonly following: Following
}

function finish(task: TaskRow, now: Date, timing: Timing, { poll, following, ...draft }: Draft): WritePlan {
  const isOpen = task.status === 'tracking'
  const isFinal = isFinalPoll(task, now, timing)
  const counted: TaskUpdate = {
    ...draft.task,
    calls: task.calls + poll.calls,
    finalCalls: task.finalCalls + (isFinal ? poll.calls : 0),
  }
  const isTracked = isOpen && counted.status === 'tracking'
  const { key, sentAt, sentAtGiven, deadlineAt, pollOffsetsMs } = task
  const { calls, finalCalls } = counted
  const polled = { key, sentAt, sentAtGiven, deadlineAt, pollOffsetsMs, calls, finalCalls }
  const next = isTracked ? followingPoll(polled, now, timing, following) : null
  return {
    ...draft,
    key,
    expected: { pollNo: task.pollNo, erasureNo: task.erasureNo },
    poll: { pollNo: task.pollNo + 1, dueAt: task.nextPollAt, ...poll },
    task: {
      ...counted,
      ...(isOpen ? {} : { status: task.status, reason: null }),
      ...(isTracked && !isFinal && callsLeft(polled, timing) === 0 ? { delay: callsUsedUp(calls) } : {}),
      nextPollAt: next?.at ?? null,
      answerDigest: isTracked ? counted.answerDigest : null,
    },
    next: next === null ? { kind: 'done' } : { kind: 'snooze', until: next },
  }
}

/** A task's columns as they are. */
export function unchanged(task: Task | BareTask): TaskUpdate {
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
    answerDigest: task.answerDigest,
    counts: 'counts' in task ? task.counts : countStates(task.recipients),
  }
}

export function countStates(recipients: readonly Recipient[]): Counts {
  const counts: Record<StateKind, number> = { pending: 0, invalid: 0, failed: 0, forbidden: 0, unread: 0, read: 0 }
  for (const { state } of recipients) counts[state.kind]++
  return counts
}

/** One recipient before and after a successful poll. */
interface Change {
  /** Undefined: this answer is the first that names the person. */
  readonly before: Recipient | undefined
  readonly after: Recipient
  readonly anomaly: boolean
}

function planObserved(task: Task, seen: Observation, calls: number, now: Date, timing: Timing): WritePlan {
  const newest = task.lastGoodRequestedAt === null || seen.requestedAt >= task.lastGoodRequestedAt
  const merged = mergeRecipients(task, seen, newest)
  const changed = merged.filter(isChanged)
  const update: TaskUpdate = {
    ...planUpdate(task, seen, newest),
    counts: countStates(merged.map(({ after }) => after)),
    answerDigest: newest && isRepeatable(merged, seen) ? nextDigest(task, seen) : null,
  }
  // What bounds a change from below before any poll does. An assumed send time bounds nothing.
  const sentAt = task.sentAtGiven ? task.sentAt : null
  // A late answer says nothing about the polls after it, so its changes have only the send as their lower bound.
  const since = (newest ? task.lastGoodRequestedAt : null) ?? sentAt
  return finishObserved(task, seen, now, timing, {
    changed: changed.map(({ after }) => after),
    transitions: changed.flatMap((change) => listTransitions(change, sentAt, since, seen)),
    anomalies: merged.filter(({ anomaly }) => anomaly).length,
    ...{ update, calls },
  })
}

/** What a successful poll changes. */
interface Observed extends Pick<WritePlan, 'changed' | 'transitions'>, Pick<Poll, 'anomalies' | 'calls'> {
  readonly update: TaskUpdate
}

function finishObserved(task: TaskRow, seen: Observation, now: Date, timing: Timing, observed: Observed): WritePlan {
  const { requestedAt, respondedAt, requestId } = seen
  const { changed, transitions, anomalies, calls, update } = observed
  return finish(task, now, timing, {
    poll: {
      ...{ requestedAt, respondedAt, requestId, outcome: 'observed', code: '0', message: null },
      ...{ anomalies, problemCode: null, scope: null, calls },
    },
    ...{ changed, transitions },
    task: { ...update, ...completion(task.recipientsKnown, update, seen, timing) },
    evidence: { kind: 'success', requestedAt },
    following: { kind: 'planned' },
  })
}

/**
 * True where the same answer to a later poll would change no recipient and be no contradiction: each listed person has the listed state, and no
 * other person was unread until now. An empty list is not one that is expected again.
 */
function isRepeatable(merged: readonly Change[], { people, requestedAt }: Observation): boolean {
  const isStable = ({ after: { userId, state } }: Change): boolean => {
    const listed = people.get(userId)
    if (listed === undefined) return state.kind !== 'unread' || !state.listed
    if (state.kind === 'unread') return listed.kind === 'unread' && state.listed && state.lastUnreadAt.getTime() === requestedAt.getTime()
    return state.kind === listed.kind
  }
  return people.size > 0 && merged.every(isStable)
}

/** All recipients that are known or listed, sorted. */
function mergeRecipients(task: Task, seen: Observation, newest: boolean): Change[] {
  const known = new Map(task.recipients.map((recipient) => [recipient.userId, recipient]))
  return [...new Set([...known.keys(), ...seen.people.keys()])].sort(compareCodeUnits).map((userId) => {
    const before = known.get(userId)
    const recipient = before ?? { userId, firstSeenAt: null, state: { kind: 'pending' } }
    const merged = mergeRecipient(recipient, seen.people.get(userId) ?? null, seen, newest)
    return { before, after: merged.recipient, anomaly: merged.anomaly }
  })
}

/** Not a locale: every writer on every machine must sort in the same order, or writers can deadlock. */
function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : 1
}

/**
 * Only an answer that is not older than the last successful one changes what is known of the whole task. One that lists no recipients although
 * some were unread does not show that they still are, so it does not move the time as of which they are unread.
 */
function planUpdate(task: Task, seen: Observation, newest: boolean): TaskUpdate {
  const good = succeeded(task)
  if (!newest) return good
  if (seen.people.size === 0 && good.counts.unread > 0) return { ...good, ...listedRun(task, seen) }
  return { ...good, lastGoodRequestedAt: seen.requestedAt, lastObservedAt: seen.respondedAt, ...listedRun(task, seen) }
}

/** What every successful poll changes. */
function succeeded(task: Task | BareTask): TaskUpdate {
  return { ...unchanged(task), goodPolls: task.goodPolls + 1, failuresInRow: 0, problem: null, delay: null }
}

/** Since when the answers list the same recipients. An empty list is not a stable one. */
function listedRun(task: TaskRow, seen: Observation): Pick<TaskUpdate, 'listedFingerprint' | 'listedSince'> {
  if (seen.people.size === 0) return { listedFingerprint: null, listedSince: null }
  const listedFingerprint = computeFingerprint(seen.people.keys())
  const same = task.listedFingerprint === listedFingerprint && task.listedSince !== null
  return { listedFingerprint, listedSince: same ? task.listedSince : seen.requestedAt }
}

/** True when the stored row changes. It does not for an unread recipient that is listed again: the task's last successful poll gives the time. */
function isChanged({ before, after }: Change): boolean {
  if (before === undefined || timeOf(before.firstSeenAt) !== timeOf(after.firstSeenAt)) return true
  const [was, is] = [before.state, after.state]
  if (was.kind === 'unread' && is.kind === 'unread') {
    return was.listed !== is.listed || (!is.listed && timeOf(was.lastUnreadAt) !== timeOf(is.lastUnreadAt))
  }
  if (was.kind === 'read' && is.kind === 'read') {
    return timeOf(was.firstReadAt) !== timeOf(is.firstReadAt) || timeOf(was.lastUnreadAt) !== timeOf(is.lastUnreadAt)
  }
  if (was.kind === 'forbidden' && is.kind === 'forbidden') return was.code !== is.code || was.count !== is.count
  return was.kind !== is.kind
}

function timeOf(at: Date | null): number | null {
  return at?.getTime() ?? null
}

/** @param since the lower bound of a change other than a read */
function listTransitions({ before, after }: Change, sentAt: Date | null, since: Date | null, seen: Observation): Transition[] {
  const from = before?.state.kind ?? 'pending'
  const to = after.state.kind
  if (from === to) return []
  const afterAt = after.state.kind === 'read' ? (after.state.lastUnreadAt ?? sentAt) : since
  return [{ userId: after.userId, from, to, afterAt, at: seen.respondedAt }]
}

/**
 * The end of a task whose recipients are all accounted for. Where the sender named no recipients the lists may still be filling, so they must
 * have stayed the same for `settleMs`.
 */
function completion(recipientsKnown: boolean, update: TaskUpdate, seen: Observation, timing: Timing): Partial<TaskUpdate> {
  const { counts, listedSince } = update
  const unreachable = counts.failed + counts.forbidden + counts.invalid
  if (counts.pending + counts.unread > 0 || counts.read + unreachable === 0) return {}
  const isStable = listedSince !== null && seen.requestedAt.getTime() - listedSince.getTime() >= timing.settleMs
  if (!recipientsKnown && !isStable) return {}
  const reason: EndReason =
    unreachable === 0 ? { code: 'all_read', detail: null } : { code: 'all_accounted_for', detail: { read: counts.read, unreachable } }
  return { status: 'complete', reason }
}
