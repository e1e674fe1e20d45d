import { MINUTE_MS, type Refusal, SECOND_MS, type TaskProblem, type TaskRow } from './delivery.ts'
import { hashToUnit } from './hash.ts'
import { type Following, finalPollTime, followingPoll, isFinalPoll, retryDelayMs, type Timing } from './poll-times.ts'
import {
  COLD_PROBE_MINUTES,
  isQpsLimit,
  PROBLEM_RULES,
  type Problem,
  type ProblemCode,
  parsePenaltyEnd,
  SLOW_PROBE_MINUTES,
  toProblem,
} from './problems.ts'
import type { Because, EndReason } from './reasons.ts'

/** What a failed poll means for its task. */
export interface Failure {
  readonly problem: TaskProblem
  readonly failuresInRow: number
  readonly evidence: Evidence
  readonly following: Following
}

/** What a poll shows about the scopes around its task. */
export type Evidence =
  /** The poll succeeded: that refutes every problem of the app and of the pair. */
  | { readonly kind: 'success'; readonly requestedAt: Date }
  /** Nothing beyond the task. */
  | { readonly kind: 'none' }
  /** This worker cannot poll the app; another worker may. */
  | { readonly kind: 'worker'; readonly problem: Problem }
  | ScopeFailure

/** A failed poll that may mean that its pair or its app cannot be polled. */
export interface ScopeFailure {
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

/** A date in a rate-limit message is expected no further away than this without a probe. */
const LONGEST_PENALTY_MS = 10 * MINUTE_MS
/** Both QPS limits last one second. Where another program uses them up again and again, the probes are further apart. */
const QPS_PROBES_MS = [2 * SECOND_MS, 10 * SECOND_MS] as const

export function assessFailure(task: TaskRow, answer: Refusal, now: Date, timing: Timing): Failure {
  const problem = toProblem(answer, task.scopes.agentId)
  // What DingTalk's own limits refuse is not this task's fault: it counts as no failure.
  const failuresInRow = task.failuresInRow + (PROBLEM_RULES[problem.code].isCounted ? 1 : 0)
  const stored = withHistory(task.problem, problem, answer.respondedAt ?? answer.requestedAt)
  return {
    problem: stored,
    failuresInRow,
    evidence: findEvidence(task, problem, answer.requestedAt, now, timing),
    following: planFollowing({ ...task, problem: stored, failuresInRow, delay: null }, stored, now, timing),
  }
}

/**
 * Refusals that are followed up with probes are counted together, whatever comes between them: a task with alternating refusals is not polled
 * more often, and a failure that is not the task's fault moves none of its probes.
 */
function withHistory(before: TaskProblem | null, problem: Problem, at: Date): TaskProblem {
  const { scope, isCounted, followUp } = PROBLEM_RULES[problem.code]
  const isProbed = scope !== 'worker' && isCounted && followUp === 'probes'
  const since = before?.code === problem.code ? before.since : at
  return { ...problem, since, polls: (before?.polls ?? 0) + (isProbed ? 1 : 0) }
}

/** @param task with this failure */
function planFollowing(task: TaskRow, problem: TaskProblem, now: Date, timing: Timing): Following {
  const rule = PROBLEM_RULES[problem.code]
  const isFinal = isFinalPoll(task, now, timing)
  if (rule.scope === 'worker') return { kind: 'retry', at: new Date(now.getTime() + timing.handoverMs) }
  if (!rule.isCounted)
    return { kind: 'retry', at: namedEnd(problem, now) ?? (isFinal ? null : new Date(now.getTime() + timing.throttleMs)) }
  if (rule.followUp === 'planned') return { kind: 'retry', at: isFinal ? null : quickRetryAt(task, rule.quickRetries, now, timing) }
  // DingTalk never answered for this task, and says that the fault is the task's or its agent id's: its final poll is its last call.
  if (isFinal) return task.goodPolls === 0 ? { kind: 'final' } : { kind: 'retry', at: null }
  return planProbe(task, problem.polls, rule.quickRetries, now, timing)
}

/**
 * A refused task is probed with growing pauses. One that never had a successful poll gets five calls in all: the first, three probes and the
 * final poll. One that had gets quick retries and a probe after a minute first: one stray answer must not cost hours.
 * @param polls failed polls of this kind in a row, this one included
 */
function planProbe(task: TaskRow, polls: number, quickRetries: number, now: Date, timing: Timing): Following {
  const minutesLater = (minutes: number): Date => new Date(now.getTime() + (minutes * MINUTE_MS) / timing.timeScale)
  if (task.goodPolls === 0) {
    const minutes = SLOW_PROBE_MINUTES[polls - 1]
    return minutes === undefined ? { kind: 'final' } : { kind: 'retry', at: minutesLater(minutes) }
  }
  if (polls <= quickRetries) return { kind: 'retry', at: retryAt(task, polls, now, timing) }
  return { kind: 'retry', at: minutesLater(COLD_PROBE_MINUTES[polls - quickRetries - 1] ?? COLD_PROBE_MINUTES[3]) }
}

/** Soon, while quick retries are left and the planned poll is later; else (null) when the next poll is planned. */
function quickRetryAt(task: TaskRow, quickRetries: number, now: Date, timing: Timing): Date | null {
  if (task.failuresInRow > quickRetries) return null
  const at = retryAt(task, task.failuresInRow, now, timing)
  return at < followingPoll(task, now, timing, { kind: 'planned' }).at ? at : null
}

function retryAt({ key, pollNo }: TaskRow, failures: number, now: Date, timing: Timing): Date {
  return new Date(now.getTime() + retryDelayMs(failures, timing, hashToUnit(`${key.app} ${key.taskId} ${pollNo}`)))
}

/** The end of a rate limit that the answer names, as far as it is expected; null where it names none. */
function namedEnd({ code, detail }: Problem, now: Date): Date | null {
  if (isQpsLimit(detail.said)) return new Date(now.getTime() + QPS_PROBES_MS[0])
  const hint = code === 'rate_limit' ? parsePenaltyEnd(detail.message) : null
  if (hint === null || hint <= now) return null
  return new Date(Math.min(hint.getTime(), now.getTime() + LONGEST_PENALTY_MS))
}

function findEvidence(task: TaskRow, problem: Problem, requestedAt: Date, now: Date, timing: Timing): Evidence {
  const rule = PROBLEM_RULES[problem.code]
  if (rule.scope === 'worker') return { kind: 'worker', problem }
  if (rule.agreement === null) return { kind: 'none' }
  const kind = rule.scope === 'pair' || rule.scope === 'task' ? 'pair' : 'app'
  const { lastGoodAt } = task.scopes[kind]
  // Parameters may mean the agent id only as long as it never worked; later they are the task's.
  if (rule.scope === 'task' && lastGoodAt !== null) return { kind: 'none' }
  if (kind === 'pair' && task.scopes.agentId === null) return { kind: 'none' }
  const delaysMs = (lastGoodAt === null ? rule.firstProbeMinutes : rule.probeMinutes).map((each) => (each * MINUTE_MS) / timing.timeScale)
  const isQps = isQpsLimit(problem.detail.said)
  return {
    kind,
    problem,
    requestedAt,
    agreement: rule.agreement,
    probeDelaysMs: isQps ? [...QPS_PROBES_MS, ...delaysMs] : delaysMs,
    // An end that every answer names anew would be probed each time it comes, without growing pauses.
    until: isQps ? null : namedEnd(problem, now),
  }
}

interface End {
  readonly status: 'expired' | 'stopped'
  readonly reason: EndReason
}

/** How a task ends whose window is over. */
export function planEnd(task: TaskRow, timing: Timing): End {
  if (task.goodPolls > 0) return { status: 'expired', reason: endAfterSuccess(task, timing) }
  if (wasTooLate(task)) return { status: 'expired', reason: { code: 'sent_too_long_ago', detail: null } }
  const { problem } = task
  if (problem === null || !isRefusal(task, problem.code)) {
    return { status: 'expired', reason: { code: 'never_observed', detail: { because: findCause(task) } } }
  }
  const { code, detail } = problem
  return { status: 'stopped', reason: code === 'call_timeout' ? { code: 'probably_too_many_recipients', detail } : { code, detail } }
}

function endAfterSuccess(task: TaskRow, timing: Timing): EndReason {
  const { lastObservedAt, lastGoodRequestedAt, problem } = task
  if (lastObservedAt === null || lastGoodRequestedAt === null) return { code: 'never_observed', detail: { because: findCause(task) } }
  if (lastObservedAt >= finalPollTime(task.deadlineAt, timing, 1)) return { code: 'window_over', detail: null }
  if (problem === null || !FORGOTTEN.has(problem.code) || problem.polls < SURELY_FORGOTTEN) {
    return { code: 'blind_before_deadline', detail: { lastObservedAt: lastObservedAt.toISOString(), because: findCause(task) } }
  }
  const windowMs = task.deadlineAt.getTime() - task.sentAt.getTime()
  const formatSentAt = (end: Date): string => new Date(end.getTime() - windowMs).toISOString()
  return {
    code: 'window_closed_early',
    detail: {
      lastObservedAt: lastObservedAt.toISOString(),
      refusedSince: problem.since.toISOString(),
      said: problem.detail.said,
      sentAfter: formatSentAt(lastGoodRequestedAt),
      sentBefore: formatSentAt(problem.since),
    },
  }
}

/** One stray answer says nothing about the send time: so many polls in a row must have been refused. */
const SURELY_FORGOTTEN = 2

/** What getsendresult may answer for a task that it no longer has. Its code is not documented, so an unknown one counts too. */
const FORGOTTEN: ReadonlySet<ProblemCode> = new Set(['parameters', 'agent_id', 'unknown_code', 'call_timeout'])

/** Problems that are no refusal by DingTalk: it could not be reached, or was not called. */
const NO_REFUSAL: ReadonlySet<ProblemCode> = new Set(['outage', 'no_result', 'rate_limit', 'private_address', 'unknown_app', 'no_agent_id'])

/** "Call timeout" means too many recipients only where they were not named, and where other tasks succeeded: a slow backend is slow for all. */
function isRefusal({ recipientsKnown, sentAt, scopes }: TaskRow, code: ProblemCode): boolean {
  if (code !== 'call_timeout') return !NO_REFUSAL.has(code)
  return !recipientsKnown && scopes.app.lastGoodAt !== null && scopes.app.lastGoodAt > sentAt
}

function findCause({ problem, delay }: TaskRow): Because | null {
  if (problem !== null) return { problem: { code: problem.code, detail: problem.detail } }
  return delay === null ? null : { delay }
}

/** No poll of this task was ever due inside the window. One that was due and not made (everything was down) has another reason. */
function wasTooLate(task: TaskRow): boolean {
  if (task.problem !== null || task.delay !== null || task.pollNo > 0) return false
  return task.nextPollAt === null || task.nextPollAt >= task.deadlineAt
}
