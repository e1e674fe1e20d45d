import { describe, expect, test } from 'vitest'
import type { Answer } from '../../src/core/delivery.ts'
import { TrackerError } from '../../src/core/errors.ts'
import type { LookPlan } from '../../src/core/plan.ts'
import type { Problem } from '../../src/core/problems.ts'
import type { DelayReason } from '../../src/core/reasons.ts'
import { jitterOf, lastLookAt } from '../../src/core/schedule.ts'
import type { Permit } from '../../src/service/permits.ts'
import { poll } from '../../src/service/poll.ts'
import {
  aProblem,
  aScene,
  aTask,
  type Given,
  GRANTED,
  keyOf,
  minutesLater,
  type Rows,
  refused,
  SENT,
  type StoredTask,
  said,
  someRows,
  someScopes,
  TIMING,
} from './support.ts'

const SIGNAL = new AbortController().signal
const task = aTask()
const due = task.nextPollAt ?? SENT
const lastAt = lastLookAt(task.deadlineAt, TIMING, jitterOf(task.key))
const later = (at: Date, ms: number): Date => new Date(at.getTime() + ms)
const backlog = (until: Date): Permit => ({ kind: 'backlog', until })
const PERMISSION = aProblem('60011')
const paused = (until: Date): Permit => ({ kind: 'paused', until, problem: PERMISSION })
const BUDGET = { budget: 100, used: 93, reserved: 7, month: '2026-11' }
const budget = (until: Date): Permit => ({ kind: 'budget', until, ...BUDGET })
const pausedBy = (scope: 'app' | 'pair' | 'worker', { code, detail }: Problem, until: Date): DelayReason => ({
  code: 'paused',
  detail: { ...detail, scope, problem: code, until: until.toISOString() },
})
const AS_IT_WAS = { code: 'cancelled', detail: null } as const
const NEXT_MONTH = new Date('2026-12-01T00:00:00Z')

test('a task that is not there costs no call and no other timer', async () => {
  const scene = aScene(task, { now: due })
  expect(await poll(scene.deps, keyOf(404), SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.calls()).toBe(0)
})

test.each(['complete', 'expired', 'stopped', 'cancelled'] as const)('a task that is %s stays as it ended', async (status) => {
  const scene = aScene(aTask({ status, reason: AS_IT_WAS, nextPollAt: null }), { now: due })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.calls()).toBe(0)
  expect(scene.rows.row()).toMatchObject({ status, reason: AS_IT_WAS })
})

test('a timer that rings too early sleeps on until the look is due', async () => {
  const scene = aScene(task, { now: later(due, -1_000) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: due, last: false } })
  expect(scene.calls()).toBe(0)
})

test('it rests before it is set again, so that a clock that is ahead does not make it go round and round; a closing worker does not wait', async () => {
  const scene = aScene(task, { now: later(due, -600_000) })
  const startedMs = performance.now()
  await poll(scene.deps, task.key, SIGNAL)
  expect(performance.now() - startedMs).toBeGreaterThan(200)
  expect(scene.notes.lines).toEqual(['early by 600000 ms'])
  const closing = new AbortController()
  const resting = poll(scene.deps, task.key, closing.signal)
  closing.abort()
  expect(await resting).toEqual({ kind: 'again', look: { at: due, last: false } })
})

test('a few milliseconds early is due', async () => {
  const scene = aScene(task, { now: later(due, -3) })
  await poll(scene.deps, task.key, SIGNAL)
  expect(scene.calls()).toBe(1)
})

test('past the deadline the task is ended with its reason and no call is made', async () => {
  const scene = aScene(task, { now: task.deadlineAt })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.calls()).toBe(0)
  expect(scene.rows.row()).toMatchObject({
    status: 'expired',
    reason: { code: 'never_observed', detail: { because: null } },
    nextPollAt: null,
  })
  expect(scene.notes.lines).toEqual(['ended expired never_observed'])
})

