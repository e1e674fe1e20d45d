import { describe, expect, test } from 'vitest'
import type { Answer, TaskKey } from '../../src/domain/delivery.ts'
import { PROBLEM_CODES, PROBLEM_RULES } from '../../src/domain/problems.ts'
import type { TrackRequest } from '../../src/intake/track-request.ts'
import { createPermits, type Permits } from '../../src/polling/permits.ts'
import { poll } from '../../src/polling/poll.ts'
import type { PollDeps } from '../../src/polling/poll-delays.ts'
import type { PollTimers, RateLimiter, Timer } from '../../src/polling/ports.ts'
import { reconcile } from '../../src/polling/reconcile.ts'
import { schedule } from '../../src/polling/schedule-tasks.ts'
import { createWorkerScope } from '../../src/polling/worker-scope.ts'
import { createWriteBreaker } from '../../src/polling/write-breaker.ts'
import { createMemoryGate, createMemoryStore, type MemoryStore } from '../support/memory-store.ts'
import { growingPlanner } from '../support/planner.ts'
import {
  AGENT_ID,
  aRegistry,
  keyOf,
  minutesLater,
  NOTHING_RESTORED,
  notes,
  refused,
  SENT,
  said,
  someOldDetails,
  someTimers,
  TIMING,
} from './support.ts'

const SIGNAL = new AbortController().signal
/** A minute long after the day. */
const NEVER = 1_000_000
const LIMITS = { callsPerSecond: 1_000, monthlyBudget: null }

const request = (taskId: number, columns: Partial<TrackRequest> = {}): TrackRequest => ({
  ...keyOf(taskId),
  ...{ agentId: null, userIds: ['ann'], campaign: null, sentAt: SENT },
  ...columns,
})

interface Call {
  readonly taskId: string
  readonly at: Date
  readonly isGood: boolean
}

/** What DingTalk answers for a task that is polled with an agent id. */
type Server = (query: { readonly taskId: string; readonly agentId: string }, at: Date) => Answer

const WORKER_PROBLEMS = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].scope === 'worker')

/** A worker in memory: the use cases, a store, a limiter and a clock that the test moves. */
function aWorldOf(server: Server, permitsOf: (limiter: RateLimiter) => Permits | null = () => null) {
  const clock = { now: SENT }
  const now = (): Date => clock.now
  const limiter = createMemoryGate(now, { resume: (lifted) => void store.resume(lifted) })
  const store: MemoryStore = createMemoryStore(now, (app, agentId) => limiter.scopesOf(app, agentId ?? AGENT_ID))
  const events = notes()
  const timers = someTimers()
  const calls: Call[] = []
  const onRefundFailed = (error: unknown): void => expect.fail(`a refund failed: ${String(error)}`)
  const worker = createWorkerScope({
    ...{ workerId: 'w1', apps: ['default'], timing: TIMING, now, events, heartbeatMs: 10_000, probeLeaseMs: 60_000 },
    registry: {
      ...aRegistry(),
      resumeWaiting: async (app) => void store.resume({ app, scope: 'worker', problems: WORKER_PROBLEMS, agentId: null }),
    },
  })
  const deps: PollDeps = {
    ...{ store, limiter, scopes: limiter, events, now, worker, timing: TIMING },
    writes: createWriteBreaker({ now, onFailed: (error) => expect.fail(`a write failed: ${String(error)}`) }),
    digest: (salt, name) => `${salt}/${name}`,
    permits: permitsOf(limiter) ?? createPermits({ limiter, limitsOf: () => LIMITS, now, maxWaiting: 25, onRefundFailed }),
    api: {
      async sendResult({ taskId, agentId }) {
        const answer = server({ taskId, agentId: agentId ?? AGENT_ID }, now())
        calls.push({ taskId, at: now(), isGood: answer.kind === 'observed' })
        return { answer, calls: 1 }
      },
    },
  }
  return {
    ...{ clock, store, events, timers, calls, deps, worker },
    schedule: (given: Pick<PollTimers, 'set' | 'restore'> = timers) =>
      schedule({ ...deps, store, planner: growingPlanner(deps.timing, now), timers: given }),
    reconcile: () => reconcile({ ...deps, store, old: someOldDetails(), timers, graceMs: 60_000 }),
  }
}

const aWorld = (readAtMinute: number) =>
  aWorldOf((_query, at) => said(at < minutesLater(readAtMinute) ? { unread: ['ann'] } : { read: ['ann'] }, at))

/** Lets the timer ring until the task is over. */
async function ringOn(world: ReturnType<typeof aWorld>, first: Timer): Promise<void> {
  let at: Date | null = first.poll.at
  while (at !== null) {
    world.clock.now = at
    const result = await poll(world.deps, first.key, SIGNAL)
    at = result.kind === 'snooze' ? result.until.at : null
  }
}

