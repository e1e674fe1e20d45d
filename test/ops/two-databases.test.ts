import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { expect, inject, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createRates } from '../../src/rates.ts'
import { createWorker } from '../../src/worker.ts'
import { type ApiPageServer, startApiPageServer } from '../support/api-page-server.ts'
import { createTestDatabase, query } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { until } from '../support/wait.ts'

const APPS = ['org-1', 'org-2', 'org-3', 'org-4', 'org-5', 'org-6']
const TIME_SCALE = 1_440

interface Installation {
  readonly databaseUrl: string
  readonly queueName: string
}

/** As docs/scaling.md chooses it. */
const placeOf = (app: string, count: number): number => crc32(app) % count

const queueUrl = (): string => inject('redisUrl') ?? 'no redis'

/** A database, a queue of its own on the Redis that all share, and a worker with the apps that belong there. */
async function anInstallation(server: ApiPageServer, apps: readonly string[]): Promise<Installation> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const queueName = `queue-${randomBytes(6).toString('hex')}`
  const worker = createWorker({
    ...{ databaseUrl: database.url, queueUrl: queueUrl(), queueName, timeScale: TIME_SCALE, shutdownGraceSeconds: 5 },
    apps: apps.map((name) => ({
      ...{ name, agentId: '836390886', oapiUrl: server.url, apiUrl: server.url },
      credentials: { kind: 'internal', appKey: 'key', appSecret: 'secret', endpoint: 'new' },
    })),
    logger: createLogger({ level: 'silent', pretty: false }),
  })
  onTestFinished(() => worker.close())
  await worker.ready
  return { databaseUrl: database.url, queueName }
}

describeRedis('two installations on one Redis', () => {
  test('each polls the tasks of its own apps; a sender and a reader choose by the hash of the app', async () => {
    const server = await startApiPageServer()
    onTestFinished(() => server.close())
    const appsOf = (place: number) => APPS.filter((app) => placeOf(app, 2) === place)
    expect(Math.min(appsOf(0).length, appsOf(1).length), 'both have apps').toBeGreaterThan(0)
    const installations = [await anInstallation(server, appsOf(0)), await anInstallation(server, appsOf(1))]
    const at = (app: string) => installations[placeOf(app, 2)] ?? expect.fail('there are two')

    const sentAt = new Date()
    const people = [{ userId: 'ann', fate: 'delivered' as const, listedAt: 0, readAt: sentAt.getTime() }]
    for (const [i, app] of APPS.entries()) {
      const { queueName } = at(app)
      server.add({ taskId: String(i + 1), agentId: '836390886', sentAt: sentAt.getTime(), windowMs: 86_400_000 / TIME_SCALE, people })
      const tracker = createTracker({ queueUrl: queueUrl(), queueName })
      onTestFinished(() => tracker.close())
      // A sender has two seconds, which a busy machine may not; tracking again is safe.
      await until(() => tracker.track({ app, taskId: i + 1, userIds: ['ann'], campaign: 'payroll-11', sentAt }), { what: 'it is tracked' })
    }
    for (const app of APPS) {
      const read = async () => (await query(at(app).databaseUrl, `SELECT read FROM delivery_task WHERE app = '${app}'`))[0]?.['read']
      await until(async () => Number(await read()) === 1, { what: `${app} was polled by the installation that has it` })
    }
    const tasks = await Promise.all(installations.map(({ databaseUrl }) => query(databaseUrl, 'SELECT app FROM delivery_task')))
    expect(tasks.map((rows) => rows.map(({ app }) => String(app)).toSorted())).toEqual([appsOf(0), appsOf(1)])

    // A campaign of the same name is one campaign an installation: nothing adds them up.
    for (const [place, { databaseUrl }] of installations.entries()) {
      const rates = createRates({ databaseUrl })
      onTestFinished(() => rates.close())
      const campaigns = await Promise.all(appsOf(place).map((app) => rates.campaign('payroll-11', { app })))
      expect(campaigns.map((campaign) => campaign?.read)).toEqual(appsOf(place).map(() => 1))
      expect(
        await rates.task('1', { app: 'org-1' }).then(
          (task) => task !== null,
          () => false,
        ),
      ).toBe(placeOf('org-1', 2) === place)
    }
  })
})