test('a task that was ended by another worker is not ended twice', async () => {
  const scene = aScene(task, { now: task.deadlineAt })
  const { load } = scene.rows
  const deps = {
    ...scene.deps,
    store: {
      ...scene.rows,
      async load(key: typeof task.key) {
        const loaded = await load(key)
        scene.rows.put(aTask({ status: 'complete', nextPollAt: null }))
        return loaded
      },
    },
  }
  expect(await poll(deps, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.rows.row()?.status).toBe('complete')
  expect(scene.notes.lines).toEqual([])
})

test('a permit that comes after the deadline makes no call and is given back', async () => {
  const scene = aScene(task, { now: due })
  const deps = {
    ...scene.deps,
    permits: {
      async take(): Promise<Permit> {
        scene.now = task.deadlineAt
        return GRANTED
      },
    },
  }
  expect(await poll(deps, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.calls()).toBe(0)
  expect(scene.scopes.calls).toEqual(['refund default 2026-11 1'])
  expect(scene.rows.row()?.status).toBe('expired')
})

test('a good answer is stored, costs no statement for what is known already, and the timer fires for the next planned poll', async () => {
  const scene = aScene(task, { now: due })
  const result = await poll(scene.deps, task.key, SIGNAL)
  const row = scene.rows.row()
  expect(row).toMatchObject({ pollNo: 1, goodPolls: 1, status: 'tracking' })
  expect(result).toEqual({ kind: 'again', look: { at: row?.nextPollAt, last: false } })
  expect([scene.scopes.calls, scene.book.calls]).toEqual([[], []])
  expect(scene.notes.lines).toEqual(['looked observed stored'])
})

test('the answer that accounts for everybody completes the task', async () => {
  const scene = aScene(task, { now: due, answer: said({ read: ['ann'] }, due) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.rows.row()).toMatchObject({ status: 'complete', nextPollAt: null })
  expect(scene.notes.lines).toEqual(['looked observed stored', 'ended complete all_read'])
})

test('the agent id of the task is asked with', async () => {
  const scene = aScene(aTask({ agentId: '836390886' }), { now: due })
  const queries: unknown[] = []
  const { sendResult } = scene.deps.api
  const api: typeof scene.deps.api = { sendResult: (query, signal) => (queries.push(query), sendResult(query, signal)) }
  await poll({ ...scene.deps, api }, task.key, SIGNAL)
  expect(queries).toMatchObject([{ app: 'default', taskId: task.key.taskId, agentId: '836390886' }])
})

describe('what a poll says about the scopes around its task', () => {
  test.each<[string, Answer, string[]]>([
    [
      'a rate limit slows the app down and gives the call back',
      refused('90018', due),
      ['refund default 2026-11 1', 'failed app default/836390886: rate_limit'],
    ],
    [
      'a used-up quota is evidence about the app, and the call is given back',
      refused('90020', due),
      ['refund default 2026-11 1', 'failed app default/836390886: quota'],
    ],
    ['a missing permission is evidence about the app', refused('60011', due), ['failed app default/836390886: permission']],
    ['a wrong agent id is evidence about the pair', refused('41011', due), ['failed pair default/836390886: agent_id']],
    ['an outage is evidence about the app', refused('HTTP_502', due), ['failed app default/836390886: outage']],
    ['parameters say nothing beyond the task', refused('40035', due), []],
    ['a code that stands nowhere says nothing beyond the task', refused('12345678', due), []],
    ['a call timeout says nothing beyond the task', refused('15', due, 'Call timeout'), []],
  ])('%s; the task is tracked on', async (_name, answer, calls) => {
    const scene = aScene(task, { now: due, answer })
    expect(await poll(scene.deps, task.key, SIGNAL)).toMatchObject({ kind: 'again' })
    expect(scene.scopes.calls).toEqual(calls)
    expect(scene.rows.row()).toMatchObject({ pollNo: 1, status: 'tracking', problem: { polls: expect.any(Number) } })
    expect(scene.notes.lines).not.toContainEqual(expect.stringMatching(/^ended|^paused/))
  })

  test('that a scope is paused now is told once', async () => {
    const answer = refused('60011', due)
    const scene = aScene(task, { now: due, answer, scopes: { paused: true } })
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.notes.lines).toContain('paused default: permission')
    const pause = { problem: PERMISSION, until: due }
    const again = aScene(aTask({ scopes: someScopes(due, { app: { pause } }) }), { now: due, answer, scopes: { paused: true } })
    await poll(again.deps, task.key, SIGNAL)
    expect(again.notes.lines).not.toContain('paused default: permission')
  })

  test.each([
    ['no success is known of the app', { app: { lastGoodAt: null } }],
    ['no success is known of the pair', { pair: { lastGoodAt: null } }],
    ['the last one is more than a minute old', { app: { lastGoodAt: later(due, -61_000) } }],
    ['the app is paused', { app: { pause: { problem: PERMISSION, until: due } } }],
    ['something speaks against the pair', { pair: { hasWitness: true } }],
  ])('a success is told where it is news: %s', async (_name, scopes) => {
    const scene = aScene(aTask({ scopes: someScopes(due, scopes) }), { now: due, scopes: { lifted: true } })
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.scopes.calls).toEqual(['good default/836390886'])
    expect(scene.notes.lines).toContain('recovered default')
  })

  test('a refused second call is given back, the first one is not', async () => {
    const scene = aScene(task, { now: due })
    const api: typeof scene.deps.api = {
      async sendResult({ mayRepeat }, signal) {
        expect(await mayRepeat(signal)).toBe(true)
        return { answer: refused('90018', due), calls: 2 }
      },
    }
    await poll({ ...scene.deps, api }, task.key, SIGNAL)
    expect(scene.scopes.calls).toEqual(['refund default 2026-11 1', 'failed app default/836390886: rate_limit'])
    expect(scene.rows.row()?.calls).toBe(2)
  })
})

describe('permits', () => {
  const months = (...all: string[]) => {
    const left = [...all]
    return { take: async (): Promise<Permit> => ({ kind: 'granted', month: left.shift() ?? 'none' }) }
  }

  test('each call is given back in the month in which it was reserved', async () => {
    const scene = aScene(task, { now: due })
    const api: typeof scene.deps.api = {
      async sendResult({ mayRepeat }, signal) {
        await mayRepeat(signal)
        return { answer: refused('90018', due), calls: 2 }
      },
    }
    await poll({ ...scene.deps, api, permits: months('2026-11', '2026-12') }, task.key, SIGNAL)
    expect(scene.scopes.calls[0]).toBe('refund default 2026-12 1')
  })

  test('a permit for a repeated call that was not made is given back', async () => {
    const scene = aScene(task, { now: due })
    const api: typeof scene.deps.api = {
      async sendResult({ mayRepeat }, signal) {
        await mayRepeat(signal)
        return { answer: refused('40014', due), calls: 1 }
      },
    }
    await poll({ ...scene.deps, api, permits: months('2026-11', '2026-12') }, task.key, SIGNAL)
    expect(scene.scopes.calls).toEqual(['refund default 2026-12 1'])
  })

  test('a repeated call is an ordinary one that goes first, and needs a call that the task has left', async () => {
    for (const [calls, allowed] of [
      [0, true],
      [25, true],
      [26, false],
    ] as const) {
      const scene = aScene(aTask({ calls }), { now: due })
      const api: typeof scene.deps.api = {
        async sendResult({ mayRepeat }, signal) {
          expect(await mayRepeat(signal)).toBe(allowed)
          return { answer: said({ unread: ['ann'] }, due), calls: allowed ? 2 : 1 }
        },
      }
      await poll({ ...scene.deps, api }, task.key, SIGNAL)
      const request = { app: 'default', deadlineAt: task.deadlineAt, last: false, reserved: false, forced: false }
      expect(scene.requests).toEqual(allowed ? [request, { ...request, last: true }] : [request])
    }
  })

  test('a repeated call that is not permitted is not made, and nothing is given back', async () => {
    const scene = aScene(task, { now: due })
    const answers: Permit[] = [GRANTED, paused(due)]
    const api: typeof scene.deps.api = {
      async sendResult({ mayRepeat }, signal) {
        expect(await mayRepeat(signal)).toBe(false)
        return { answer: said({ unread: ['ann'] }, due), calls: 1 }
      },
    }
    await poll({ ...scene.deps, api, permits: { take: async () => answers.shift() ?? GRANTED } }, task.key, SIGNAL)
    expect(scene.scopes.calls).toEqual([])
  })

  test('the first call of the final poll is the reserved one; its retries are ordinary calls that go first', async () => {
    for (const finalCalls of [0, 1, 2]) {
      const scene = aScene(aTask({ nextPollAt: lastAt, finalCalls, calls: finalCalls }), { now: lastAt })
      await poll(scene.deps, task.key, SIGNAL)
      const isFirst = finalCalls === 0
      expect(scene.requests).toEqual([{ app: 'default', deadlineAt: task.deadlineAt, last: true, reserved: isFirst, forced: isFirst }])
    }
  })

  test('a final poll has three calls, and the deadline ends the task', async () => {
    const scene = aScene(aTask({ nextPollAt: lastAt, finalCalls: 3, calls: 3 }), { now: lastAt })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: task.deadlineAt, last: true } })
    expect([scene.calls(), scene.requests]).toEqual([0, []])
  })

  test('a task that has used up its calls waits for its final poll, which keeps its own', async () => {
    const scene = aScene(aTask({ calls: 27 }), { now: due })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: lastAt, last: true } })
    expect(scene.rows.row()).toMatchObject({ nextPollAt: lastAt, delay: { code: 'calls_used_up', detail: { calls: 27 } } })
    scene.now = lastAt
    await poll(scene.deps, task.key, SIGNAL)
    expect([scene.calls(), scene.rows.row()?.finalCalls]).toEqual([1, 1])
  })
})

