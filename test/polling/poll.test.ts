import { expect, test } from 'vitest'
import { finalPollTime, jitterOf } from '../../src/domain/poll-times.ts'
import type { Problem } from '../../src/domain/problems.ts'
import type { DelayReason } from '../../src/domain/reasons.ts'
import type { Permit } from '../../src/polling/permits.ts'
import { poll } from '../../src/polling/poll.ts'
import { aProblem, aScene, aTask, GRANTED, keyOf, minutesLater, refused, SENT, said, someRows, TIMING } from './support.ts'

const SIGNAL = new AbortController().signal
const task = aTask()
const due = task.nextPollAt ?? SENT
const lastAt = finalPollTime(task.deadlineAt, TIMING, jitterOf(task.key))
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

test('a timer that fires too early sleeps on until the poll is due', async () => {
  const scene = aScene(task, { now: later(due, -1_000) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: due, last: false } })
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
  expect(await resting).toEqual({ kind: 'snooze', until: { at: due, last: false } })
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
  const { loadForPoll } = scene.rows
  const deps = {
    ...scene.deps,
    store: {
      ...scene.rows,
      async loadForPoll(key: typeof task.key) {
        const loaded = await loadForPoll(key)
        scene.rows.put(aTask({ status: 'complete', nextPollAt: null }))
        return loaded
      },
    },
  }
  expect(await poll(deps, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.rows.row()?.status).toBe('complete')
  expect(scene.notes.lines).toEqual([])
})

test('a permit that comes after the deadline makes no call and is returned', async () => {
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
  expect(result).toEqual({ kind: 'snooze', until: { at: row?.nextPollAt, last: false } })
  expect([scene.scopes.calls, scene.registry.calls]).toEqual([[], []])
  expect(scene.notes.lines).toEqual(['polled observed stored'])
})

test('the answer that accounts for all recipients completes the task', async () => {
  const scene = aScene(task, { now: due, answer: said({ read: ['ann'] }, due) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'done' })
  expect(scene.rows.row()).toMatchObject({ status: 'complete', nextPollAt: null })
  expect(scene.notes.lines).toEqual(['polled observed stored', 'ended complete all_read'])
})

test('the agent id of the task is asked with', async () => {
  const scene = aScene(aTask({ agentId: '836390886' }), { now: due })
  const queries: unknown[] = []
  const { sendResult } = scene.deps.api
  const api: typeof scene.deps.api = { sendResult: (query, signal) => (queries.push(query), sendResult(query, signal)) }
  await poll({ ...scene.deps, api }, task.key, SIGNAL)
  expect(queries).toMatchObject([{ app: 'default', taskId: task.key.taskId, agentId: '836390886' }])
})

test('of two polls at once one is recorded, and the other takes over what that one decided', async () => {
  const scene = aScene(task, { now: due })
  await scene.writes.answer(async () => 'stored', SIGNAL)
  const results = await Promise.all([poll(scene.deps, task.key, SIGNAL), poll(scene.deps, task.key, SIGNAL)])
  expect(scene.rows.plans).toHaveLength(1)
  expect(results[1]).toEqual(results[0])
  expect(scene.notes.lines).toEqual(['polled observed stored', 'polled observed stale'])
})

test('a poll that comes late after another one ended the task is over', async () => {
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

test('a paused app puts the poll off with the reason, a little spread', async () => {
  const until = later(due, 600_000)
  const scene = aScene(task, { now: due, permit: paused(until) })
  const at = later(until, 15_000 + 15_000 * jitterOf(task.key))
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at, last: false } })
  expect(scene.rows.row()).toMatchObject({ nextPollAt: at, delay: pausedBy('app', PERMISSION, until), pollNo: 0 })
  expect(scene.notes.lines).toEqual(['delayed: paused'])
  expect(scene.calls()).toBe(0)
})

test('without budget the poll waits for the next planned one', async () => {
  const scene = aScene(task, { now: due, permit: budget(NEXT_MONTH) })
  const result = await poll(scene.deps, task.key, SIGNAL)
  expect(result).toMatchObject({ kind: 'snooze', until: { last: false } })
  const row = scene.rows.row()
  expect(row?.delay).toEqual({ code: 'call_budget', detail: BUDGET })
  expect(row?.nextPollAt?.getTime()).toBeGreaterThan(due.getTime())
  expect(row?.nextPollAt?.getTime()).toBeLessThan(due.getTime() + 20 * 60_000)
})

