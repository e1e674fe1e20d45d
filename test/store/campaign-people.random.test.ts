import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { STATES } from '../../src/domain/delivery.ts'
import type { CampaignRecipient, RecipientFilter } from '../../src/report/rates.ts'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { keepFigures } from '../../src/store/maintenance.ts'
import { runs } from '../support/runs.ts'
import { letSeeNames } from './support/people.ts'
import { aRequest, minutesLater } from './support/polls.ts'
import { openTestReader, pagesOf, type TestReader } from './support/reader.ts'

/**
 * Tasks have the same people again and again, in other states. The list by pages is what the view says, however few a page holds, with the roster of a
 * large campaign, without it, and after changes of which the roster does not know.
 */

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
  search: fc.option(fc.constantFrom('user1', '7', '37', 'NAME 3', '名', 'USER', 'nowhere', ''), { nil: undefined }),
  searchIn: fc.constantFrom('userId' as const, 'both' as const),
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
     SELECT $1, user_id, CASE WHEN n % 7 = 0 THEN '名' ELSE '' END || 'Name ' || n, ARRAY['HQ/' || n % 4] FROM unnest($2::text[]) WITH ORDINALITY AS person (user_id, n) WHERE n % 5 > 0`,
    [app, PEOPLE],
  )
}

async function listed(app: string, { state, search, searchIn, department }: RecipientFilter): Promise<string[]> {
  const { rows } = await db.pool.query<{ person: string }>(
    `SELECT concat_ws(' ', people.user_id, people.state, people.tasks, people.task_id, people.name, people.department) AS person FROM delivery_campaign_people AS people LEFT JOIN delivery_people AS person USING (app, user_id)
     WHERE app = $1 AND campaign = 'c' AND ($2::text IS NULL OR state = $2)
       AND ($3::text IS NULL OR strpos(lower(people.user_id), lower($3)) > 0 OR $5 = 'both' AND strpos(lower(people.name), lower($3)) > 0)
       AND ($4::text IS NULL OR $4 = '' AND people.department IS NULL OR person.in_departments @> ARRAY[$4])
     ORDER BY people.user_id`,
    [app, state ?? null, search ?? null, department ?? null, searchIn ?? 'both'],
  )
  return rows.map((row) => row.person)
}

/** Where there are two, so that the campaign stays. */
const SECOND_TASK = "SELECT id FROM delivery_task WHERE app = $1 AND campaign = 'c' ORDER BY id OFFSET 1 LIMIT 1"

/** What may happen after a roster was built. Each person that it can add is of {@link PEOPLE} or new. */
const CHANGES = {
  nothing: () => Promise.resolve(),
  async 'people are added'(app) {
    await db.store.track([
      aRequest({ app, campaign: 'c', userIds: ['user37a', 'new7', ...PEOPLE.slice(0, 3)], sentAt: minutesLater(-2_000) }),
    ])
  },
  async 'a task comes from another campaign'(app) {
    const request = aRequest({ app, campaign: 'd', userIds: ['user37b', ...PEOPLE.slice(5, 9)], sentAt: minutesLater(-2_000) })
    await db.store.track([request])
    await db.pool.query("UPDATE delivery_task SET campaign = 'c' WHERE app = $1 AND task_id = $2", [app, request.taskId])
  },
  async 'a task goes to another campaign'(app) {
    await db.pool.query(`UPDATE delivery_task SET campaign = 'd' WHERE id = (${SECOND_TASK})`, [app])
  },
  async 'a person is erased'(app) {
    const person = { userId: PEOPLE[1] ?? '', app }
    await erasePerson(db, person, await beginErasure(db, person))
  },
  async 'people are removed'(app) {
    await db.pool.query(
      'DELETE FROM delivery_recipient WHERE user_id = ANY ($2) AND task_pk IN (SELECT id FROM delivery_task WHERE app = $1)',
      [app, PEOPLE.slice(10, 20)],
    )
  },
  async 'a task is removed'(app) {
    await db.pool.query(`DELETE FROM delivery_task WHERE id = (${SECOND_TASK})`, [app])
  },
  async 'people read'(app) {
    await db.pool.query(
      "UPDATE delivery_recipient SET state = 'read', first_seen_at = now(), first_read_at = now() WHERE user_id > 'user4' AND task_pk IN (SELECT id FROM delivery_task WHERE app = $1)",
      [app],
    )
  },
} satisfies Record<string, (app: string) => Promise<unknown>>

const aTime = fc.record({
  /** There is a roster when the changes happen. */
  hasRoster: fc.boolean(),
  changes: fc.subarray(Object.values(CHANGES), { maxLength: 3 }),
  /** They are counted before anybody asks. */
  isCounted: fc.boolean(),
})

const countAll = (): Promise<boolean> => keepFigures(db, { people: 1, unchangedSeconds: 0 })

async function isCurrent(app: string): Promise<boolean> {
  const { rowCount } = await db.pool.query('SELECT FROM delivery_rosters WHERE app = $1 AND is_current', [app])
  return Number(rowCount) > 0
}

const shown = ({ userId, state, tasks, taskId, name, department }: CampaignRecipient): string =>
  [userId, state, tasks, taskId, name, department].filter((each) => each !== null).join(' ')

/** The first two runs, so that there is one with a current roster and one without, however few there are. */
const FIRST = [
  { hasRoster: true, changes: [], isCounted: true },
  { hasRoster: false, changes: [], isCounted: false },
]

let made = 0
/** How many apps were asked about with a current roster, and how many without. */
const asked = { withRoster: 0, without: 0 }

test('all pages together are the people of the campaign, each once, and each page but the last is full', { timeout: 240_000 }, async () => {
  const property = fc.asyncProperty(
    fc.array(aTask, { minLength: 1, maxLength: 6 }),
    fc.boolean(),
    aTime,
    fc.array(fc.tuple(aFilter, fc.constantFrom(1, 2, 5, 1_000)), { minLength: 4, maxLength: 4 }),
    async (tasks, allHaveNames, time, questions) => {
      const { hasRoster, changes, isCounted } = FIRST[made] ?? time
      const app = `people-${++made}`
      await store(app, allHaveNames ? tasks.map((task) => ({ ...task, hasNames: true })) : tasks)
      if (hasRoster) await countAll()
      for (const change of changes) await change(app)
      if (isCounted) await countAll()
      asked[(await isCurrent(app)) ? 'withRoster' : 'without'] += 1
      for (const [filter, limit] of questions) {
        const pages = await pagesOf((page) => db.rates.campaignRecipients({ app, campaign: 'c' }, { ...filter, ...page }), limit)
        expect(pages.flat().map(shown)).toEqual(await listed(app, filter))
        for (const page of pages.slice(0, -1)) expect(page).toHaveLength(limit)
      }
    },
  )
  await fc.assert(property, { numRuns: runs(30) })
  expect(Math.min(asked.withRoster, asked.without)).toBeGreaterThan(0)
})