describe('an attempt that made no call', () => {
  const uncalled = (code: string, columns: Partial<StoredTask> = {}, given: Partial<Given> = {}) =>
    aScene(aTask(columns), { now: due, answer: refused(code, due), calls: 0, ...given })

  test('is no poll: the call is given back, and the problem is stored with the task', async () => {
    const scene = uncalled('HTTP_503')
    expect(await poll(scene.deps, task.key, SIGNAL)).toMatchObject({ kind: 'again' })
    expect(scene.scopes.calls).toEqual(['refund default 2026-11 1', 'failed app default/836390886: outage'])
    expect(scene.rows.row()).toMatchObject({ pollNo: 0, calls: 0, failuresInRow: 1, delay: null, problem: { code: 'outage' } })
    expect(scene.notes.lines).toEqual(['delayed: outage'])
  })

  test('without an agent id the task waits a quarter of an hour, alone', async () => {
    const scene = uncalled('NO_AGENT_ID', { scopes: { ...someScopes(due), agentId: null } })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: later(due, 15 * 60_000), last: false } })
    expect(scene.scopes.calls).toEqual(['refund default 2026-11 1'])
    expect(scene.rows.row()?.problem?.code).toBe('no_agent_id')
  })

  test('the call that is reserved for the final poll stays reserved', async () => {
    const scene = uncalled('HTTP_503', { nextPollAt: lastAt }, { now: lastAt, answer: refused('HTTP_503', lastAt) })
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.rows.row()).toMatchObject({ finalCalls: 0, calls: 0 })
    expect(scene.scopes.calls).toContain('refund default 2026-11 1')
  })
})

