import type { Answer, TaskKey } from '../core/delivery.ts'
import { type Digest, stillNamed, withoutErased } from '../core/erasure.ts'
import { passing } from '../core/fail-points.ts'
import { type AppEffect, isLastLook, isOver, planExpiry, planLook } from '../core/plan.ts'
import type { AppGate, Clock, DeliveryStore, Journal, LoadedTask, SendResultApi } from '../core/ports.ts'
import { jitterOf, lastLookAt, nextPlannedLook, type PlannedLook, probeDelayMs, type Timing } from '../core/schedule.ts'
import type { Permit, Permits } from './permits.ts'

export interface LookDeps {
  readonly store: Pick<DeliveryStore, 'load' | 'apply' | 'end' | 'putOff' | 'rename'>
  readonly digest: Digest
  readonly api: SendResultApi
  readonly gate: Omit<AppGate, 'reserve'>
  readonly permits: Permits
  readonly timing: Timing
  readonly now: Clock
  readonly journal: Journal
}

/** When the task's timer rings again, if it does. Not yet is not a failure. */
export type LookResult = { readonly kind: 'again'; readonly look: PlannedLook } | { readonly kind: 'done' }

const DONE: LookResult = { kind: 'done' }
/** Timers ring a few milliseconds early where clocks differ; that is due. */
const EARLY_TOLERANCE_MS = 5
/**
 * Whose timer rang earlier rests this long at most before it is set again. Where another worker's clock is ahead, it would wake the
 * timer again at once: without the rest that would go round as fast as the servers can.
 */
const EARLY_REST_MS = 250

/**
 * One look, from the ringing timer to the next one. Safe to run twice or at the wrong time:
 * a task that is over or not due yet costs no call, and a write that comes too late changes nothing.
 * @throws when the store is out of reach, or the signal's reason when aborted; the timer must ring again then
 */
export async function look(deps: LookDeps, key: TaskKey, signal: AbortSignal): Promise<LookResult> {
  const task = await load(deps, key)
  if (task === null || task.status !== 'tracking') return DONE
  await passing('look.loaded')
  const now = deps.now()
  if (isOver(task, now)) return expire(deps, task)
  const earlyMs = task.nextPollAt === null ? 0 : task.nextPollAt.getTime() - now.getTime()
  if (task.nextPollAt !== null && earlyMs > EARLY_TOLERANCE_MS) {
    deps.journal.early({ key, earlyMs })
    await rest(Math.min(earlyMs, EARLY_REST_MS), signal)
    return againAt(deps, task, task.nextPollAt)
  }
  const permit = await deps.permits.take({ app: key.app, deadlineAt: task.deadlineAt, last: isLastLook(task, now, deps.timing) }, signal)
  if (permit.kind !== 'granted') return putOff(deps, task, permit)
  await passing('look.permitted')
  if (isOver(task, deps.now())) {
    await deps.gate.refund(key.app)
    return expire(deps, task)
  }
  const answer = await deps.api.sendResult({ ...key, agentId: task.agentId }, signal)
  await passing('look.answered')
  return record(deps, task, answer, now)
}

/**
 * Somebody who was erased, and whom the sender named in a task that came in later, goes before anything else is done with it. Until nobody is
 * left: the next may have been erased meanwhile, and beside their name the pseudonym in the answer would be a second person.
 */