test('a short wait for a permit is not stored', async () => {
  const until = later(due, 2_000)
  const scene = aScene(task, { now: due, permit: backlog(until) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: until, last: false } })
  expect(scene.rows.row()).toEqual(task)
})

test('a long wait for a permit is stored, so that it does not look like a lost timer', async () => {
  const until = later(due, 120_000)
  const scene = aScene(task, { now: due, permit: backlog(until) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: until, last: false } })
  expect(scene.rows.row()).toMatchObject({ nextPollAt: until, delay: { code: 'call_rate', detail: null } })
})

test('a poll that is put off too late sleeps as the other one decided', async () => {
  const scene = aScene(task, { now: due, permit: paused(later(due, 600_000)) })
  const elsewhere = later(due, 300_000)
  const permits: typeof scene.deps.permits = {
    async take() {
      scene.rows.put(aTask({ pollNo: 1, nextPollAt: elsewhere }))
      return paused(later(due, 600_000))
    },
  }
  expect(await poll({ ...scene.deps, permits }, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: elsewhere, last: false } })
  expect(scene.notes.lines).toEqual([])
})

const hindrances: ReadonlyArray<[string, (until: Date) => Permit]> = [
  ['a backlog', backlog],
  ['a paused app', paused],
  ['a used-up budget', budget],
]

test.each(hindrances)('%s never puts a task off past its guaranteed final poll', async (_name, permit) => {
  const now = later(lastAt, -1_000)
  const scene = aScene(aTask({ nextPollAt: now }), { now, permit: permit(NEXT_MONTH) })
  expect(await poll(scene.deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: lastAt, last: true } })
})

test.each(hindrances)('%s does not stop the final poll from being tried again until the deadline', async (_name, permit) => {
  const scene = aScene(aTask({ nextPollAt: lastAt }), { now: lastAt, permit: permit(NEXT_MONTH) })
  const tries: number[] = []
  for (let result = await poll(scene.deps, task.key, SIGNAL); result.kind === 'snooze'; result = await poll(scene.deps, task.key, SIGNAL)) {
    expect(result.until.last).toBe(true)
    scene.now = result.until.at
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
])('after %s in the last minutes the timer fires at the deadline at the latest', async (_name, answerAt) => {
  const now = later(task.deadlineAt, -2_000)
  const scene = aScene(aTask({ nextPollAt: now, pollNo: 23, goodPolls: 23 }), { now, answer: answerAt(now) })
  const result = await poll(scene.deps, task.key, SIGNAL)
  expect(result.kind === 'snooze' ? result.until.at.getTime() : Number.NaN).toBeLessThanOrEqual(task.deadlineAt.getTime())
})

test('a database that is away rejects, so that the timer fires again', async () => {
  const scene = aScene(task, { now: due })
  const store = { ...someRows(task), loadForPoll: () => Promise.reject(new Error('no database')) }
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

test('a task that is not scheduled yet is polled all the same', async () => {
  const scene = aScene(aTask({ nextPollAt: null }), { now: minutesLater(1) })
  await poll(scene.deps, task.key, SIGNAL)
  expect(scene.rows.row()?.pollNo).toBe(1)
})

test('a person is erased during the call: the answer is planned again without the name, and no second call is made', async () => {
  const bob = { salt: 's', digest: 's/bob', pseudonym: 'anonymous:1' }
  const scene = aScene(task, { now: due, answer: said({ unread: ['ann', 'bob'] }, due) })
  let staleWrites = 0
  const store = {
    ...scene.rows,
    async apply(plan: Parameters<typeof scene.rows.apply>[0]) {
      if (plan.expected.erasureNo === 1) return scene.rows.apply(plan)
      staleWrites++
      scene.rows.put(aTask({ erasureNo: 1, erasures: [bob] }))
      return 'stale' as const
    },
  }
  expect(await poll({ ...scene.deps, store }, task.key, SIGNAL)).toMatchObject({ kind: 'snooze' })
  expect([scene.calls(), staleWrites]).toEqual([1, 1])
  expect(scene.rows.plans.map((plan) => plan.changed.map(({ userId }) => userId))).toEqual([['ann', 'anonymous:1']])
  expect(scene.notes.lines).toEqual(['polled observed stored'])
})

test('an erased person who is named in a task that came in later is replaced before the poll', async () => {
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