describe('what only this worker cannot do', () => {
  const refusal = (at: Date): Answer => refused('invalidClientIdOrSecret', at)

  test('is handed to another worker within a second, and leaves nothing with the task', async () => {
    const scene = aScene(task, { now: due, answer: refusal(due), calls: 0, served: true })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: later(due, 1_000), last: false } })
    expect(scene.rows.row()).toEqual(task)
    expect(scene.worker.problems()).toMatchObject({ default: { code: 'credentials' } })
    // The tasks that come to it next are handed on without an attempt.
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: later(due, 1_000), last: false } })
    expect([scene.calls(), scene.rows.row()]).toEqual([1, task])
  })

  test('delays the tasks where no other worker polls the app, until the next probe, and says why', async () => {
    const scene = aScene(task, { now: due, answer: refusal(due), calls: 0 })
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.rows.row()?.problem?.code).toBe('credentials')
    scene.now = later(due, 1_000)
    const at = later(due, 60_000 + 15_000 * jitterOf(task.key))
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at, last: false } })
    expect(scene.rows.row()?.delay).toEqual(pausedBy('worker', aProblem('invalidClientIdOrSecret'), later(due, 60_000)))
    expect(scene.calls()).toBe(1)
  })

  test('is found repaired by one probe, for all tasks of the app', async () => {
    const scene = aScene(task, { now: due })
    await scene.worker.failed('default', aProblem('40096'))
    scene.now = later(due, 60_000)
    await poll(scene.deps, task.key, SIGNAL)
    expect([scene.calls(), scene.worker.problems()]).toEqual([1, {}])
    expect(scene.book.calls).toContain('recovered default')
    expect(scene.notes.lines).toContain('recovered default')
  })

  test('one probe at a time: another task of the app waits for its answer', async () => {
    const other = aTask({ key: keyOf(2) })
    const scene = aScene(task, { now: due })
    scene.rows.put(other)
    await scene.deps.writes.answer(async () => 'stored', SIGNAL)
    await scene.worker.failed('default', aProblem('40096'))
    scene.now = later(due, 60_000)
    const results = await Promise.all([poll(scene.deps, task.key, SIGNAL), poll(scene.deps, other.key, SIGNAL)])
    expect(scene.calls()).toBe(1)
    expect(results.map(({ kind }) => kind)).toEqual(['again', 'again'])
    expect(scene.rows.row(other.key)?.delay).toMatchObject({ code: 'paused', detail: { scope: 'worker' } })
  })

  test('holds no final poll up until a probe that is far away', async () => {
    const scene = aScene(aTask({ nextPollAt: lastAt }), { now: later(lastAt, -120_000) })
    for (let i = 0; i < 3; i++) await scene.worker.failed('default', aProblem('40096'))
    scene.now = lastAt
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.calls()).toBe(1)
  })

  test('a final poll is handed to another worker rather than risked here', async () => {
    const scene = aScene(aTask({ nextPollAt: lastAt }), { now: later(lastAt, -120_000), served: true })
    for (let i = 0; i < 3; i++) await scene.worker.failed('default', aProblem('40096'))
    scene.now = lastAt
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: later(lastAt, 1_000), last: true } })
    expect(scene.calls()).toBe(0)
  })

  test('a poll that may not call claims no probe, which would keep the others out', async () => {
    const scene = aScene(task, { now: due })
    await scene.worker.failed('default', aProblem('40096'))
    scene.now = later(due, 60_000)
    const leave = scene.writes.enter()
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: later(scene.now, 100), last: false } })
    leave?.()
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.calls()).toBe(1)
  })
})

