import { createPostgresBackend, createRedisBackend, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openQueuePool, openSockets, POSTGRES_SCHEMA } from '../../src/queue/postgres.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { isLockLost, isRefusal, jobIdOfLostLock, readFirstConnection, setPoolOptions } from '../../src/queue/workarounds.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { startRedis } from '../support/redis-server.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'

/**
 * What BullMQ does without src/queue/workarounds.ts. A test that fails after an upgrade names a workaround that has become needless, or one that
 * no longer takes hold.
 */
const TIMEOUTS = { statementMs: 30_000, queryMs: 10_000, waitsForDisk: true }
const idle = async (): Promise<void> => undefined

describe('BullMQ on PostgreSQL', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase()
    await migrateQueueSchema(database.url)
  })
  afterAll(() => database.drop())

  const optionsOf = (url: string) => ({ connectionString: url, schema: POSTGRES_SCHEMA, max: 2 })

  /** The worker of a server behind a proxy that refuses its connections. */
  async function aWorkerWithoutServer(name: string) {
    const proxy = await startProxy(Number(new URL(database.url).port))
    onTestFinished(() => proxy.close())
    await proxy.mode('refuse')
    const url = new URL(database.url)
    url.port = String(proxy.port)
    const worker = new Worker(name, idle, { connection: optionsOf(url.href), autorun: false }, createPostgresBackend)
    onTestFinished(() => worker.close())
    worker.on('error', () => undefined)
    return { proxy, worker }
  }

  const connectionOf = (worker: object) => {
    const backend: unknown = Reflect.get(worker, 'backend')
    return readFirstConnection(typeof backend === 'object' && backend !== null ? backend : {})
  }

  test('setPoolOptions: with a pool of the caller another schema than "bullmq" is not found', async () => {
    const other = await createTestDatabase()
    onTestFinished(() => other.drop())
    await migrateQueueSchema(other.url, [], 'other_queue')
    const { pool, end } = openQueuePool({ url: other.url, schema: 'other_queue' }, 2, TIMEOUTS, openSockets())
    onTestFinished(end)
    const open = (create: typeof createPostgresBackend) => {
      const queue = new Queue('other', { connection: pool }, create)
      queue.on('error', () => undefined)
      onTestFinished(() => queue.close())
      return queue
    }
    await expect(open(createPostgresBackend).waitUntilReady()).rejects.toThrow('"bullmq" is not initialized')
    const queue = open(setPoolOptions(createPostgresBackend, 'other_queue'))
    await queue.add('job', {})
    expect(await queue.count()).toBe(1)
  })

  test('retryFirstConnection, reopenQueue: a first connection that failed is not made again', async () => {
    const { proxy, worker } = await aWorkerWithoutServer('first-connection')
    await expect(connectionOf(worker).waitUntilReady()).rejects.toThrow()
    await proxy.mode('pass')
    await expect(connectionOf(worker).waitUntilReady()).rejects.toThrow()
    await expect(worker.waitUntilReady()).rejects.toThrow()
  })

  test('retryFirstConnection: the promise of the first connection is in a private field that can be cleared', async () => {
    const { proxy, worker } = await aWorkerWithoutServer('first-promise')
    await expect(worker.waitUntilReady()).rejects.toThrow()
    await proxy.mode('pass')
    const connection = connectionOf(worker)
    expect(connection).toMatchObject({ readyPromise: expect.any(Promise) })
    connection.readyPromise = undefined
    await connection.waitUntilReady()
  })

  test('limitBlocking: a worker blocks for an hour', async () => {
    const { worker } = await aWorkerWithoutServer('blocking')
    expect(Reflect.get(worker, 'maximumBlockTimeout')).toBe(3_600)
  })

  test('closeWhenReady: a worker that is closed while it connects leaves its LISTEN connection open', async () => {
    const client = new Client({ connectionString: database.url })
    await client.connect()
    onTestFinished(() => client.end())
    const worker = new Worker('listen', idle, { connection: optionsOf(database.url) }, createPostgresBackend)
    worker.on('error', () => undefined)
    await worker.close()
    const sql = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%listen%'`
    const left = await until(async () => (await client.query<{ pid: number }>(sql)).rows[0], { what: 'the connection is still open' })
    await client.query('SELECT pg_terminate_backend($1)', [left.pid])
  })

  test('migrateQueueSchema: the sequence of a queue is made with its first job', async () => {
    const client = new Client({ connectionString: database.url })
    await client.connect()
    onTestFinished(() => client.end())
    const sequences = async () => (await client.query('SELECT FROM pg_sequences WHERE schemaname = $1', [POSTGRES_SCHEMA])).rowCount ?? 0
    const before = await sequences()
    await client.query(`SELECT ${POSTGRES_SCHEMA}.next_job_id('a-new-queue')`)
    expect(await sequences()).toBe(before + 1)
  })
})

