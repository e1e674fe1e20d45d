import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { createRates } from '../../src/rates.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { type DatabaseRole, giveRights, ROLES, urlAs } from '../support/roles.ts'

/** The suites of the store, the queue and the ways to enqueue run as these roles; here is what each of them must not do. */
let database: TestDatabase
const as = new Map<DatabaseRole, pg.Client>()
let owner: pg.Client

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  await giveRights(database.url)
  owner = await connected(database.url)
  for (const role of ROLES) as.set(role, await connected(urlAs(role, database.url)))
  await owner.query("SELECT track_delivery(task_id => '1', user_ids => ARRAY['ann'], campaign => 'payroll-11')")
})
afterAll(async () => {
  for (const client of [owner, ...as.values()]) await client.end()
  await database.drop()
})

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

/** The SQLSTATE of its refusal, or `done`. What was done is undone. */
async function attempt(role: DatabaseRole, statement: string): Promise<string> {
  const client = as.get(role)
  if (client === undefined) throw new Error(`nobody is connected as ${role}`)
  await client.query('BEGIN')
  try {
    await client.query(statement)
    return 'done'
  } catch (error) {
    return error instanceof pg.DatabaseError ? (error.code ?? 'no code') : String(error)
  } finally {
    await client.query('ROLLBACK')
  }
}

const REFUSED = '42501'
/** Nobody can write through a view that counts. */
const NOT_WRITABLE = '55000'
const NOT_A_TABLE = '42809'
const TABLES = [
  'delivery_task',
  'delivery_recipient',
  'delivery_poll',
  'delivery_transition_row',
  'delivery_app',
  'delivery_campaign',
  'delivery_campaign_change',
  'delivery_campaign_salt',
  'delivery_ended_tasks',
  'delivery_erasure',
  'delivery_law',
  'delivery_lease',
  'delivery_pair',
  'delivery_roster_part',
  'delivery_task_brackets',
  'delivery_task_end',
  'delivery_worker',
]
/** No reader sees it: delivery_state_changes has the same with the names of tasks. */
const INNER_VIEWS = ['delivery_poll_transition', 'delivery_transition', 'delivery_campaign_recount', 'delivery_campaign_tasks']
const VIEWS = [
  'delivery_task_rates',
  'delivery_campaign_rates',
  'delivery_recipient_status',
  'delivery_campaign_people',
  'delivery_read_curve',
  'delivery_looks',
  'delivery_state_changes',
  'delivery_app_usage',
  'delivery_pair_status',
  'delivery_worker_status',
  'delivery_department_rates',
  'delivery_known_people',
  'delivery_laws',
  'delivery_task_read_times',
  'delivery_task_keys',
  'delivery_task_people',
  'delivery_rosters',
]
/** Of delivery_names alone: test/store/names.test.ts. */
const NAMES = ['delivery_person', 'delivery_people']
const WRITES = (table: string): string[] => [`DELETE FROM ${table}`, `INSERT INTO ${table} DEFAULT VALUES`, `TRUNCATE ${table} CASCADE`]

describe('delivery_worker', () => {
  const MAKES = [
    ...TABLES.flatMap((table) => [`DROP TABLE ${table} CASCADE`, `ALTER TABLE ${table} ADD COLUMN x text`, `TRUNCATE ${table} CASCADE`]),
    'CREATE TABLE public.mine (x text)',
    'CREATE FUNCTION public.mine() RETURNS text LANGUAGE sql AS $$ SELECT $$',
    'CREATE SCHEMA mine',
    'CREATE INDEX ON delivery_task (status)',
    'ALTER TABLE delivery_recipient DISABLE TRIGGER ALL',
    'DROP FUNCTION delivery_recount_campaigns',
    'ALTER FUNCTION track_delivery SECURITY INVOKER',
    'SET ROLE delivery_migrate',
    'GRANT delivery_worker TO delivery_read',
    "COPY delivery_task TO PROGRAM 'true'",
    'UPDATE _prisma_migrations SET checksum = checksum',
    'DELETE FROM _prisma_migrations',
  ]
  test.each(MAKES)('may not: %s', async (statement) => expect(await attempt('worker', statement)).toBe(REFUSED))

  test('reads and writes every table', async () => {
    for (const table of TABLES)
      for (const statement of [`SELECT FROM ${table}`, `DELETE FROM ${table}`]) expect(await attempt('worker', statement)).toBe('done')
    for (const view of INNER_VIEWS) expect(await attempt('worker', `SELECT FROM ${view}`)).toBe('done')
    expect(await attempt('worker', 'SELECT FROM _prisma_migrations')).toBe('done')
  })
})