describe('a paused pair of app and agent id', () => {
  const AGENT = aProblem('41011')
  const inPause = (until: Date, columns: Partial<StoredTask> = {}) =>
    aTask({ scopes: someScopes(due, { pair: { pause: { problem: AGENT, until } } }), ...columns })

  test('delays its tasks until the probe, spread; those without an answer so far come behind', async () => {
    const until = later(due, 600_000)
    for (const [goodPolls, behindMs] of [
      [3, 0],
      [0, 15_000],
    ] as const) {
      const scene = aScene(inPause(until, { goodPolls }), { now: due })
      const at = later(until, behindMs + 15_000 * jitterOf(task.key))
      expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at, last: false } })
      expect(scene.rows.row()?.delay).toEqual(pausedBy('pair', AGENT, until))
      expect([scene.calls(), scene.scopes.calls]).toEqual([0, []])
    }
  })

  test('is probed by the one poll that claims the probe', async () => {
    const mine = aScene(inPause(due), { now: due })
    await poll(mine.deps, task.key, SIGNAL)
    expect([mine.calls(), mine.scopes.calls[0]]).toEqual([1, 'claim default/836390886'])
    const others = aScene(inPause(due), { now: due, scopes: { claimed: false } })
    await poll(others.deps, task.key, SIGNAL)
    expect([others.calls(), others.rows.row()?.delay?.code]).toEqual([0, 'paused'])
    expect(others.rows.row()?.nextPollAt?.getTime()).toBeGreaterThan(due.getTime() + 59_000)
  })

  test('is passed by the first call of a final poll, and by no retry of it', async () => {
    for (const [finalCalls, calls] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const scene = aScene(inPause(NEXT_MONTH, { nextPollAt: lastAt, finalCalls }), { now: lastAt })
      await poll(scene.deps, task.key, SIGNAL)
      expect([scene.calls(), scene.scopes.calls.filter((each) => each.startsWith('claim'))]).toEqual([calls, []])
    }
  })
})

describe('a paused app and the final poll', () => {
  const forcedIn = async (code: string, until: Date, columns: Partial<StoredTask> = {}) => {
    const pause = { problem: aProblem(code), until }
    const scene = aScene(aTask({ nextPollAt: lastAt, scopes: someScopes(due, { app: { pause } }), ...columns }), { now: lastAt })
    await poll(scene.deps, task.key, SIGNAL)
    return scene.requests.map(({ forced }) => forced)
  }

  test('its first call passes whatever paused the app: later there is nothing to be had', async () => {
    for (const code of ['60011', '90020', 'HTTP_502', 'HTTP_404']) expect(await forcedIn(code, NEXT_MONTH)).toEqual([true])
    expect(await forcedIn('60011', NEXT_MONTH, { finalCalls: 1, calls: 1 })).toEqual([false])
  })

  test('a rate limit that ends in time is waited for, one that does not is not', async () => {
    expect(await forcedIn('90018', later(task.deadlineAt, -60_000))).toEqual([false])
    expect(await forcedIn('90018', later(task.deadlineAt, -59_000))).toEqual([true])
  })

  test('an ordinary poll passes nothing', async () => {
    const pause = { problem: aProblem('90020'), until: NEXT_MONTH }
    const scene = aScene(aTask({ scopes: someScopes(due, { app: { pause } }) }), { now: due })
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.requests).toMatchObject([{ reserved: false, forced: false }])
  })
})

