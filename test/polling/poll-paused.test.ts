import { describe, expect, test } from 'vitest'
import type { Answer } from '../../src/domain/delivery.ts'
import { finalPollTime, jitterOf } from '../../src/domain/poll-times.ts'
import type { Problem } from '../../src/domain/problems.ts'
import type { DelayReason } from '../../src/domain/reasons.ts'
import { poll } from '../../src/polling/poll.ts'
import { aProblem, aScene, aTask, keyOf, refused, SENT, type StoredTask, someScopes, TIMING } from './support.ts'

const SIGNAL = new AbortController().signal
const task = aTask()
const due = task.nextPollAt ?? SENT
const lastAt = finalPollTime(task.deadlineAt, TIMING, jitterOf(task.key))
const later = (at: Date, ms: number): Date => new Date(at.getTime() + ms)
const pausedBy = (scope: 'app' | 'pair' | 'worker', { code, detail }: Problem, until: Date): DelayReason => ({
  code: 'paused',
  detail: { ...detail, scope, problem: code, until: until.toISOString() },
})
const NEXT_MONTH = new Date('2026-12-01T00:00:00Z')

describe('what only this worker cannot do', () => {
  const refusal = (at: Date): Answer => refused('invalidClientIdOrSecret', at)

  test('is handed to another worker within a second, and leaves nothing with the task', async () => {
    const scene = aScene(task, { now: due, answer: refusal(due), calls: 0, served: true })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: later(due, 1_000), last: false } })
    expect(scene.rows.row()).toEqual(task)
    expect(scene.worker.problems()).toMatchObject({ default: { code: 'credentials' } })
    // The tasks that come to it next are handed on without an attempt.
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: later(due, 1_000), last: false } })
    expect([scene.calls(), scene.rows.row()]).toEqual([1, task])
  })

  test('delays the tasks where no other worker polls the app, until the next probe, and says why', async () => {
    const scene = aScene(task, { now: due, answer: refusal(due), calls: 0 })
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.rows.row()?.problem?.code).toBe('credentials')
    scene.now = later(due, 1_000)
    const at = later(due, 60_000 + 15_000 * jitterOf(task.key))
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at, last: false } })
    expect(scene.rows.row()?.delay).toEqual(pausedBy('worker', aProblem('invalidClientIdOrSecret'), later(due, 60_000)))
    expect(scene.calls()).toBe(1)
  })

  test('is found repaired by one probe, for all tasks of the app', async () => {
    const scene = aScene(task, { now: due })
    await scene.worker.recordFailure('default', aProblem('40096'))
    scene.now = later(due, 60_000)
    await poll(scene.deps, task.key, SIGNAL)
    expect([scene.calls(), scene.worker.problems()]).toEqual([1, {}])
    expect(scene.registry.calls).toContain('resume default')
    expect(scene.notes.lines).toContain('recovered default')
  })

  test('one probe at a time: another task of the app waits for its answer', async () => {
    const other = aTask({ key: keyOf(2) })
    const scene = aScene(task, { now: due })
    scene.rows.put(other)
    await scene.deps.writes.answer(async () => 'stored', SIGNAL)
    await scene.worker.recordFailure('default', aProblem('40096'))
    scene.now = later(due, 60_000)
    const results = await Promise.all([poll(scene.deps, task.key, SIGNAL), poll(scene.deps, other.key, SIGNAL)])
    expect(scene.calls()).toBe(1)
    expect(results.map(({ kind }) => kind)).toEqual(['snooze', 'snooze'])
    expect(scene.rows.row(other.key)?.delay).toMatchObject({ code: 'paused', detail: { scope: 'worker' } })
  })

  test('holds no final poll up until a probe that is far away', async () => {
    const scene = aScene(aTask({ nextPollAt: lastAt }), { now: later(lastAt, -120_000) })
    for (let i = 0; i < 3; i++) await scene.worker.recordFailure('default', aProblem('40096'))
    scene.now = lastAt
    await poll(scene.deps, task.key, SIGNAL)
    expect(scene.calls()).toBe(1)
  })

  test('a final poll is handed to another worker rather than risked here', async () => {
    const scene = aScene(aTask({ nextPollAt: lastAt }), { now: later(lastAt, -120_000), served: true })
    for (let i = 0; i < 3; i++) await scene.worker.recordFailure('default', aProblem('40096'))
    scene.now = lastAt
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: later(lastAt, 1_000), last: true } })
    expect(scene.calls()).toBe(0)
  })

  test('a poll that may not call claims no probe, which would keep the others out', async () => {
    const scene = aScene(task, { now: due })
    await scene.worker.recordFailure('default', aProblem('40096'))
    scene.now = later(due, 60_000)
    const leave = scene.writes.enter()
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: later(scene.now, 100), last: false } })
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
      expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at, last: false } })
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
