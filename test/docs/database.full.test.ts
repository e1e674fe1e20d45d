import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { knownMigrations, migrate } from '../../src/store/migrate.ts'
import { assertSchemaVersion, openDatabase } from '../../src/store/prisma.ts'
import { createPrismaProject } from '../store/support/prisma-cli.ts'
import { createTestDatabase, execute, query } from '../support/postgres.ts'
import { startNode } from '../support/process.ts'
import { giveRights, urlAs } from '../support/roles.ts'
import { blocksOf } from './support/pages.ts'
import { compile } from './support/project.ts'

/** Every block of docs/database.md about the schema, as its reader runs it: on a search path that lacks our schema. */

const PAGE = 'docs/database.md'
const PLAIN = '"$user", public'
/** Several commands of Prisma and the compiler, on a busy machine. */
const TIMEOUT_MS = 300_000

/** The only block of the page with this text in it. */
function block(part: string): string {
  const found = blocksOf(PAGE).filter(({ text }) => text.includes(part))
  expect(found, `one block of the page has ${part}`).toHaveLength(1)
  return found[0]?.text ?? ''
}

async function aDatabase(): Promise<string> {
  const database = await createTestDatabase({ searchPath: PLAIN })
  onTestFinished(() => database.drop())
  return database.url
}

test('a sender tracks inside its own transaction, and only where that commits', async () => {
  const url = await aDatabase()
  await giveRights(url)
  await migrate(urlAs('migrate', url))
  await giveRights(url)
  const statements = block('BEGIN;\nSELECT dingtalk.track_delivery')
  const sender = urlAs('send', url)
  await execute(sender, statements.replace('COMMIT', 'ROLLBACK'))
  expect(await query(url, 'TABLE dingtalk.delivery_task')).toEqual([])
  await execute(sender, statements)
  expect(await query(url, 'SELECT task_id, campaign, targeted FROM dingtalk.delivery_task_rates')).toEqual([
    { task_id: '256271667540', campaign: 'payroll-11', targeted: 1 },
  ])
})

test('an installation of 0.1.0 is moved by the script, whole, and works there', async () => {
  const url = await aDatabase()
  await install010(url)
  await execute(url, 'CREATE TABLE public.orders (id int)')
  await migrate(url)
  const move = block("public.%I SET SCHEMA dingtalk'")
  await execute(url, move)
  expect(await migrate(url)).toEqual([])
  expect(await query(url, LEFT)).toEqual([{ name: 'orders' }])
  const database = openDatabase(url)
  await assertSchemaVersion(database)
  expect(await database.schema()).toBe('dingtalk')
  expect(await database.prisma.task.count()).toBe(1)
  await database.close()
  const { rows } = await as(url, "SELECT dingtalk.track_delivery('2') AS is_new")
  expect(rows).toEqual([{ is_new: true }])
})

const LEFT = `SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`

/** As version 0.1.0 left it. */
async function install010(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
    migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count int NOT NULL DEFAULT 0)`)
  for (const { name, sql, checksum } of knownMigrations().filter((each) => each.name <= '20261126000000_personal_data')) {
    await client.query(sql)
    await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ($1, $2, $1, now())', [
      name.slice(0, 36),
      checksum,
    ])
  }
  await client.query("SELECT track_delivery('1')")
  await client.end()
}

async function as(url: string, statement: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(statement)
  } finally {
    await client.end()
  }
}

const MODEL = `generator client {
  provider            = "prisma-client"
  output              = "generated/prisma"
  importFileExtension = "js"
}

datasource db {
  provider = "postgresql"
}

model Order {
  id   Int    @id @default(autoincrement())
  name String
}
`

const RUN = `import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from './generated/prisma/client.js'
import { storeOrder } from './snippet.js'

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env['DATABASE_URL'] }) })
await storeOrder(prisma, 'tea', '256271667541')
await storeOrder(prisma, 'coffee', 'no task id').catch(() => undefined)
await prisma.$disconnect()
`

test('with Prisma, the task and the row of the program are stored together or not at all', { timeout: TIMEOUT_MS }, async () => {
  const url = await aDatabase()
  await migrate(url)
  const project = await createPrismaProject(url, { schema: 'public' })
  onTestFinished(() => project.remove())
  await project.write(MODEL)
  for (const command of [['migrate', 'dev', '--name', 'first'], ['generate']])
    expect(await project.prisma(...command)).toMatchObject({ code: 0 })
  await writeFile(join(project.folder, 'package.json'), '{ "type": "module" }')
  const snippet = block('prisma.$transaction').replace(/'(\.\/generated\/.+)\.ts'/, "'$1.js'")
  await compile(project, { 'snippet.ts': snippet, 'run.ts': RUN })
  const run = startNode(join(project.folder, 'run.js'), { cwd: project.folder, env: { DATABASE_URL: url } })
  const { code } = await run.exit
  expect([code, run.stderr()]).toEqual([0, ''])
  expect(await query(url, 'SELECT name FROM public."Order"')).toEqual([{ name: 'tea' }])
  expect(await query(url, 'SELECT task_id, campaign FROM dingtalk.delivery_task')).toEqual([
    { task_id: '256271667541', campaign: 'orders' },
  ])
})