describe('a database that refuses writes', () => {
  const away = () => Promise.reject(new TrackerError('DATABASE_UNAVAILABLE', 'the disk is full'))

  test('the answer is kept and stored later, and DingTalk is not asked again', async () => {
    const scene = aScene(task, { now: due })
    let attempts = 0
    const store = { ...scene.rows, apply: (plan: LookPlan) => (++attempts < 4 ? away() : scene.rows.apply(plan)) }
    expect(await poll({ ...scene.deps, store }, task.key, SIGNAL)).toMatchObject({ kind: 'again' })
    expect([scene.calls(), attempts, scene.rows.row()?.goodPolls]).toEqual([1, 4, 1])
  })

  test('meanwhile no task is polled: each comes again in a second, and its row is left alone', async () => {
    const other = aTask({ key: keyOf(2) })
    const scene = aScene(task, { now: due })
    scene.rows.put(other)
    const first = { failed: () => {} }
    const hasFailed = new Promise<void>((resolve) => {
      first.failed = resolve
    })
    let isDown = true
    const store = { ...scene.rows, apply: (plan: LookPlan) => (isDown ? (first.failed(), away()) : scene.rows.apply(plan)) }
    const kept = poll({ ...scene.deps, store }, task.key, SIGNAL)
    await hasFailed
    await Promise.resolve()
    expect(await poll({ ...scene.deps, store }, other.key, SIGNAL)).toMatchObject({ kind: 'again' })
    expect([scene.calls(), scene.rows.row(other.key)]).toEqual([1, other])
    isDown = false
    await kept
    await poll({ ...scene.deps, store }, other.key, SIGNAL)
    expect([scene.calls(), scene.rows.row()?.goodPolls, scene.rows.row(other.key)?.goodPolls]).toEqual([2, 1, 1])
  })

  test('before the first write of a worker one poll at a time makes its call', async () => {
    const scene = aScene(task, { now: due })
    const others = [2, 3, 4].map((id) => aTask({ key: keyOf(id) }))
    for (const other of others) scene.rows.put(other)
    const results = await Promise.all([task, ...others].map(({ key }) => poll(scene.deps, key, SIGNAL)))
    expect(scene.calls()).toBe(1)
    expect(results.slice(1)).toEqual(others.map(() => ({ kind: 'again', look: { at: later(due, 100), last: false } })))
    await Promise.all(others.map(({ key }) => poll(scene.deps, key, SIGNAL)))
    expect(scene.calls()).toBe(4)
  })

  test('the problem of an attempt without a call is kept too', async () => {
    const scene = aScene(task, { now: due, answer: refused('HTTP_503', due), calls: 0 })
    let attempts = 0
    const store = { ...scene.rows, delay: (...args: Parameters<Rows['delay']>) => (++attempts < 3 ? away() : scene.rows.delay(...args)) }
    await poll({ ...scene.deps, store }, task.key, SIGNAL)
    expect([attempts, scene.rows.row()?.problem?.code]).toEqual([3, 'outage'])
  })

  test('the end of a task is tried again as well', async () => {
    const scene = aScene(task, { now: task.deadlineAt })
    let attempts = 0
    const store = { ...scene.rows, end: (...args: Parameters<Rows['end']>) => (++attempts < 3 ? away() : scene.rows.end(...args)) }
    expect(await poll({ ...scene.deps, store }, task.key, SIGNAL)).toEqual({ kind: 'done' })
    expect(scene.rows.row()?.status).toBe('expired')
  })

  test('a closing worker gives the write up with the reason of the signal', async () => {
    const scene = aScene(task, { now: due })
    const stop = new AbortController()
    const store = { ...scene.rows, apply: () => (stop.abort(new Error('shutting down')), away()) }
    await expect(poll({ ...scene.deps, store }, task.key, stop.signal)).rejects.toThrow('shutting down')
    expect(scene.rows.row()).toEqual(task)
  })

  test('an answer that the database refuses for itself is set aside for half an hour, its call counted; other tasks are polled', async () => {
    const other = aTask({ key: keyOf(2) })
    const scene = aScene(task, { now: due })
    scene.rows.put(other)
    const poison = (plan: LookPlan) =>
      plan.key.taskId === '2' ? scene.rows.apply(plan) : Promise.reject(new RangeError('value out of range'))
    const deps = { ...scene.deps, store: { ...scene.rows, apply: poison } }
    expect(await poll(deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: later(due, 30 * 60_000), last: false } })
    expect(scene.rows.row()).toMatchObject({ pollNo: 0, calls: 1, delay: { code: 'write_refused', detail: null } })
    expect(scene.notes.lines).toEqual(['failed: storing an answer, which is given up,', 'delayed: write_refused'])
    await poll(deps, other.key, SIGNAL)
    expect(scene.rows.row(other.key)?.goodPolls).toBe(1)
  })

  test('answers that are all refused for themselves cost a few calls, not one for each task', async () => {
    const scene = aScene(task, { now: due })
    const store = { ...scene.rows, apply: () => Promise.reject(new Error('a trigger refuses')) }
    for (let id = 1; id <= 50; id++) {
      scene.rows.put(aTask({ key: keyOf(id) }))
      await poll({ ...scene.deps, store }, keyOf(id), SIGNAL)
    }
    expect(scene.calls()).toBe(3)
  })
})

