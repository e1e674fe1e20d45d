import { type Answer, MINUTE_MS, type Refusal, SECOND_MS, type Task, type TaskProblem } from './delivery.ts'
import { unitOf } from './hash.ts'
import { exchangeOf, type Following, finish, followingPoll, isFinalPoll, unchanged } from './plan-finish.ts'
import type { Report, TaskUpdate, WritePlan } from './plan-types.ts'
import { type PlannedPoll, retryDelayMs, type Timing } from './poll-times.ts'
import { isQpsLimit, PROBLEM_RULES, type Problem, penaltyEndOf, problemOf, SLOW_PROBE_MINUTES } from './problems.ts'

/** A date in a rate-limit message is expected no further away than this without a probe. */
const LONGEST_PENALTY_MS = 10 * MINUTE_MS
/** Both QPS limits last one second. Where another program uses them up again and again, the probes are further apart. */
const QPS_PROBES_MS = [2 * SECOND_MS, 10 * SECOND_MS] as const
/** After a success a task is asked again soon: one stray answer must not cost hours. */
const WARM_TASK_MINUTES = [1, ...SLOW_PROBE_MINUTES] as const

/** errcode 0 without lists: it says nothing about the people, so it is followed up like a failure. */
export function planEmpty(task: Task, answer: Extract<Answer, { kind: 'empty' }>, calls: number, now: Date, timing: Timing): WritePlan {
  const message = 'errcode 0 without send_result'
  const problem: Problem = {
    code: 'no_result',
    detail: { said: '0', message, scope: 'answer', requestId: answer.requestId, agentId: task.scopes.agentId, ip: null },
  }
  return planProblem(task, { answer: { ...answer, code: '0', message }, problem, calls }, now, timing)
}

export function planRefused(task: Task, answer: Refusal, calls: number, now: Date, timing: Timing): WritePlan {
  return planProblem(task, { answer, problem: problemOf(answer, task.scopes.agentId), calls }, now, timing)
}

interface Failed {
  readonly answer: Pick<Refusal, 'requestedAt' | 'respondedAt' | 'requestId' | 'code' | 'message'>
  readonly problem: Problem
  readonly calls: number
}

function planProblem(task: Task, { answer, problem, calls }: Failed, now: Date, timing: Timing): WritePlan {
  const { outcome } = PROBLEM_RULES[problem.code]
  const update = withProblem(task, problem, answer)
  return finish(task, now, timing, {
    poll: {
      ...exchangeOf(answer),
      ...{ outcome, code: answer.code, message: answer.message, anomalies: 0 },
      ...{ problemCode: problem.code, scope: problem.detail.scope, calls },
    },
    changed: [],
    transitions: [],
    task: update,
    report: reportOf(task, problem, answer.requestedAt, { now, timing }),
    following: followingOf(task, update, now, timing),
  })
}

/** What is stored where no call could be made: nothing was polled, so there is no poll, and the reserved call is given back. */
export interface UncalledPlan {
  readonly update: TaskUpdate
  readonly report: Report
  readonly poll: PlannedPoll
}

/** The same for an attempt that ended before getsendresult was called: no token, no agent id, no such app. */
export function planUncalled(task: Task, answer: Refusal, now: Date, timing: Timing): UncalledPlan {
  const problem = problemOf(answer, task.scopes.agentId)
  const update = withProblem(task, problem, answer)
  const poll = followingPoll({ ...task, ...update }, now, timing, followingOf(task, update, now, timing))
  return { update: { ...update, nextPollAt: poll.at }, report: reportOf(task, problem, answer.requestedAt, { now, timing }), poll }
}

interface Refused extends TaskUpdate {
  readonly problem: TaskProblem
}

/** What DingTalk's own limits refuse is not this task's fault: it counts as no failure. */
function withProblem(task: Task, problem: Problem, answer: Pick<Refusal, 'requestedAt' | 'respondedAt'>): Refused {
  const failuresInRow = task.failuresInRow + (PROBLEM_RULES[problem.code].isCounted ? 1 : 0)
  return {
    ...unchanged(task),
    failuresInRow,
    problem: problemAfter(task.problem, problem, answer.respondedAt ?? answer.requestedAt),
    delay: null,
  }
}

