import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOUR_MS, QUERY_WINDOW_MS } from '../../src/domain/delivery.ts'
import { buildTiming } from '../../src/domain/poll-times.ts'
import { createTaskPlanner } from '../../src/polling/plan-tasks.ts'
import type { UnscheduledTask } from '../../src/polling/ports.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { createResuming } from '../../src/store/resume.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aRequest } from './support/polls.ts'

const TIMING = buildTiming(24)
const now = (): Date => new Date()

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

let apps = 0
const anApp = (): string => `budget${++apps}`

/** Tasks that were sent now. */
async function track(app: string, count: number, sentAt = now()): Promise<string[]> {
  const requests = Array.from({ length: count }, () => aRequest({ app, sentAt }))
  await db.store.track(requests)
  return requests.map(({ taskId }) => taskId)
}

function planWithin(monthlyBudget: number) {
  const planner = createTaskPlanner({ timing: TIMING, now, limitsOf: () => ({ monthlyBudget }) })
  return (task: UnscheduledTask) => planner.plan(task)
}

/** In the middle of a month. */
const callClock = { at: now(), shows: new Date('2027-01-15T04:00:00Z'), scale: 1 }
const storeOf = (clock = callClock) => createDeliveryStore(db, { callClock: clock })

const rowOf = async (app: string) =>
  (
    await db.pool.query<{ admitted: boolean; delay_code: string | null; polls: number; placed: string }>(
      `SELECT admitted, delay_code, cardinality(poll_offsets) AS polls, plan ->> 'placedBy' AS placed FROM delivery_task_rates WHERE app = $1 ORDER BY task_id::bigint`,
      [app],
    )
  ).rows

test('a task is admitted while the budget has a call for its final poll; the others wait for what is left, and say why', async () => {
  const app = anApp()
  await track(app, 4)
  await storeOf().schedule(planWithin(3), 10)
  const admitted = { admitted: true, delay_code: null, polls: 24, placed: 'growing' }
  const refused = { admitted: false, delay_code: 'call_budget', polls: 1, placed: 'not_admitted' }
  expect(await rowOf(app)).toEqual([admitted, admitted, refused, refused])
})

test('many workers that schedule at once admit no more than one would, and ordinary calls leave what is reserved', async () => {
  const app = anApp()
  const ids = await track(app, 60)
  const isWaiting = async (): Promise<boolean> =>
    (await db.pool.query('SELECT FROM delivery_task WHERE app = $1 AND scheduled_at IS NULL', [app])).rowCount !== 0
  const work = async (store = storeOf()): Promise<void> => {
    while (await isWaiting()) await store.schedule(planWithin(20), 7)
  }
  await Promise.all([work(), work(), work()])
  const rows = await rowOf(app)
  expect(rows).toHaveLength(ids.length)
  // With a tenth for retries, 18 reserved calls are 20.
  expect(rows.filter(({ admitted }) => admitted)).toHaveLength(18)
  const limiter = createRateLimiter(db, { callClock })
  const limits = { callsPerSecond: 100_000, monthlyBudget: 20 }
  expect(await limiter.reserve(app, { ordinary: 5, reserved: 0, forced: 0 }, limits)).toMatchObject({ kind: 'budget', reserved: 18 })
  expect(await limiter.reserve(app, { ordinary: 0, reserved: 18, forced: 0 }, limits)).toMatchObject({ kind: 'granted', reserved: 18 })
})

test('a task whose window is open in the next month is polled then', async () => {
  const app = anApp()
  // The month ends in two hours; what is left of it is nothing.
  const clock = { at: now(), shows: new Date('2027-01-31T14:00:00Z'), scale: 1 }
  await createRateLimiter(db, { callClock: clock }).reserve(
    app,
    { ordinary: 1, reserved: 0, forced: 0 },
    { callsPerSecond: 100, monthlyBudget: 1 },
  )
  const [early, late] = [await track(app, 1, new Date(now().getTime() - 20 * HOUR_MS)), await track(app, 2)]
  await storeOf(clock).schedule(planWithin(1), 10)
  const { rows } = await db.pool.query<{ task_id: string; admitted: boolean; in_ms: number }>(
    `SELECT task_id, admitted, extract(epoch FROM next_poll_at - now())::float8 * 1000 AS in_ms FROM delivery_task_rates WHERE app = $1 ORDER BY task_id::bigint`,
    [app],
  )
  // The final poll of the first one is four hours from now, so in the next month as well: it has the one call of that.
  expect(rows.map(({ task_id: id, admitted }) => [id, admitted])).toEqual([
    [early[0], true],
    [late[0], false],
    [late[1], false],
  ])
  for (const { in_ms: inMs } of rows.slice(1)) expect(Math.abs(inMs - 2 * HOUR_MS)).toBeLessThan(3 * 60_000)
})

test('a task that was admitted keeps its plan and its call when it is brought forward', async () => {
  const app = anApp()
  const [taskId = ''] = await track(app, 1)
  await storeOf().schedule(planWithin(1), 10)
  const before = await db.store.load({ app, taskId })
  await db.pool.query('UPDATE delivery_task SET scheduled_at = NULL, resumed = true WHERE app = $1', [app])
  await track(app, 1)
  await storeOf().schedule(planWithin(1), 10)
  expect(await db.store.load({ app, taskId })).toMatchObject({ admitted: true, pollOffsetsMs: before?.pollOffsetsMs, delay: null })
  expect((await rowOf(app)).map(({ admitted }) => admitted)).toEqual([true, false])
})

test('a sender who corrects the send time gets a new plan', async () => {
  const app = anApp()
  const request = aRequest({ app, sentAt: now() })
  await db.store.track([request])
  await storeOf().schedule(planWithin(100), 10)
  const sentAt = new Date(now().getTime() - 3 * HOUR_MS)
  expect(await db.store.track([{ ...request, sentAt }])).toMatchObject([{ updated: ['sentAt'] }])
  const { rows } = await db.pool.query('SELECT poll_offsets, plan FROM delivery_task_rates WHERE app = $1', [app])
  expect(rows).toEqual([{ poll_offsets: null, plan: null }])
  await storeOf().schedule(planWithin(100), 10)
  const task = await db.store.load({ app, taskId: request.taskId })
  expect(task?.pollOffsetsMs).toHaveLength(24)
  expect(task?.pollOffsetsMs?.at(-1)).toBeGreaterThan(QUERY_WINDOW_MS - 13 * 60_000)
})

test('a refused task asks again when it is resumed: after the budget was raised it is planned like a new one', async () => {
  const app = anApp()
  const [, taskId = ''] = await track(app, 2)
  await storeOf().schedule(planWithin(1), 10)
  const resuming = createResuming(db.prisma)
  const refused = { admitted: false, delay_code: 'call_budget', polls: 1, placed: 'not_admitted' }
  expect((await rowOf(app))[1]).toEqual(refused)

  expect(await resuming.task({ app, taskId })).toEqual({ isWithoutBudget: true })
  await storeOf().schedule(planWithin(1), 10)
  expect((await rowOf(app))[1]).toEqual(refused)

  expect(await resuming.app(app)).toEqual({ app, tasks: 1, tasksWithoutBudget: 1 })
  await storeOf().schedule(planWithin(10), 10)
  expect((await rowOf(app))[1]).toEqual({ admitted: true, delay_code: null, polls: 24, placed: 'growing' })
})