test('of two looks at once one is recorded, and the other takes over what that one decided', async () => {
  const scene = aScene(task, { now: due })
  await scene.writes.answer(async () => 'stored', SIGNAL)
  const results = await Promise.all([poll(scene.deps, task.key, SIGNAL), poll(scene.deps, task.key, SIGNAL)])
  expect(scene.rows.plans).toHaveLength(1)
  expect(results[1]).toEqual(results[0])
  expect(scene.notes.lines).toEqual(['looked observed stored', 'looked observed stale'])
})

test('a look that comes late after another one ended the task is over', async () => {
  const scene = aScene(task, { now: due })
  const api: typeof scene.deps.api = {
    async sendResult() {
      scene.rows.put(aTask({ status: 'complete', nextPollAt: null, pollNo: 1 }))
      return { answer: said({ unread: ['ann'] }, due), calls: 1 }
    },
  }
  expect(await poll({ ...scene.deps, api }, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.rows.row()).toMatchObject({ status: 'complete', pollNo: 1 })
})

test('a paused app puts the look off with the reason, a little spread', async () => {
  const until = later(due, 600_000)
  const scene = aScene(task, { now: due, permit: paused(until) })
  const at = later(until, 15_000 + 15_000 * jitterOf(task.key))
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at, last: false } })
  expect(scene.rows.row()).toMatchObject({ nextPollAt: at, delay: pausedBy('app', PERMISSION, until), pollNo: 0 })
  expect(scene.notes.lines).toEqual(['delayed: paused'])
  expect(scene.calls()).toBe(0)
})

test('without budget the look waits for the next planned one', async () => {
  const scene = aScene(task, { now: due, permit: budget(NEXT_MONTH) })
  const result = await poll(scene.deps, task.key, SIGNAL)
  expect(result).toMatchObject({ kind: 'again', look: { last: false } })
  const row = scene.rows.row()
  expect(row?.delay).toEqual({ code: 'call_budget', detail: BUDGET })
  expect(row?.nextPollAt?.getTime()).toBeGreaterThan(due.getTime())
  expect(row?.nextPollAt?.getTime()).toBeLessThan(due.getTime() + 20 * 60_000)
})

test('a short wait in line is not written down', async () => {
  const until = later(due, 2_000)
  const scene = aScene(task, { now: due, permit: backlog(until) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: until, last: false } })
  expect(scene.rows.row()).toEqual(task)
})

test('a long wait in line is written down, so that it does not look like a lost timer', async () => {
  const until = later(due, 120_000)
  const scene = aScene(task, { now: due, permit: backlog(until) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: until, last: false } })
  expect(scene.rows.row()).toMatchObject({ nextPollAt: until, delay: { code: 'call_rate', detail: null } })
})

test('a look that is put off too late sleeps as the other one decided', async () => {
  const scene = aScene(task, { now: due, permit: paused(later(due, 600_000)) })
  const elsewhere = later(due, 300_000)
  const permits: typeof scene.deps.permits = {
    async take() {
      scene.rows.put(aTask({ pollNo: 1, nextPollAt: elsewhere }))
      return paused(later(due, 600_000))
    },
  }
  expect(await poll({ ...scene.deps, permits }, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: elsewhere, last: false } })
  expect(scene.notes.lines).toEqual([])
})

const hindrances: ReadonlyArray<[string, (until: Date) => Permit]> = [
  ['a backlog', backlog],
  ['a paused app', paused],
  ['a used-up budget', budget],
]

test.each(hindrances)('%s never puts a task off past its guaranteed last look', async (_name, permit) => {
  const now = later(lastAt, -1_000)
  const scene = aScene(aTask({ nextPollAt: now }), { now, permit: permit(NEXT_MONTH) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'again', look: { at: lastAt, last: true } })
})

