import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HOUR_MS } from '../../src/domain/delivery.ts'
import type { CallClock } from '../../src/store/call-clock.ts'
import { readCallMonths } from '../../src/store/call-months.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { openTestStore, type TestStore } from './support/database.ts'

const DAY_MS = 24 * HOUR_MS

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

let apps = 0
let tasks = 1_000
const anApp = (): string => `month${++apps}`

/** Midday of 15 January in China. */
const MIDDAY = new Date('2027-01-15T04:00:00Z')
const showing = (shows: Date, scale = 1): CallClock => ({ at: new Date(), shows, scale })

async function monthOf(app: string, clock: CallClock | null = showing(MIDDAY), budget = 100) {
  const [given] = await readCallMonths(db, new Map([[app, budget]]), clock)
  if (given === undefined) throw new Error('an app with a budget has a line')
  return given
}

async function call(app: string, calls: number, clock: CallClock): Promise<string> {
  const limits = { callsPerSecond: 100_000, monthlyBudget: 1_000 }
  const limiter = createRateLimiter(db, { callClock: clock })
  const granted = await limiter.reserve(app, { ordinary: calls, reserved: 0, forced: 0 }, limits)
  if (granted.kind !== 'granted') throw new Error(`${granted.kind} instead of ${calls} calls`)
  expect(granted.ordinary).toBe(calls)
  return granted.month
}

/** A task that was sent so many hours ago and is polled at hours after its send. */
async function aTask(
  app: string,
  { sentHours, pollHours, admitted = true }: { sentHours: number; pollHours: number[]; admitted?: boolean },
) {
  const taskId = String(++tasks)
  await db.pool.query(`SELECT track_delivery(task_id => $1, app => $2, sent_at => now() - make_interval(mins => $3))`, [
    ...[taskId, app, sentHours * 60],
  ])
  await db.pool.query(
    `UPDATE delivery_task SET scheduled_at = sent_at, deadline_at = sent_at + interval '24 hours', poll_offsets = $3, admitted = $4
     WHERE app = $1 AND task_id = $2`,
    [app, taskId, pollHours.map((hours) => hours * HOUR_MS), admitted],
  )
}

test('an app that made no call has all of its budget', async () => {
  expect(await monthOf(anApp())).toMatchObject({
    ...{ budget: 100, used: 0, finalPolls: 0, finalPollsNext: 0, planned: 0, refused: 0, month: '2027-01' },
    ...{ callsByDay: [], tasksInWeek: 0, firstSentAt: null, dayMs: DAY_MS },
  })
})

test('apps come by name, and none where no app has a budget', async () => {
  const lines = await readCallMonths(
    db,
    new Map([
      ['b', 2],
      ['a', 1],
    ]),
  )
  expect(lines.map(({ app, budget }) => [app, budget])).toEqual([
    ['a', 1],
    ['b', 2],
  ])
  expect(await readCallMonths(db, new Map())).toEqual([])
})

test('the month is that of the clock, from its start to its end', async () => {
  const { month, now, monthStartsAt, monthEndsAt } = await monthOf(anApp())
  expect(month).toBe('2027-01')
  // 14 and a half days of 31 are over.
  expect(Math.abs(now.getTime() - monthStartsAt.getTime() - 14.5 * DAY_MS)).toBeLessThan(60_000)
  expect(Math.abs(monthEndsAt.getTime() - now.getTime() - 16.5 * DAY_MS)).toBeLessThan(60_000)
})

describe('calls by day', () => {
  test('are those that were reserved, less those that were given back; a day without calls is 0', async () => {
    const app = anApp()
    const dayLater = (days: number): CallClock => showing(new Date(MIDDAY.getTime() + days * DAY_MS))
    const month = await call(app, 7, dayLater(0))
    await call(app, 2, dayLater(0))
    await createRateLimiter(db).refund(app, month, 4)
    await call(app, 3, dayLater(3))
    expect((await monthOf(app, dayLater(3))).callsByDay).toEqual([3, 0, 0, 5])
    expect(await monthOf(app, dayLater(4))).toMatchObject({ callsByDay: [0, 3, 0, 0, 5], used: 8 })
  })

  test('go on over the end of a month, where the calls used begin anew, and 28 are kept', async () => {
    const app = anApp()
    await call(app, 7, showing(MIDDAY))
    await call(app, 2, showing(new Date('2027-02-01T04:00:00Z')))
    const february = await monthOf(app, showing(new Date('2027-02-01T04:00:00Z')))
    expect(february).toMatchObject({ used: 2, month: '2027-02' })
    expect(february.callsByDay).toEqual([2, ...Array.from({ length: 16 }, () => 0), 7])
    await call(app, 1, showing(new Date('2027-05-01T04:00:00Z')))
    expect((await monthOf(app, showing(new Date('2027-05-01T04:00:00Z')))).callsByDay).toEqual([1, ...Array.from({ length: 27 }, () => 0)])
  })

  test('begin at midnight in China', async () => {
    const app = anApp()
    await call(app, 1, showing(new Date('2027-01-15T15:59:00Z')))
    await call(app, 2, showing(new Date('2027-01-15T16:01:00Z')))
    expect((await monthOf(app, showing(new Date('2027-01-15T16:02:00Z')))).callsByDay).toEqual([2, 1])
  })

  test('of a clock that stepped back are added to the last day', async () => {
    const app = anApp()
    await call(app, 1, showing(MIDDAY))
    await call(app, 2, showing(new Date(MIDDAY.getTime() - 3 * DAY_MS)))
    expect((await monthOf(app, showing(new Date(MIDDAY.getTime() - 3 * DAY_MS)))).callsByDay).toEqual([3])
  })
})

describe('open tasks', () => {
  test('have promised the polls that are ahead, and their final ones; refused ones have promised nothing', async () => {
    const app = anApp()
    await aTask(app, { sentHours: 2, pollHours: [1, 3, 23.8] })
    await aTask(app, { sentHours: 2, pollHours: [1, 4, 6, 23.8] })
    await aTask(app, { sentHours: 2, pollHours: [23.8], admitted: false })
    expect(await monthOf(app)).toMatchObject({ finalPolls: 2, planned: 5, refused: 1, tasksInWeek: 3 })
  })

  test('only so far as the month goes', async () => {
    const app = anApp()
    await aTask(app, { sentHours: 2, pollHours: [3, 23.8] })
    await aTask(app, { sentHours: 23, pollHours: [23.8] })
    // 12 hours before the month ends.
    expect(await monthOf(app, showing(new Date('2027-01-31T04:00:00Z')))).toMatchObject({ finalPolls: 1, finalPollsNext: 1, planned: 2 })
  })
})

test('tasks of the last week are counted, in the days of the clock, and the first of four weeks is found', async () => {
  const app = anApp()
  for (const sentHours of [1, 30, 24 * 8, 24 * 30]) await aTask(app, { sentHours, pollHours: [23.8] })
  const { now, firstSentAt, tasksInWeek } = await monthOf(app)
  expect(tasksInWeek).toBe(2)
  expect(Math.round((now.getTime() - (firstSentAt?.getTime() ?? 0)) / DAY_MS)).toBe(8)
  // A day of this clock is an hour: its week is 7 hours.
  expect(await monthOf(app, showing(MIDDAY, 24))).toMatchObject({ tasksInWeek: 1, dayMs: HOUR_MS })
})
