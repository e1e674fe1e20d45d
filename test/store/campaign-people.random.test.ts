import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { STATES } from '../../src/domain/delivery.ts'
import type { RecipientFilter } from '../../src/report/rates.ts'
import { runs } from '../support/runs.ts'
import { letSeeNames } from './support/people.ts'
import { aRequest, minutesLater } from './support/polls.ts'
import { openTestReader, pagesOf, type TestReader } from './support/reader.ts'

/** Tasks have the same people again and again, in other states. The list by pages is what the view says, however few a page holds. */

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
  await letSeeNames(db)
})
afterAll(() => db.close())

const PEOPLE = Array.from({ length: 40 }, (_, i) => `user${(i * 7919) % 1000}`)

const aTask = fc.record({
  /** Sorted parts of the people, or any. */
  people: fc.oneof(
    fc.subarray(PEOPLE, { minLength: 1 }),
    fc.nat({ max: 3 }).map((part) => PEOPLE.toSorted().slice(part * 10, part * 10 + 10)),
  ),
  states: fc.array(fc.constantFrom(...STATES, 'unread', 'read'), { minLength: 40, maxLength: 40 }),
  hasNames: fc.boolean(),
})
const aFilter = fc.record<RecipientFilter>({
  state: fc.option(fc.constantFrom(...STATES), { nil: undefined }),
  search: fc.option(fc.constantFrom('user1', '7', 'NAME 3', 'nowhere'), { nil: undefined }),
  department: fc.option(fc.constantFrom('', 'HQ', 'HQ/2'), { nil: undefined }),
})

async function store(app: string, tasks: ReadonlyArray<typeof aTask extends fc.Arbitrary<infer T> ? T : never>): Promise<void> {
  for (const { people, states, hasNames } of tasks) {
    const request = aRequest({ app, campaign: 'c', userIds: people, sentAt: minutesLater(-2_000) })
    await db.store.track([request])
    await db.pool.query(
      `UPDATE delivery_recipient SET state = given.state, first_seen_at = now(), first_read_at = CASE given.state WHEN 'read' THEN now() END FROM unnest($1::text[], $2::text[]) AS given (user_id, state)
       WHERE delivery_recipient.user_id = given.user_id AND task_pk = (SELECT id FROM delivery_task WHERE app = $3 AND task_id = $4)`,
      [people, states.slice(0, people.length), app, request.taskId],
    )
    if (!hasNames)
      await db.pool.query(
        "UPDATE delivery_task SET status = 'expired', finished_at = now() - interval '1 day', next_poll_at = NULL WHERE app = $1 AND task_id = $2",
        [app, request.taskId],
      )
  }
  await db.pool.query('SELECT delivery_remove_names(now(), 1000)')
  await db.pool.query(
    `INSERT INTO delivery_person (app, user_id, name, departments)
     SELECT $1, user_id, 'Name ' || n, ARRAY['HQ/' || n % 4] FROM unnest($2::text[]) WITH ORDINALITY AS person (user_id, n) WHERE n % 5 > 0`,
    [app, PEOPLE],
  )
}

async function listed(app: string, { state, search, department }: RecipientFilter): Promise<string[]> {
  const { rows } = await db.pool.query<{ user_id: string }>(
    `SELECT people.user_id FROM delivery_campaign_people AS people LEFT JOIN delivery_people AS person USING (app, user_id)
     WHERE app = $1 AND campaign = 'c' AND ($2::text IS NULL OR state = $2)
       AND ($3::text IS NULL OR strpos(lower(people.user_id), lower($3)) > 0 OR strpos(lower(people.name), lower($3)) > 0)
       AND ($4::text IS NULL OR $4 = '' AND people.department IS NULL OR person.in_departments @> ARRAY[$4])
     ORDER BY people.user_id`,
    [app, state ?? null, search ?? null, department ?? null],
  )
  return rows.map((row) => row.user_id)
}

let made = 0

test('all pages together are the people of the campaign, each once, and each page but the last is full', { timeout: 240_000 }, async () => {
  const property = fc.asyncProperty(
    fc.array(aTask, { minLength: 1, maxLength: 6 }),
    fc.array(fc.tuple(aFilter, fc.constantFrom(1, 2, 5, 1_000)), { minLength: 3, maxLength: 3 }),
    async (tasks, questions) => {
      const app = `people-${++made}`
      await store(app, tasks)
      for (const [filter, limit] of questions) {
        const pages = await pagesOf((page) => db.rates.campaignRecipients({ app, campaign: 'c' }, { ...filter, ...page }), limit)
        const userIds = pages.map((people) => people.map((person) => (person as { userId: string }).userId))
        expect(userIds.flat()).toEqual(await listed(app, filter))
        for (const page of userIds.slice(0, -1)) expect(page).toHaveLength(limit)
      }
    },
  )
  await fc.assert(property, { numRuns: runs(25) })
})