test.each(hindrances)('%s does not stop the last look from being tried again until the deadline', async (_name, permit) => {
  const scene = aScene(aTask({ nextPollAt: lastAt }), { now: lastAt, permit: permit(NEXT_MONTH) })
  const tries: number[] = []
  for (let result = await poll(scene.deps, task.key, SIGNAL); result.kind === 'again'; result = await poll(scene.deps, task.key, SIGNAL)) {
    expect(result.look.last).toBe(true)
    scene.now = result.look.at
    tries.push(task.deadlineAt.getTime() - scene.now.getTime())
  }
  expect(tries.at(-1)).toBe(0)
  expect(tries.length).toBeGreaterThan(3)
  expect(tries.length).toBeLessThan(8)
  expect(scene.rows.row()?.status).toBe('expired')
  expect(scene.calls()).toBe(0)
})

test.each([
  ['a good answer', (now: Date) => said({ unread: ['ann'] }, now)],
  ['a penalty until the week after', (now: Date) => refused('90018', now, '限制将在 2026-12-03 00:01:03 结束')],
  ['an outage', (now: Date) => refused('HTTP_502', now)],
])('after %s in the last minutes the timer rings at the deadline at the latest', async (_name, answerAt) => {
  const now = later(task.deadlineAt, -2_000)
  const scene = aScene(aTask({ nextPollAt: now, pollNo: 23, goodPolls: 23 }), { now, answer: answerAt(now) })
  const result = await poll(scene.deps, task.key, SIGNAL)
  expect(result.kind === 'again' ? result.look.at.getTime() : Number.NaN).toBeLessThanOrEqual(task.deadlineAt.getTime())
})

test('a database that is away rejects, so that the timer rings again', async () => {
  const scene = aScene(task, { now: due })
  const store = { ...someRows(task), load: () => Promise.reject(new Error('no database')) }
  await expect(poll({ ...scene.deps, store }, task.key, SIGNAL)).rejects.toThrow('no database')
})

test('an abort rejects and records nothing', async () => {
  const scene = aScene(task, { now: due })
  const stop = new AbortController()
  const api: typeof scene.deps.api = {
    sendResult: (_query, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
        stop.abort(new Error('shutting down'))
      }),
  }
  await expect(poll({ ...scene.deps, api }, task.key, stop.signal)).rejects.toThrow('shutting down')
  expect(scene.rows.row()).toEqual(task)
})

test('a task that nobody has planned yet is looked at all the same', async () => {
  const scene = aScene(aTask({ nextPollAt: null }), { now: minutesLater(1) })
  await poll(scene.deps, task.key, SIGNAL)
  expect(scene.rows.row()?.pollNo).toBe(1)
})

test('somebody is erased while DingTalk is asked: the answer is planned again without the name, and DingTalk is not asked again', async () => {
  const bob = { salt: 's', digest: 's/bob', pseudonym: 'anonymous:1' }
  const scene = aScene(task, { now: due, answer: said({ unread: ['ann', 'bob'] }, due) })
  let staleWrites = 0
  const store = {
    ...scene.rows,
    async apply(plan: Parameters<typeof scene.rows.apply>[0]) {
      if (plan.believes.erasureNo === 1) return scene.rows.apply(plan)
      staleWrites++
      scene.rows.put(aTask({ erasureNo: 1, erasures: [bob] }))
      return 'stale' as const
    },
  }
  expect(await poll({ ...scene.deps, store }, task.key, SIGNAL)).toMatchObject({ kind: 'again' })
  expect([scene.calls(), staleWrites]).toEqual([1, 1])
  expect(scene.rows.plans.map((plan) => plan.changed.map(({ userId }) => userId))).toEqual([['ann', 'anonymous:1']])
  expect(scene.notes.lines).toEqual(['looked observed stored'])
})

test('somebody who was erased and is named in a task that came in later goes before the look', async () => {
  const ann = { salt: 's', digest: 's/ann', pseudonym: 'anonymous:1' }
  const scene = aScene(aTask({ erasureNo: 1, erasures: [ann] }), { now: due })
  const store = {
    ...scene.rows,
    async rename(_key: typeof task.key, userId: string, pseudonym: string) {
      expect(userId).toBe('ann')
      const recipients = [{ userId: pseudonym, state: { kind: 'pending' as const }, firstSeenAt: null }]
      scene.rows.put(aTask({ erasureNo: 1, erasures: [ann], recipients }))
    },
  }
  await poll({ ...scene.deps, store }, task.key, SIGNAL)
  expect(scene.rows.plans.map((plan) => plan.changed.map(({ userId }) => userId))).toEqual([['anonymous:1']])
})
