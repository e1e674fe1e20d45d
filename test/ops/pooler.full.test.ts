import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { migrateAll } from '../../src/app/operations.ts'
import { createTracker } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { knownMigrations, migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createWorker } from '../../src/worker.ts'
import { type ApiPageServer, startApiPageServer } from '../support/api-page-server.ts'
import { describePgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { createTestDatabase, execute } from '../support/postgres.ts'
import { giveRights, urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'
import { diagnose } from './support.ts'

const TASKS = 60
const AGENT_ID = '836390886'
/** A day of twelve minutes, with half a second between two passes of the reconciler. */
const TIME_SCALE = 120

describePgBouncer('behind PgBouncer in transaction mode, with its defaults', () => {
  let pooler: PgBouncer
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  beforeAll(async () => {
    database = await createTestDatabase({ migrated: true })
    pooler = await startPgBouncer(database.url)
  })
  afterAll(async () => {
    await pooler.stop()
    await database.drop()
  })

  test.each([
    ['behind the pooler', (url: string) => pooler.through(url)],
    ['directly', (url: string) => url],
  ])('a worker that reaches the database %s puts all timers back, each time that the queue is wiped', async (_, as) => {
    const { workersUrl, server, ownersUrl } = await aCompany()
    const tracker = createTracker({ databaseUrl: as(workersUrl) })
    onTestFinished(() => tracker.close())
    await tracker.trackMany(sent(server))
    const worker = aWorker(as(workersUrl), workersUrl, server)
    await worker.ready
    for (const round of [1, 2, 3]) {
      const callsBefore = new Map(server.calls)
      await execute(ownersUrl, 'DELETE FROM bullmq.job')
      await execute(
        ownersUrl,
        "UPDATE delivery_task SET next_poll_at = clock_timestamp() - interval '1 hour' WHERE status = 'tracking' AND scheduled_at IS NOT NULL",
      )
      const polledAgain = (): boolean => [...server.tasks.keys()].every((id) => (server.calls.get(id) ?? 0) > (callsBefore.get(id) ?? 0))
      await until(polledAgain, { what: `all are polled after the queue was wiped for time ${round}` })
    }
  })

  test('migrate may run from many machines at once, and twice', async () => {
    const empty = await anEmptyDatabase()
    const names = knownMigrations().map(({ name }) => name)
    const applied = await Promise.all(Array.from({ length: 10 }, () => migrate(pooler.through(empty))))
    expect(applied.flat()).toEqual(names)
    expect(await migrate(pooler.through(empty))).toEqual([])
    // Nothing is left locked for the one who comes directly.
    expect(await migrate(empty, { lockTimeoutMs: 1_000 })).toEqual([])
  })

  test('the settings of a session reach nobody else: statements of others have no limit, and the zone is of each', async () => {
    const pooled = openDatabase(pooler.through(database.url), { max: 8, statementTimeoutMs: 1_234 })
    onTestFinished(() => pooled.close())
    await Promise.all(Array.from({ length: 8 }, () => pooled.pool.query('SELECT pg_sleep(0.01)')))
    const other = new Client({ connectionString: pooler.through(database.url) })
    await other.connect()
    onTestFinished(() => other.end())
    await other.query("SET timezone TO 'Asia/Shanghai'")
    const zones = async (client: Pick<Client, 'query'>) =>
      (await client.query<Settings>("SELECT current_setting('TimeZone') AS zone, current_setting('statement_timeout') AS limit")).rows
    for (let i = 0; i < 10; i++) {
      expect(await zones(other)).toEqual([{ zone: 'Asia/Shanghai', limit: '0' }])
      expect((await pooled.pool.query<Settings>("SELECT current_setting('TimeZone') AS zone")).rows).toEqual([{ zone: 'UTC' }])
    }
  })

  test('a direct connection has a limit for its statements', async () => {
    const direct = openDatabase(database.url, { statementTimeoutMs: 1_234 })
    onTestFinished(() => direct.close())
    expect((await direct.pool.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '1234ms' }])
  })

  test('a queue there is refused at once, in one line, by all that would use it', async () => {
    await migrateQueueSchema(database.url, ['dingtalk-delivery'])
    const url = pooler.through(database.url)
    const refused = {
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(/^QUEUE_URL leads through a pooler in transaction mode, .* session mode/),
    }
    await expect(migrateQueueSchema(url)).rejects.toMatchObject(refused)
    const worker = aWorker(url, url)
    await expect(worker.ready).rejects.toMatchObject(refused)
    const tracker = createTracker({ queueUrl: url })
    onTestFinished(() => tracker.close())
    await expect(tracker.track({ taskId: '1', agentId: AGENT_ID })).rejects.toMatchObject(refused)
    const [asked, direct] = await Promise.all(
      [url, database.url].map((QUEUE_URL) => diagnose(parseConfig({ DATABASE_URL: url, QUEUE_URL }))),
    )
    const of = (name: string, findings = asked) => findings?.find((finding) => finding.name === name)
    expect([of('database')?.ok, of('rights')?.ok, of('clock')?.ok]).toEqual([true, true, true])
    expect(of('queue')).toMatchObject({ ok: false, detail: refused.message })
    expect(of('queue', direct)?.ok).toBe(true)
    // No session of the pooler was left with a setting of the queue.
    const other = new Client({ connectionString: url })
    await other.connect()
    onTestFinished(() => other.end())
    for (let i = 0; i < 5; i++) expect((await other.query('SHOW search_path')).rows).toEqual([{ search_path: 'dingtalk, public' }])
  })
})

describePgBouncer('behind PgBouncer in session mode, with its defaults', () => {
  test('database and queue work', async () => {
    const { workersUrl, server, ownersUrl } = await aCompany()
    const pooler = await startPgBouncer(ownersUrl, { pool_mode: 'session', default_pool_size: '20' })
    onTestFinished(() => pooler.stop())
    const url = pooler.through(workersUrl)
    await migrateAll({ databaseUrl: pooler.through(ownersUrl), queue: { url: pooler.through(ownersUrl), ...QUEUE } })
    const worker = aWorker(url, url, server)
    await worker.ready
    const [first, ...others] = sent(server)
    const byQueue = createTracker({ queueUrl: url })
    onTestFinished(() => byQueue.close())
    const byDatabase = createTracker({ databaseUrl: url })
    onTestFinished(() => byDatabase.close())
    if (first !== undefined) await byQueue.track(first)
    await byDatabase.trackMany(others)
    const allArePolled = (): boolean => [...server.tasks.keys()].every((id) => (server.calls.get(id) ?? 0) > 0)
    await until(allArePolled, { timeoutMs: 120_000, what: 'all are polled' })
    const found = (await diagnose(parseConfig({ DATABASE_URL: url }))).find(({ name }) => name === 'queue')
    expect(found).toMatchObject({ ok: true, detail: expect.stringContaining('session mode') })
  })
})

const QUEUE = { backend: 'postgres', name: 'dingtalk-delivery', prefix: 'bull', schema: 'bullmq', connections: null } as const

/** Closed with the test. */
function aWorker(databaseUrl: string, queueUrl: string, server?: ApiPageServer) {
  const worker = createWorker({
    ...{ databaseUrl, queueUrl, timeScale: TIME_SCALE, shutdownGraceSeconds: 5 },
    apps: [
      {
        credentials: { kind: 'internal', appKey: 'key', appSecret: 'secret', endpoint: 'new' },
        agentId: AGENT_ID,
        ...(server && { oapiUrl: server.url, apiUrl: server.url }),
        callsPerSecond: 1_000,
      },
    ],
    logger: createLogger({ level: 'silent', pretty: false }),
  })
  onTestFinished(() => worker.close())
  return worker
}

interface Settings {
  readonly zone: string
  readonly limit: string
}

/** A database with the queue in it, and a DingTalk. */
async function aCompany() {
  const { url, drop } = await createTestDatabase({ migrated: true })
  onTestFinished(drop)
  await giveRights(url)
  await migrateQueueSchema(urlAs('migrate', url), ['dingtalk-delivery'])
  const server = await startApiPageServer()
  onTestFinished(() => server.close())
  return { ownersUrl: url, workersUrl: urlAs('worker', url), server }
}

async function anEmptyDatabase(): Promise<string> {
  const { url, drop } = await createTestDatabase()
  onTestFinished(drop)
  return url
}

/** Sends to one person each, who never reads. */
function sent(server: ApiPageServer) {
  return Array.from({ length: TASKS }, (_, i) => {
    const taskId = String(256_271_667_526 + i)
    const sentAt = Date.now()
    const ann = { userId: 'ann', fate: 'delivered', listedAt: 0, readAt: null } as const
    server.add({ taskId, agentId: AGENT_ID, sentAt, windowMs: 86_400_000 / TIME_SCALE, people: [ann] })
    return { taskId, agentId: AGENT_ID, userIds: ['ann'], sentAt }
  })
}
