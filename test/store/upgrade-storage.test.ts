import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDeliveryStore, type PostgresDeliveryStore } from '../../src/store/delivery-store.ts'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { createOldDetails } from '../../src/store/maintenance.ts'
import { migrate } from '../../src/store/migrate.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, execute, query, type TestDatabase } from '../support/postgres.ts'
import { everything, figures } from './support/personal-data.ts'
import { loaded, lookAt, minutesLater, planFor, SENT } from './support/polls.ts'
import { migrationList, NO_FILTERS, withSchemaEngine } from './support/schema-engine.ts'

/** Changes of states that are stored in rows of their own, and later ones in the rows of their polls, read as one history and are rid of names alike. */

const LAST_BEFORE = '20261130060000_poll_plan'
const OPEN = { app: 'default', taskId: '1' }
const OTHER = { app: 'default', taskId: '2' }
/** Unlike anything else in a database. */
const [ANN, BOB, CID, DAN] = ['ann-0366325231-zq', 'bob-7714402963-zq', 'cid-1290557718-zq', 'dan-5518290447-zq']

const at = (minutes: number): string => `'${minutesLater(minutes).toISOString()}'::timestamptz`
const person = (task: number, userId: string, state: string, times: string): string =>
  `INSERT INTO delivery_recipient (task_pk, user_id, named, state, first_seen_at, last_unread_at, first_read_at) VALUES (${task}, '${userId}', true, '${state}', ${times});`
const poll = (task: number, no: number, minutes: number, changed: number): string => `
  INSERT INTO delivery_poll (task_pk, poll_no, requested_at, responded_at, outcome, code, changed, anomalies)
  VALUES (${task}, ${no}, ${at(minutes)}, ${at(minutes)} + interval '1 second', 'observed', '0', ${changed}, 0);`
/** Of a person of a task, from one state to another, after a time as SQL, as the poll of that number showed so many minutes after the send. */
type Change = readonly [task: number, userId: string, from: string, to: string, after: string, minutes: number, no: number]
const change = ([task, userId, from, to, after, minutes, no]: Change): string => `
  INSERT INTO delivery_transition (task_pk, user_id, to_state, from_state, after_at, at, poll_no)
  VALUES (${task}, '${userId}', '${to}', '${from}', ${after}, ${at(minutes)} + interval '1 second', ${no});`

const ROWS = [
  ...[1, 2].map(
    (id) => `
  INSERT INTO delivery_task (
    id, app, task_id, campaign, sent_at, tracked_at, deadline_at, scheduled_at, recipients_known, poll_no, good_polls, calls, next_poll_at,
    last_good_requested_at, last_observed_at, pending, unread, read
  ) VALUES (${id}, 'default', '${id}', 'one', ${at(0)}, ${at(0)}, ${at(24 * 60)}, ${at(0)}, true, 2, 2, 2, now(), ${at(9)}, ${at(9)} + interval '1 second', 1, 1, 1);`,
  ),
  person(1, ANN, 'read', `${at(5)}, ${at(5)}, ${at(9)}`),
  person(1, BOB, 'unread', `${at(5)}, NULL, NULL`),
  person(1, DAN, 'pending', 'NULL, NULL, NULL'),
  person(2, ANN, 'unread', `${at(5)}, NULL, NULL`),
  person(2, CID, 'read', `${at(9)}, NULL, ${at(9)}`),
  person(2, DAN, 'pending', 'NULL, NULL, NULL'),
  ...[1, 2].flatMap((id) => [poll(id, 1, 5, 2), poll(id, 2, 9, 1)]),
  change([1, ANN, 'pending', 'unread', at(0), 5, 1]),
  change([1, BOB, 'pending', 'unread', 'NULL', 5, 1]),
  change([1, ANN, 'unread', 'read', at(5), 9, 2]),
  change([2, ANN, 'pending', 'unread', at(0), 5, 1]),
  change([2, CID, 'pending', 'read', at(0), 9, 2]),
]

let created: TestDatabase
let database: Database
let store: PostgresDeliveryStore
let before: string[][]
beforeAll(async () => {
  created = await createTestDatabase()
  const { migrationDirectories, ...list } = migrationList()
  const old = migrationDirectories.filter(({ path }) => path <= LAST_BEFORE)
  await withSchemaEngine(created.url, (engine) =>
    engine.applyMigrations({ migrationsList: { ...list, migrationDirectories: old }, filters: NO_FILTERS }),
  )
  await execute(created.url, ...ROWS)
  before = await history()
  await migrate(created.url)
  database = openDatabase(created.url)
  store = createDeliveryStore(database)
})
afterAll(async () => {
  await database.close()
  await created.drop()
})