async function aTrackedTask(readAtMinute: number) {
  const world = aWorld(readAtMinute)
  await world.store.track([request(1)])
  await world.schedule()
  const [first] = world.timers.timers
  if (first === undefined) throw new Error('no timer was set')
  return { world, first }
}

test('a task that no recipient reads gets all its polls, the last one in the last percent of the day, and expires', async () => {
  const { world, first } = await aTrackedTask(NEVER)
  await ringOn(world, first)
  expect(await world.store.load(keyOf(1))).toMatchObject({ status: 'expired', reason: { code: 'window_over' } })
  expect(world.calls).toHaveLength(24)
  expect(world.calls.at(-1)?.at.getTime()).toBeGreaterThan(minutesLater(24 * 60 * 0.99).getTime())
})

test('a task whose only person reads completes with the poll that sees it', async () => {
  const { world, first } = await aTrackedTask(300)
  await ringOn(world, first)
  expect(await world.store.load(keyOf(1))).toMatchObject({ status: 'complete' })
  const [before, seen] = world.calls.slice(-2)
  expect(before?.at.getTime()).toBeLessThan(minutesLater(300).getTime())
  expect(seen?.at.getTime()).toBeGreaterThanOrEqual(minutesLater(300).getTime())
})

test('one poll at a time is recorded, however many ring at once', async () => {
  const { world, first } = await aTrackedTask(NEVER)
  world.clock.now = first.poll.at
  await world.deps.writes.answer(async () => 'stored', SIGNAL)
  const results = await Promise.all(Array.from({ length: 10 }, () => poll(world.deps, first.key, SIGNAL)))
  expect(world.store.looksOf(first.key)).toHaveLength(1)
  expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1)
  expect(world.events.lines.filter((line) => line.endsWith('stored'))).toHaveLength(1)
})

test('after an outage of half a day the missed polls are one, and after a longer one the task is ended', async () => {
  const { world } = await aTrackedTask(NEVER)
  world.clock.now = minutesLater(12 * 60)
  expect(await world.reconcile()).toMatchObject({ added: 1, ended: 0 })
  await poll(world.deps, keyOf(1), SIGNAL)
  expect(world.store.looksOf(keyOf(1))).toHaveLength(1)
  world.clock.now = minutesLater(25 * 60)
  expect(await world.reconcile()).toMatchObject({ added: 0, ended: 1 })
  expect(await world.store.load(keyOf(1))).toMatchObject({ status: 'expired', reason: { code: 'blind_before_deadline' } })
})

// ---- days with a fault

const HEALTHY = [1, 2, 3, 4, 5, 6]
const FAULTY = '99'
const hour = (hours: number): Date => minutesLater(hours * 60)
/** From hour 0 on, in the middle, and shortly before the final polls. */
const BEGINNINGS = [0, 3, 12, 23.5]

/** Takes a call when it is free, without waiting for real time. Notes what is granted and returned. */
function permitsWithoutWaiting(tally: { calls: number }) {
  return (limiter: RateLimiter): Permits => {
    const { refund } = limiter
    limiter.refund = async (app, month, calls) => {
      tally.calls -= calls
      await refund(app, month, calls)
    }
    return {
      async take({ app, reserved, forced }) {
        const wanted = { ordinary: reserved ? 0 : 1, reserved: reserved ? 1 : 0, forced: forced ? 1 : 0 }
        const given = await limiter.reserve(app, wanted, LIMITS)
        if (given.kind === 'busy' || given.kind === 'budget') return expect.fail(`the limiter is ${given.kind}`)
        if (given.kind === 'paused') return given
        tally.calls++
        return { kind: 'granted', month: given.month }
      },
    }
  }
}

/** Another worker on the same queue and store that cannot poll the app: what DingTalk answers to it, and how many calls that takes. */
interface BadWorker {
  readonly code: string
  readonly calls: 0 | 1
}

function badWorkerOf({ deps }: ReturnType<typeof aWorldOf>, { code, calls }: BadWorker) {
  let attempts = 0
  const worker = createWorkerScope({
    ...{
      workerId: 'w2',
      apps: ['default'],
      timing: TIMING,
      now: deps.now,
      events: deps.events,
      heartbeatMs: 10_000,
      probeLeaseMs: 60_000,
    },
    registry: aRegistry({ served: true }),
  })
  const sendResult: PollDeps['api']['sendResult'] = async () => {
    attempts++
    return { answer: refused(code, deps.now()), calls }
  }
  return { deps: { ...deps, worker, api: { sendResult } }, attempts: () => attempts }
}

