import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { migrate } from '../../src/store/migrate.ts'
import { blocksOf, ROOT } from '../docs/support/pages.ts'
import { type ApiPageServer, type Person, startApiPageServer } from '../support/api-page-server.ts'
import { CANARIES } from '../support/canaries.ts'
import {
  describeInstalledPostgres,
  type InstalledPostgres,
  installedPrograms,
  startInstalledPostgres,
} from '../support/installed-postgres.ts'
import { checkTruth } from '../support/oracle.ts'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { type NodeProcess, runCli, startCli } from '../support/process.ts'
import { type RedisServer, redisAvailable, startRedis } from '../support/redis-server.ts'
import { giveRights, urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'

/**
 * What docs/backup.md promises, by its own commands: a dump of a server that the system has installed is restored into a newer one, and a worker goes on
 * there. The first day loses nothing but the queue; the second goes back to a dump that is a quarter of a day old.
 */

const TIME_SCALE = 480
const DAY_MS = 86_400_000 / TIME_SCALE
const AGENT_ID = '836390886'
const PATIENCE_MS = DAY_MS + 60_000

type Register = (close: () => Promise<void>) => void

describeInstalledPostgres('a backup', () => {
  let source: InstalledPostgres
  let target: PostgresServer
  let folder: string
  beforeAll(async () => {
    ;[source, target] = await Promise.all([startInstalledPostgres(), startPostgresServer()])
    folder = await mkdtemp(join(tmpdir(), 'backup-'))
    await chmod(folder, 0o711)
  }, 120_000)
  afterAll(async () => {
    await Promise.all([source?.stop(), target?.stop()])
    await rm(folder, { recursive: true, force: true })
  })

  describe('is restored', { concurrent: true }, () => {
    test('with a new queue: the figures are equal, no task that ended is polled, and the open one ends as if nothing had happened', {
      timeout: PATIENCE_MS + 120_000,
    }, async ({ onTestFinished, expect: expected }) => {
      const day = await startDay('fresh', onTestFinished)
      const sentAt = Date.now()
      await day.track('1', sentAt, [reads('ann', sentAt)])
      await day.track('2', sentAt, [reads('bob', sentAt + DAY_MS / 2), reads('carol', null)])
      const worker = await day.startWorker()
      await until(() => day.hasRows("status = 'complete' AND task_id = '1' OR polls >= 3 AND task_id = '2'", 2), {
        what: 'one ended and one goes on',
      })
      await stop(worker)
      const before = await figures(day.url)
      const calls = day.server.calls.get('1')

      await day.backUp()
      await day.restore()
      expected(await figures(day.url)).toEqual(before)

      await day.startWorker(await startQueue(onTestFinished))
      await until(() => day.hasRows("status <> 'tracking'", 2), { what: 'the day is over', timeoutMs: PATIENCE_MS })
      const rows = await checkTruth(day.url, day.server)
      expected(rows.get('2')).toMatchObject({ status: 'expired', reason_code: 'window_over' })
      expected(day.server.calls.get('1'), 'calls for the task that had ended').toBe(calls)
      const made = day.server.calls.get('2') ?? 0
      expected(made, 'every call is a row').toBe(rows.get('2')?.calls)
      expected(made, 'no more calls than polls are planned').toBeLessThanOrEqual(24)
    })

    test('from an old dump, with the queue of today: what can still be asked for is found, and what cannot is as of the dump', {
      timeout: PATIENCE_MS + 120_000,
    }, async ({ onTestFinished, expect: expected }) => {
      const day = await startDay('old', onTestFinished)
      const worker = await day.startWorker()
      await day.track('1', Date.now(), [reads('bob', null), reads('carol', null)])
      // Its window closes between the dump and the restore.
      const early = Date.now() - 0.6 * DAY_MS
      await day.track('2', early, [reads('dave', null)])
      await until(() => day.hasRows('polls >= 1 AND unread >= 1', 2), { what: 'both were polled', timeoutMs: 60_000 })
      await day.backUp()
      const readAt = Date.now()
      day.changePeople('1', [reads('bob', readAt), reads('carol', null)])
      day.changePeople('2', [reads('dave', readAt)])
      await day.track('3', Date.now(), [reads('erin', null)])
      const seen = "(task_id = '1' AND read = 1) OR (task_id = '3' AND polls >= 1)"
      await until(() => day.hasRows(seen, 2), { what: 'bob was seen reading, and a third task was polled', timeoutMs: DAY_MS })
      await until(() => Date.now() > early + DAY_MS, { what: "the second task's deadline has passed", timeoutMs: DAY_MS })
      await stop(worker)
      const made = await polls(day.url)
      await day.restore()
      const restored = await polls(day.url)
      expected(restored.length, 'polls that were in the dump').toBeGreaterThanOrEqual(2)
      expected(made).toEqual(expected.arrayContaining(restored))
      expected(made.length, 'polls that were made after the dump, and are lost').toBeGreaterThan(restored.length)

      const next = await day.startWorker()
      const [lost] = await ask(day.url, "SELECT count(*)::int AS n FROM delivery_task WHERE task_id = '3'")
      expected(lost, 'the task that was tracked after the dump').toEqual({ n: 0 })
      const tracker = createTracker({ databaseUrl: urlAs('send', day.url) })
      onTestFinished(() => tracker.close())
      const again = await tracker.track({
        taskId: '3',
        userIds: ['erin'],
        sentAt: new Date(day.server.tasks.get('3')?.sentAt ?? 0),
        agentId: AGENT_ID,
      })
      expected(again).toMatchObject({ duplicate: false })
      await until(() => day.hasRows("task_id = '1' AND read = 1 OR task_id = '3' AND unread = 1", 2), {
        what: 'what can be asked for is found',
      })

      const [bob] = await ask(day.url, "SELECT last_unread_at, first_read_at FROM delivery_recipient_status WHERE user_id = 'bob'")
      expected(dateOf(bob, 'last_unread_at')).toBeLessThan(readAt)
      expected(dateOf(bob, 'first_read_at')).toBeGreaterThanOrEqual(readAt)
      await until(() => day.hasRows("task_id = '2' AND status = 'expired'", 1), { what: 'the second task has ended', timeoutMs: DAY_MS })
      const [dave] = await ask(day.url, "SELECT state FROM delivery_recipient_status WHERE user_id = 'dave'")
      expected(dave, 'as of the last poll before the dump').toEqual({ state: 'unread' })
      await until(() => day.hasRows("status <> 'tracking'", 3), { what: 'the day is over', timeoutMs: PATIENCE_MS })
      expected(await stop(next)).toEqual({ code: 0, signal: null })
    })
  })

  test('a worker goes on while a newer version migrates; started again, it refuses the database, as migrate does, and changes nothing', async ({
    onTestFinished,
  }) => {
    const url = await createDatabase(target.url, 'newer')
    const server = await startApiPageServer()
    onTestFinished(() => server.close())
    const env = workerEnvironment(url, { url }, server)
    expect(await runCli(['migrate'], { env })).toMatchObject({ code: 0 })
    const older = startCli(['worker'], { env })
    await older.waitForLine(/worker ready/, 120_000)
    await ask(
      url,
      `INSERT INTO ${await migrationsTable(url)} (id, checksum, migration_name, finished_at) VALUES ('x', 'x', '29990101000000_later', now())`,
    )

    const sentAt = Date.now()
    server.add({ taskId: '1', agentId: AGENT_ID, sentAt, windowMs: DAY_MS, people: [reads('ann', null)] })
    const tracker = createTracker({ databaseUrl: url })
    onTestFinished(() => tracker.close())
    await tracker.track({ taskId: '1', userIds: ['ann'], sentAt: new Date(sentAt) })
    await until(async () => (await ask(url, 'SELECT FROM delivery_task_rates WHERE unread = 1')).length === 1, {
      what: 'the task is polled',
    })
    const later = 'it has migration 29990101000000_later, which this version does not know. Install the newer version that made it'
    await until(async () => (await readiness(older)).includes(later), { what: 'the older worker says why it is not ready' })
    expect(await stop(older)).toEqual({ code: 0, signal: null })

    const before = await figures(url)
    for (const command of ['worker', 'migrate', 'doctor']) {
      const { code, stdout, stderr } = await runCli([command], { env })
      expect([command, code, stdout + stderr]).toEqual([command, 1, expect.stringContaining(later)])
    }
    expect(await figures(url)).toEqual(before)
  })

  test('a worker of the new version on an older database ends, and says what to run', async () => {
    const url = await createDatabase(target.url, 'older')
    const worker = startCli(['worker'], { env: { DATABASE_URL: url, QUEUE_URL: url, HEALTH_PORT: '0' } })
    expect(await worker.exit).toEqual({ code: 1, signal: null })
    expect(worker.stderr()).toMatch(/Run: (npx )?dingtalk-delivery migrate/)
  })

  /** A DingTalk, a database on the installed server, and a queue, for one test. */
  async function startDay(name: string, onTestFinished: Register) {
    const server = await startApiPageServer()
    onTestFinished(() => server.close())
    let url = await createDatabase(source.url, name)
    await giveRights(url)
    await migrate(urlAs('migrate', url))
    await giveRights(url)
    const queue = await startQueue(onTestFinished)
    const dump = join(folder, `${name}.dump`)
    const [backUp = '', restore = ''] = blocksOf('docs/backup.md').map(({ text }) => text)
    return {
      server,
      get url() {
        return url
      },
      async track(taskId: string, sentAt: number, people: readonly Person[]) {
        server.add({ taskId, agentId: AGENT_ID, sentAt, windowMs: DAY_MS, people })
        const tracker = createTracker({ databaseUrl: urlAs('send', url) })
        const userIds = people.map(({ userId }) => userId)
        try {
          await tracker.track({ taskId, agentId: AGENT_ID, userIds, sentAt: new Date(sentAt) })
        } finally {
          await tracker.close()
        }
      },
      /** From now on DingTalk says this of the task. */
      changePeople(taskId: string, people: readonly Person[]) {
        const task = server.tasks.get(taskId)
        if (task !== undefined) server.add({ ...task, people })
      },
      async startWorker(redis = queue): Promise<NodeProcess> {
        const worker = startCli(['worker'], { env: workerEnvironment(urlAs('worker', url), redis, server), onTestFinished })
        await worker.waitForLine(/worker ready/, 120_000)
        return worker
      },
      async hasRows(condition: string, count: number): Promise<boolean> {
        const [row] = await ask(url, `SELECT count(*)::int AS n FROM delivery_task_rates WHERE ${condition}`)
        return row?.['n'] === count
      },
      async backUp() {
        run(backUp, dump, { OWNERS_URL: url })
      },
      async restore() {
        const restored = await createDatabase(target.url, name)
        run(restore, dump, { NEW_URL: restored })
        // The logins of the run, which the operator makes anew on the new server.
        await giveRights(restored)
        url = restored
      },
    }
  }
})

/** A block of the page, with the programs of the installed version, as an operator pastes it in the folder of the package. */
function run(script: string, dump: string, env: Readonly<Record<string, string>>): void {
  expect(script).toContain('tracker.dump')
  const { status, stderr } = spawnSync('sh', ['-euc', script.replaceAll('tracker.dump', dump)], {
    ...{ cwd: ROOT, encoding: 'utf8' },
    env: { ...env, PATH: `${installedPrograms()}:/usr/bin:/bin` },
  })
  expect(status, stderr).toBe(0)
}

async function startQueue(onTestFinished: Register): Promise<RedisServer> {
  if (!redisAvailable()) throw new Error('redis-server is not installed. Install it (apt-get install redis-server).')
  const redis = await startRedis({ users: true })
  onTestFinished(() => redis.stop())
  return redis
}

function workerEnvironment(databaseUrl: string, queue: { readonly url: string }, server: ApiPageServer): Record<string, string> {
  return {
    ...{ DATABASE_URL: databaseUrl, QUEUE_URL: queue.url, DINGTALK_OAPI_URL: server.url, DINGTALK_API_URL: server.url },
    ...{ DINGTALK_APP_KEY: CANARIES.appKey, DINGTALK_APP_SECRET: CANARIES.appSecret, DINGTALK_AGENT_ID: AGENT_ID },
    ...{ TIME_SCALE: String(TIME_SCALE), MAX_CALLS_PER_SECOND: '200', HEALTH_PORT: '0' },
  }
}

/** The tests' own statements find the tables in whichever schema they are. */
async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const database = `backup_${name}`
  await ask(serverUrl, `CREATE DATABASE ${database}`)
  await ask(serverUrl, `ALTER DATABASE ${database} SET search_path = dingtalk, public`)
  const url = new URL(serverUrl)
  url.pathname = `/${database}`
  return url.href
}

