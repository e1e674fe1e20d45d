import type { ScopePause } from '../domain/delivery.ts'
import type { Digest } from '../domain/erasure.ts'
import type { Next } from '../domain/plan.ts'
import {
  callsLeft,
  callsToSpare,
  finalCallsLeft,
  finalPollAt,
  isFinalPoll,
  jitterOf,
  nextPlannedPoll,
  type Timing,
} from '../domain/poll-times.ts'
import { PROBLEM_RULES, type Problem } from '../domain/problems.ts'
import { callBudgetUsedUp, callsUsedUp, type DelayReason, type PauseDetail } from '../domain/reasons.ts'
import type { Permit, Permits } from './permits.ts'
import type {
  Clock,
  Delay,
  DeliveryStore,
  EventLog,
  LoadedBareTask,
  LoadedTask,
  RateLimiter,
  ScopeEvidence,
  SendResultApi,
} from './ports.ts'
import type { ProbeRequest, WorkerBlock, WorkerScope } from './worker-scope.ts'
import type { WriteBreaker } from './write-breaker.ts'

/** What delays a poll that is due: used-up calls, a pause, a missing permit. */

export interface PollDeps {
  readonly store: Pick<DeliveryStore, 'load' | 'loadForPoll' | 'apply' | 'end' | 'delay' | 'rename'>
  readonly digest: Digest
  readonly api: SendResultApi
  readonly limiter: Pick<RateLimiter, 'refund'>
  readonly permits: Permits
  readonly scopes: ScopeEvidence
  readonly worker: WorkerScope
  readonly writes: WriteBreaker
  readonly timing: Timing
  readonly now: Clock
  readonly events: EventLog
}

/** One run of the task's job. */
export interface Attempt {
  readonly deps: PollDeps
  readonly task: LoadedTask | LoadedBareTask
  readonly startedAt: Date
  /** It is the guaranteed final poll, or a retry of it. */
  readonly isFinal: boolean
  readonly signal: AbortSignal
}

export const DONE: Next = { kind: 'done' }

/** The task's timer fires again at a time. Nothing is stored. */
export function snooze({ deps, task }: Attempt, at: Date): Next {
  return { kind: 'snooze', until: { at, last: isFinalPoll(task, at, deps.timing) } }
}

/** Another worker stored a poll meanwhile, so its decision is valid. */
export async function afterOtherWorker(attempt: Attempt): Promise<Next> {
  const task = await attempt.deps.store.loadForPoll(attempt.task.key)
  return task === null || task.status !== 'tracking' || task.nextPollAt === null ? DONE : snooze({ ...attempt, task }, task.nextPollAt)
}

interface DelayTo extends Partial<Omit<Delay, 'nextPollAt'>> {
  readonly at: Date
  readonly reason: DelayReason | null
}

/**
 * Stores that the poll is later than planned, and why.
 * @param write `until stored` where the write belongs to a call that was made, so that it is retried
 */
export async function delay(attempt: Attempt, { at, ...columns }: DelayTo, write: 'once' | 'until stored' = 'once'): Promise<Next> {
  const { deps, task, signal } = attempt
  const nextPollAt = notPastFinal(attempt, at)
  const { problem, failuresInRow, calls, finalCalls } = task
  const update: Delay = { problem, failuresInRow, calls, finalCalls, ...columns, nextPollAt }
  const store = (): Promise<'stored' | 'stale'> => deps.store.delay(task.key, { pollNo: task.pollNo }, update)
  if ((await (write === 'once' ? store() : deps.writes.other(store, signal))) === 'stale') return afterOtherWorker(attempt)
  deps.events.delayed({ key: task.key, until: nextPollAt, reason: update.reason, problem: update.problem })
  return snooze(attempt, nextPollAt)
}

/**
 * The cause of a delay may end sooner than it said, so nothing delays a task past its final poll. From then on it is tried again whenever half of
 * the time left is over, and at the deadline the task is ended.
 */
function notPastFinal({ deps, task }: Attempt, at: Date): Date {
  const [now, finalAt] = [deps.now(), finalPollAt(task, deps.timing)]
  if (now < finalAt) return at < finalAt ? at : finalAt
  const halfLeftMs = (task.deadlineAt.getTime() - now.getTime()) / 2
  const latest = halfLeftMs < deps.timing.minGapMs ? task.deadlineAt : new Date(now.getTime() + halfLeftMs)
  return at < latest ? at : latest
}

/** Delays a task that cannot be polled now, as far as that is known without claiming a probe; null: it can. */
export async function delayIfBlocked(attempt: Attempt): Promise<Next | null> {
  const { deps, task, startedAt, isFinal } = attempt
  if (isFinal && finalCallsLeft(task, deps.timing) === 0) return snooze(attempt, task.deadlineAt)
  if (!isFinal && callsLeft(task, deps.timing) === 0) {
    return delay(attempt, { at: finalPollAt(task, deps.timing), reason: callsUsedUp(task.calls) })
  }
  const block = deps.worker.findBlock(task.key.app, await probeRequest(attempt))
  if (block !== null && !(block.isDue && (await mayProbe(attempt)))) return delayForWorker(attempt, block)
  const pause = findPairPause(attempt)
  return pause !== null && pause.until > startedAt ? delayForPair(attempt, pause, pause.until) : null
}

