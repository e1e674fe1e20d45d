import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { knownMigrations, migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, execute, query } from '../support/postgres.ts'
import { loaded, planFor } from './support/polls.ts'
import { migrationList, NO_FILTERS, withSchemaEngine } from './support/schema-engine.ts'

/** The table of polls becomes the first partition: with all its rows, for all that reads it, and with the rights that it had. */

const MIGRATION = '20261130120000_poll_partitions'
const KEY = { app: 'default', taskId: '1' }
const LOGIN = 'reads_polls'

/** A database from before the partitions, with a task that has a poll. */
async function aDatabase(): Promise<string> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const { migrationDirectories, ...list } = migrationList()
  const before = migrationDirectories.filter(({ path }) => path < MIGRATION)
  await withSchemaEngine(database.url, (engine) =>
    engine.applyMigrations({ migrationsList: { ...list, migrationDirectories: before }, filters: NO_FILTERS }),
  )
  await execute(
    database.url,
    "SELECT track_delivery(task_id => '1', user_ids => ARRAY['ann', 'bob'], sent_at => now() - interval '1 hour')",
    `INSERT INTO delivery_poll (task_pk, poll_no, requested_at, responded_at, outcome, code, pending, invalid, failed, forbidden, unread, read, changed, anomalies)
     SELECT id, 1, now(), now(), 'observed', '0', 2, 0, 0, 0, 0, 0, 0, 0 FROM delivery_task`,
    'UPDATE delivery_task SET poll_no = 1, good_polls = 1, scheduled_at = now()',
  )
  return database.url
}

let admin: string
let dropAdmin: () => Promise<void>
beforeAll(async () => {
  const database = await createTestDatabase()
  ;({ url: admin, drop: dropAdmin } = database)
  await execute(admin, `CREATE ROLE ${LOGIN}`)
})
afterAll(async () => {
  await execute(admin, `DROP ROLE ${LOGIN}`)
  await dropAdmin()
})

const NEWER = knownMigrations().flatMap(({ name }) => (name >= MIGRATION ? [name] : []))

/** A poll after the migration. */
async function poll(url: string): Promise<void> {
  const database = openDatabase(url)
  const store = createDeliveryStore(database)
  const plan = planFor(await loaded(store, KEY), { read: ['ann'], unread: ['bob'] }, 30)
  expect(await store.apply(plan)).toBe('stored')
  await database.close()
}

test('every view has the old polls and the new ones, also a view of yours, with its owner, rights and comment', async () => {
  const url = await aDatabase()
  await execute(
    url,
    'CREATE SCHEMA bi; CREATE VIEW bi.polls WITH (security_barrier = true) AS SELECT task_pk, delivery_poll.poll_no AS no FROM delivery_poll',
    "COMMENT ON VIEW bi.polls IS 'Ours'",
    `GRANT SELECT ON bi.polls TO ${LOGIN}; GRANT SELECT ON delivery_poll TO ${LOGIN}`,
  )
  expect(await migrate(url)).toEqual(NEWER)
  await poll(url)
  for (const relation of ['delivery_poll', 'delivery_poll_history', 'delivery_looks', 'delivery_read_curve', 'bi.polls'])
    expect(await query(url, `SELECT count(*)::int AS polls FROM ${relation}`)).toEqual([{ polls: 2 }])
  expect(await query(url, 'SELECT user_id FROM delivery_state_changes ORDER BY 1')).toEqual([{ user_id: 'ann' }, { user_id: 'bob' }])
  const kept = await query(
    url,
    `SELECT has_table_privilege($1, 'bi.polls', 'SELECT') AS view, has_table_privilege($1, 'delivery_poll', 'SELECT') AS polls,
       has_table_privilege($1, 'delivery_poll', 'INSERT') AS writes, has_table_privilege($1, 'delivery_poll_first', 'SELECT') AS part,
       obj_description('bi.polls'::regclass) AS comment, (SELECT reloptions FROM pg_class WHERE oid = 'bi.polls'::regclass) AS options`,
    [LOGIN],
  )
  expect(kept).toEqual([{ view: true, polls: true, writes: false, part: false, comment: 'Ours', options: ['security_barrier=true'] }])
  await execute(url, `DROP OWNED BY ${LOGIN}`)
})

test('what cannot be made again is named, and nothing is changed', async () => {
  const url = await aDatabase()
  await execute(url, 'CREATE MATERIALIZED VIEW kept_polls AS SELECT task_pk FROM delivery_poll')
  await expect(migrate(url)).rejects.toThrow(/kept_polls, which reads it, cannot be made again by this role\. Drop it, run migrate/)
  expect(await query(url, "SELECT relkind FROM pg_class WHERE relname = 'delivery_poll'")).toEqual([{ relkind: 'r' }])
  await execute(url, 'DROP MATERIALIZED VIEW kept_polls')
  expect(await migrate(url)).toEqual(NEWER)
})

test('a poll that is stored meanwhile waits for the migration, and is there afterwards', async () => {
  const url = await aDatabase()
  const writer = new Client({ connectionString: url })
  await writer.connect()
  // Tables are locked in the order in which a worker's statement names them.
  const insert = (no: number): string => `
    WITH fenced AS (SELECT id FROM delivery_task FOR UPDATE)
    INSERT INTO delivery_poll (task_pk, poll_no, requested_at, outcome, code, changed, anomalies) SELECT id, ${no}, now(), 'transient', '-1', 0, 0 FROM fenced`
  await writer.query('BEGIN')
  await writer.query(insert(2))
  const migrated = migrate(url)
  await expect
    .poll(async () => await query(url, "SELECT FROM pg_locks WHERE relation = 'delivery_task'::regclass AND NOT granted"))
    .toHaveLength(1)
  const other = new Client({ connectionString: url })
  await other.connect()
  const waiting = other.query(insert(3))
  await writer.query('COMMIT')
  expect([await migrated, (await waiting).rowCount]).toEqual([NEWER, 1])
  await Promise.all([writer.end(), other.end()])
  expect(await query(url, 'SELECT poll_no, tableoid::regclass::text AS part FROM delivery_poll ORDER BY 1')).toEqual(
    [1, 2, 3].map((poll_no) => ({ poll_no, part: 'delivery_poll_first' })),
  )
})