/** A whole day of some tasks, sent a minute apart: each timer fires when it is due. With a bad worker every second one fires there. */
async function aDay(server: Server, requests: readonly TrackRequest[] = HEALTHY.map((id) => aRequest(id)), isBad?: BadWorker) {
  const tally = { calls: 0 }
  const world = aWorldOf(server, permitsWithoutWaiting(tally))
  const bad = isBad === undefined ? null : badWorkerOf(world, isBad)
  const due = new Map<string, { readonly key: TaskKey; readonly at: Date }>()
  const set = (timers: readonly Timer[]): void => timers.forEach(({ key, poll: next }) => void due.set(key.taskId, { key, at: next.at }))
  const timers = {
    set: async (given: readonly Timer[]) => set(given),
    restore: async (given: readonly Timer[]) => (set(given), NOTHING_RESTORED),
  }
  await world.store.track(requests)
  await world.schedule(timers)
  for (let fired = 0; due.size > 0; fired++) {
    if (fired > 20_000) expect.fail('the day does not end')
    const [next] = [...due.values()].toSorted((a, b) => a.at.getTime() - b.at.getTime())
    if (next === undefined) break
    world.clock.now = new Date(Math.max(world.clock.now.getTime(), next.at.getTime()))
    const result = await poll(bad !== null && fired % 2 === 0 ? bad.deps : world.deps, next.key, SIGNAL)
    if (result.kind === 'snooze') due.set(next.key.taskId, { key: next.key, at: result.until.at })
    else due.delete(next.key.taskId)
    await world.schedule(timers)
  }
  const of = (taskId: number | string): Call[] => world.calls.filter((call) => call.taskId === String(taskId))
  return {
    ...world,
    of,
    counted: () => tally.calls,
    attemptsOfBad: () => bad?.attempts() ?? 0,
    task: (taskId: number | string) => world.store.load(keyOf(taskId)),
  }
}

const aRequest = (id: number, columns: Partial<TrackRequest> = {}): TrackRequest =>
  request(id, { sentAt: minutesLater(id % 50), ...columns })
const withFaulty = (columns: Partial<TrackRequest> = {}): TrackRequest[] => [
  ...HEALTHY.map((id) => aRequest(id)),
  aRequest(Number(FAULTY), columns),
]
const good = (at: Date): Answer => said({ unread: ['ann'] }, at)
const isBetween = (at: Date, from: Date, until: Date): boolean => at >= from && at < until
const isFinalCall = ({ at }: Call, deadlineAt: Date | undefined): boolean =>
  deadlineAt !== undefined && at.getTime() > deadlineAt.getTime() - 13 * 60_000

/** No healthy task loses a poll: each has the calls of its plan, all of them successful, and its window ends with the final one. */
async function expectUndisturbed(day: Awaited<ReturnType<typeof aDay>>): Promise<void> {
  for (const id of HEALTHY) {
    expect([id, day.of(id).length, day.of(id).every(({ isGood }) => isGood)]).toEqual([id, 24, true])
    expect(await day.task(id)).toMatchObject({ status: 'expired', reason: { code: 'window_over' } })
  }
}