describeRedis('BullMQ on Redis', () => {
  async function aRedis(url?: string) {
    const server = url === undefined ? await startRedis() : null
    if (server !== null) onTestFinished(() => server.stop())
    const redis = new Redis(url ?? server?.url ?? '', { maxRetriesPerRequest: null, retryStrategy: () => 50 })
    onTestFinished(() => redis.disconnect())
    redis.on('error', () => undefined)
    return { server, redis }
  }

  let shared = ''
  beforeAll(async () => {
    const server = await startRedis()
    shared = server.url
    return () => server.stop()
  })

  test('closeWithClients: a close waits without end for a connection that is being made again (taskforcesh/bullmq#4656)', async () => {
    const { server, redis } = await aRedis()
    const worker = new Worker('closing', idle, { connection: redis }, createRedisBackend)
    const errors: unknown[] = []
    worker.on('error', (error) => void errors.push(error))
    await worker.waitUntilReady()
    await server?.kill('SIGKILL')
    await until(() => errors.length > 0, { what: 'the connection is lost' })
    let closed = false
    void worker.close().then(() => {
      closed = true
    })
    await until(() => errors.length > 10, { what: 'ten attempts have failed' })
    expect(closed).toBe(false)
  })

  test('closeWithClients: a client that was given is left open', async () => {
    const { redis } = await aRedis(shared)
    const queue = new Queue('given-client', { connection: redis }, createRedisBackend)
    await queue.waitUntilReady()
    await queue.close()
    expect(redis.status).toBe('ready')
  })

  test('reportOnce: an error of the client is emitted by the queue as well', async () => {
    const { redis } = await aRedis(shared)
    const queue = new Queue('errors', { connection: redis }, createRedisBackend)
    onTestFinished(() => queue.close())
    const errors: unknown[] = []
    redis.on('error', (error) => void errors.push(error))
    queue.on('error', (error) => void errors.push(error))
    await queue.waitUntilReady()
    const error = new Error('lost')
    redis.emit('error', error)
    expect(errors).toEqual([error, error])
  })

  test('limitBlocking, MAX_STALLED_COUNT: a worker blocks for 10 s, and a job that stalled twice has failed', async () => {
    const { redis } = await aRedis(shared)
    const worker = new Worker('defaults', idle, { connection: redis, autorun: false }, createRedisBackend)
    onTestFinished(() => worker.close())
    expect(Reflect.get(worker, 'maximumBlockTimeout')).toBe(10)
    expect(worker.opts.maxStalledCount).toBe(1)
  })

  test('isLockLost, jobIdOfLostLock: a lost lock is known by its code, and its job by the message alone', async () => {
    const { redis } = await aRedis(shared)
    const queue = new Queue('locks', { connection: redis }, createRedisBackend)
    onTestFinished(() => queue.close())
    const worker = new Worker('locks', idle, { connection: redis, autorun: false }, createRedisBackend)
    onTestFinished(() => worker.close())
    await queue.add('poll', {}, { jobId: 'poll.default.1' })
    const job = await worker.getNextJob('mine')
    const refused = await job?.moveToDelayed(Date.now() + 60_000, 'other').then(
      () => null,
      (error: unknown) => error,
    )
    expect(refused).toBeInstanceOf(Error)
    expect([isRefusal(refused), isLockLost(refused)]).toEqual([true, true])
    expect(isLockLost(refused) && jobIdOfLostLock(refused)).toBe('poll.default.1')
    expect(isRefusal(Object.assign(new Error('gone'), { code: 'ECONNRESET' }))).toBe(false)
  })
})