describe('delivery_read', () => {
  test.each(VIEWS)('reads %s, and writes nothing through it', async (view) => {
    expect(await attempt('read', `SELECT * FROM ${view}`)).toBe('done')
    expect(await attempt('read', `DELETE FROM ${view}`)).toBeOneOf([REFUSED, NOT_WRITABLE])
  })

  test('calls the two functions, and no other', async () => {
    expect(await attempt('read', "SELECT * FROM delivery_state_at('default', '1', now())")).toBe('done')
    expect(await attempt('read', "SELECT delivery_forbidden_reason('143106')")).toBe('done')
    expect(await attempt('read', "SELECT track_delivery(task_id => '2')")).toBe(REFUSED)
    expect(await attempt('read', 'SELECT delivery_recount_campaigns(1, 1)')).toBe(REFUSED)
  })

  test.each(['_prisma_migrations', ...INNER_VIEWS, ...TABLES, ...NAMES])('may not read or write %s', async (table) => {
    expect(await attempt('read', `SELECT FROM ${table}`)).toBe(REFUSED)
    for (const statement of WRITES(table)) expect(await attempt('read', statement)).toBeOneOf([REFUSED, NOT_WRITABLE, NOT_A_TABLE])
  })
})

describe('delivery_send', () => {
  test('hands over a task, in its own transaction', async () => {
    const client = as.get('send')
    await client?.query('BEGIN')
    const { rows } = (await client?.query<{ new: boolean }>("SELECT track_delivery(task_id => '7', user_ids => ARRAY['bob']) AS new")) ?? {}
    expect(rows).toEqual([{ new: true }])
    await client?.query('ROLLBACK')
    expect((await owner.query("SELECT FROM delivery_task WHERE task_id = '7'")).rowCount).toBe(0)
  })

  test('is told what is wrong with a task in the same words', async () => {
    await expect(as.get('send')?.query("SELECT track_delivery(task_id => 'x')")).rejects.toMatchObject({
      code: '22023',
      message: expect.stringMatching(/^taskId must be a whole number/),
    })
  })

  test.each(['_prisma_migrations', ...VIEWS, ...INNER_VIEWS, ...TABLES, ...NAMES])('may not read or write %s', async (relation) => {
    expect(await attempt('send', `SELECT FROM ${relation}`)).toBe(REFUSED)
    expect(await attempt('send', `DELETE FROM ${relation}`)).toBeOneOf([REFUSED, NOT_WRITABLE])
  })

  test.each(["delivery_state_at('default', '1', now())", "delivery_shown('x')", 'delivery_recount_campaigns(1, 1)'])(
    'may not call %s',
    async (call) => expect(await attempt('send', `SELECT ${call}`)).toBe(REFUSED),
  )

  /** The function writes as the owner: a table of the sender's own must not take the place of the owner's. */
  test('cannot have the function write into a temporary table of its own', async () => {
    const client = as.get('send')
    await client?.query('CREATE TEMP TABLE delivery_task (LIKE pg_class); CREATE TEMP TABLE delivery_recipient (x text)')
    await client?.query("SELECT track_delivery(task_id => '8', user_ids => ARRAY['cy'])")
    await client?.query('DISCARD TEMP')
    expect((await owner.query("SELECT FROM delivery_recipient_status WHERE task_id = '8' AND user_id = 'cy'")).rowCount).toBe(1)
  })
})

test('no function that acts as its owner looks for temporary tables first', async () => {
  const { rows } = await owner.query(`
    SELECT oid::regprocedure FROM pg_proc
    WHERE prosecdef AND pronamespace = 'dingtalk'::regnamespace AND proconfig::text NOT LIKE '%search_path=dingtalk, pg_temp%'`)
  expect(rows).toEqual([])
})