/** Where a probe is due one poll claims it, and the others are delayed. Null: this poll makes the probe, or none is needed. */
export async function claimProbe(attempt: Attempt): Promise<Next | null> {
  const { deps, task, startedAt } = attempt
  const { app } = task.key
  const request = await probeRequest(attempt)
  const block = deps.worker.findBlock(app, request)
  if (block !== null && !deps.worker.claimProbe(app, request)) return delayForWorker(attempt, block)
  const pause = findPairPause(attempt)
  if (pause === null || (await deps.scopes.claimProbe(app, pause.agentId))) return null
  return delayForPair(attempt, pause, new Date(startedAt.getTime() + deps.timing.throttleMs))
}

/** A token that is refused takes two calls. */
const PROBE_CALLS = 2

/** Where other workers can poll the task, a probe of this one must cost it neither a planned poll nor its final one. */
async function mayProbe({ deps, task, startedAt }: Attempt): Promise<boolean> {
  return callsToSpare(task, startedAt, deps.timing) >= PROBE_CALLS || !(await deps.worker.isServedByOthers(task.key.app))
}

/** Where another worker polls the app, it makes the final poll; this worker does not risk it. */
async function probeRequest({ deps: { worker }, task, isFinal }: Attempt): Promise<ProbeRequest> {
  const ordinary: ProbeRequest = { resumedAt: task.scopes.app.resumedAt, isFinal: false }
  if (!isFinal || worker.findBlock(task.key.app, ordinary) === null) return ordinary
  return { ...ordinary, isFinal: !(await worker.isServedByOthers(task.key.app)) }
}

/** This worker cannot poll the app. Another may be the next that takes the task. */
async function delayForWorker(attempt: Attempt, { problem, until }: WorkerBlock): Promise<Next> {
  const { deps, task, startedAt } = attempt
  if (await deps.worker.isServedByOthers(task.key.app)) return snooze(attempt, new Date(startedAt.getTime() + deps.timing.handoverMs))
  return delay(attempt, { at: spread(attempt, until), reason: paused('worker', problem, until) })
}

interface PairPause extends ScopePause {
  readonly agentId: string
}

/** The pause of the task's pair, if it has one that this poll does not pass. */
function findPairPause(attempt: Attempt): PairPause | null {
  const { problem, scopes } = attempt.task
  const { pair, agentId } = scopes
  if (pair.pause === null || agentId === null || passesPause(attempt, pair.pause)) return null
  // A problem that each task may have for itself pauses only the tasks that have it. The others are polled as planned: the refused ones may be
  // too old or mistyped, and a success shows that the agent id is right.
  const { code } = pair.pause.problem
  return PROBLEM_RULES[code].scope === 'task' && problem?.code !== code ? null : { ...pair.pause, agentId }
}

function delayForPair(attempt: Attempt, { problem }: PairPause, until: Date): Promise<Next> {
  return delay(attempt, { at: probeTurn(attempt, until), reason: paused('pair', problem, until) })
}

/**
 * The first call of a final poll passes a pause: later there is no answer to be had. A rate limit that ends in time is waited for, since a call
 * before its end is certain to be refused.
 */
export function passesPause({ deps, task, isFinal }: Attempt, pause: ScopePause | null): boolean {
  if (task.finalCalls > 0 || !isFinal) return false
  if (pause?.problem.code !== 'rate_limit') return true
  return pause.until.getTime() > task.deadlineAt.getTime() - deps.timing.throttleMs
}

function paused(scope: PauseDetail['scope'], { code, detail }: Problem, until: Date): DelayReason {
  return { code: 'paused', detail: { ...detail, scope, problem: code, until: until.toISOString() } }
}

export async function delayWithoutPermit(attempt: Attempt, permit: Exclude<Permit, { kind: 'granted' }>): Promise<Next> {
  const { deps, task } = attempt
  switch (permit.kind) {
    case 'backlog': {
      const until = notPastFinal(attempt, permit.until)
      // A short wait is not worth a write; a long one must not look like a lost timer to the reconciler.
      const isLong = until.getTime() - deps.now().getTime() > deps.timing.throttleMs / 2
      return isLong ? delay(attempt, { at: until, reason: { code: 'call_rate', detail: null } }) : snooze(attempt, until)
    }
    case 'paused':
      return delay(attempt, { at: probeTurn(attempt, permit.until), reason: paused('app', permit.problem, permit.until) })
    case 'budget': {
      // The call that is reserved for this task's final poll may still be available then.
      const at = nextPlannedPoll(task, deps.now(), deps.timing)?.at ?? permit.until
      return delay(attempt, { at, reason: callBudgetUsedUp(permit) })
    }
    default:
      return permit satisfies never
  }
}

/** When a waiting task comes back. Tasks that DingTalk answered before come first and so make the probe. */
function probeTurn(attempt: Attempt, until: Date): Date {
  const afterMs = attempt.task.goodPolls > 0 ? 0 : attempt.deps.timing.throttleMs / 4
  return spread(attempt, new Date(until.getTime() + afterMs))
}

/** Waiting tasks do not all come back in one millisecond. */
function spread({ deps, task }: Attempt, until: Date): Date {
  return new Date(until.getTime() + (deps.timing.throttleMs / 4) * jitterOf(task.key))
}
