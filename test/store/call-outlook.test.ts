import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { buildTiming } from '../../src/domain/poll-times.ts'
import { createTaskPlanner } from '../../src/polling/plan-tasks.ts'
import { createCallOutlooks } from '../../src/store/call-outlook.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aRequest, loaded, planFor } from './support/polls.ts'

const DAY_MS = 24 * HOUR_MS
const NOW = new Date()
const ago = (ms: number): Date => new Date(NOW.getTime() - ms)
/** In the middle of a month. */
const callClock = { at: NOW, shows: new Date('2027-01-15T04:00:00Z'), scale: 1 }
/** Hour 0 is the one that ends now. */
const hours = { originAt: ago(HOUR_MS), lengthMs: HOUR_MS }
const question = { budget: 4_000, hours, sinceHour: null }

let db: TestStore
beforeAll(async () => {
  db = await openTestStore({ max: 1 })
})
afterAll(() => db.close())

let apps = 0
const anApp = (): string => `outlook${++apps}`

const planner = createTaskPlanner({ timing: buildTiming(24), now: () => new Date(), limitsOf: () => ({ monthlyBudget: null }) })

async function track(app: string, sentAt: Date, userIds: readonly string[] | null = null): Promise<string> {
  const request = aRequest({ app, sentAt, userIds })
  await db.store.track([request])
  return request.taskId
}

const scheduleAll = (): Promise<unknown> => db.store.schedule((task) => planner.plan(task), 10_000)
const outlookOf = (app: string, { sinceHour = null }: { readonly sinceHour?: number | null } = {}) =>
  createCallOutlooks(db, callClock).read(app, { ...question, sinceHour })

test('an app without tasks has its whole budget, and a month', async () => {
  const outlook = await outlookOf(anApp())
  expect(outlook).toMatchObject({ used: 0, finalPolls: 0, open: { tasks: 0, sample: [] }, waiting: 0, isOld: false, sent: [], recent: [] })
  // 2027-01-01 00:00 in China is fourteen and a half days before the clock's moment.
  expect(Math.abs(outlook.month.startsAt.getTime() - ago(14.5 * DAY_MS).getTime())).toBeLessThan(10)
  expect(Math.abs(outlook.month.endsAt.getTime() - ago(-16.5 * DAY_MS).getTime())).toBeLessThan(10)
})

test('a clock that runs a thousand times as fast has months that are as much shorter', async () => {
  const { month } = await createCallOutlooks(db, { ...callClock, at: new Date(), scale: 1_000 }).read(anApp(), question)
  expect((month.endsAt.getTime() - month.startsAt.getTime()) / (31 * DAY_MS)).toBeCloseTo(0.001, 6)
})

test('open tasks come with their plans and with those who have not read; others wait', async () => {
  const app = anApp()
  const [unnamed, named] = [await track(app, ago(MINUTE_MS)), await track(app, ago(2 * HOUR_MS), ['ann', 'bob', 'cho'])]
  await scheduleAll()
  await db.store.apply(planFor(await loaded(db.store, { app, taskId: named }), { read: ['ann'], unread: ['bob', 'cho'] }, 70))
  await track(app, ago(MINUTE_MS))
  await track(anApp(), ago(MINUTE_MS))
  const { open, waiting, sent, recent, finalPolls } = await outlookOf(app)
  expect(open.tasks).toBe(2)
  const { pollOffsetsMs } = await loaded(db.store, { app, taskId: unnamed })
  expect(open.sample).toEqual([
    { sentAt: ago(MINUTE_MS), unread: 1, pollOffsetsMs },
    { sentAt: ago(2 * HOUR_MS), unread: 2, pollOffsetsMs: expect.any(Array) },
  ])
  expect(pollOffsetsMs).toHaveLength(24)
  // The one that waits is not among those that were sent.
  expect({ waiting, finalPolls }).toEqual({ waiting: 1, finalPolls: 2 })
  expect(sent.toSorted((a, b) => a.hour - b.hour)).toEqual([
    { hour: -1, tasks: 1 },
    { hour: 0, tasks: 1 },
  ])
  // The size of the unnamed one is not known.
  expect(recent).toEqual([{ sentAt: ago(2 * HOUR_MS), people: 3 }])
  expect(await createCallOutlooks(db).recentTasks(app)).toEqual(recent)
})

