import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openTestStore, type TestStore } from './support/database.ts'
import { aDelay, adoptAll, aRequest, loaded, minutesLater, planFor } from './support/polls.ts'

const TASKS = 1_500
const requests = Array.from({ length: TASKS }, () => aRequest())

let db: TestStore
beforeAll(async () => {
  // One connection, so that its own statistics are complete when it asks for them.
  db = await openTestStore({ max: 1 })
  await db.store.track(requests)
  await adoptAll(db.store, TASKS)
})
afterAll(() => db.close())

/** How many rows and index entries of the tasks were read since the beginning. */
async function reads({ pool }: TestStore): Promise<number> {
  await pool.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await pool.query<{ reads: number }>(
    `SELECT (seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'delivery_task'))::double precision AS reads
     FROM pg_stat_user_tables WHERE relname = 'delivery_task'`,
  )
  return rows[0]?.reads ?? Number.NaN
}

/** Rows read by what may touch so many tasks only. The table was filled a moment ago, so the planner's statistics know nothing of it. */
async function readsOf(work: () => Promise<unknown>, of: TestStore = db): Promise<number> {
  const before = await reads(of)
  await work()
  return (await reads(of)) - before
}

test('a batch of polls reads its own tasks, and not every open one', async () => {
  const some = requests.slice(0, 100)
  const tasks = await Promise.all(some.map((request) => loaded(db.store, request)))
  const plans = tasks.map((task) => planFor(task, { unread: ['ann', 'bob'] }, 5))
  const cost = await readsOf(() => Promise.all(plans.map((plan) => db.store.apply(plan))))
  // Its lock, its update and five foreign keys, each over a few versions of the row; a scan would be 1,500.
  expect(cost / some.length).toBeLessThanOrEqual(30)
})

test('so do loading, delaying and ending', async () => {
  const some = requests.slice(200, 300)
  const loading = await readsOf(() => Promise.all(some.map((request) => db.store.load(request))))
  const delaying = await readsOf(() => Promise.all(some.map((request) => db.store.delay(request, { pollNo: 0 }, aDelay(minutesLater(30))))))
  const cancelling = await readsOf(() => db.store.cancel(requests[300] ?? aRequest()))
  expect(loading / some.length).toBeLessThanOrEqual(10)
  expect(delaying / some.length).toBeLessThanOrEqual(10)
  expect(cancelling).toBeLessThanOrEqual(10)
})

test('tracking reads its own tasks, also in a session that planned while there were few', async () => {
  const small = await openTestStore({ max: 1 })
  onTestFinished(() => small.close())
  const track = (from: number, to: number): Promise<unknown> =>
    small.pool.query(
      "SELECT track_delivery(task_id => task::text, user_ids => ARRAY['ann'], campaign => 'one') FROM generate_series($1::integer, $2::integer) AS task",
      [from, to],
    )
  await track(1, 30)
  await small.pool.query('ANALYZE')
  await track(31, 40)
  const cost = await readsOf(() => track(41, 540), small)
  const again = await readsOf(() => track(41, 540), small)
  expect(cost / 500).toBeLessThanOrEqual(30)
  expect(again / 500).toBeLessThanOrEqual(30)
})