describe.each(BEGINNINGS)('a fault that begins in hour %s', (from) => {
  const until = from + 2
  const isOn = (at: Date): boolean => isBetween(at, hour(from), hour(until))

  test.each(['40035', '400002', '41011', '12345678', '60011'])(
    '%s for one task disturbs no other one, and the task recovers',
    async (code) => {
      const day = await aDay(({ taskId }, at) => (taskId === FAULTY && isOn(at) ? refused(code, at) : good(at)), withFaulty())
      await expectUndisturbed(day)
      expect(day.of(FAULTY).length).toBeLessThanOrEqual(30)
      const healed = day.of(FAULTY).find(({ at, isGood }) => isGood && at >= hour(until))
      // Probes come after 15 minutes, 1 hour and 4 hours.
      if (from < 20) expect(healed?.at.getTime()).toBeLessThan(hour(until + 4.1).getTime())
      expect(day.counted()).toBe(day.calls.length)
    },
  )

  test('a call timeout of one task disturbs no other one', async () => {
    const day = await aDay(
      ({ taskId }, at) => (taskId === FAULTY && isOn(at) ? refused('15', at, 'Call timeout') : good(at)),
      withFaulty({ userIds: null }),
    )
    await expectUndisturbed(day)
    expect((await day.task(FAULTY))?.status).toBe('expired')
  })

  test.each([
    ['a missing permission', '60011', 20],
    ['a wrong path', 'HTTP_404', 20],
    ['a wrong agent id of the app', '41011', 20],
    ["this worker's address", '60020', 16],
    ["this worker's credentials", '40096', 16],
    ['an outage', 'HTTP_502', 6],
    ['a rate limit', '90018', 11],
    ['a QPS limit', 'Forbidden.AccessDenied.QpsLimitForApi', 11],
    ['a used-up quota', '90020', 61],
  ])('%s of all tasks: they all go on within one probe of the repair, and each has its final poll', async (_name, code, probeMinutes) => {
    const day = await aDay((_query, at) => (isOn(at) ? refused(code, at) : good(at)))
    // Where no poll ever succeeded, a person is to repair something: 15 minutes, 1 hour, 4 hours.
    const waitMinutes = from === 0 && probeMinutes === 20 ? 241 : probeMinutes
    for (const id of HEALTHY) {
      const task = await day.task(id)
      expect(day.of(id).length).toBeLessThanOrEqual(30)
      expect([id, day.of(id).some((call) => isFinalCall(call, task?.deadlineAt))]).toEqual([id, true])
      if (until < 24) {
        const back = day.of(id).find(({ at, isGood }) => isGood && at >= hour(until))
        expect([id, (back?.at.getTime() ?? Number.NaN) <= hour(until).getTime() + (waitMinutes + 1) * 60_000]).toEqual([id, true])
        expect(task).toMatchObject({ status: 'expired', reason: { code: 'window_over' } })
      }
    }
    // A scope that is paused is probed: not each task alone.
    const refusals = day.calls.filter(({ isGood }) => !isGood)
    expect(refusals.length).toBeLessThan(until < 24 ? 45 : HEALTHY.length * 6)
    const uncounted = ['90018', '90020', 'Forbidden.AccessDenied.QpsLimitForApi'].includes(code) ? refusals.length : 0
    expect(day.counted()).toBe(day.calls.length - uncounted)
  })
})

test('one stray answer of any code, to any task, disturbs no other task and costs its own a call at most', async () => {
  for (const code of ['40035', '41011', '60011', 'HTTP_404', '12345678', 'HTTP_502', '90020']) {
    let strayAt: Date | null = null
    const day = await aDay((_query, at) => {
      if (strayAt !== null || at < hour(5)) return good(at)
      strayAt = at
      return refused(code, at)
    })
    for (const id of HEALTHY) {
      expect([code, [24, 25].includes(day.of(id).length)]).toEqual([code, true])
      expect(await day.task(id)).toMatchObject({ status: 'expired', reason: { code: 'window_over' } })
    }
  }
})

test('a task with a wrong agent id of its own makes five calls in all, and the others are not disturbed', async () => {
  const day = await aDay(({ agentId }, at) => (agentId === 'wrong' ? refused('41011', at) : good(at)), withFaulty({ agentId: 'wrong' }))
  await expectUndisturbed(day)
  expect(day.of(FAULTY)).toHaveLength(5)
  expect(await day.task(FAULTY)).toMatchObject({ status: 'stopped', reason: { code: 'agent_id', detail: { agentId: 'wrong' } } })
})

test('a wrong agent id of the app, from the first poll on: its pair is paused, no task ends, and the repair at DingTalk is found', async () => {
  const day = await aDay((_query, at) => (at < hour(6) ? refused('400002', at) : good(at)))
  for (const id of HEALTHY) expect(await day.task(id)).toMatchObject({ status: 'expired', reason: { code: 'window_over' } })
  expect(day.calls.filter(({ isGood }) => !isGood).length).toBeLessThanOrEqual(HEALTHY.length + 5)
  expect(day.events.lines.filter((line) => line.startsWith('paused'))).toEqual(['paused default: parameters'])
})

test.each(['40096', 'invalidClientIdOrSecret', 'UNKNOWN_APP', 'PRIVATE_ADDRESS'])(
  'a second worker that cannot poll the app (%s) costs no task a poll and no call',
  async (code) => {
    const day = await aDay((_query, at) => good(at), undefined, { code, calls: 0 })
    await expectUndisturbed(day)
    // It tries again every quarter of an hour at last.
    expect(day.attemptsOfBad()).toBeGreaterThan(10)
    expect(day.attemptsOfBad()).toBeLessThan(110)
    expect(day.counted()).toBe(day.calls.length)
  },
)

test('a second worker whose address is not allowed costs calls, but no task its final poll', async () => {
  const day = await aDay((_query, at) => good(at), undefined, { code: '60020', calls: 1 })
  for (const id of HEALTHY) {
    const task = await day.task(id)
    expect(task).toMatchObject({ status: 'expired', reason: { code: 'window_over' } })
    expect(task?.calls).toBeLessThanOrEqual(30)
    expect(day.of(id).some((call) => isFinalCall(call, task?.deadlineAt))).toBe(true)
  }
  expect(day.counted()).toBe(day.calls.length + day.attemptsOfBad())
})