test('calls count in the month of the clock by which the limiter counts them', async () => {
  const app = anApp()
  const limits = { callsPerSecond: 100, monthlyBudget: 100 }
  await createRateLimiter(db, { callClock }).reserve(app, { ordinary: 7, reserved: 0, forced: 0 }, limits)
  expect((await outlookOf(app)).used).toBe(7)
  const february = createCallOutlooks(db, { ...callClock, shows: new Date('2027-02-15T04:00:00Z') })
  expect((await february.read(app, question)).used).toBe(0)
})

test('a plan of an earlier version is no plan, and a task that has ended is not open', async () => {
  const app = anApp()
  const [kept, over] = [await track(app, ago(MINUTE_MS)), await track(app, ago(MINUTE_MS))]
  await scheduleAll()
  await db.pool.query('UPDATE delivery_task SET poll_offsets = NULL WHERE app = $1 AND task_id = $2', [app, kept])
  await db.store.cancel({ app, taskId: over })
  const { open, sent } = await outlookOf(app)
  expect(open).toEqual({ tasks: 1, sample: [{ sentAt: ago(MINUTE_MS), unread: 1, pollOffsetsMs: null }] })
  expect(sent).toEqual([{ hour: 0, tasks: 2 }])
})

test('of many open tasks some are read, evenly chosen', async () => {
  const app = anApp()
  const requests = Array.from({ length: 700 }, (_, i) => aRequest({ app, sentAt: ago(i * 1_000) }))
  await db.store.track(requests)
  await scheduleAll()
  const { open } = await outlookOf(app)
  expect(open.tasks).toBe(700)
  expect(open.sample.length).toBeGreaterThan(150)
  expect(open.sample.length).toBeLessThanOrEqual(200)
  const meanAgeMs = open.sample.reduce((sum, { sentAt }) => sum + NOW.getTime() - sentAt.getTime(), 0) / open.sample.length
  expect(Math.abs(meanAgeMs - 350_000)).toBeLessThan(10_000)
})

test('sends are counted from 28 days before the month, or from an hour; older ones are said to be there', async () => {
  const app = anApp()
  const ages = [0.5 * HOUR_MS, 5.5 * HOUR_MS, 42 * DAY_MS - HOUR_MS / 2, 43 * DAY_MS]
  await insertOld(
    app,
    ages.map((ms, i) => ({ taskId: `sent${i}`, sentAt: ago(ms) })),
  )
  const whole = await outlookOf(app)
  expect(whole.isOld).toBe(true)
  expect(whole.sent.map(({ hour }) => hour).toSorted((a, b) => a - b)).toEqual([1 - 42 * 24, -5, 0])
  expect((await outlookOf(app, { sinceHour: -2 })).sent).toEqual([{ hour: 0, tasks: 1 }])
})

/** As tasks stand there that ended long ago: `track` refuses old ones. */
async function insertOld(app: string, tasks: ReadonlyArray<{ readonly taskId: string; readonly sentAt: Date }>): Promise<void> {
  await db.pool.query(
    `INSERT INTO delivery_task (app, task_id, sent_at, deadline_at, scheduled_at, status, finished_at, recipients_known, read)
     SELECT $1, task_id, sent_at, sent_at + interval '1 day', sent_at, 'expired', sent_at + interval '1 day', true, 10
     FROM unnest($2::text[], $3::timestamptz[]) AS task (task_id, sent_at)`,
    [app, tasks.map(({ taskId }) => taskId), tasks.map(({ sentAt }) => sentAt)],
  )
}

test('the cost does not grow with the years: tasks before the history are not read', async () => {
  const app = anApp()
  const others = Array.from({ length: 20_000 }, (_, i) => ({ taskId: `old${i}`, sentAt: ago(60 * DAY_MS + i * 30 * MINUTE_MS) }))
  await insertOld(anApp(), others)
  const newer = Array.from({ length: 200 }, (_, i) => ({ taskId: `new${i}`, sentAt: ago(i * HOUR_MS) }))
  await insertOld(app, newer)
  await db.pool.query('ANALYZE delivery_task')
  const before = await rowsRead()
  expect((await outlookOf(app)).sent).toHaveLength(200)
  expect((await rowsRead()) - before).toBeLessThan(5_000)
})

async function rowsRead(): Promise<number> {
  await db.pool.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await db.pool.query<{ reads: number }>(
    `SELECT (seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'delivery_task'))::double precision AS reads
     FROM pg_stat_user_tables WHERE relname = 'delivery_task'`,
  )
  return rows[0]?.reads ?? Number.NaN
}
