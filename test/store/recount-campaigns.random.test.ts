import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { runs } from '../support/runs.ts'
import { openSession, openTestStore, recountCampaigns, type TestStore } from './support/database.ts'
import { aTask, lookAt } from './support/polls.ts'

let db: TestStore
const sessions: pg.Client[] = []
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end()
  await db.pool.query('TRUNCATE delivery_task CASCADE')
  await db.pool.query('TRUNCATE delivery_campaign, delivery_campaign_change')
})

/** One more user of the database, with transactions of its own. */
async function aSession(): Promise<pg.Client> {
  const session = await openSession(db.url)
  sessions.push(session)
  return session
}

type Asked = Pick<pg.Client | pg.Pool, 'query'>

const TASKS = 'tasks, open_tasks, first_sent_at, last_sent_at, last_deadline_at, last_observed_at'
const COUNTED = `app, campaign, pending, invalid, failed, forbidden, unread, read, ${TASKS}`

/** What the view says, and what it must say: both in one snapshot. */
async function figures(asked: Asked = db.pool): Promise<{ view: unknown; counted: unknown }> {
  const { rows } = await asked.query<{ view: unknown; counted: unknown }>(`
    SELECT
      (SELECT json_agg(row_to_json(v) ORDER BY app, campaign) FROM (SELECT ${COUNTED} FROM delivery_campaign_rates WHERE targeted > 0) AS v) AS view,
      (SELECT json_agg(row_to_json(c) ORDER BY app, campaign) FROM (
        SELECT ${COUNTED} FROM delivery_campaign_recount JOIN delivery_campaign_tasks USING (app, campaign)
      ) AS c) AS counted`)
  return rows[0] ?? { view: null, counted: null }
}

async function expectExact(asked?: Asked): Promise<void> {
  const { view, counted } = await figures(asked)
  expect(view).toEqual(counted)
}

async function marks(): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM delivery_campaign_change')
  return rows[0]?.count ?? -1
}

async function kept(): Promise<string[]> {
  const { rows } = await db.pool.query<{ campaign: string }>('SELECT campaign FROM delivery_campaign ORDER BY campaign')
  return rows.map(({ campaign }) => campaign)
}

test('figures are exact before they are settled, settled, and after the next poll', async () => {
  const { key } = await aTask(db.store, { campaign: 'one', userIds: ['ann', 'bob'] })
  await expectExact()
  expect(await recountCampaigns(db)).toBe(1)
  expect([await kept(), await marks()]).toEqual([['one'], 0])
  await expectExact()
  await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 5)
  expect(await marks()).toBeGreaterThan(0)
  await expectExact()
  expect(await recountCampaigns(db)).toBe(1)
  await expectExact()
})

test('a poll that changes nobody leaves no mark, and there is nothing to settle', async () => {
  const { key } = await aTask(db.store, { campaign: 'one', userIds: ['ann'] })
  await lookAt(db.store, key, { unread: ['ann'] }, 5)
  await recountCampaigns(db)
  await lookAt(db.store, key, { unread: ['ann'] }, 9)
  expect([await marks(), await recountCampaigns(db)]).toEqual([0, 0])
})

test('what an open transaction changed is nobody else’s, and a mark that was not seen outlives the settling', async () => {
  await aTask(db.store, { campaign: 'one', userIds: ['ann'] })
  await recountCampaigns(db)
  const writer = await aSession()
  await writer.query("BEGIN; UPDATE delivery_recipient SET state = 'unread'")
  await expectExact(writer)
  await expectExact()
  expect(await recountCampaigns(db)).toBe(0)
  await writer.query('COMMIT')
  await expectExact()
  expect(await recountCampaigns(db)).toBe(1)
  await expectExact()
})

test('what is rolled back leaves no mark', async () => {
  await aTask(db.store, { campaign: 'one', userIds: ['ann'] })
  await recountCampaigns(db)
  const writer = await aSession()
  await writer.query("BEGIN; UPDATE delivery_recipient SET state = 'unread'; ROLLBACK")
  expect(await marks()).toBe(0)
  await expectExact()
})

test('two settle at once: one works, the other does nothing', async () => {
  await aTask(db.store, { campaign: 'one', userIds: ['ann'] })
  const other = await aSession()
  await other.query('BEGIN')
  expect((await other.query('SELECT delivery_recount_campaigns(10, 1) AS recounted')).rows).toEqual([{ recounted: 1 }])
  expect(await recountCampaigns(db)).toBe(0)
  await other.query('COMMIT')
  await expectExact()
})

test('a transaction with an older snapshot may not settle: it could write older figures over newer ones', async () => {
  const old = await aSession()
  await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await expect(old.query('SELECT delivery_recount_campaigns(10, 1)')).rejects.toThrow('READ COMMITTED')
})

