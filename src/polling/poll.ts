import type { Refusal, ScopePause, TaskKey } from '../domain/delivery.ts'
import { type Digest, stillNamed, withoutErased } from '../domain/erasure.ts'
import { isFinalPoll, isOver, planExpiry, planPoll, planUncalled, type Report, type TaskUpdate } from '../domain/plan.ts'
import { callsLeft, callsToSpare, finalCallsLeft, usedUp } from '../domain/plan-finish.ts'
import type { Next } from '../domain/plan-types.ts'
import { finalPollAt, jitterOf, nextPlannedPoll, type Timing } from '../domain/poll-times.ts'
import { PROBLEM_RULES, type Problem, type ProblemCode } from '../domain/problems.ts'
import type { DelayReason, PauseDetail } from '../domain/reasons.ts'
import { failPoint } from '../lib/fail-points.ts'
import type { Permit, PermitRequest, Permits } from './permits.ts'
import type { Clock, Delay, DeliveryStore, EventLog, LoadedTask, RateLimiter, ScopeReports, SendResult, SendResultApi } from './ports.ts'
import type { Held, PollWish, WorkerScope } from './worker-scope.ts'
import type { WriteBreaker } from './write-breaker.ts'

export interface PollDeps {
  readonly store: Pick<DeliveryStore, 'load' | 'apply' | 'end' | 'delay' | 'rename'>
  readonly digest: Digest
  readonly api: SendResultApi
  readonly gate: Pick<RateLimiter, 'refund'>
  readonly permits: Permits
  readonly scopes: ScopeReports
  readonly worker: WorkerScope
  readonly writes: WriteBreaker
  readonly timing: Timing
  readonly now: Clock
  readonly events: EventLog
}

/** When the task's timer fires again, if it does. Not yet is not a failure. */
export type PollResult = Next

const DONE: PollResult = { kind: 'done' }
/** Timers fire a few milliseconds early where clocks differ; that is due. */
const EARLY_TOLERANCE_MS = 5
/**
 * A task whose timer fired earlier waits this long at most before it is snoozed. Where another worker's clock is ahead, its timer would fire
 * again at once: without the wait that would go round as fast as the servers can.
 */
const EARLY_WAIT_MS = 250
/** While writes fail no call is made; the timer fires again after this. */
const WRITES_FAIL_MS = 1_000
/** Before the first write of a worker the others wait for the one that is under way. */
const UNPROVED_MS = 100

/**
 * One poll, from the firing timer to the next one. Safe to run twice or at the wrong time: a task that is over or not due yet costs no call,
 * and a write that comes too late changes nothing.
 * @throws when the store is out of reach, or the signal's reason when aborted; the timer must fire again then
 */
export async function poll(deps: PollDeps, key: TaskKey, signal: AbortSignal): Promise<PollResult> {
  const task = await load(deps, key)
  if (task === null || task.status !== 'tracking') return DONE
  await failPoint('poll.loaded')
  const now = deps.now()
  if (isOver(task, now)) return expire(deps, task, signal)
  const earlyMs = task.nextPollAt === null ? 0 : task.nextPollAt.getTime() - now.getTime()
  if (task.nextPollAt !== null && earlyMs > EARLY_TOLERANCE_MS) {
    deps.events.early({ key, earlyMs })
    await rest(Math.min(earlyMs, EARLY_WAIT_MS), signal)
    return againAt(deps, task, task.nextPollAt)
  }
  const wait = await waitOf(deps, task, now)
  if (wait !== null) return wait
  const leave = deps.writes.enter()
  if (leave === null) {
    return againAt(deps, task, new Date(now.getTime() + (deps.writes.failing() === null ? UNPROVED_MS : WRITES_FAIL_MS)))
  }
  try {
    // Only now, since a probe that is claimed and not made keeps the others out for as long.
    return (await probeTaken(deps, task, now)) ?? (await called(deps, task, now, signal))
  } finally {
    leave()
  }
}

