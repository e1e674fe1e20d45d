import { expect, test } from 'vitest'
import type { Lease, Timer } from '../../src/polling/ports.ts'
import { reconcile } from '../../src/polling/reconcile.ts'
import {
  aProblem,
  aTask,
  exclusively,
  keyOf,
  minutesLater,
  NOTHING_RESTORED,
  notes,
  overdueTask,
  type StoredTask,
  someOldDetails,
  someRows,
  someTimers,
  TIMING,
} from './support.ts'

const GRACE_MS = 60_000

/** Tasks that are overdue, in the pages in which the store gives them. */
function aWorld(tasks: readonly StoredTask[], now: Date) {
  const rows = someRows(...tasks)
  const overdue = tasks
    .map(overdueTask)
    .toSorted((a, b) => a.deadlineAt.getTime() - b.deadlineAt.getTime() || Number(a.key.taskId) - Number(b.key.taskId))
  const asked: Array<{ before: Date; limit: number }> = []
  const store = {
    ...rows,
    exclusively,
    async overdue(before: Date, limit: number, after: Timer | null): Promise<Timer[]> {
      asked.push({ before, limit })
      const from = after === null ? 0 : overdue.findIndex((each) => each.key.taskId === after.key.taskId) + 1
      return overdue.filter((each) => each.poll.at < before).slice(from, from + limit)
    },
  }
  const timers = someTimers()
  const events = notes()
  return {
    rows,
    timers,
    events,
    asked,
    store,
    deps: { store, old: someOldDetails(), timers, timing: TIMING, graceMs: GRACE_MS, now: () => now, events },
  }
}

test('a task whose poll is overdue gets its timer back', async () => {
  const world = aWorld([aTask()], minutesLater(30))
  expect(await reconcile(world.deps)).toEqual({ ...NOTHING_RESTORED, added: 1, ended: 0 })
  expect(world.timers.timers.map((timer) => timer.key)).toEqual([aTask().key])
  expect(world.events.lines).toEqual(['reconciled {"added":1,"replaced":0,"moved":0,"left":0,"ended":0}'])
})

test('a poll is given the grace before its timer is doubted', async () => {
  const task = aTask({ nextPollAt: minutesLater(10) })
  const world = aWorld([task], minutesLater(11))
  await reconcile(world.deps)
  expect(world.asked[0]?.before).toEqual(minutesLater(10))
  expect(world.timers.timers).toEqual([])
})

test('a timer that waits already is nothing to tell', async () => {
  const world = aWorld([aTask()], minutesLater(30))
  const timers = { restore: async () => ({ ...NOTHING_RESTORED, left: 1 }) }
  expect(await reconcile({ ...world.deps, timers })).toEqual({ ...NOTHING_RESTORED, left: 1, ended: 0 })
  expect(world.events.lines).toEqual([])
})

test('a task past its deadline is ended with the reason, and gets no timer', async () => {
  const problem = { ...aProblem('HTTP_502'), since: minutesLater(3), polls: 1 }
  const task = aTask({ pollNo: 24, problem })
  const world = aWorld([task], task.deadlineAt)
  expect(await reconcile(world.deps)).toEqual({ ...NOTHING_RESTORED, ended: 1 })
  expect(world.timers.timers).toEqual([])
  expect(world.rows.row()).toMatchObject({
    status: 'expired',
    reason: { code: 'never_observed', detail: { because: { problem: { code: 'outage', detail: { said: 'HTTP_502' } } } } },
    nextPollAt: null,
  })
  expect(world.events.lines).toContain('ended expired never_observed')
})

test('tasks past their deadline are ended also while the queue is away', async () => {
  const over = Array.from({ length: 700 }, (_, i) => aTask({ key: keyOf(i + 1) }))
  const open = aTask({ key: keyOf(9_999), sentAt: minutesLater(60) })
  const world = aWorld([...over, open], over[0]?.deadlineAt ?? minutesLater(0))
  const timers = {
    restore: (given: readonly unknown[]) =>
      given.length === 0 ? Promise.resolve(NOTHING_RESTORED) : Promise.reject(new Error('no queue')),
  }
  await expect(reconcile({ ...world.deps, timers })).rejects.toThrow('no queue')
  expect(over.map(({ key }) => world.rows.row(key)?.status)).toEqual(over.map(() => 'expired'))
})