test('it is bounded: the campaigns that were marked first are counted first', async () => {
  for (const campaign of ['a', 'b', 'c']) await aTask(db.store, { campaign, userIds: ['ann'] })
  await db.pool.query('SELECT delivery_recount_campaigns(2, 60)')
  expect(await kept()).toEqual(['a', 'b'])
  await expectExact()
})

test.each([
  ['a person who goes', "DELETE FROM delivery_recipient WHERE user_id = 'ann'"],
  ['a task that goes', "DELETE FROM delivery_task WHERE campaign = 'one'"],
  ['all people at once', 'TRUNCATE delivery_recipient'],
  ['a task that moves to another campaign', "UPDATE delivery_task SET campaign = 'two' WHERE campaign = 'one'"],
  ['a task that has no campaign any more', "UPDATE delivery_task SET campaign = NULL WHERE campaign = 'one'"],
  ['a person who is another one', "UPDATE delivery_recipient SET user_id = 'eve' WHERE user_id = 'ann'"],
])('%s: exact at once, and when settled', async (_, change) => {
  await aTask(db.store, { campaign: 'one', userIds: ['ann', 'bob'] })
  await aTask(db.store, { campaign: 'two', userIds: ['ann'] })
  await recountCampaigns(db)
  await db.pool.query(change)
  await expectExact()
  await recountCampaigns(db)
  expect(await marks()).toBe(0)
  await expectExact()
})

test('a campaign whose tasks have nobody is there with zeros, and without rates', async () => {
  await aTask(db.store, { campaign: 'nobody' })
  for (const settled of [false, true]) {
    if (settled) await recountCampaigns(db)
    const { rows } = await db.pool.query(`SELECT tasks, targeted, read, read_rate, read_rate_of_targeted FROM delivery_campaign_rates`)
    expect(rows).toEqual([{ tasks: 1, targeted: 0, read: 0, read_rate: null, read_rate_of_targeted: null }])
  }
})

const USERS = ['ann', 'bob', 'cy', 'dan']
const STATES = ['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read']
const OF_A_TASK: Readonly<Record<string, string>> = {
  observe: 'last_observed_at = clock_timestamp()',
  end: "status = 'expired', next_poll_at = NULL, finished_at = now()",
}
const step = fc.record({
  session: fc.constantFrom(0, 1),
  what: fc.constantFrom('write', 'write', 'delete', 'move', 'observe', 'end', 'settle', 'commit', 'rollback'),
  task: fc.nat(3),
  user: fc.constantFrom(...USERS),
  state: fc.constantFrom(...STATES),
})

test('whatever two sessions do, each sees exact figures at every moment', { timeout: 120_000 }, async () => {
  for (let i = 0; i < 4; i++) await aTask(db.store, { campaign: i < 2 ? 'one' : 'two', userIds: USERS.slice(0, 1 + i) })
  const { rows } = await db.pool.query<{ id: string }>('SELECT id FROM delivery_task ORDER BY id')
  const pair = [await aSession(), await aSession()]
  // Each has rows of its own, so that neither waits for the other's transaction.
  for (const session of pair) await session.query("SET lock_timeout TO '2s'")
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const isOpen = [false, false]
      for (const { session: s, what, task, user, state } of steps) {
        const session = pair[s] ?? (await aSession())
        const id = rows[(task & 2) | s]?.id
        if (what === 'settle') {
          if (isOpen[s]) continue
          await recountCampaigns(db)
        } else if (what === 'commit' || what === 'rollback') {
          await session.query(what)
          isOpen[s] = false
        } else {
          if (!isOpen[s]) await session.query('BEGIN')
          isOpen[s] = true
          if (what === 'delete') await session.query('DELETE FROM delivery_recipient WHERE task_pk = $1 AND user_id = $2', [id, user])
          if (what in OF_A_TASK) await session.query(`UPDATE delivery_task SET ${OF_A_TASK[what]} WHERE id = $1`, [id])
          if (what === 'move') await session.query(`UPDATE delivery_task SET campaign = $2 WHERE id = $1`, [id, `to-${state}`])
          if (what === 'write') {
            await session.query(
              `INSERT INTO delivery_recipient (task_pk, user_id, named, state, first_read_at) VALUES ($1, $2, true, $3, CASE WHEN $3 = 'read' THEN now() END)
               ON CONFLICT (task_pk, user_id) DO UPDATE SET state = excluded.state, first_read_at = excluded.first_read_at`,
              [id, user, state],
            )
          }
        }
        for (const each of [...pair, db.pool]) await expectExact(each)
      }
      for (const each of pair) await each.query('ROLLBACK')
    }),
    { numRuns: runs(30) },
  )
})
