import { setTimeout as sleep } from 'node:timers/promises'
import { hasDigest, withDigest } from '../domain/answer-digest.ts'
import type { Refusal, TaskKey } from '../domain/delivery.ts'
import { findErased, replaceErased } from '../domain/erasure.ts'
import { isOver, type Next, planBarePoll, planExpiry, planPoll, planUncalled, type WritePlan } from '../domain/plan.ts'
import type { Evidence } from '../domain/plan-failed.ts'
import { callsLeft, finalCallsLeft, isFinalPoll } from '../domain/poll-times.ts'
import { PROBLEM_RULES, type ProblemCode } from '../domain/problems.ts'
import { failPoint } from '../lib/fail-points.ts'
import type { PermitRequest } from './permits.ts'
import {
  type Attempt,
  afterOtherWorker,
  claimProbe,
  DONE,
  delay,
  delayIfBlocked,
  delayWithoutPermit,
  type PollDeps,
  passesPause,
  snooze,
} from './poll-delays.ts'
import type { LoadedBareTask, LoadedTask, SendResult } from './ports.ts'

/** Timers fire a few milliseconds early where clocks differ; that is due. */
const EARLY_TOLERANCE_MS = 5
/**
 * A task whose timer fired earlier waits this long at most before it is snoozed. Where another worker's clock is ahead, its timer would fire
 * again at once: without the wait that would repeat as fast as the servers can.
 */
const EARLY_WAIT_MS = 250
/** While writes fail no call is made; the timer fires again after this. */
const WRITES_FAIL_MS = 1_000
/** Until the first write of a worker has succeeded, one poll runs at a time and the others wait this long. */
const UNPROVED_MS = 100

/**
 * One poll, from the firing timer to the next one. Safe to run twice or at the wrong time: a task that is over or not due yet costs no call,
 * and a write that comes too late changes nothing.
 * @throws when the store does not answer, or the signal's reason when aborted; the timer must fire again then
 */
export async function poll(deps: PollDeps, key: TaskKey, signal: AbortSignal): Promise<Next> {
  const task = await loadForPoll(deps, key)
  if (task === null || task.status !== 'tracking') return DONE
  await failPoint('poll.loaded')
  const startedAt = deps.now()
  const attempt: Attempt = { deps, task, startedAt, isFinal: isFinalPoll(task, startedAt, deps.timing), signal }
  if (isOver(task, startedAt)) return expire(attempt)
  const notNow = (await snoozeIfEarly(attempt)) ?? (await delayIfBlocked(attempt))
  if (notNow !== null) return notNow
  const release = deps.writes.enter()
  if (release === null) {
    return snooze(attempt, new Date(startedAt.getTime() + (deps.writes.failing() === null ? UNPROVED_MS : WRITES_FAIL_MS)))
  }
  try {
    // Last, since a probe that is claimed and not made blocks the others until its lease ends.
    return (await claimProbe(attempt)) ?? (await callAndStore(attempt))
  } finally {
    release()
  }
}

/**
 * A person may have been erased whom the sender named in a task that came in later. The name is replaced before anything else is done, until no
 * such name is left: another person may be erased meanwhile, and beside the name the pseudonym in the answer would be a second recipient.
 */
async function load(deps: PollDeps, key: TaskKey): Promise<LoadedTask | null> {
  for (;;) {
    const task = await deps.store.load(key)
    const named = task === null ? [] : [...findErased(task.recipients, task.erasures, deps.digest)]
    if (named.length === 0) return task
    for (const [userId, pseudonym] of named) await deps.store.rename(key, userId, pseudonym)
  }
}

/** Without recipients where the next answer probably changes none. */
async function loadForPoll(deps: PollDeps, key: TaskKey): Promise<LoadedTask | LoadedBareTask | null> {
  const task = await deps.store.loadForPoll(key)
  if (task === null || (!('recipients' in task) && hasDigest(task))) return task
  return 'recipients' in task && task.erasures.length === 0 ? task : load(deps, key)
}

async function snoozeIfEarly(attempt: Attempt): Promise<Next | null> {
  const { deps, task, startedAt, signal } = attempt
  const earlyMs = task.nextPollAt === null ? 0 : task.nextPollAt.getTime() - startedAt.getTime()
  if (task.nextPollAt === null || earlyMs <= EARLY_TOLERANCE_MS) return null
  deps.events.early({ key: task.key, earlyMs })
  // An abort ends the wait early: the timer is set all the same.
  await sleep(Math.min(earlyMs, EARLY_WAIT_MS), undefined, { signal }).catch(() => undefined)
  return snooze(attempt, task.nextPollAt)
}

