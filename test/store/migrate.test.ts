import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { knownMigrations, migrate, missingMigrations } from '../../src/store/migrate.ts'
import { assertSchemaVersion, openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { datamodel, liveDatabase, migrationList, NO_FILTERS, withSchemaEngine } from './support/schema-engine.ts'

const opened: TestDatabase[] = []
afterAll(() => Promise.all(opened.map((database) => database.drop())))

async function emptyDatabase(): Promise<string> {
  const database = await createTestDatabase()
  opened.push(database)
  return database.url
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql)
    return rows
  } finally {
    await client.end()
  }
}

const NAMES = knownMigrations().map((migration) => migration.name)

let ours: string
beforeAll(async () => {
  ours = await emptyDatabase()
  await migrate(ours)
})

test('an empty database gets every migration, once', async () => {
  const url = await emptyDatabase()
  expect(await migrate(url)).toEqual(NAMES)
  expect(await migrate(url)).toEqual([])
})

test('ten machines at once apply each migration once', async () => {
  const url = await emptyDatabase()
  const applied = await Promise.all(Array.from({ length: 10 }, () => migrate(url)))
  expect(applied.flat()).toEqual(NAMES)
  expect(await query(url, 'SELECT migration_name FROM _prisma_migrations')).toEqual(NAMES.map((migration_name) => ({ migration_name })))
})

test("Prisma's own engine leaves the same catalog and the same record of migrations", async () => {
  const theirs = await emptyDatabase()
  await withSchemaEngine(theirs, (engine) => engine.applyMigrations({ migrationsList: migrationList(), filters: NO_FILTERS }))
  for (const part of Object.values(CATALOG)) expect(await query(ours, part)).toEqual(await query(theirs, part))
  expect(await query(ours, RECORD)).toEqual(await query(theirs, RECORD))
  expect(await migrate(theirs)).toEqual([])
})

test("Prisma's own engine finds nothing to apply after us", async () => {
  const result = await withSchemaEngine(ours, (engine) => engine.applyMigrations({ migrationsList: migrationList(), filters: NO_FILTERS }))
  expect(result).toEqual({ appliedMigrationNames: [] })
})

test('schema.prisma and the migrated database do not differ', async () => {
  const diff = await withSchemaEngine(ours, (engine) =>
    engine.diff({ from: liveDatabase(), to: datamodel(), script: true, exitCode: true, filters: NO_FILTERS }),
  )
  expect(diff).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('empty migration') })
})

test.each([
  [
    'one that this version does not know',
    "UPDATE _prisma_migrations SET migration_name = '29990101000000_later'",
    /29990101000000_later, which this version does not know/,
  ],
  ['one that was changed by hand', "UPDATE _prisma_migrations SET checksum = 'x'", /was applied from another text/],
  ['one that failed half-way', 'UPDATE _prisma_migrations SET finished_at = NULL', /failed half-way/],
])('a database with %s is left alone, and a worker does not start on it', async (_, spoil, message) => {
  const url = await emptyDatabase()
  await migrate(url)
  await query(url, spoil)
  const refusal = { code: 'SCHEMA_MISMATCH', message: expect.stringMatching(message) }
  await expect(migrate(url)).rejects.toMatchObject(refusal)
  await expect(assertSchema(url)).rejects.toMatchObject(refusal)
})

test('a worker on an empty database is told which command to run', async () => {
  await expect(assertSchema(await emptyDatabase())).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('Run: npx dingtalk-delivery migrate'),
  })
  await expect(assertSchema(ours)).resolves.toBeUndefined()
})

test('a statement on an empty database says which command to run', async () => {
  const database = openDatabase(await emptyDatabase())
  const { createDeliveryStore } = await import('../../src/store/delivery-store.ts')
  try {
    await expect(createDeliveryStore(database).load({ app: 'default', taskId: '1' })).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining('Run: npx dingtalk-delivery migrate'),
    })
  } finally {
    await database.close()
  }
})

test("a sender's own tables in the same database are no obstacle", async () => {
  const url = await emptyDatabase()
  await query(url, 'CREATE TABLE orders (id int)')
  expect(await migrate(url)).toEqual(NAMES)
})

test('what is older than the build is brought up to date; what was rolled back counts as missing', () => {
  const migration = (name: string) => ({ name, sql: '', checksum: name })
  const known = ['1_a', '2_b', '3_c'].map(migration)
  expect(missingMigrations(known, [{ name: '1_a', checksum: '1_a', finished: true }]).map(({ name }) => name)).toEqual(['2_b', '3_c'])
})

test('a server that is not there is named, and the password is not', async () => {
  const refusal: unknown = await migrate('postgres://someone:hunter2@127.0.0.1:1/nothing').catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('DATABASE_URL') })
  expect(String(refusal)).not.toContain('hunter2')
})

async function assertSchema(url: string): Promise<void> {
  const database = openDatabase(url)
  try {
    await assertSchemaVersion(database)
  } finally {
    await database.close()
  }
}

const RECORD =
  'SELECT migration_name, checksum, logs, rolled_back_at, applied_steps_count, finished_at >= started_at AS finished FROM _prisma_migrations ORDER BY 1'

/** Everything that a migration can make. */
const CATALOG = {
  columns: `SELECT c.relname, c.relkind, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull, a.attidentity, a.attcollation::regcollation::text AS collation,
      pg_get_expr(d.adbin, d.adrelid) AS def, col_description(c.oid, a.attnum) AS comment
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'dingtalk'::regnamespace ORDER BY 1, 4`,
  constraints: `SELECT conrelid::regclass::text AS tbl, conname, pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE connamespace = 'dingtalk'::regnamespace ORDER BY 1, 2`,
  indexes: `SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'dingtalk' ORDER BY 1`,
  views: `SELECT viewname, definition, obj_description(viewname::regclass) AS comment FROM pg_views WHERE schemaname = 'dingtalk' ORDER BY 1`,
  functions: `SELECT proname, pg_get_functiondef(oid) AS def, obj_description(oid) AS comment FROM pg_proc WHERE pronamespace = 'dingtalk'::regnamespace ORDER BY 1`,
}