/**
 * Refusals that are followed up with probes are counted together, whatever comes between them: a task that gives now one refusal and now another
 * is not polled more often, and what is not the task's fault brings none of its probes forward or back.
 */
function problemAfter(before: TaskProblem | null, problem: Problem, at: Date): TaskProblem {
  const since = before?.code === problem.code ? before.since : at
  return { ...problem, since, polls: (before?.polls ?? 0) + (isProbed(problem) ? 1 : 0) }
}

/** The task itself is probed: not this worker, not when a limit ends. */
function isProbed({ code }: Problem): boolean {
  const { scope, isCounted, followUp } = PROBLEM_RULES[code]
  return scope !== 'worker' && isCounted && followUp === 'probes'
}

function followingOf(task: Task, { problem, failuresInRow }: Refused, now: Date, timing: Timing): Following {
  const rule = PROBLEM_RULES[problem.code]
  const isFinal = isFinalPoll(task, now, timing)
  if (rule.scope === 'worker') return { kind: 'retry', at: new Date(now.getTime() + timing.handoverMs) }
  if (!rule.isCounted) return { kind: 'retry', at: namedEnd(problem, now) ?? (isFinal ? null : throttleEnd(now, timing)) }
  if (rule.followUp === 'planned')
    return { kind: 'retry', at: isFinal ? null : quickRetryAt(task, failuresInRow, rule.quickRetries, now, timing) }
  // DingTalk never answered for this task, and says that the fault is the task's or its agent id's: its final poll is its last call.
  if (isFinal) return task.goodPolls === 0 ? { kind: 'final' } : { kind: 'retry', at: null }
  return probeOf(task, problem.polls, rule.quickRetries, now, timing)
}

/**
 * A refused task is probed with growing pauses. One that never had a successful poll gets five calls in all: the first, three probes and the
 * final poll. For one that had, quick retries and a probe after a minute come first.
 * @param polls failed polls of this kind in a row, this one included
 */
function probeOf(task: Task, polls: number, quickRetries: number, now: Date, timing: Timing): Following {
  if (task.goodPolls === 0) {
    const minutes = SLOW_PROBE_MINUTES[polls - 1]
    return minutes === undefined ? { kind: 'final' } : { kind: 'retry', at: minutesLater(minutes, now, timing) }
  }
  if (polls <= quickRetries) return { kind: 'retry', at: new Date(now.getTime() + retryDelayMs(polls, timing, jitterOfPoll(task))) }
  const minutes = WARM_TASK_MINUTES[polls - quickRetries - 1] ?? WARM_TASK_MINUTES[3]
  return { kind: 'retry', at: minutesLater(minutes, now, timing) }
}

function minutesLater(minutes: number, now: Date, timing: Timing): Date {
  return new Date(now.getTime() + (minutes * MINUTE_MS) / timing.timeScale)
}

/** Soon, while quick retries are left and the planned poll is later; else (null) when the next poll is planned. */
function quickRetryAt(task: Task, failures: number, quickRetries: number, now: Date, timing: Timing): Date | null {
  if (failures > quickRetries) return null
  const retryAt = new Date(now.getTime() + retryDelayMs(failures, timing, jitterOfPoll(task)))
  const planned = followingPoll(task, now, timing, { kind: 'planned' })
  return retryAt < planned.at ? retryAt : null
}

function jitterOfPoll({ key, pollNo }: Task): number {
  return unitOf(`${key.app} ${key.taskId} ${pollNo}`)
}

/** The end of a rate limit that the answer names, as far as it is expected; null where it names none. */
function namedEnd({ code, detail }: Problem, now: Date): Date | null {
  if (isQpsLimit(detail.said)) return new Date(now.getTime() + QPS_PROBES_MS[0])
  const hint = code === 'rate_limit' ? penaltyEndOf(detail.message) : null
  if (hint === null || hint <= now) return null
  return new Date(Math.min(hint.getTime(), now.getTime() + LONGEST_PENALTY_MS))
}

function throttleEnd(now: Date, timing: Timing): Date {
  return new Date(now.getTime() + timing.throttleMs)
}

function reportOf(
  task: Task,
  problem: Problem,
  requestedAt: Date,
  { now, timing }: { readonly now: Date; readonly timing: Timing },
): Report {
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
