import { expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { buildTiming } from '../../src/domain/poll-times.ts'
import type { DeliveryStore, Scheduled, UnscheduledTask } from '../../src/polling/ports.ts'
import { schedule } from '../../src/polling/schedule-tasks.ts'
import { growingPlanner } from '../support/planner.ts'
import { keyOf, minutesLater, notes, SENT, someTimers, TIMING } from './support.ts'

const plansAt = (at: Date, timing = TIMING) => ({ timing, now: () => at, planner: growingPlanner(timing, () => at) })

/** Tasks that came in through the ways to enqueue and that no worker has planned yet. */
function newcomers(count: number, columns: Partial<UnscheduledTask> = {}) {
  const unplanned = new Map<string, UnscheduledTask>()
  const task = (key: TaskKey): UnscheduledTask => ({
    ...{ key, campaign: null, sentAt: SENT, sentAtGiven: true, people: 0, pollOffsetsMs: null, admitted: true, resumed: false },
    ...columns,
  })
  for (let i = 1; i <= count; i++) unplanned.set(String(i), task(keyOf(i)))
  const store: Pick<DeliveryStore, 'schedule' | 'unschedule'> = {
    async schedule(plan, limit) {
      const claimed = [...unplanned.values()].slice(0, limit)
      for (const { key } of claimed) unplanned.delete(key.taskId)
      return Promise.all(
        claimed.map(async (each): Promise<Scheduled> => {
          const { deadlineAt, first } = await plan(each)
          return { key: each.key, deadlineAt, poll: first, resumed: each.resumed }
        }),
      )
    },
    async unschedule(keys: readonly TaskKey[]) {
      for (const key of keys) unplanned.set(key.taskId, task(key))
    },
  }
  return { store, left: () => unplanned.size }
}

test('every new task gets one timer, in bounded batches', async () => {
  const { store, left } = newcomers(1_200)
  const timers = someTimers()
  const events = notes()
  expect(await schedule({ store, timers, ...plansAt(SENT), events })).toBe(1_200)
  expect(timers.batches).toEqual([500, 500, 200])
  expect(new Set(timers.timers.map((timer) => timer.key.taskId)).size).toBe(1_200)
  expect(left()).toBe(0)
  expect(events.lines).toEqual(['scheduled 500', 'scheduled 500', 'scheduled 200'])
})

test('nothing new is nothing to do', async () => {
  const timers = someTimers()
  const events = notes()
  expect(await schedule({ store: newcomers(0).store, timers, ...plansAt(SENT), events })).toBe(0)
  expect(timers.batches).toEqual([])
  expect(events.lines).toEqual([])
})

test('a queue that refuses gives the tasks back, and the next call takes them', async () => {
  const { store, left } = newcomers(700)
  const timers = someTimers()
  const deps = { store, ...plansAt(SENT), events: notes() }
  const refusing = { ...timers, set: () => Promise.reject(new Error('no queue')) }
  await expect(schedule({ ...deps, timers: refusing })).rejects.toThrow('no queue')
  expect(left()).toBe(700)
  expect(await schedule({ ...deps, timers })).toBe(700)
  expect(new Set(timers.timers.map((timer) => timer.key.taskId)).size).toBe(700)
})

test('the error of the queue is reported even when the tasks cannot be unscheduled', async () => {
  const { store } = newcomers(1)
  const deps = { ...plansAt(SENT), events: notes() }
  const broken = { ...store, unschedule: () => Promise.reject(new Error('no database either')) }
  const refusal = schedule({ ...deps, store: broken, timers: { ...someTimers(), set: () => Promise.reject(new Error('no queue')) } })
  await expect(refusal).rejects.toThrow('no queue')
})

test('a task that is sent too long ago fires at once, and is ended then', async () => {
  const now = new Date(SENT.getTime() + 30 * 3_600_000)
  const timers = someTimers()
  await schedule({ store: newcomers(1).store, timers, ...plansAt(now), events: notes() })
  expect(timers.timers[0]?.poll.at).toEqual(now)
})

test('a task that was brought forward is polled at once, whatever its plan says, and its timer is moved rather than set', async () => {
  const now = minutesLater(60)
  const timers = someTimers()
  await schedule({ store: newcomers(2, { resumed: true }).store, timers, ...plansAt(now), events: notes() })
  expect(timers.moved.map(({ key, poll }) => [key.taskId, poll])).toEqual([
    ['1', { at: now, last: false }],
    ['2', { at: now, last: false }],
  ])
  expect(timers.batches).toEqual([2])
})

test('in the last minutes that poll is the final one', async () => {
  const now = minutesLater(24 * 60 - 4)
  const timers = someTimers()
  await schedule({ store: newcomers(1, { resumed: true }).store, timers, ...plansAt(now), events: notes() })
  expect(timers.moved[0]?.poll).toEqual({ at: now, last: true })
})

test('a queue that cannot move the timers is reported, and the tasks are unscheduled', async () => {
  const { store, left } = newcomers(3, { resumed: true })
  const timers = { ...someTimers(), restore: () => Promise.reject(new Error('no queue')) }
  await expect(schedule({ store, timers, ...plansAt(SENT), events: notes() })).rejects.toThrow('no queue')
  expect(left()).toBe(3)
})

test('a task whose send time was assumed is planned for that', async () => {
  const plan = async (sentAtGiven: boolean): Promise<Date | undefined> => {
    const timers = someTimers()
    await schedule({ store: newcomers(1, { sentAtGiven }).store, timers, ...plansAt(SENT, ASSUMED_DIFFERS), events: notes() })
    return timers.timers[0]?.poll.at
  }
  expect(await plan(true)).not.toEqual(await plan(false))
})

/** With two polls the first one is soon where the send time is known, and in the middle of the window where it was assumed. */
const ASSUMED_DIFFERS = buildTiming(2)
