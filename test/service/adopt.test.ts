import { expect, test } from 'vitest'
import type { TaskKey } from '../../src/core/delivery.ts'
import type { DeliveryStore, Timer, Unplanned } from '../../src/core/ports.ts'
import { adopt } from '../../src/service/adopt.ts'
import { keyOf, notes, SENT, someTimers, TIMING } from './support.ts'

/** Tasks that came in through the doors and that no worker has planned yet. */
function newcomers(count: number, sentAt: Date = SENT) {
  const unplanned = new Map<string, Unplanned>()
  for (let i = 1; i <= count; i++) unplanned.set(String(i), { key: keyOf(i), sentAt })
  const store: Pick<DeliveryStore, 'adopt' | 'unadopt'> = {
    async adopt(plan, limit) {
      const claimed = [...unplanned.values()].slice(0, limit)
      for (const { key } of claimed) unplanned.delete(key.taskId)
      return claimed.map((task): Timer => {
        const { deadlineAt, first } = plan(task)
        return { key: task.key, deadlineAt, look: first }
      })
    },
    async unadopt(keys: readonly TaskKey[]) {
      for (const key of keys) unplanned.set(key.taskId, { key, sentAt })
    },
  }
  return { store, left: () => unplanned.size }
}

test('every new task gets one timer, in bounded batches', async () => {
  const { store, left } = newcomers(1_200)
  const timers = someTimers()
  const journal = notes()
  expect(await adopt({ store, timers, timing: TIMING, now: () => SENT, journal })).toBe(1_200)
  expect(timers.batches).toEqual([500, 500, 200])
  expect(new Set(timers.timers.map((timer) => timer.key.taskId)).size).toBe(1_200)
  expect(left()).toBe(0)
  expect(journal.lines).toEqual(['adopted 500', 'adopted 500', 'adopted 200'])
})

test('nothing new is nothing to do', async () => {
  const timers = someTimers()
  const journal = notes()
  expect(await adopt({ store: newcomers(0).store, timers, timing: TIMING, now: () => SENT, journal })).toBe(0)
  expect(timers.batches).toEqual([])
  expect(journal.lines).toEqual([])
})

test('a queue that refuses gives the tasks back, and the next call takes them', async () => {
  const { store, left } = newcomers(700)
  const timers = someTimers()
  const deps = { store, timing: TIMING, now: () => SENT, journal: notes() }
  const refusing = { set: () => Promise.reject(new Error('no queue')) }
  await expect(adopt({ ...deps, timers: refusing })).rejects.toThrow('no queue')
  expect(left()).toBe(700)
  expect(await adopt({ ...deps, timers })).toBe(700)
  expect(new Set(timers.timers.map((timer) => timer.key.taskId)).size).toBe(700)
})

test('why the queue refused is told even when the tasks cannot be given back', async () => {
  const { store } = newcomers(1)
  const deps = { timing: TIMING, now: () => SENT, journal: notes() }
  const broken = { ...store, unadopt: () => Promise.reject(new Error('no database either')) }
  const refusal = adopt({ ...deps, store: broken, timers: { set: () => Promise.reject(new Error('no queue')) } })
  await expect(refusal).rejects.toThrow('no queue')
})

test('a task that is sent too long ago rings at once, and is ended then', async () => {
  const now = new Date(SENT.getTime() + 30 * 3_600_000)
  const timers = someTimers()
  await adopt({ store: newcomers(1).store, timers, timing: TIMING, now: () => now, journal: notes() })
  expect(timers.timers[0]?.look.at).toEqual(now)
})
