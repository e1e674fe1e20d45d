import { readFile } from 'node:fs/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { schemaIn } from '../../src/lib/database-schema.ts'
import { createRates } from '../../src/rates.ts'
import { PrismaClient } from '../../src/store/generated/client.ts'
import { knownMigrations, migrate } from '../../src/store/migrate.ts'
import { assertSchemaVersion, openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, execute, query, setSearchPath } from '../support/postgres.ts'

/** In which schema the tracker is, and that everything works there for any role with any search path. */

const NOTHING = 'pg_catalog'
const NAMES = knownMigrations().map(({ name }) => name)

async function aDatabase(searchPath = NOTHING): Promise<string> {
  const database = await createTestDatabase({ searchPath })
  onTestFinished(() => database.drop())
  return database.url
}

/** As version 0.1.0 left it, in the schema of its search path. */
async function with010(url: string, schema = 'public'): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}; SET search_path = '$user', ${schema}`)
  await client.query(`CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
    migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count int NOT NULL DEFAULT 0)`)
  for (const { name, sql, checksum } of knownMigrations().filter((each) => each.name <= '20261126000000_personal_data')) {
    await client.query(sql)
    await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ($1, $2, $1, now())', [
      name.slice(0, 36),
      checksum,
    ])
  }
  await client.query("SELECT track_delivery('256271667526')")
  await client.end()
}

async function schemaOf(url: string): Promise<string> {
  const database = openDatabase(url)
  try {
    await assertSchemaVersion(database)
    return await database.schema()
  } finally {
    await database.close()
  }
}

/** Each way in which the package and its SQL are used. */
async function expectUsable(url: string, schema: string, options: { readonly schema?: string } = {}): Promise<void> {
  const tracker = createTracker({ databaseUrl: url, ...options })
  const rates = createRates({ databaseUrl: url, ...options })
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
  // Prisma's client does not tell which schema its address names.
  const theirs = createRates({ prisma, schema: schemaIn(url) ?? options.schema })
  try {
    await tracker.track({ taskId: '77', userIds: ['ann'], campaign: 'payroll-11' })
    expect(await rates.task('77')).toMatchObject({ targeted: 1 })
    expect(await rates.campaigns()).toMatchObject({ items: [{ campaign: 'payroll-11', targeted: 1 }] })
    expect(await theirs.recipients('77')).toMatchObject([{ userId: 'ann' }])
    expect(await theirs.stateAt('77', new Date(Date.now() + 60_000))).toMatchObject([{ userId: 'ann', state: 'pending' }])
  } finally {
    await Promise.all([tracker.close(), rates.close(), theirs.close(), prisma.$disconnect()])
  }
  expect(
    await query(url, 'SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relname = $1', [
      'delivery_task',
    ]),
  ).toEqual([{ nspname: schema }])
}

describe('the schema', () => {
  test('is dingtalk in an empty database', async () => {
    const url = await aDatabase()
    expect(await migrate(url)).toEqual(NAMES)
    expect(await schemaOf(url)).toBe('dingtalk')
    await expectUsable(url, 'dingtalk')
    expect(await query(url, `SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual([])
  })

  test.each([
    ['tracker', '?schema=tracker', {}],
    ['Tracker', '?schema=Tracker', {}],
    ['order', '?schema=order', {}],
    ['_1', '', { schema: '_1' }],
  ])('is the one that is chosen: %s', async (schema, parameter, options) => {
    const url = `${await aDatabase()}${parameter}`
    expect(await migrate(parameter === '' ? `${url}?schema=${schema}` : url)).toEqual(NAMES)
    await expectUsable(url, schema, options)
    expect(await migrate(`${url.replace(parameter, '')}?schema=${schema}`)).toEqual([])
  })

  test.each([
    ['public, whatever the search path is', 'public', NOTHING],
    ['public, beside other schemas', 'public', '"$user", public'],
    ['another one of the search path', 'company', 'company, public'],
  ])('is the one of version 0.1.0, which stays where it is: %s', async (_, schema, searchPath) => {
    const url = await aDatabase(searchPath)
    await with010(url, schema)
    expect(await migrate(url)).toEqual(NAMES.filter((name) => name > '20261126000000_personal_data'))
    expect(await schemaOf(url)).toBe(schema)
    await expectUsable(url, schema)
    expect(await query(url, "SELECT FROM pg_namespace WHERE nspname = 'dingtalk'")).toEqual([])
  })

  test("is not one in which another program has tables of such names, and that program's stay as they are", async () => {
    const url = await aDatabase('public')
    await execute(
      url,
      'CREATE TABLE public.delivery_task (id int); CREATE TABLE public.delivery_poll (id int)',
      "CREATE TABLE public._prisma_migrations (migration_name text); INSERT INTO public._prisma_migrations VALUES ('20990101_theirs')",
    )
    expect(await migrate(url)).toEqual(NAMES)
    expect(await schemaOf(url)).toBe('dingtalk')
    expect(await query(url, 'TABLE public._prisma_migrations')).toEqual([{ migration_name: '20990101_theirs' }])
    const tracker = createTracker({ databaseUrl: url })
    await tracker.track({ taskId: '1' })
    await tracker.close()
    expect(await query(url, 'TABLE public.delivery_task')).toEqual([])
  })

  test('is dingtalk where both have tables, and the other one where it is chosen', async () => {
    const url = await aDatabase()
    await with010(url)
    await migrate(`${url}?schema=dingtalk`)
    expect(await schemaOf(url)).toBe('dingtalk')
    await migrate(`${url}?schema=public`)
    expect(await schemaOf(`${url}?schema=public`)).toBe('public')
  })

  test('that was not chosen here, but where it was made, is named', async () => {
    const url = await aDatabase()
    await migrate(`${url}?schema=tracker`)
    await expect(schemaOf(url)).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringMatching(/in the schema "dingtalk"\. The tracker is in "tracker": set DATABASE_SCHEMA to that name/),
    })
  })

  test('with the migrations of another program is refused, with a way out', async () => {
    const url = await aDatabase()
    await with010(url)
    await execute(
      url,
      "UPDATE public._prisma_migrations SET migration_name = '20200101_theirs' WHERE migration_name = '20261123000000_delivery'",
    )
    await expect(migrate(url)).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining('DATABASE_SCHEMA=dingtalk'),
    })
  })

  test('is made by a role that may, and else both ways to it are named', async () => {
    const url = await aDatabase()
    const role = `migrates_${Math.random().toString(36).slice(2)}`
    await execute(url, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`)
    onTestFinished(() => execute(url, `DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`))
    const theirs = Object.assign(new URL(url), { username: role, password: 'x' }).href
    await expect(migrate(theirs)).rejects.toMatchObject({
      code: 'NOT_PERMITTED',
      message: expect.stringMatching(
        new RegExp(`CREATE SCHEMA "dingtalk" AUTHORIZATION "${role}"; or GRANT CREATE ON DATABASE "test_\\w+" TO "${role}";$`),
      ),
    })
    await execute(url, `CREATE SCHEMA "dingtalk" AUTHORIZATION "${role}"`)
    expect(await migrate(theirs)).toEqual(NAMES)
  })
})

describe('after a move', () => {
  test('of a whole schema, migrate brings the functions along', async () => {
    const url = await aDatabase()
    await migrate(url)
    await execute(url, 'ALTER SCHEMA dingtalk RENAME TO "Tracker"')
    expect(await migrate(`${url}?schema=Tracker`)).toEqual([])
    await expectUsable(`${url}?schema=Tracker`, 'Tracker')
  })
})

/** A login without rights but those of its group, whose sessions have no schema in their search path. */
const SCHEMAS = ['dingtalk', 'order', 'Mixed Case', 'a"quote', 'ünïcode', '100%']

describe.each(SCHEMAS)('in the schema %s, for roles with an empty search path', (schema) => {
  const place = `"${schema.replaceAll('"', '""')}"`
  let url: string
  let drop: () => Promise<void>
  const as = new Map<string, pg.Client>()
  beforeAll(async () => {
    const database = await createTestDatabase({ searchPath: "''" })
    ;({ url, drop } = database)
    const chosen = `${url}?schema=${encodeURIComponent(schema)}`
    await rolesFor(url, schema)
    await migrate(chosen)
    await rolesFor(url, schema)
    const owner = new pg.Client({ connectionString: url })
    await owner.connect()
    as.set('owner', owner)
    for (const group of ['send', 'read']) {
      const login = `${group}_${new URL(url).pathname.slice(6)}`
      await execute(url, `CREATE ROLE ${login} LOGIN PASSWORD 'x' IN ROLE delivery_${group}`)
      await setSearchPath(url, "''", login)
      const client = new pg.Client({ connectionString: Object.assign(new URL(url), { username: login, password: 'x' }).href })
      await client.connect()
      as.set(group, client)
    }
  })
  afterAll(async () => {
    for (const client of as.values()) await client.end()
    await drop()
    for (const group of ['send', 'read']) await inServer(`DROP ROLE IF EXISTS ${group}_${new URL(url).pathname.slice(6)}`)
  })

  test('a sender tracks, in its own transaction', async () => {
    const sender = as.get('send')
    await sender?.query('BEGIN')
    const one = await sender?.query(
      `SELECT ${place}.track_delivery(task_id => '1', user_ids => ARRAY['ann', 'bob'], campaign => 'payroll-11') AS is_new`,
    )
    expect(one?.rows).toEqual([{ is_new: true }])
    const again = await sender?.query(
      `SELECT ${place}.track_delivery(task_id => '1', user_ids => ARRAY['ann', 'bob'], campaign => 'payroll-11') AS is_new`,
    )
    expect(again?.rows).toEqual([{ is_new: false }])
    const many = await sender?.query(`SELECT is_new FROM ${place}.delivery_track($1::jsonb)`, [
      JSON.stringify([{ taskId: '2' }, { taskId: '3', userIds: ['cy'] }]),
    ])
    expect(many?.rows).toEqual([{ is_new: true }, { is_new: true }])
    await expect(sender?.query(`SELECT ${place}.track_delivery('no digits')`)).rejects.toMatchObject({ code: '22023' })
    await sender?.query('ROLLBACK')
    await sender?.query(`SELECT ${place}.track_delivery(task_id => '1', user_ids => ARRAY['ann', 'bob'], campaign => 'payroll-11')`)
  })

  test('a reader reads every view and calls both functions', async () => {
    const reader = as.get('read')
    const { rows: views } = (await reader?.query(
      "SELECT quote_ident(table_schema) || '.' || table_name AS name FROM information_schema.role_table_grants WHERE grantee = 'delivery_read'",
    )) ?? { rows: [] }
    expect(views.length).toBeGreaterThan(8)
    for (const { name } of views) await expect(reader?.query(`SELECT * FROM ${name}`)).resolves.toBeDefined()
    const state = await reader?.query(`SELECT user_id, state FROM ${place}.delivery_state_at('default', '1', now() + interval '1 minute')`)
    expect(state?.rows).toEqual([
      { user_id: 'ann', state: 'pending' },
      { user_id: 'bob', state: 'pending' },
    ])
    expect((await reader?.query(`SELECT ${place}.delivery_forbidden_reason('143105') AS reason`))?.rows).toHaveLength(1)
  })

  test('every function that uses a name of ours has the schema in its own search path', async () => {
    const owner = as.get('owner')
    const { rows } = (await owner?.query<{ proname: string; path: string | null }>(
      `SELECT proname, (SELECT setting FROM unnest(proconfig) AS setting WHERE setting LIKE 'search\\_path=%') AS path FROM pg_proc
       WHERE pronamespace = $1::regnamespace AND (prosrc ~ '(delivery_|track_delivery)' OR prosecdef OR proconfig::text LIKE '%search\\_path=%')`,
      [place],
    )) ?? { rows: [] }
    expect(rows.length).toBeGreaterThan(20)
    const own = (await owner?.query<{ path: string }>("SELECT format('search_path=%I, pg_temp', $1::text) AS path", [schema]))?.rows[0]
      ?.path
    expect(rows.filter(({ path }) => path !== own)).toEqual([])
  })

  test('writes of the owner run the triggers', async () => {
    const owner = as.get('owner')
    await owner?.query('BEGIN')
    await owner?.query(`UPDATE ${place}.delivery_recipient SET state = 'unread'`)
    await owner?.query(`UPDATE ${place}.delivery_task SET campaign = 'other'`)
    expect((await owner?.query(`SELECT ${place}.delivery_recount_campaigns(10, 10) AS counted`))?.rows).toEqual([
      { counted: expect.any(Number) },
    ])
    await owner?.query(`DELETE FROM ${place}.delivery_task`)
    await owner?.query('ROLLBACK')
  })
})

/** deploy/postgres/roles.sql, as `psql --command "SET dingtalk.schema = …" --file roles.sql` runs it. */
async function rolesFor(url: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query("SELECT set_config('dingtalk.schema', $1, false)", [schema])
    await client.query(await readFile(new URL('../../deploy/postgres/roles.sql', import.meta.url), 'utf8'))
  } finally {
    await client.end()
  }
}

async function inServer(statement: string): Promise<void> {
  const database = await createTestDatabase()
  await execute(database.url, statement)
  await database.drop()
}
