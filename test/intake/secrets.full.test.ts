import { createServer } from 'node:net'
import { Client } from 'pg'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { createRates } from '../../src/rates.ts'
import { migrate } from '../../src/store/migrate.ts'
import { createWorker } from '../../src/worker.ts'
import { CANARIES } from '../support/canaries.ts'
import { assertNoLeakInDatabase, assertNoLeakInError } from '../support/leaks.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { startRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'

const { databasePassword, redisPassword, appKey, appSecret } = CANARIES
/** Where nothing listens. */
const CLOSED = '127.0.0.1:1'

/** A server of a kind that no client of ours understands. */
async function aStranger(): Promise<string> {
  const server = createServer((socket) => void socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

/** The real one refuses the user and the password. */
const realDatabase = (): string => new URL(inject('postgresUrl')).host

/** Whatever is wrong with where a password leads, the error that comes of it must not hold the password. */
const PLACES: ReadonlyArray<readonly [string, () => string | Promise<string>]> = [
  ['that nothing listens at', () => CLOSED],
  ['that has no such name', () => 'no-such-host.invalid'],
  ['that is another kind of server', aStranger],
]

async function errorOf(work: () => unknown): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  return expect.fail('it was taken')
}

describe('a password of PostgreSQL is in no error', () => {
  test.each([...PLACES, ['that refuses it', realDatabase] as const])('of a server %s', async (_, place) => {
    const databaseUrl = `postgres://tracker:${databasePassword}@${await place()}/tracker?application_name=${databasePassword}`
    const tracker = createTracker({ databaseUrl })
    const queue = createTracker({ queueUrl: databaseUrl })
    const rates = createRates({ databaseUrl })
    onTestFinished(async () => void (await Promise.all([tracker.close(), queue.close(), rates.close()])))
    const task = { taskId: '1' }
    const errors = await Promise.all(
      [
        () => tracker.track(task),
        () => queue.track(task),
        () => rates.task('1'),
        () => migrate(databaseUrl),
        () => migrateQueueSchema(databaseUrl),
      ].map(errorOf),
    )
    for (const error of errors) assertNoLeakInError(error)
  })

  test.each([`mysql://tracker:${databasePassword}@db/x`, `postgres://tracker:${databasePassword}@db:port/x`, databasePassword])(
    'where the URL is none (%#)',
    async (databaseUrl) => {
      const intakes = [
        () => createTracker({ databaseUrl }),
        () => createTracker({ queueUrl: databaseUrl }),
        () => createRates({ databaseUrl }),
        () => createWorker({ databaseUrl, apps: [{ credentials: { kind: 'fixed', accessToken: CANARIES.accessToken } }] }),
      ]
      for (const door of intakes) assertNoLeakInError(await errorOf(door))
    },
  )
})

describe('a password of Redis is in no error', () => {
  test.each(PLACES)('of a server %s', async (_, place) => {
    await assertTrackerKeeps(`redis://worker:${redisPassword}@${await place()}`)
  })

  describeRedis('of a server that refuses it', () => {
    test.each(['delivery_worker', 'nobody'])('from the user %s', async (user) => {
      const server = await startRedis({ users: true })
      onTestFinished(() => server.stop())
      const right = new URL(server.url)
      await assertTrackerKeeps(`redis://${user}:${CANARIES.databasePassword}@${right.host}`)
    })
  })

  async function assertTrackerKeeps(queueUrl: string): Promise<void> {
    const tracker = createTracker({ queueUrl })
    onTestFinished(() => tracker.close())
    assertNoLeakInError(await errorOf(() => tracker.track({ taskId: '1' })))
  }
})

test('credentials of an app are in no error of a worker, nor in what it says of itself', async () => {
  const worker = createWorker({
    databaseUrl: `postgres://tracker:${databasePassword}@${CLOSED}/tracker`,
    queueUrl: `redis://worker:${redisPassword}@${CLOSED}`,
    apps: [{ credentials: { kind: 'internal', appKey, appSecret, endpoint: 'new' } }],
  })
  onTestFinished(() => worker.close())
  const report = await until(async () => (await worker.health()).ok || worker.health(), { what: 'it says how it is' })
  assertNoLeakInError(new Error(JSON.stringify(report)))
  assertNoLeakInError(new Error(await worker.metrics()))
  const bad = {
    credentials: { kind: 'internal', appKey, appSecret, endpoint: 'new' },
    oapiUrl: `https://x:${appSecret}@oapi.dingtalk.io`,
  } as const
  assertNoLeakInError(await errorOf(() => createWorker({ databaseUrl: `postgres://${CLOSED}/x`, apps: [bad] })))
})

test('a secret that is in a table is found', async () => {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  await assertNoLeakInDatabase(database.url)
  const client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query(`SELECT track_delivery(task_id => '1', campaign => '${appSecret}')`)
  await client.end()
  await expect(assertNoLeakInDatabase(database.url)).rejects.toThrow(
    'a secret leaked: appSecret can be read in the table dingtalk.delivery_task',
  )
})