async function callAndStore(attempt: Attempt): Promise<Next> {
  const { deps, task, isFinal, signal } = attempt
  // Nothing is reserved for a task that was not admitted: its final poll takes what is left.
  const hasReserve = isFinal && task.admitted
  const reserved = hasReserve && task.finalCalls === 0
  const request: PermitRequest = {
    ...{ app: task.key.app, deadlineAt: task.deadlineAt, urgent: isFinal, reserved, ...(hasReserve && !reserved && { retry: true }) },
    forced: reserved && passesPause(attempt, task.scopes.app.pause),
  }
  const permit = await deps.permits.take(request, signal)
  if (permit.kind !== 'granted') return delayWithoutPermit(attempt, permit)
  await failPoint('poll.permitted')
  const months = [permit.month]
  if (isOver(task, deps.now())) {
    await refund(attempt, months)
    return expire(attempt)
  }
  const mayRepeat = async (repeatSignal: AbortSignal): Promise<boolean> => {
    const left = isFinal ? finalCallsLeft(task, deps.timing) : callsLeft(task, deps.timing)
    if (left < 2) return false
    // A repeated call is an ordinary one, but it goes first: the call that it repeats has waited already.
    const second = await deps.permits.take(
      { ...request, urgent: true, reserved: false, forced: false, ...(hasReserve && { retry: true }) },
      repeatSignal,
    )
    if (second.kind === 'granted') months.push(second.month)
    return second.kind === 'granted'
  }
  const { answer, calls } = await deps.api.sendResult({ ...task.key, agentId: task.agentId, mayRepeat }, signal)
  await failPoint('poll.answered')
  if (calls === 0 && answer.kind === 'refused') return storeUncalled(attempt, answer, months)
  return storeAnswer(attempt, { answer, calls, months })
}

interface Called extends SendResult {
  /** The months in which its permits count. */
  readonly months: readonly string[]
}

async function storeAnswer(attempt: Attempt, called: Called): Promise<Next> {
  const { deps, task, startedAt } = attempt
  const now = deps.now()
  const written = await storeOrGiveUp(attempt, () => writeAnswer(attempt, called, now))
  if (written === null) return delayRefusedWrite(attempt, called.calls, now)
  await failPoint('poll.stored')
  const { plan, stored } = written
  if (stored === 'stale') {
    const current = await loadForPoll(deps, task.key)
    // No poll was stored meanwhile, but a person was erased: the answer is stored again without the name.
    if (current?.pollNo === task.pollNo && current.erasureNo > plan.expected.erasureNo)
      return storeAnswer({ ...attempt, task: current }, called)
  }
  await refundUncounted(attempt, plan.poll.problemCode, called)
  await recordEvidence(attempt, plan.evidence)
  await failPoint('poll.reported')
  const lagMs = task.nextPollAt === null ? null : startedAt.getTime() - task.nextPollAt.getTime()
  deps.events.polled({ key: task.key, plan, stored, lagMs })
  if (stored === 'stale') return afterOtherWorker(attempt)
  if (plan.next.kind === 'done') deps.events.ended({ key: task.key, status: plan.task.status, reason: plan.task.reason })
  return plan.next
}

interface Written {
  readonly plan: WritePlan
  readonly stored: 'stored' | 'stale'
}

async function writeAnswer({ deps, task }: Attempt, called: Called, now: Date): Promise<Written> {
  const plan = await planAnswer(deps, task, called, now)
  return { plan, stored: await deps.store.apply(plan) }
}

/** Loads the recipients where they were not loaded and the answer is another one than before. */
async function planAnswer(deps: PollDeps, task: LoadedTask | LoadedBareTask, called: Called, now: Date): Promise<WritePlan> {
  const answer = withDigest(task.key, replaceErased(called.answer, task.erasures, deps.digest), deps.digest)
  if ('recipients' in task) return planPoll(task, answer, called.calls, now, deps.timing)
  const bare = planBarePoll(task, answer, called.calls, now, deps.timing)
  if (bare !== null) return bare
  const whole = await load(deps, task.key)
  // Where another poll was stored meanwhile, or the task was removed, the plan expects what is there no more, so it is not written.
  return planAnswer(deps, { ...(whole ?? { ...task, recipients: [] }), pollNo: task.pollNo }, called, now)
}

