import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { keepFigures } from '../../src/store/maintenance.ts'
import { openSession, openTestStore, recountCampaigns, type TestStore } from './support/database.ts'
import { aTask } from './support/polls.ts'

/** Two transactions that are open at once, one of which moves the task that the other writes to. */

let db: TestStore
let [mover, writer]: pg.Client[] = []
let ids: { readonly moving: string; readonly staying: string }

beforeAll(async () => {
  db = await openTestStore()
  mover = await openSession(db.url)
  writer = await openSession(db.url)
})
afterAll(async () => {
  await mover?.end()
  await writer?.end()
  await db.close()
})
afterEach(async () => {
  await db.pool.query('TRUNCATE delivery_task CASCADE')
  await db.pool.query('TRUNCATE delivery_campaign, delivery_campaign_change')
})

/** Two campaigns of one task, counted. */
async function arrange(): Promise<void> {
  await aTask(db.store, { campaign: 'from', userIds: ['ann', 'bob'] })
  await aTask(db.store, { campaign: 'to', userIds: ['ann'] })
  await recountCampaigns(db)
  const { rows } = await db.pool.query<{ id: string }>('SELECT id FROM delivery_task ORDER BY id')
  ids = { moving: rows[0]?.id ?? '', staying: rows[1]?.id ?? '' }
}

async function marks(): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM delivery_campaign_change')
  return rows[0]?.count ?? -1
}

const move = () => `UPDATE delivery_task SET campaign = 'to' WHERE id = ${ids.moving}`

const WRITES: ReadonlyArray<readonly [string, () => string]> = [
  ['a new person', () => `INSERT INTO delivery_recipient (task_pk, user_id, named, state) VALUES (${ids.moving}, 'eve', true, 'failed')`],
  ['a changed state', () => `UPDATE delivery_recipient SET state = 'unread' WHERE task_pk = ${ids.moving} AND user_id = 'bob'`],
  ['a deleted person', () => `DELETE FROM delivery_recipient WHERE task_pk = ${ids.moving} AND user_id = 'bob'`],
  ['a person who changes tasks', () => `UPDATE delivery_recipient SET task_pk = ${ids.staying} WHERE user_id = 'bob'`],
]

async function expectExact(): Promise<void> {
  const people = 'app, campaign, pending, invalid, failed, forbidden, unread, read'
  const { rows } = await db.pool.query<{ view: unknown; counted: unknown }>(`
    SELECT
      (SELECT json_agg(v ORDER BY campaign) FROM (SELECT ${people} FROM delivery_campaign_rates WHERE targeted > 0) AS v) AS view,
      (SELECT json_agg(c ORDER BY campaign) FROM (SELECT ${people} FROM delivery_campaign_recount) AS c) AS counted`)
  expect(rows[0]?.view).toEqual(rows[0]?.counted)
}

/** Until a statement of this session waits for another transaction. */
async function isWaiting(session: pg.Client | undefined): Promise<void> {
  const pid: unknown = Reflect.get(session ?? {}, 'processID')
  await expect
    .poll(async () => {
      const { rows } = await db.pool.query('SELECT FROM pg_locks WHERE pid = $1 AND NOT granted', [pid])
      return rows.length
    })
    .toBeGreaterThan(0)
}

test.each(WRITES)('%s in a task that is being moved marks the campaign that the task comes to', async (_, write) => {
  await arrange()
  await mover?.query('BEGIN')
  await mover?.query(move())
  const writing = writer?.query(write())
  await isWaiting(writer)
  await mover?.query('COMMIT')
  await recountCampaigns(db)
  await writing
  await expectExact()
  await recountCampaigns(db)
  await expectExact()
})

test.each(WRITES)('a task is not moved before the transaction with %s is over', async (_, write) => {
  await arrange()
  await writer?.query('BEGIN')
  await writer?.query(write())
  const moving = mover?.query(move())
  await isWaiting(mover)
  await recountCampaigns(db)
  await writer?.query('COMMIT')
  await moving
  await expectExact()
  await recountCampaigns(db)
  await expectExact()
})

test('a sender whose transaction stays open holds up no move, no poll and no settling of others', async () => {
  await arrange()
  await writer?.query('BEGIN')
  await writer?.query("SELECT track_delivery('77', user_ids => ARRAY['zoe'], campaign => 'to')")
  await mover?.query("SET lock_timeout TO '2s'")
  await mover?.query(move())
  await expectExact()
  expect(await recountCampaigns(db)).toBe(2)
  await expectExact()
  await writer?.query('COMMIT')
  await expectExact()
  expect(await recountCampaigns(db)).toBe(1)
  await expectExact()
})

test('people cannot be truncated under an older snapshot, which would not see what was settled since', async () => {
  await arrange()
  await writer?.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await expect(writer?.query('TRUNCATE delivery_recipient')).rejects.toThrow('READ COMMITTED')
  await writer?.query('ROLLBACK')
  await expectExact()
})

/** The pool of a worker, with settings that a database or a role may have. */
async function asWorker<T>(settings: string, work: (worker: { readonly pool: pg.Pool }) => Promise<T>): Promise<T> {
  const pool = new pg.Pool({ connectionString: db.url, options: settings, max: 1 })
  try {
    return await work({ pool })
  } finally {
    await pool.end()
  }
}

test("campaigns are settled whatever the database's default isolation is", async () => {
  await aTask(db.store, { campaign: 'one', userIds: ['ann'] })
  expect(await asWorker('-c default_transaction_isolation=serializable', keepFigures)).toBe(true)
  expect(await marks()).toBe(0)
  await expectExact()
})

test('a settling that fails says so, and leaves nothing open behind', async () => {
  await aTask(db.store, { campaign: 'one', userIds: ['ann'] })
  await asWorker('-c lock_timeout=50', async (worker) => {
    await writer?.query('BEGIN; LOCK TABLE delivery_campaign')
    await expect(keepFigures(worker)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await writer?.query('ROLLBACK')
    await expectExact()
    expect(await keepFigures(worker)).toBe(true)
    expect(await marks()).toBe(0)
    await expectExact()
  })
})
