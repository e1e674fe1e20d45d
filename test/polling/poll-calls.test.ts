import { describe, expect, test } from 'vitest'
import type { Answer } from '../../src/domain/delivery.ts'
import { finalPollTime, jitterOf } from '../../src/domain/poll-times.ts'
import type { Permit } from '../../src/polling/permits.ts'
import { poll } from '../../src/polling/poll.ts'
import { aProblem, aScene, aTask, type Given, GRANTED, refused, SENT, type StoredTask, said, someScopes, TIMING } from './support.ts'

const SIGNAL = new AbortController().signal
const task = aTask()
const due = task.nextPollAt ?? SENT
const lastAt = finalPollTime(task.deadlineAt, TIMING, jitterOf(task.key))
const later = (at: Date, ms: number): Date => new Date(at.getTime() + ms)
const PERMISSION = aProblem('60011')
const paused = (until: Date): Permit => ({ kind: 'paused', until, problem: PERMISSION })

describe('what a poll says about the scopes around its task', () => {
  test.each<[string, Answer, string[]]>([
    [
      'a rate limit slows the app down and gives the call back',
      refused('90018', due),
      ['refund default 2026-11 1', 'failure app default/836390886: rate_limit'],
    ],
    [
      'a used-up quota is evidence about the app, and the call is returned',
      refused('90020', due),
      ['refund default 2026-11 1', 'failure app default/836390886: quota'],
    ],
    ['a missing permission is evidence about the app', refused('60011', due), ['failure app default/836390886: permission']],
    ['a wrong agent id is evidence about the pair', refused('41011', due), ['failure pair default/836390886: agent_id']],
    ['an outage is evidence about the app', refused('HTTP_502', due), ['failure app default/836390886: outage']],
    ['parameters say nothing beyond the task', refused('40035', due), []],
    ['a code that stands nowhere says nothing beyond the task', refused('12345678', due), []],
    ['a call timeout says nothing beyond the task', refused('15', due, 'Call timeout'), []],
  ])('%s; the task is tracked on', async (_name, answer, calls) => {
    const scene = aScene(task, { now: due, answer })
    expect(await poll(scene.deps, task.key, SIGNAL)).toMatchObject({ kind: 'snooze' })
    expect(scene.scopes.calls).toEqual(calls)
    expect(scene.rows.row()).toMatchObject({ pollNo: 1, status: 'tracking', problem: { polls: expect.any(Number) } })
    expect(scene.notes.lines).not.toContainEqual(expect.stringMatching(/^ended|^paused/))
  })

  test('a new pause of a scope is reported once', async () => {
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
    expect(scene.scopes.calls).toEqual(['success default/836390886'])
    expect(scene.notes.lines).toContain('recovered default')
  })

  test('a refused second call is returned, the first one is not', async () => {
    const scene = aScene(task, { now: due })
    const api: typeof scene.deps.api = {
      async sendResult({ mayRepeat }, signal) {
        expect(await mayRepeat(signal)).toBe(true)
        return { answer: refused('90018', due), calls: 2 }
      },
    }
    await poll({ ...scene.deps, api }, task.key, SIGNAL)
    expect(scene.scopes.calls).toEqual(['refund default 2026-11 1', 'failure app default/836390886: rate_limit'])
    expect(scene.rows.row()?.calls).toBe(2)
  })
})

describe('permits', () => {
  const months = (...all: string[]) => {
    const left = [...all]
    return { take: async (): Promise<Permit> => ({ kind: 'granted', month: left.shift() ?? 'none' }) }
  }

  test('each call is returned in the month in which it was reserved', async () => {
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

  test('a permit for a repeated call that was not made is returned', async () => {
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
      const request = { app: 'default', deadlineAt: task.deadlineAt, urgent: false, reserved: false, forced: false }
      expect(scene.requests).toEqual(allowed ? [request, { ...request, urgent: true }] : [request])
    }
  })

  test('a repeated call that is not permitted is not made, and nothing is returned', async () => {
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
      expect(scene.requests).toEqual([
        {
          app: 'default',
          deadlineAt: task.deadlineAt,
          urgent: true,
          reserved: isFirst,
          forced: isFirst,
          ...(isFirst ? {} : { retry: true }),
        },
      ])
    }
  })

  test('a final poll has three calls, and the deadline ends the task', async () => {
    const scene = aScene(aTask({ nextPollAt: lastAt, finalCalls: 3, calls: 3 }), { now: lastAt })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: task.deadlineAt, last: true } })
    expect([scene.calls(), scene.requests]).toEqual([0, []])
  })

  test('a task that has used up its calls waits for its final poll, which keeps its own', async () => {
    const scene = aScene(aTask({ calls: 27 }), { now: due })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: lastAt, last: true } })
    expect(scene.rows.row()).toMatchObject({ nextPollAt: lastAt, delay: { code: 'calls_used_up', detail: { calls: 27 } } })
    scene.now = lastAt
    await poll(scene.deps, task.key, SIGNAL)
    expect([scene.calls(), scene.rows.row()?.finalCalls]).toEqual([1, 1])
  })
})

describe('an attempt that made no call', () => {
  const uncalled = (code: string, columns: Partial<StoredTask> = {}, given: Partial<Given> = {}) =>
    aScene(aTask(columns), { now: due, answer: refused(code, due), calls: 0, ...given })

  test('is no poll: the call is returned, and the problem is stored with the task', async () => {
    const scene = uncalled('HTTP_503')
    expect(await poll(scene.deps, task.key, SIGNAL)).toMatchObject({ kind: 'snooze' })
    expect(scene.scopes.calls).toEqual(['refund default 2026-11 1', 'failure app default/836390886: outage'])
    expect(scene.rows.row()).toMatchObject({ pollNo: 0, calls: 0, failuresInRow: 1, delay: null, problem: { code: 'outage' } })
    expect(scene.notes.lines).toEqual(['delayed: outage'])
  })

  test('without an agent id the task waits a quarter of an hour, alone', async () => {
    const scene = uncalled('NO_AGENT_ID', { scopes: { ...someScopes(due), agentId: null } })
    expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: later(due, 15 * 60_000), last: false } })
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