test('what ended or was polled at meanwhile is left as it is', async () => {
  const [gone, ended] = [aTask({ key: keyOf(1) }), aTask({ key: keyOf(2) })]
  const world = aWorld([gone, ended], gone.deadlineAt)
  world.rows.put(aTask({ key: keyOf(2), status: 'complete', nextPollAt: null }))
  const store = { ...world.store, load: async (key: typeof gone.key) => (key.taskId === '1' ? null : world.rows.load(key)) }
  expect(await reconcile({ ...world.deps, store })).toEqual({ ...NOTHING_RESTORED, ended: 0 })
  expect(world.rows.row(keyOf(2))?.status).toBe('complete')
})

test('a late poll that another worker records meanwhile wins over the end', async () => {
  const task = aTask()
  const world = aWorld([task], task.deadlineAt)
  const store = { ...world.store, end: async () => 'stale' as const }
  expect(await reconcile({ ...world.deps, store })).toEqual({ ...NOTHING_RESTORED, ended: 0 })
  expect(world.events.lines).toEqual([])
})

test('a backlog is worked off in bounded pages, each task once', async () => {
  const tasks = Array.from({ length: 1_300 }, (_, i) => aTask({ key: keyOf(i + 1) }))
  const world = aWorld(tasks, minutesLater(30))
  expect(await reconcile(world.deps)).toMatchObject({ added: 1_300 })
  expect(world.asked.map(({ limit }) => limit)).toEqual([500, 500, 500])
  expect(new Set(world.timers.timers.map((timer) => timer.key.taskId)).size).toBe(1_300)
})

test('a pass is bounded even when there is no end to what is overdue', async () => {
  const world = aWorld([], minutesLater(30))
  const page = Array.from({ length: 500 }, () => overdueTask(aTask()))
  let pages = 0
  const store = { ...world.store, overdue: async () => (pages++, page) }
  await reconcile({ ...world.deps, store })
  expect(pages).toBe(100)
})

test('a worker that lost its lease ends its pass: another one is at it', async () => {
  const page = Array.from({ length: 500 }, () => overdueTask(aTask()))
  const world = aWorld([], minutesLater(30))
  let pages = 0
  const store = {
    ...world.store,
    overdue: async () => (pages++, page),
    exclusively: <T>(work: (lease: Lease) => Promise<T>): Promise<T | null> => work({ isHeld: () => pages < 3 }),
  }
  const old = someOldDetails({ names: 3 })
  await reconcile({ ...world.deps, store, old })
  expect([pages, old.left.names]).toEqual([3, 3])
})

test('while another worker is at it, nothing happens', async () => {
  const world = aWorld([aTask()], minutesLater(30))
  expect(await reconcile({ ...world.deps, store: { ...world.store, exclusively: async () => null } })).toBeNull()
  expect(world.asked).toEqual([])
  expect(world.events.lines).toEqual([])
})

test('a task whose every poll was refused until its deadline is stopped, with the refusal', async () => {
  const problem = { ...aProblem('400002'), since: minutesLater(3), polls: 4 }
  const task = aTask({ pollNo: 4, problem })
  const world = aWorld([task], task.deadlineAt)
  expect(await reconcile(world.deps)).toEqual({ ...NOTHING_RESTORED, ended: 1 })
  expect(world.rows.row()).toMatchObject({ status: 'stopped', reason: aProblem('400002') })
  expect(world.events.lines).toContain('ended stopped parameters')
})

test('a task that DingTalk refuses is not ended before its deadline', async () => {
  const problem = { ...aProblem('400002'), since: minutesLater(3), polls: 4 }
  const world = aWorld([aTask({ pollNo: 4, problem })], minutesLater(24 * 60 - 1))
  expect(await reconcile(world.deps)).toMatchObject({ ended: 0, added: 1 })
  expect(world.rows.row()?.status).toBe('tracking')
})