async function load(deps: LookDeps, key: TaskKey): Promise<LoadedTask | null> {
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

async function record(deps: LookDeps, task: LoadedTask, answer: Answer, startedAt: Date): Promise<LookResult> {
  const plan = planLook(task, withoutErased(answer, task.erasures, deps.digest), deps.now(), deps.timing)
  const stored = await deps.store.apply(plan)
  await passing('look.stored')
  if (stored === 'stale') {
    const current = await load(deps, task.key)
    // Nobody looked meanwhile, but somebody was erased: the answer is as good as before, without the name.
    if (current?.pollNo === task.pollNo && current.erasureNo > task.erasureNo) return record(deps, current, answer, startedAt)
  }
  await carryOut(deps, task.key.app, plan.app)
  await passing('look.told')
  deps.journal.looked({
    key: task.key,
    plan,
    stored,
    lagMs: task.nextPollAt === null ? null : startedAt.getTime() - task.nextPollAt.getTime(),
  })
  if (stored === 'stale') return afterOther(deps, task.key)
  if (plan.next.kind === 'done') deps.journal.ended({ key: task.key, status: plan.task.status, reason: plan.task.reason })
  return plan.next
}

/** Another worker recorded a look meanwhile: what it decided holds. */
async function afterOther(deps: LookDeps, key: TaskKey): Promise<LookResult> {
  const task = await deps.store.load(key)
  return task === null || task.status !== 'tracking' || task.nextPollAt === null ? DONE : againAt(deps, task, task.nextPollAt)
}

async function carryOut(deps: LookDeps, app: string, effect: AppEffect): Promise<void> {
  switch (effect.kind) {
    case 'none':
      return
    case 'healthy':
      return deps.gate.healthy(app)
    case 'throttle':
      await deps.gate.throttle(app, effect.until, effect.reason)
      // DingTalk does not count calls that its rate limit refused.
      return deps.gate.refund(app)
    case 'quota':
      await deps.gate.quota(app, effect.until, effect.reason)
      return deps.gate.refund(app)
    case 'pause':
      return deps.gate.pause(app, effect.reason, deps.now(), (probes) => probeDelayMs(probes, deps.timing))
    default:
      return effect satisfies never
  }
}

async function expire(deps: LookDeps, task: LoadedTask): Promise<LookResult> {
  const update = planExpiry(task, deps.timing, task.hindrance)
  const stored = await deps.store.end(task.key, { pollNo: task.pollNo }, update)
  await passing('look.ended')
  if (stored === 'stale') return afterOther(deps, task.key)
  deps.journal.ended({ key: task.key, status: update.status, reason: update.reason })
  return DONE
}

async function putOff(deps: LookDeps, task: LoadedTask, permit: Exclude<Permit, { kind: 'granted' }>): Promise<LookResult> {
  const until = bounded(task, putOffUntil(deps, task, permit), deps.now(), deps.timing)
  const reason = permit.kind === 'backlog' ? BACKLOG : permit.reason
  // A short wait in line is not worth a write; a long one must not look like a lost timer to the reconciler.
  const worthWriting = permit.kind !== 'backlog' || until.getTime() - deps.now().getTime() > deps.timing.throttleMs / 2
  if (worthWriting && (await deps.store.putOff(task.key, { pollNo: task.pollNo }, until, reason)) === 'stale')
    return afterOther(deps, task.key)
  if (permit.kind !== 'backlog') deps.journal.putOff({ key: task.key, until, reason })
  return againAt(deps, task, until)
}

const BACKLOG = 'waiting for the call rate of the app (MAX_CALLS_PER_SECOND)'

function putOffUntil(deps: LookDeps, task: LoadedTask, permit: Exclude<Permit, { kind: 'granted' }>): Date {
  switch (permit.kind) {
    case 'backlog':
      return permit.until
    case 'paused':
      // Spread, so that the tasks of an app do not all come back in the millisecond in which its pause ends.
      return new Date(permit.until.getTime() + (deps.timing.throttleMs / 4) * jitterOf(task.key))
    case 'budget':
      // The call that is kept back for this task's last look may still be had then.
      return nextPlannedLook(task, deps.now(), deps.timing, jitterOf(task.key))?.at ?? permit.until
    default:
      return permit satisfies never
  }
}

/**
 * What holds a look up may be gone sooner than it said, so nothing puts a task off past its guaranteed last look. From then on
 * it is tried again whenever half of the time left is over, and at the deadline the task is ended.
 */
function bounded(task: LoadedTask, at: Date, now: Date, timing: Timing): Date {
  const lastAt = lastLookAt(task.deadlineAt, timing, jitterOf(task.key))
  if (now < lastAt) return at < lastAt ? at : lastAt
  const halfLeftMs = (task.deadlineAt.getTime() - now.getTime()) / 2
  const latest = halfLeftMs < timing.minGapMs ? task.deadlineAt : new Date(now.getTime() + halfLeftMs)
  return at < latest ? at : latest
}

function againAt(deps: LookDeps, task: LoadedTask, at: Date): LookResult {
  return { kind: 'again', look: { at, last: isLastLook(task, at, deps.timing) } }
}