/** What keeps a task from being polled now, as far as is known without claiming anything; null: nothing. */
async function waitOf(deps: PollDeps, task: LoadedTask, now: Date): Promise<PollResult | null> {
  const isFinal = isFinalPoll(task, now, deps.timing)
  if (isFinal && finalCallsLeft(task, deps.timing) === 0) return againAt(deps, task, task.deadlineAt)
  if (!isFinal && callsLeft(task, deps.timing) === 0)
    return delay(deps, task, { at: finalPollAt(task, deps.timing), reason: usedUp(task.calls) })
  const held = deps.worker.hold(task.key.app, await wishOf(deps, task, now))
  if (held !== null && !(held.isDue && (await mayProbe(deps, task, now)))) return heldUp(deps, task, held, now)
  const pause = pairPauseOf(deps, task, now)
  return pause !== null && pause.until > now ? pairPaused(deps, task, pause, pause.until) : null
}

/** A token that is refused takes two calls. */
const PROBE_CALLS = 2

/** Where other workers can poll the task, a probe of this one must cost it neither a planned poll nor its final one. */
async function mayProbe(deps: PollDeps, task: LoadedTask, now: Date): Promise<boolean> {
  return callsToSpare(task, now, deps.timing) >= PROBE_CALLS || !(await deps.worker.isServedByOthers(task.key.app))
}

/** Where a probe is due one poll makes it; what the others do meanwhile. Null: this poll makes it, or none is needed. */
async function probeTaken(deps: PollDeps, task: LoadedTask, now: Date): Promise<PollResult | null> {
  const { app } = task.key
  const wish = await wishOf(deps, task, now)
  const held = deps.worker.hold(app, wish)
  if (held !== null && !deps.worker.claimProbe(app, wish)) return heldUp(deps, task, held, now)
  const pause = pairPauseOf(deps, task, now)
  if (pause === null || (await deps.scopes.claimProbe(app, pause.agentId))) return null
  return pairPaused(deps, task, pause, new Date(now.getTime() + deps.timing.throttleMs))
}

/** Where another worker polls the app, a final poll is handed to it rather than risked here. */
async function wishOf({ timing, worker }: PollDeps, task: LoadedTask, now: Date): Promise<PollWish> {
  const ordinary: PollWish = { resumedAt: task.scopes.app.resumedAt, isFinal: false }
  if (!isFinalPoll(task, now, timing) || worker.hold(task.key.app, ordinary) === null) return ordinary
  return { ...ordinary, isFinal: !(await worker.isServedByOthers(task.key.app)) }
}

/** This worker cannot poll the app. Another may be the next that takes the task. */
async function heldUp(deps: PollDeps, task: LoadedTask, held: Held, now: Date): Promise<PollResult> {
  if (await deps.worker.isServedByOthers(task.key.app)) return againAt(deps, task, new Date(now.getTime() + deps.timing.handoverMs))
  return delay(deps, task, { at: spread(deps, task, held.until), reason: paused('worker', held.problem, held.until) })
}

interface PairPause extends ScopePause {
  readonly agentId: string
}

/** The pause of the task's pair, if it has one that this poll does not pass. */
function pairPauseOf(deps: PollDeps, task: LoadedTask, now: Date): PairPause | null {
  const { pair, agentId } = task.scopes
  if (pair.pause === null || agentId === null || isOfOthers(task, pair.pause) || isForced(deps, task, pair.pause, now)) return null
  return { ...pair.pause, agentId }
}

/**
 * A problem that each task may have for itself pauses the pair for those that have it. A task that was not refused with it is polled as planned:
 * the others may be too old or mistyped, and a success shows that the agent id is right.
 */
function isOfOthers({ problem }: LoadedTask, pause: ScopePause): boolean {
  return PROBLEM_RULES[pause.problem.code].scope === 'task' && problem?.code !== pause.problem.code
}

function pairPaused(deps: PollDeps, task: LoadedTask, { problem }: PairPause, until: Date): Promise<PollResult> {
  return delay(deps, task, { at: probeTurn(deps, task, until), reason: paused('pair', problem, until) })
}

/**
 * The first call of a final poll passes a pause: later there is nothing to be had. A rate limit that ends in time is waited for, since a call
 * before its end is refused for certain.
 */
