import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { createOldDetails, keepFigures } from '../../src/store/maintenance.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { everything, figures } from './support/personal-data.ts'
import { aRequest, aTask, lookAt } from './support/polls.ts'

let db: TestStore
let old: ReturnType<typeof createOldDetails>
beforeAll(async () => {
  // One connection, so that its own statistics are complete when it asks for them.
  db = await openTestStore({ max: 1 })
  old = createOldDetails(db)
})
afterAll(() => db.close())
afterEach(async () => {
  await db.pool.query('TRUNCATE delivery_task CASCADE')
  await db.pool.query('TRUNCATE delivery_campaign, delivery_campaign_change, delivery_erasure, delivery_campaign_salt')
})

const DAY_MS = 86_400_000
const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS)

/** A task that ended so many days ago, as far as anybody can tell. */
async function aTaskOf(
  days: number,
  people: readonly string[],
  campaign: string | null = null,
): Promise<{ readonly taskId: string; readonly app: string }> {
  const { key } = await aTask(db.store, { userIds: people, campaign })
  await lookAt(db.store, key, { unread: people }, 5)
  await lookAt(db.store, key, { read: people.slice(1), unread: people.slice(0, 1) }, 9)
  await db.store.cancel(key)
  await db.pool.query('UPDATE delivery_task SET finished_at = $2 WHERE task_id = $1', [key.taskId, daysAgo(days)])
  return key
}

const NAMES = ['ann-zq1', 'bob-zq2', 'cid-zq3']
const [ANN = '', BOB = '', CID = ''] = NAMES

async function salts(): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>('SELECT count(*)::integer AS count FROM delivery_campaign_salt')
  return rows[0]?.count ?? -1
}

async function expectSame(before: Awaited<ReturnType<typeof figures>>, when: string): Promise<void> {
  expect(await figures(db.pool), when).toEqual(before)
  await keepFigures(db)
  expect(await figures(db.pool), `${when}, settled`).toEqual(before)
}

test('the names of old tasks go, those of younger and of open ones stay, and so does every figure', async () => {
  const [first, young] = [await aTaskOf(91, [ANN, BOB]), await aTaskOf(89, [CID])]
  const open = await aTask(db.store, { userIds: ['dan-zq4'] })
  const before = await figures(db.pool)
  expect(await old.removeNames(daysAgo(90), 50)).toBe(1)
  const stored = await everything(db.pool)
  expect([ANN, BOB, CID, 'dan-zq4'].map((name) => stored.includes(name))).toEqual([false, false, true, true])
  await expectSame(before, 'names removed')
  const rates = createRateReader(db)
  expect((await rates.task(first)).namesRemovedAt).toBeInstanceOf(Date)
  for (const key of [young, open.key]) expect((await rates.task(key)).namesRemovedAt).toBeNull()
  expect(await old.removeNames(daysAgo(90), 50), 'once').toBe(0)
})

test('a person in tasks of one campaign that grow old at different times is one person at every moment', async () => {
  // ann is in all of them, with another state in each.
  const keys = [await aTaskOf(300, [ANN, BOB], 'one'), await aTaskOf(200, [CID, ANN], 'one'), await aTaskOf(100, [ANN, CID, BOB], 'one')]
  await keepFigures(db)
  const before = await figures(db.pool)
  for (const [i, days] of [250, 150, 90].entries()) {
    expect(await old.removeNames(daysAgo(days), 50)).toBe(1)
    await expectSame(before, `after ${i + 1} of 3`)
    // While there are names left, their pseudonyms must come out the same again; with the last name nobody can make them any more.
    expect(await salts()).toBe(i < 2 ? 1 : 0)
  }
  const stored = await everything(db.pool)
  for (const name of NAMES) expect(stored).not.toContain(name)
  const people = await Promise.all(keys.map((key) => createRateReader(db).recipients(key, {})))
  expect(new Set(people.flat().map(({ userId }) => userId)).size).toBe(3)
  const { rows } = await db.pool.query('SELECT user_id FROM delivery_state_changes EXCEPT SELECT user_id FROM delivery_recipient_status')
  expect(rows).toEqual([])
})

test('the list of people of such a campaign has each once, page by page', async () => {
  await aTaskOf(300, [ANN, BOB], 'one')
  await aTaskOf(10, [ANN, CID], 'one')
  await old.removeNames(daysAgo(90), 50)
  const rates = createRateReader(db)
  const first = await rates.campaignRecipients({ campaign: 'one' }, { limit: 2 })
  const second = await rates.campaignRecipients({ campaign: 'one' }, { limit: 2, cursor: first.nextCursor ?? '' })
  expect([...first.items, ...second.items].map(({ tasks, state }) => `${tasks} ${state}`).sort()).toEqual(['1 read', '1 read', '2 unread'])
  expect((await rates.campaign({ campaign: 'one' })).namesRemovedAt).toBeInstanceOf(Date)
})