/** In whichever schema it is. */
async function migrationsTable(url: string): Promise<string> {
  const [row] = await ask(url, "SELECT oid::regclass::text AS name FROM pg_class WHERE relname = '_prisma_migrations'")
  return String(row?.['name'])
}

/** All that reports are made of. */
async function figures(url: string): Promise<unknown> {
  const views = ['task_rates', 'campaign_rates', 'recipient_status', 'campaign_people', 'read_curve', 'poll_history', 'state_changes']
  const rows = await Promise.all(
    views.map(async (view) => ask(url, `SELECT row_to_json(v)::text AS row FROM delivery_${view} AS v ORDER BY 1`)),
  )
  return Object.fromEntries(views.map((view, i) => [view, rows[i]?.map(({ row }) => row)]))
}

async function polls(url: string): Promise<unknown[]> {
  return ask(
    url,
    'SELECT task_id, poll_no, requested_at, responded_at, outcome, read, unread FROM delivery_poll_history ORDER BY task_id, poll_no',
  )
}

async function ask(url: string, sql: string): Promise<Array<Record<string, unknown>>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql)
    return rows
  } finally {
    await client.end()
  }
}

function reads(userId: string, readAt: number | null): Person {
  return { userId, fate: 'delivered', listedAt: 0, readAt }
}

async function stop(worker: NodeProcess): ReturnType<() => NodeProcess['exit']> {
  worker.kill('SIGTERM')
  return worker.exit
}

async function readiness(worker: NodeProcess): Promise<string> {
  const url = /"health":"([^"]+)"/.exec(worker.stderr())?.[1] ?? ''
  return (await fetch(`${url}/readyz`)).text()
}

function dateOf(row: Record<string, unknown> | undefined, column: string): number {
  const value = row?.[column]
  if (!(value instanceof Date)) throw new Error(`${column} is no date`)
  return value.getTime()
}
