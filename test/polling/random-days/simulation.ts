import { vi } from 'vitest'
import type { TaskKey } from '../../../src/domain/delivery.ts'
import { MINUTE_MS } from '../../../src/domain/delivery.ts'
import type { Poll, Transition } from '../../../src/domain/plan.ts'
import { buildTiming, type PlannedPoll } from '../../../src/domain/poll-times.ts'
import { PROBLEM_CODES, PROBLEM_RULES } from '../../../src/domain/problems.ts'
import { createPermits } from '../../../src/polling/permits.ts'
import { poll } from '../../../src/polling/poll.ts'
import type { PollDeps } from '../../../src/polling/poll-delays.ts'
import type { AppLimits, PollTimers, RateLimiter, Timer, WorkerRegistry, WorkerState } from '../../../src/polling/ports.ts'
import { schedule } from '../../../src/polling/schedule-tasks.ts'
import { createWorkerScope } from '../../../src/polling/worker-scope.ts'
import { createWriteBreaker } from '../../../src/polling/write-breaker.ts'
import {
  createMemoryGate,
  createMemoryStore,
  type Lifted,
  type MemoryGate,
  type MemoryStore,
  type StoredTask,
} from '../../support/memory-store.ts'
import { growingPlanner } from '../../support/planner.ts'
import { randomFrom } from '../../support/random.ts'
import { notes } from '../support.ts'
import { agentIdOf, atMinute, type Day, type Fault, type TaskSpec } from './day.ts'
import { createDingTalk, type Received } from './dingtalk.ts'

export const TIMING = buildTiming(24)

/** What a day left behind. */
export interface Outcome {
  readonly day: Day
  readonly received: readonly Received[]
  readonly tasks: readonly TaskOutcome[]
  readonly ledger: Ledger
  readonly ends: readonly FaultEnd[]
  /** The apps in which a poll succeeded where polls were paused, each time. */
  readonly recoveries: readonly string[]
  /** What no poll may do: reject. */
  readonly errors: readonly unknown[]
}

export interface TaskOutcome {
  readonly spec: TaskSpec
  readonly enqueuedAt: Date
  readonly stored: StoredTask
  /** Null: it is still tracked. */
  readonly endedAt: Date | null
  readonly polls: readonly Poll[]
  readonly transitions: readonly Transition[]
}

/** The open tasks when a fault ends. */
export interface FaultEnd {
  readonly fault: Fault
  readonly at: Date
  readonly tasks: readonly StoredTask[]
}

/** Calls as the limiter counts them, by app and month. */
export interface Ledger {
  /** Calls that count, by app and then by month. */
  readonly counted: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly overspent: readonly string[]
  /** By app: how many tasks were enqueued, or open when a month began, for whose final poll there was no budget left. */
  readonly withoutBudget: ReadonlyMap<string, number>
}

/** More timers than any day has: something goes round and round. */
const MAX_STEPS = 300_000

/**
 * Lives through a day with the real use cases, permits, worker scopes and breakers. Time is virtual: it stands still while anything runs, and
 * jumps to the next timer when nothing does.
 */