test('somebody is erased whose older tasks have no names any more: still one person, and not to be recomputed', async () => {
  await aTaskOf(300, [ANN, BOB], 'one')
  await aTaskOf(10, [CID, ANN], 'one')
  const before = await figures(db.pool)
  await old.removeNames(daysAgo(90), 50)
  const pseudonym = await beginErasure(db, { userId: ANN, app: null })
  expect(await erasePerson(db, { userId: ANN, app: null }, pseudonym)).toEqual({ tasks: 2, people: 0 })
  await expectSame(before, 'erased')
  const { rows } = await db.pool.query('SELECT count(*)::integer AS tasks FROM delivery_recipient WHERE user_id = $1', [pseudonym])
  expect(rows).toEqual([{ tasks: 2 }])
})

test('tasks without a campaign have nothing in common: one name has another pseudonym in each', async () => {
  await aTaskOf(300, [ANN])
  await aTaskOf(300, [ANN])
  expect(await old.removeNames(daysAgo(90), 50)).toBe(2)
  const { rows } = await db.pool.query('SELECT DISTINCT user_id FROM delivery_recipient')
  expect(rows).toHaveLength(2)
})

test('tasks go whole when their totals are old as well, and campaigns are counted without them', async () => {
  await aTaskOf(500, [ANN, BOB], 'one')
  const younger = await aTaskOf(300, [CID], 'one')
  await keepFigures(db)
  expect(await old.removeTasks(daysAgo(400), 50), 'names first').toBe(0)
  await old.removeNames(daysAgo(90), 50)
  expect(await old.removeTasks(daysAgo(400), 50)).toBe(1)
  const { rows } = await db.pool.query('SELECT task_id FROM delivery_task_rates')
  expect(rows).toEqual([{ task_id: younger.taskId }])
  for (const table of ['delivery_recipient', 'delivery_poll', 'delivery_transition'])
    expect((await db.pool.query(`SELECT FROM ${table} LEFT JOIN delivery_task ON id = task_pk WHERE id IS NULL`)).rowCount).toBe(0)
  expect((await db.pool.query('SELECT tasks, targeted FROM delivery_campaign_rates')).rows).toEqual([{ tasks: 1, targeted: 1 }])
})

test("tasks go whatever the database's default isolation is", async () => {
  await aTaskOf(500, [ANN, BOB])
  await old.removeNames(daysAgo(90), 50)
  const pool = new pg.Pool({ connectionString: db.url, options: '-c default_transaction_isolation=serializable', max: 1 })
  onTestFinished(() => pool.end())
  expect(await createOldDetails({ ...db, pool }).removeTasks(daysAgo(400), 50)).toBe(1)
  expect((await db.pool.query('SELECT FROM delivery_recipient')).rowCount).toBe(0)
})

test('digests of erased people are forgotten', async () => {
  await beginErasure(db, { userId: ANN, app: null })
  await old.forgetErasures(daysAgo(1))
  expect((await db.pool.query('SELECT FROM delivery_erasure')).rowCount).toBe(1)
  await old.forgetErasures(new Date(Date.now() + 1_000))
  expect((await db.pool.query('SELECT FROM delivery_erasure')).rowCount).toBe(0)
})

test('a batch takes the longest ended, at most so many, and a pass with nothing to do reads nearly nothing', async () => {
  await db.store.track(Array.from({ length: 3_000 }, () => aRequest({ userIds: [ANN] })))
  await db.pool.query(`
    UPDATE delivery_task SET status = 'expired', next_poll_at = NULL, finished_at = now() - make_interval(days => CASE WHEN id % 100 = 0 THEN 100 ELSE 10 END);
    UPDATE delivery_task SET names_removed_at = now(), finished_at = finished_at - interval '100 days' WHERE id % 2 = 0 AND id % 100 <> 0;
    ANALYZE`)
  expect(await readsOf(() => old.removeNames(daysAgo(90), 20))).toBeLessThan(20 * 30)
  expect(await old.removeNames(daysAgo(90), 50)).toBe(10)
  expect(await readsOf(() => old.removeNames(daysAgo(90), 50))).toBeLessThan(100)
  expect(await readsOf(() => old.removeTasks(daysAgo(400), 50))).toBeLessThan(100)
})

/** Rows and index entries read of all tables. */
async function readsOf(work: () => Promise<unknown>): Promise<number> {
  const reads = async (): Promise<number> => {
    await db.pool.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await db.pool.query<{ reads: number }>(
      `SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes))::double precision AS reads`,
    )
    return rows[0]?.reads ?? Number.NaN
  }
  const before = await reads()
  await work()
  return (await reads()) - before
}
