import type { Task } from './delivery.ts'
import { unchanged } from './plan-finish.ts'
import type { TaskUpdate } from './plan-types.ts'
import { finalPollTime, type Timing } from './poll-times.ts'
import type { ProblemCode } from './problems.ts'
import type { Because, EndReason } from './reasons.ts'

/**
 * What the end of the window changes: nothing about the people, whose states stay as of the last successful poll.
 * A task that has ended already stays as it ended.
 */
export function planExpiry(task: Task, timing: Timing): TaskUpdate {
  if (task.status !== 'tracking') return unchanged(task)
  return { ...unchanged(task), ...endOf(task, timing), nextPollAt: null }
}

type End = Pick<TaskUpdate, 'status' | 'reason'>

function endOf(task: Task, timing: Timing): End {
  if (task.goodPolls > 0) return expired(endAfterSuccess(task, timing))
  if (cameTooLate(task)) return expired({ code: 'sent_too_long_ago', detail: null })
  const { problem } = task
  if (problem === null || !isRefusal(task, problem.code)) return expired({ code: 'never_observed', detail: { because: becauseOf(task) } })
  const { code, detail } = problem
  return { status: 'stopped', reason: code === 'call_timeout' ? { code: 'probably_too_many_recipients', detail } : { code, detail } }
}

function expired(reason: EndReason): End {
  return { status: 'expired', reason }
}

function endAfterSuccess(task: Task, timing: Timing): EndReason {
  const { lastObservedAt, lastGoodRequestedAt, problem } = task
  if (lastObservedAt === null || lastGoodRequestedAt === null) return { code: 'never_observed', detail: { because: becauseOf(task) } }
  if (lastObservedAt >= finalPollTime(task.deadlineAt, timing, 1)) return { code: 'window_over', detail: null }
  if (problem === null || !FORGOTTEN.has(problem.code) || problem.polls < SURELY_FORGOTTEN) {
    return { code: 'blind_before_deadline', detail: { lastObservedAt: lastObservedAt.toISOString(), because: becauseOf(task) } }
  }
  const windowMs = task.deadlineAt.getTime() - task.sentAt.getTime()
  const sendOf = (end: Date): string => new Date(end.getTime() - windowMs).toISOString()
  return {
    code: 'window_closed_early',
    detail: {
      lastObservedAt: lastObservedAt.toISOString(),
      refusedSince: problem.since.toISOString(),
      said: problem.detail.said,
      sentAfter: sendOf(lastGoodRequestedAt),
      sentBefore: sendOf(problem.since),
    },
  }
}

/** One stray answer says nothing about the send time: so many polls in a row must have been refused. */
const SURELY_FORGOTTEN = 2

/** What getsendresult may answer for a task that it no longer knows. Which code it is is not known, so an unknown one counts too. */
const FORGOTTEN: ReadonlySet<ProblemCode> = new Set(['parameters', 'agent_id', 'unknown_code', 'call_timeout'])

/** Problems that are no refusal by DingTalk: it could not be reached, or was not asked. */
const NO_REFUSAL: ReadonlySet<ProblemCode> = new Set(['outage', 'no_result', 'rate_limit', 'private_address', 'unknown_app', 'no_agent_id'])

function isRefusal(task: Task, code: ProblemCode): boolean {
  return code === 'call_timeout' ? isProbablyTooLarge(task) : !NO_REFUSAL.has(code)
}

/** A hundred named recipients are not too many, and a slow backend is slow for other tasks too. */
function isProbablyTooLarge({ recipientsKnown, sentAt, scopes }: Task): boolean {
  return !recipientsKnown && scopes.app.lastGoodAt !== null && scopes.app.lastGoodAt > sentAt
}

function becauseOf({ problem, delay }: Task): Because | null {
  if (problem !== null) return { problem: { code: problem.code, detail: problem.detail } }
  return delay === null ? null : { delay }
}

/** No poll of this task was ever due inside the window. One that was due and not made (everything was down) has another reason. */
function cameTooLate(task: Task): boolean {
  if (task.problem !== null || task.delay !== null || task.pollNo > 0) return false
  return task.nextPollAt === null || task.nextPollAt >= task.deadlineAt
}
