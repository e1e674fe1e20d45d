import { afterAll, beforeAll, expect, test } from 'vitest'
import { allPages, FILE_PAGE } from '../../src/report/all-pages.ts'
import type { CampaignRecipient, PageFilter } from '../../src/report/rates.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { openTestStore, type TestStore } from './support/database.ts'

const TASKS = 220
const PEOPLE = 20_000
const CAMPAIGN = { app: 'default', campaign: 'crowd' }

let db: TestStore
beforeAll(async () => {
  // One connection, so that its own statistics are complete when it asks for them.
  db = await openTestStore({ max: 1 })
  // The last twenty tasks go to the people of the first twenty again: half of these have read since.
  await db.pool.query(`
    INSERT INTO delivery_task (app, task_id, campaign, sent_at, deadline_at, recipients_known, next_poll_at, last_good_requested_at)
      SELECT 'default', n::text, 'crowd', now(), now() + interval '1 day', true, now() + interval '1 hour', now() FROM generate_series(1, ${TASKS}) AS n;
    INSERT INTO delivery_recipient (task_pk, user_id, named, state, first_seen_at, first_read_at)
      SELECT task.id, 'user' || lpad(person::text, 6, '0'), true, CASE WHEN is_read THEN 'read' ELSE 'unread' END, now(), CASE WHEN is_read THEN now() END
      FROM delivery_task AS task
      CROSS JOIN generate_series(0, 99) AS i
      CROSS JOIN LATERAL (SELECT ((task.task_id::integer - 1) % 200 + i * 200) % ${PEOPLE}, task.task_id::integer > 200 AND i % 2 = 0) AS drawn (person, is_read);
    ANALYZE`)
})
afterAll(() => db.close())

/** Rows and index entries read of all tables of the tracker since the beginning. */
async function reads(): Promise<number> {
  await db.pool.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await db.pool.query<{ reads: number }>(
    `SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes))::double precision AS reads`,
  )
  return rows[0]?.reads ?? Number.NaN
}

test('the pages of a file are all people in their order, each once, and a page reads no other people', async () => {
  const rates = createRateReader(db)
  const costs: number[] = []
  const page = async (filter: PageFilter) => {
    const before = await reads()
    const answer = await rates.campaignRecipients(CAMPAIGN, filter)
    costs.push((await reads()) - before)
    return answer
  }
  const people: CampaignRecipient[] = []
  for await (const items of allPages(page, FILE_PAGE)) {
    expect(items.length).toBeLessThanOrEqual(FILE_PAGE)
    people.push(...items)
  }
  expect(people.map(({ userId }) => userId)).toEqual(Array.from({ length: PEOPLE }, (_, i) => `user${String(i).padStart(6, '0')}`))
  expect(people.filter(({ state }) => state === 'read')).toHaveLength(1_000)
  expect(people.filter(({ tasks }) => tasks === 2)).toHaveLength(2_000)
  // The first page looks for its people, the second one for where the others begin.
  const later = costs.slice(2)
  expect(later.length).toBeGreaterThanOrEqual(2)
  for (const cost of later) expect(cost).toBeLessThanOrEqual(3 * FILE_PAGE)
})

test('a file of one state has these people only', async () => {
  const rates = createRateReader(db)
  let people = 0
  for await (const items of allPages((filter) => rates.campaignRecipients(CAMPAIGN, { state: 'read', ...filter }), FILE_PAGE)) {
    people += items.length
    expect(items.every(({ state }) => state === 'read')).toBe(true)
  }
  expect(people).toBe(1_000)
})