function isForced(deps: PollDeps, task: LoadedTask, pause: ScopePause | null, now: Date): boolean {
  if (task.finalCalls > 0 || !isFinalPoll(task, now, deps.timing)) return false
  if (pause?.problem.code !== 'rate_limit') return true
  return pause.until.getTime() > task.deadlineAt.getTime() - deps.timing.throttleMs
}

function paused(scope: PauseDetail['scope'], { code, detail }: Problem, until: Date): DelayReason {
  return { code: 'paused', detail: { ...detail, scope, problem: code, until: until.toISOString() } }
}

async function called(deps: PollDeps, task: LoadedTask, startedAt: Date, signal: AbortSignal): Promise<PollResult> {
  const isFinal = isFinalPoll(task, startedAt, deps.timing)
  const reserved = isFinal && task.finalCalls === 0
  const request: PermitRequest = {
    ...{ app: task.key.app, deadlineAt: task.deadlineAt, last: isFinal, reserved },
    forced: isForced(deps, task, task.scopes.app.pause, startedAt),
  }
  const permit = await deps.permits.take(request, signal)
  if (permit.kind !== 'granted') return notPermitted(deps, task, permit)
  await failPoint('poll.permitted')
  if (isOver(task, deps.now())) {
    await refund(deps, task, [permit.month])
    return expire(deps, task, signal)
  }
  const months = [permit.month]
  const { answer, calls } = await deps.api.sendResult(
    {
      ...task.key,
      agentId: task.agentId,
      async mayRepeat(repeatSignal) {
        const left = isFinal ? finalCallsLeft(task, deps.timing) : callsLeft(task, deps.timing)
        if (left < 2) return false
        // A repeated call is an ordinary one, but what it repeats had its turn already.
        const second = await deps.permits.take({ ...request, last: true, reserved: false, forced: false }, repeatSignal)
        if (second.kind === 'granted') months.push(second.month)
        return second.kind === 'granted'
      },
    },
    signal,
  )
  await failPoint('poll.answered')
  return record(deps, task, { answer, calls, months, startedAt }, signal)
}

interface Called extends SendResult {
  /** The months in which its permits count. */
  readonly months: readonly string[]
  readonly startedAt: Date
}

async function record(deps: PollDeps, task: LoadedTask, done: Called, signal: AbortSignal): Promise<PollResult> {
  const { answer, months } = done
  if (done.calls === 0 && answer.kind === 'refused') return notCalled(deps, task, { answer, months }, signal)
  const plan = planPoll(task, withoutErased(answer, task.erasures, deps.digest), done.calls, deps.now(), deps.timing)
  const stored = await writeOrSetAside(deps, task, () => deps.store.apply(plan), signal)
  if (stored === null) return setAside(deps, task, plan.task, signal)
  await failPoint('poll.stored')
  if (stored === 'stale') {
    const current = await load(deps, task.key)
    // Nothing was polled meanwhile, but a person was erased: the answer is as good as before, without the name.
    if (current?.pollNo === task.pollNo && current.erasureNo > task.erasureNo) return record(deps, current, done, signal)
  }
  await giveBack(deps, task, plan.poll.problemCode, done)
  await tell(deps, task, plan.report)
  await failPoint('poll.reported')
  deps.events.polled({
    key: task.key,
    plan,
    stored,
    lagMs: task.nextPollAt === null ? null : done.startedAt.getTime() - task.nextPollAt.getTime(),
  })
  if (stored === 'stale') return afterOther(deps, task.key)
  if (plan.next.kind === 'done') deps.events.ended({ key: task.key, status: plan.task.status, reason: plan.task.reason })
  return plan.next
}

/** No token, no agent id, no such app: nothing was polled, so no poll is recorded and the call is given back. */
async function notCalled(
  deps: PollDeps,
  task: LoadedTask,
  { answer, months }: { readonly answer: Refusal; readonly months: readonly string[] },
  signal: AbortSignal,
): Promise<PollResult> {
  const plan = planUncalled(task, answer, deps.now(), deps.timing)
  await refund(deps, task, months)
  await tell(deps, task, plan.report)
  const isHanded = plan.report.kind === 'worker' && (await deps.worker.isServedByOthers(task.key.app))
  // What only this worker cannot do is no problem of the task.
  if (isHanded) return againAt(deps, task, plan.poll.at)
  const { problem, failuresInRow } = plan.update
  return delay(deps, task, { at: plan.poll.at, reason: null, problem, failuresInRow }, signal)
}