/** No token, no agent id, no such app: no call was made, so no poll is recorded and the permits are returned. */
async function storeUncalled(attempt: Attempt, answer: Refusal, months: readonly string[]): Promise<Next> {
  const { deps, task } = attempt
  const { update, evidence, poll: next } = planUncalled(task, answer, deps.now(), deps.timing)
  await refund(attempt, months)
  await recordEvidence(attempt, evidence)
  // What only this worker cannot do is no problem of the task.
  if (evidence.kind === 'worker' && (await deps.worker.isServedByOthers(task.key.app))) return snooze(attempt, next.at)
  const { problem, failuresInRow } = update
  return delay(attempt, { at: next.at, reason: null, problem, failuresInRow }, 'until stored')
}

/** Null: the database refuses this answer, although other writes succeed. */
async function storeOrGiveUp<T>({ deps, task, signal }: Attempt, write: () => Promise<T>): Promise<T | null> {
  try {
    return await deps.writes.answer(write, signal)
  } catch (error) {
    if (signal.aborted) throw error
    deps.events.failed({ what: 'storing an answer, which is given up,', key: task.key, error })
    return null
  }
}

/** The task is polled again much later, so that an answer which cannot be stored does not cost a call again and again. */
function delayRefusedWrite(attempt: Attempt, made: number, now: Date): Promise<Next> {
  const { deps, task } = attempt
  const at = new Date(deps.now().getTime() + deps.timing.retryMaxMs)
  const finalCalls = task.finalCalls + (isFinalPoll(task, now, deps.timing) ? made : 0)
  return delay(attempt, { at, reason: { code: 'write_refused', detail: null }, calls: task.calls + made, finalCalls }, 'until stored')
}

/** Returns calls that DingTalk did not count, or that were not made, in the months of their permits. */
async function refundUncounted(attempt: Attempt, problem: ProblemCode | null, { calls, months }: Called): Promise<void> {
  const isCounted = problem === null || PROBLEM_RULES[problem].isCounted
  await refund(attempt, months.slice(Math.max(0, isCounted ? calls : calls - 1)))
}

async function refund({ deps, task }: Attempt, months: readonly string[]): Promise<void> {
  for (const month of months) await deps.limiter.refund(task.key.app, month, 1)
}

async function recordEvidence(attempt: Attempt, evidence: Evidence): Promise<void> {
  const { deps, task } = attempt
  const { key, scopes } = task
  switch (evidence.kind) {
    case 'none':
      return
    case 'success':
      await deps.worker.recordSuccess(key.app)
      if (!isSuccessNews(attempt)) return
      if (await deps.scopes.recordSuccess(key, scopes.agentId, evidence.requestedAt)) deps.events.recovered({ app: key.app })
      return
    case 'worker':
      return deps.worker.recordFailure(key.app, evidence.problem)
    case 'app':
    case 'pair':
      if ((await deps.scopes.recordFailure(key, scopes.agentId, evidence)) && scopes[evidence.kind].pause === null) {
        deps.events.paused({ app: key.app, problem: evidence.problem })
      }
      return
    default:
      return evidence satisfies never
  }
}

/** A success is recorded only where it changes something: for most polls it would be a statement without effect. */
function isSuccessNews({ deps, task: { scopes } }: Attempt): boolean {
  return [scopes.app, scopes.pair].some(
    ({ lastGoodAt, pause, hasWitness }) =>
      pause !== null || hasWitness || lastGoodAt === null || deps.now().getTime() - lastGoodAt.getTime() > deps.timing.throttleMs,
  )
}

async function expire(attempt: Attempt): Promise<Next> {
  const { deps, task, signal } = attempt
  const update = planExpiry(task, deps.timing)
  const stored = await deps.writes.other(() => deps.store.end(task.key, { pollNo: task.pollNo }, update), signal)
  await failPoint('poll.ended')
  if (stored === 'stale') return afterOtherWorker(attempt)
  deps.events.ended({ key: task.key, status: update.status, reason: update.reason })
  return DONE
}