test('nobody else may call anything', async () => {
  const { rows } = await owner.query(`
    SELECT oid::regprocedure FROM pg_proc
    WHERE pronamespace = 'dingtalk'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')`)
  expect(rows).toEqual([])
})

describe('whoever lacks a right is told which one, and what gives it', () => {
  test('in a program that sends', async () => {
    const tracker = createTracker({ databaseUrl: urlAs('read', database.url) })
    onTestFinished(() => tracker.close())
    await expect(tracker.track({ taskId: '9' })).rejects.toMatchObject({
      code: 'NOT_PERMITTED',
      message:
        'The role "test_read" lacks a right in the database: permission denied for function delivery_track. Run deploy/postgres/roles.sql as the owner of the database, and make the role a member of delivery_send or delivery_worker.',
    })
  })

  test('in one that asks for rates', async () => {
    const rates = createRates({ databaseUrl: urlAs('send', database.url) })
    onTestFinished(() => rates.close())
    await expect(rates.task('1')).rejects.toMatchObject({
      code: 'NOT_PERMITTED',
      message: expect.stringMatching(/permission denied for view delivery_task_rates\. Run deploy\/postgres\/roles\.sql/),
    })
  })

  test('in migrate', async () => {
    const empty = await createTestDatabase()
    onTestFinished(() => empty.drop())
    await expect(migrate(urlAs('worker', empty.url))).rejects.toMatchObject({
      code: 'NOT_PERMITTED',
      message: expect.stringMatching(
        /^There is no schema "dingtalk", and the role "test_worker" may not make one\. As the owner of the database run: CREATE SCHEMA/,
      ),
    })
  })
})

describe('the script', () => {
  /** As a managed service has it: nobody is a superuser. */
  async function anInstallation(): Promise<{ readonly url: string; readonly client: pg.Client }> {
    const created = await createTestDatabase()
    const name = `owner_of_${new URL(created.url).pathname.slice(1)}`
    await owner.query(
      `CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD 'x'; ALTER DATABASE ${new URL(created.url).pathname.slice(1)} OWNER TO ${name}`,
    )
    await owner.query(`GRANT delivery_migrate TO ${name} WITH ADMIN OPTION`)
    const url = Object.assign(new URL(created.url), { username: name, password: 'x' }).href
    await migrate(url)
    const client = await connected(url)
    onTestFinished(async () => {
      await client.end()
      await created.drop()
      await owner.query(`DROP ROLE ${name}`)
    })
    return { url, client }
  }

  test('takes over what an owner without superpowers has made, and may run twice', async () => {
    const { url, client } = await anInstallation()
    await giveRights(url)
    await giveRights(url)
    const { rows } = await client.query(`
      SELECT relname FROM pg_class
      WHERE relnamespace = 'dingtalk'::regnamespace AND relname LIKE 'delivery%' AND relowner <> 'delivery_migrate'::regrole`)
    expect(rows).toEqual([])
    expect(await migrate(urlAs('migrate', url))).toEqual([])
    const tracker = createTracker({ databaseUrl: urlAs('send', url) })
    onTestFinished(() => tracker.close())
    expect(await tracker.track({ taskId: '1' })).toMatchObject({ duplicate: false })
  })

  test('gives rights on the tables of later migrations beforehand', async () => {
    const [migrator, worker, reader] = [as.get('migrate'), as.get('worker'), as.get('read')]
    await migrator?.query('CREATE TABLE delivery_later (x text); CREATE FUNCTION delivery_later() RETURNS text LANGUAGE sql RETURN 1')
    try {
      await worker?.query("INSERT INTO delivery_later VALUES ('x')")
      await worker?.query('SELECT delivery_later()')
      for (const statement of ['SELECT FROM delivery_later', 'SELECT delivery_later()'])
        await expect(reader?.query(statement)).rejects.toMatchObject({ code: REFUSED })
    } finally {
      await migrator?.query('DROP TABLE delivery_later; DROP FUNCTION delivery_later')
    }
  })
})