/** A call that DingTalk did not count, or that was not made, is given back in the month of its permit. */
async function giveBack(deps: PollDeps, task: LoadedTask, problem: ProblemCode | null, { calls, months }: Called): Promise<void> {
  const isCounted = problem === null || PROBLEM_RULES[problem].isCounted
  await refund(deps, task, months.slice(Math.max(0, isCounted ? calls : calls - 1)))
}

async function refund(deps: PollDeps, { key }: LoadedTask, months: readonly string[]): Promise<void> {
  for (const month of months) await deps.gate.refund(key.app, month, 1)
}

/** A success is told only where it is news: for most polls it would be a statement for nothing. */
async function tell(deps: PollDeps, task: LoadedTask, report: Report): Promise<void> {
  const { key, scopes } = task
  switch (report.kind) {
    case 'none':
      return
    case 'good':
      await deps.worker.succeeded(key.app)
      if (isNews(deps, task) && (await deps.scopes.good(key, scopes.agentId, report.requestedAt))) deps.events.recovered({ app: key.app })
      return
    case 'worker':
      return deps.worker.failed(key.app, report.problem)
    case 'app':
    case 'pair':
      if ((await deps.scopes.failed(key, scopes.agentId, report)) && scopes[report.kind].pause === null) {
        deps.events.paused({ app: key.app, problem: report.problem })
      }
      return
    default:
      return report satisfies never
  }
}

function isNews({ timing, now }: PollDeps, { scopes }: LoadedTask): boolean {
  return [scopes.app, scopes.pair].some(
    ({ lastGoodAt, pause, hasWitness }) =>
      pause !== null || hasWitness || lastGoodAt === null || now().getTime() - lastGoodAt.getTime() > timing.throttleMs,
  )
}

/** Null: the database refuses this very answer, whatever else it takes. */
async function writeOrSetAside<T>(deps: PollDeps, task: LoadedTask, write: () => Promise<T>, signal: AbortSignal): Promise<T | null> {
  try {
    return await deps.writes.answer(write, signal)
  } catch (error) {
    if (signal.aborted) throw error
    deps.events.failed({ what: 'storing an answer, which is given up,', key: task.key, error })
    return null
  }
}

/** The task is polled again much later, so that an answer which cannot be stored is not paid for again and again. */
function setAside(deps: PollDeps, task: LoadedTask, { calls, finalCalls }: TaskUpdate, signal: AbortSignal): Promise<PollResult> {
  const later = new Date(deps.now().getTime() + deps.timing.retryMaxMs)
  return delay(deps, task, { at: later, reason: { code: 'write_refused', detail: null }, calls, finalCalls }, signal)
}

/** Another worker recorded a poll meanwhile: what it decided holds. */
async function afterOther(deps: PollDeps, key: TaskKey): Promise<PollResult> {
  const task = await deps.store.load(key)
  return task === null || task.status !== 'tracking' || task.nextPollAt === null ? DONE : againAt(deps, task, task.nextPollAt)
}

async function expire(deps: PollDeps, task: LoadedTask, signal: AbortSignal): Promise<PollResult> {
  const update = planExpiry(task, deps.timing)
  const stored = await deps.writes.other(() => deps.store.end(task.key, { pollNo: task.pollNo }, update), signal)
  await failPoint('poll.ended')
  if (stored === 'stale') return afterOther(deps, task.key)
  deps.events.ended({ key: task.key, status: update.status, reason: update.reason })
  return DONE
}