export async function live(day: Day): Promise<Outcome> {
  vi.useFakeTimers({ now: day.startAt, toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  try {
    const world = createWorld(day)
    for (let step = 0; vi.getTimerCount() > 0; step++) {
      if (step > MAX_STEPS) throw new Error(`the day does not end: it is ${new Date().toISOString()} after ${step} timers`)
      vi.advanceTimersToNextTimer()
      await untilIdle()
    }
    return world.outcome()
  } finally {
    vi.useRealTimers()
  }
}

/** Nothing but promises is under way in between, and all of them settle before the next macrotask. */
function untilIdle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

const now = (): Date => new Date()

function at(time: Date, act: () => void): void {
  setTimeout(act, Math.max(0, time.getTime() - Date.now()))
}

function createWorld(day: Day) {
  const random = randomFrom(day.seed)
  const agentOf = (app: string, own: string | null): string | null => agentIdOf(day, { key: { app, taskId: '' }, agentId: own })
  const limiter: MemoryGate = createMemoryGate(now, {
    openTasks: (app, monthEnd) => openTasks(store, app, monthEnd).length,
    resume: (lifted) => resume(lifted),
    lastGoodOf: (app, agentId) =>
      lastGoodOf(store, (task) => task.key.app === app && (agentId === undefined || agentOf(app, task.agentId) === agentId)),
  })
  const store = createMemoryStore(now, (app, own) => limiter.scopesOf(app, agentOf(app, own)))
  const ledger = createLedger(day, limiter, store)
  const dingtalk = createDingTalk(day, now, random)
  const errors: unknown[] = []
  const recoveries: string[] = []
  const endedAt = new Map<string, Date>()
  const events = {
    ...notes(),
    recovered: ({ app }: { readonly app: string }) => void recoveries.push(app),
    ended: ({ key }: { readonly key: TaskKey }) => void endedAt.set(nameOf(key), now()),
  }
  const registry = createRegistry(day, (app) => resume({ app, scope: 'worker', problems: WORKER_PROBLEMS, agentId: null }))
  const workers = Array.from(
    { length: day.workers },
    (_, n): PollDeps => ({
      ...{ store, limiter: ledger.limiter, scopes: limiter, timing: TIMING, now, events },
      digest: (salt, name) => `${salt}/${name}`,
      api: dingtalk.apiOf(n),
      permits: createPermits({
        ...{ limiter: ledger.limiter, limitsOf: (app) => limitsOf(day, app), now, maxWaiting: 25 },
        onRefundFailed: (error) => void errors.push(error),
      }),
      worker: createWorkerScope({
        ...{ workerId: `w${n}`, apps: day.apps.map(({ name }) => name), registry, timing: TIMING, now, events },
        ...{ heartbeatMs: 10_000, probeLeaseMs: MINUTE_MS },
      }),
      writes: createWriteBreaker({ now, onFailed: (error) => void errors.push(error) }),
    }),
  )
  const { signal } = new AbortController()
  const timers = createTimers(async (key) => {
    const deps = workers[Math.floor(random() * workers.length)]
    if (deps === undefined) throw new Error('there is no worker')
    const result = await poll(deps, key, signal)
    return result.kind === 'snooze' ? result.until : null
  }, errors)

  /** As the scheduler of a worker: within a second. */
  function scheduleSoon(): void {
    setTimeout(() => {
      schedule({ store, timers, timing: TIMING, planner: growingPlanner(TIMING, now), now, events }).catch((error: unknown) =>
        errors.push(error),
      )
    }, random() * 1_000)
  }
  function resume(lifted: Lifted): void {
    if (store.resume(lifted) > 0) scheduleSoon()
  }

  for (const deps of workers) void deps.worker.heartbeat()
  const enqueuedAt = (spec: TaskSpec): Date => atMinute(day, spec.sentMinute + spec.enqueuedAfter)
  for (const spec of day.tasks)
    at(enqueuedAt(spec), () => void enqueue(day, store, spec).then(() => (ledger.enqueued(spec.key.app), scheduleSoon())))
  for (const { key, cancelledMinute } of day.tasks) {
    if (cancelledMinute !== null)
      at(atMinute(day, cancelledMinute), () => void store.cancel(key).then((did) => did && endedAt.set(nameOf(key), now())))
  }
  const ends: FaultEnd[] = []
  for (const fault of day.faults) {
    const endAt = atMinute(day, fault.end)
    at(endAt, () => {
      ends.push({ fault, at: endAt, tasks: store.rows().filter(({ status }) => status === 'tracking') })
    })
  }

  return {
    outcome: (): Outcome => ({
      ...{ day, received: dingtalk.received, ledger, ends, recoveries, errors },
      tasks: day.tasks.map((spec): TaskOutcome => {
        const stored = store.rows().find(({ key }) => nameOf(key) === nameOf(spec.key))
        if (stored === undefined) throw new Error(`task ${spec.key.taskId} was not enqueued`)
        const { key } = stored
        return {
          ...{ spec, stored, enqueuedAt: enqueuedAt(spec), endedAt: endedAt.get(nameOf(key)) ?? null },
          ...{ polls: store.looksOf(key), transitions: store.transitionsOf(key) },
        }
      }),
    }),
  }
}

export function nameOf({ app, taskId }: TaskKey): string {
  return `${app}/${taskId}`
}

function limitsOf(day: Day, app: string): AppLimits {
  const spec = day.apps.find(({ name }) => name === app)
  if (spec === undefined) throw new Error(`there is no app ${app}`)
  return spec
}

async function enqueue(day: Day, store: MemoryStore, spec: TaskSpec): Promise<void> {
  const { key, agentId, people, isNamed, sentAtGiven } = spec
  await store.track([
    {
      ...{ ...key, agentId, campaign: null, userIds: isNamed ? people.map(({ userId }) => userId) : null },
      sentAt: sentAtGiven ? atMinute(day, spec.sentMinute) : null,
    },
  ])
}

/** Open tasks that keep a call back until a month ends: their final poll was not made and may be due before. */
function openTasks(store: MemoryStore, app: string, monthEnd: Date): StoredTask[] {
  const latest = monthEnd.getTime() + 12 * MINUTE_MS
  return store
    .rows()
    .filter((task) => task.key.app === app && task.status === 'tracking' && task.finalCalls === 0 && task.deadlineAt.getTime() < latest)
}

function lastGoodOf(store: MemoryStore, isMeant: (task: StoredTask) => boolean): Date | null {
  const times = store
    .rows()
    .flatMap((task) => (isMeant(task) && task.lastGoodRequestedAt !== null ? task.lastGoodRequestedAt.getTime() : []))
  return times.length === 0 ? null : new Date(Math.max(...times))
}

// ---- the queue

/** One job a task: fires at its time, and again when its poll says so. */
function createTimers(fire: (key: TaskKey) => Promise<PlannedPoll | null>, errors: unknown[]): Pick<PollTimers, 'set' | 'restore'> {
  const jobs = new Map<string, { readonly at: Date; readonly handle: NodeJS.Timeout } | 'running'>()
  function start({ key, poll: next }: Pick<Timer, 'key' | 'poll'>): void {
    const handle = setTimeout(() => void run(key), Math.max(0, next.at.getTime() - Date.now()))
    jobs.set(nameOf(key), { at: next.at, handle })
  }
  async function run(key: TaskKey): Promise<void> {
    jobs.set(nameOf(key), 'running')
    const next = await fire(key).catch((error: unknown) => void errors.push(error))
    if (next) start({ key, poll: next })
    else jobs.delete(nameOf(key))
  }
  return {
    async set(timers) {
      for (const timer of timers) if (!jobs.has(nameOf(timer.key))) start(timer)
    },
    async restore(timers) {
      for (const timer of timers) {
        const job = jobs.get(nameOf(timer.key))
        if (job === 'running' || (job !== undefined && job.at <= timer.poll.at)) continue
        if (job !== undefined) clearTimeout(job.handle)
        start(timer)
      }
      return { added: 0, replaced: 0, moved: timers.length, left: 0 }
    },
  }
}

// ---- the registry of workers

const WORKER_PROBLEMS = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].scope === 'worker')