async function sorted(sql: string): Promise<string[]> {
  return (await query(created.url, sql)).map((row) => JSON.stringify(row)).sort()
}

/** The rows of the relation of the contract, of the public view, and of the function, at three times. */
function history(): Promise<string[][]> {
  const states = [5, 9, 60].map((minutes) => `SELECT * FROM delivery_state_at('default', '1', ${at(minutes)} + interval '1 second')`)
  return Promise.all(['SELECT * FROM delivery_transition', 'SELECT * FROM delivery_state_changes', ...states].map(sorted))
}

const changesOf = (taskId: string): Promise<unknown[]> =>
  query(
    created.url,
    `SELECT user_id, from_state, to_state, after_at, at, poll_no FROM delivery_state_changes WHERE task_id = $1 ORDER BY poll_no, user_id`,
    [taskId],
  )

test('every change is shown as before the upgrade', async () => {
  expect(before.map((rows) => rows.length > 0)).toEqual([true, true, true, true, true])
  expect(await history()).toEqual(before)
})

test('a task that goes on has its changes in both places, each once and in one history', async () => {
  const old = await changesOf('1')
  const plan = planFor(await loaded(store, OPEN), { read: [ANN, BOB], forbidden: [DAN] }, 20)
  expect([await store.apply(plan), await store.apply(plan)]).toEqual(['stored', 'stale'])
  const answered = new Date(SENT.getTime() + 20 * 60_000 + 1_000)
  expect(await changesOf('1')).toEqual([
    ...old,
    { user_id: BOB, from_state: 'unread', to_state: 'read', after_at: minutesLater(9), at: answered, poll_no: 3 },
    { user_id: DAN, from_state: 'pending', to_state: 'forbidden', after_at: minutesLater(9), at: answered, poll_no: 3 },
  ])
  // Two kinds of changes, and both bounds: the send and an earlier poll.
  await lookAt(store, OTHER, { read: [ANN, DAN], unread: [] }, 20)
  expect((await changesOf('2')).slice(-2)).toEqual([
    { user_id: ANN, from_state: 'unread', to_state: 'read', after_at: minutesLater(9), at: answered, poll_no: 3 },
    { user_id: DAN, from_state: 'pending', to_state: 'read', after_at: minutesLater(0), at: answered, poll_no: 3 },
  ])
  const stored = await query(
    created.url,
    'SELECT task_pk, cardinality(moved_after) AS bounds FROM delivery_poll WHERE poll_no = 3 ORDER BY 1',
  )
  expect(stored).toEqual([
    { task_pk: '1', bounds: 1 },
    { task_pk: '2', bounds: 2 },
  ])
})

test('an erased person is replaced in both places', async () => {
  const pool = database.pool
  const shown = await figures(pool)
  const pseudonym = await beginErasure(database, { userId: ANN, app: null })
  expect(await erasePerson(database, { userId: ANN, app: null }, pseudonym)).toEqual({ tasks: 2, people: 0 })
  expect(await everything(pool)).not.toContain(ANN)
  expect(await figures(pool)).toEqual(shown)
  const { rows } = await pool.query('SELECT count(*)::integer AS changes FROM delivery_transition WHERE user_id = $1', [pseudonym])
  expect(rows).toEqual([{ changes: 4 }])
})

test('names that are removed because of their age go from both places, and a pseudonym stays what it is', async () => {
  const pool = database.pool
  await pool.query("UPDATE delivery_task SET finished_at = now() - interval '200 days'")
  const shown = await figures(pool)
  const pseudonyms = await query(created.url, "SELECT DISTINCT user_id FROM delivery_transition WHERE user_id LIKE 'anonymous:%'")
  expect(await createOldDetails(database).removeNames(new Date(), 50)).toBe(2)
  const text = await everything(pool)
  for (const name of [BOB, CID, DAN]) expect(text).not.toContain(name)
  expect(await figures(pool)).toEqual(shown)
  const unnamed = await query(
    created.url,
    `
    SELECT count(*) FILTER (WHERE moved.user_id NOT LIKE 'anonymous:%')::integer AS named, count(*) FILTER (WHERE person.user_id IS NULL)::integer AS strange
    FROM delivery_transition AS moved LEFT JOIN delivery_recipient AS person USING (task_pk, user_id)`,
  )
  expect(unnamed).toEqual([{ named: 0, strange: 0 }])
  expect(await query(created.url, 'SELECT DISTINCT user_id FROM delivery_transition')).toEqual(expect.arrayContaining(pseudonyms))
})
