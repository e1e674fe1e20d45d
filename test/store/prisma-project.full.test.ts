import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { createRates } from '../../src/rates.ts'
import { migrate } from '../../src/store/migrate.ts'
import { assertSchemaVersion, openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, query, type TestDatabase } from '../support/postgres.ts'
import { createPrismaProject, type PrismaProject } from './support/prisma-cli.ts'
import { ourModel } from './support/schema-engine.ts'

/** The tracker in the database of a program that has a Prisma project of its own, with Prisma's real command. */

const ROOT = join(import.meta.dirname, '../..')
/** Several commands of Prisma one after the other. */
const TIMEOUT_MS = 600_000

const datasource = `datasource db {
  provider = "postgresql"
}
`
const FIRST = `${datasource}
model Order {
  id   Int    @id @default(autoincrement())
  name String
}
`
const SECOND = `${FIRST}
model Invoice {
  id      Int  @id @default(autoincrement())
  paidOn  DateTime?
}
`

/** As Prisma's own documentation writes the address. */
const THEIRS = { schema: 'public' }

async function expectDone(project: PrismaProject, says: RegExp | null, ...args: readonly string[]): Promise<void> {
  const { code, output } = await project.prisma(...args)
  expect([args, code, output]).toEqual([args, 0, says === null ? output : expect.stringMatching(says)])
  expect([args, output]).toEqual([args, expect.not.stringMatching(/delivery_|dingtalk|drift/i)])
}

/** Everything of ours that Prisma could change. */
const ours = (url: string) =>
  query(
    url,
    `SELECT 'relation' AS kind, relname::text AS name, relowner::text AS more FROM pg_class WHERE relnamespace = 'dingtalk'::regnamespace
     UNION ALL SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'dingtalk'::regnamespace
     UNION ALL SELECT 'task', task_id, status FROM dingtalk.delivery_task ORDER BY 1, 2`,
  )

/** Each command finds its own tables and migrations, and nothing of ours. */
async function useTheirs(project: PrismaProject): Promise<void> {
  await expectDone(project, /Database schema is up to date/, 'migrate', 'status')
  await expectDone(project, /No pending migrations/, 'migrate', 'deploy')
  await expectDone(project, /already in sync/, 'db', 'push')
  await expectDone(
    project,
    /No difference detected/,
    'migrate',
    'diff',
    '--from-config-datasource',
    '--to-schema',
    'schema.prisma',
    '--exit-code',
  )
  await expectDone(project, /model Order/, 'db', 'pull', '--print')
  await project.write(SECOND)
  await expectDone(project, /_invoice/, 'migrate', 'dev', '--name', 'invoice')
  await project.write(`${SECOND}model Customer {\n  id Int @id\n}\n`)
  await expectDone(project, /now in sync/, 'db', 'push')
  await project.write(SECOND)
  await expectDone(project, null, 'db', 'push', '--accept-data-loss')
}

/** What we promise of our own schema, whatever is beside it. */
async function useOurs(url: string): Promise<void> {
  expect(await migrate(url)).toEqual([])
  const database = openDatabase(url)
  const tracker = createTracker({ databaseUrl: url })
  const rates = createRates({ databaseUrl: url })
  try {
    await assertSchemaVersion(database)
    expect(await database.schema()).toBe('dingtalk')
    await tracker.track({ taskId: '256271667526', userIds: ['ann'] })
    expect(await rates.task('256271667526')).toMatchObject({ targeted: 1, status: 'tracking' })
  } finally {
    await Promise.all([database.close(), tracker.close(), rates.close()])
  }
  const project = await createPrismaProject(url, { schema: 'dingtalk', migrations: join(ROOT, 'prisma/migrations') })
  try {
    await project.write(ourModel())
    for (const [says, ...args] of OUR_COMMANDS) {
      const { code, output } = await project.prisma(...args)
      expect([args, code, output]).toEqual([args, 0, expect.stringMatching(says)])
    }
  } finally {
    await project.remove()
  }
}

const DIFF = ['migrate', 'diff', '--from-config-datasource', '--to-schema', 'schema.prisma', '--exit-code'] as const
const OUR_COMMANDS: ReadonlyArray<readonly [RegExp, ...string[]]> = [
  [/No pending migrations/, 'migrate', 'deploy'],
  [/Database schema is up to date/, 'migrate', 'status'],
  [/No difference detected/, ...DIFF],
]

describe.each(['theirs first', 'ours first'])('%s', (order) => {
  let database: TestDatabase
  let project: PrismaProject
  beforeAll(async () => {
    database = await createTestDatabase({ searchPath: '"$user", public' })
    project = await createPrismaProject(database.url, THEIRS)
    if (order === 'ours first') await migrate(database.url)
    await project.write(FIRST)
    await expectDone(project, /_first/, 'migrate', 'dev', '--name', 'first')
    await migrate(database.url)
  }, TIMEOUT_MS)
  afterAll(async () => {
    await project.remove()
    await database.drop()
  })

  test(
    'there is no drift in either schema, and both projects go on',
    async () => {
      await useOurs(database.url)
      const before = await ours(database.url)
      await useTheirs(project)
      expect(await ours(database.url)).toEqual(before)
      await useOurs(database.url)
    },
    TIMEOUT_MS,
  )

  test(
    'what deletes all of their tables leaves ours',
    async () => {
      const before = await ours(database.url)
      await expectDone(project, /Database reset successful/, 'migrate', 'reset', '--force')
      await expectDone(project, /now in sync/, 'db', 'push', '--force-reset')
      expect(await ours(database.url)).toEqual(before)
      expect(await migrate(database.url)).toEqual([])
    },
    TIMEOUT_MS,
  )
})

test(
  'prisma migrate deploy with ?schema= makes what our own migrate makes',
  async () => {
    const database = await createTestDatabase({ searchPath: '"$user", public' })
    const project = await createPrismaProject(database.url, { schema: 'tracker', migrations: join(ROOT, 'prisma/migrations') })
    try {
      await project.write(ourModel())
      expect(await project.prisma('migrate', 'deploy')).toMatchObject({ code: 0, output: expect.stringContaining('successfully applied') })
      const url = `${database.url}?schema=tracker`
      expect(await migrate(url)).toEqual([])
      expect(await project.prisma(...DIFF)).toMatchObject({ code: 0, output: expect.stringContaining('No difference') })
      const tracker = createTracker({ databaseUrl: url })
      await tracker.track({ taskId: '1' })
      await tracker.close()
      expect(await query(database.url, 'SELECT task_id FROM tracker.delivery_task')).toEqual([{ task_id: '1' }])
    } finally {
      await project.remove()
      await database.drop()
    }
  },
  TIMEOUT_MS,
)