async function notPermitted(deps: PollDeps, task: LoadedTask, permit: Exclude<Permit, { kind: 'granted' }>): Promise<PollResult> {
  switch (permit.kind) {
    case 'backlog': {
      const until = bounded(task, permit.until, deps.now(), deps.timing)
      // A short wait is not worth a write; a long one must not look like a lost timer to the reconciler.
      const isLong = until.getTime() - deps.now().getTime() > deps.timing.throttleMs / 2
      return isLong ? delay(deps, task, { at: until, reason: { code: 'call_rate', detail: null } }) : againAt(deps, task, until)
    }
    case 'paused':
      return delay(deps, task, { at: probeTurn(deps, task, permit.until), reason: paused('app', permit.problem, permit.until) })
    case 'budget': {
      const { budget, used, reserved, month } = permit
      // The call that is reserved for this task's final poll may still be had then.
      const until = nextPlannedPoll(task, deps.now(), deps.timing)?.at ?? permit.until
      return delay(deps, task, { at: until, reason: { code: 'call_budget', detail: { budget, used, reserved, month } } })
    }
    default:
      return permit satisfies never
  }
}

/**
 * When a waiting task comes back. Tasks that DingTalk answered before come first and so make the probe; all are spread, so that they do not
 * come back in one millisecond.
 */
function probeTurn(deps: PollDeps, task: LoadedTask, until: Date): Date {
  const afterMs = task.goodPolls > 0 ? 0 : deps.timing.throttleMs / 4
  return spread(deps, task, new Date(until.getTime() + afterMs))
}

function spread({ timing }: PollDeps, task: LoadedTask, until: Date): Date {
  return new Date(until.getTime() + (timing.throttleMs / 4) * jitterOf(task.key))
}

interface DelayTo extends Partial<Omit<Delay, 'nextPollAt'>> {
  readonly at: Date
  readonly reason: DelayReason | null
}

/** @param signal where the write belongs to a call that was made, so that it is retried until it succeeds */
async function delay(deps: PollDeps, task: LoadedTask, { at, ...columns }: DelayTo, signal?: AbortSignal): Promise<PollResult> {
  const nextPollAt = bounded(task, at, deps.now(), deps.timing)
  const { problem, failuresInRow, calls, finalCalls } = task
  const write: Delay = { problem, failuresInRow, calls, finalCalls, ...columns, nextPollAt }
  const store = (): Promise<'stored' | 'stale'> => deps.store.delay(task.key, { pollNo: task.pollNo }, write)
  if ((await (signal === undefined ? store() : deps.writes.other(store, signal))) === 'stale') return afterOther(deps, task.key)
  deps.events.delayed({ key: task.key, until: nextPollAt, reason: write.reason, problem: write.problem })
  return againAt(deps, task, nextPollAt)
}

/**
 * What holds a poll up may be gone sooner than it said, so nothing delays a task past its final poll. From then on it is tried again whenever
 * half of the time left is over, and at the deadline the task is ended.
 */
function bounded(task: LoadedTask, at: Date, now: Date, timing: Timing): Date {
  const finalAt = finalPollAt(task, timing)
  if (now < finalAt) return at < finalAt ? at : finalAt
  const halfLeftMs = (task.deadlineAt.getTime() - now.getTime()) / 2
  const latest = halfLeftMs < timing.minGapMs ? task.deadlineAt : new Date(now.getTime() + halfLeftMs)
  return at < latest ? at : latest
}

function againAt(deps: PollDeps, task: LoadedTask, at: Date): PollResult {
  return { kind: 'again', poll: { at, last: isFinalPoll(task, at, deps.timing) } }
}

/**
 * A person who was erased, and whom the sender named in a task that came in later, is renamed before anything else is done with it. Until no
 * such name is left: the next may have been erased meanwhile, and beside their name the pseudonym in the answer would be a second person.
 */
async function load(deps: PollDeps, key: TaskKey): Promise<LoadedTask | null> {
  for (;;) {
    const task = await deps.store.load(key)
    const named = task === null ? [] : [...stillNamed(task.recipients, task.erasures, deps.digest)]
    if (named.length === 0) return task
    for (const [userId, pseudonym] of named) await deps.store.rename(key, userId, pseudonym)
  }
}

/** Ends early when aborted: the timer is set all the same. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  let wake = (): void => undefined
  const rested = new Promise<void>((resolve) => {
    wake = resolve
  })
  const timer = setTimeout(wake, signal.aborted ? 0 : ms)
  signal.addEventListener('abort', wake)
  await rested
  clearTimeout(timer)
  signal.removeEventListener('abort', wake)
}