function createRegistry(_day: Day, resumeWaiting: (app: string) => void): WorkerRegistry {
  const seen = new Map<string, WorkerState>()
  return {
    async heartbeat(worker) {
      seen.set(worker.workerId, worker)
    },
    async isServedByOthers(workerId, app) {
      return [...seen.values()].some(
        (other) => other.workerId !== workerId && other.apps.includes(app) && other.problems[app] === undefined,
      )
    },
    async resumeWaiting(app) {
      resumeWaiting(app)
    },
    async probeRepaired() {},
    async remove(workerId) {
      seen.delete(workerId)
    },
  }
}

// ---- the budget

const CHINA_MS = 8 * 60 * MINUTE_MS

function monthEndAfter(time: Date): Date {
  const china = new Date(time.getTime() + CHINA_MS)
  return new Date(Date.UTC(china.getUTCFullYear(), china.getUTCMonth() + 1, 1) - CHINA_MS)
}

export function monthOf(time: Date): string {
  return new Date(time.getTime() + CHINA_MS).toISOString().slice(0, 7)
}

/** Writes down beside the limiter what it grants and takes back, and for whom it had nothing. */
function createLedger(day: Day, limiter: RateLimiter, store: MemoryStore) {
  const counted = new Map(day.apps.map(({ name }) => [name, new Map<string, number>()]))
  const overspent: string[] = []
  const withoutBudget = new Map<string, number>()
  const usedOf = (app: string, month: string): number => counted.get(app)?.get(month) ?? 0
  const add = (app: string, month: string, calls: number): void => {
    counted.get(app)?.set(month, usedOf(app, month) + calls)
    const { monthlyBudget } = limitsOf(day, app)
    if (monthlyBudget !== null && usedOf(app, month) > monthlyBudget)
      overspent.push(`${app} ${month}: ${usedOf(app, month)} of ${monthlyBudget}`)
  }
  const missing = (app: string): number => {
    const { monthlyBudget } = limitsOf(day, app)
    if (monthlyBudget === null) return 0
    return Math.max(0, openTasks(store, app, monthEndAfter(now())).length - (monthlyBudget - usedOf(app, monthOf(now()))))
  }
  const lack = (app: string, tasks: number): void => void withoutBudget.set(app, (withoutBudget.get(app) ?? 0) + tasks)
  // Where the day has a turn of the month, all that is open then needs the new month's budget.
  at(monthEndAfter(day.startAt), () => {
    for (const { name } of day.apps) lack(name, missing(name))
  })
  return {
    counted,
    overspent,
    withoutBudget,
    enqueued: (app: string) => lack(app, Math.min(1, missing(app))),
    limiter: {
      async reserve(...[app, wanted, limits]: Parameters<RateLimiter['reserve']>) {
        const reservation = await limiter.reserve(app, wanted, limits)
        if (reservation.kind === 'granted') add(app, reservation.month, reservation.reserved + reservation.ordinary)
        return reservation
      },
      async refund(...[app, month, calls]: Parameters<RateLimiter['refund']>) {
        await limiter.refund(app, month, calls)
        add(app, month, -calls)
      },
    },
  }
}
