import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createClosers } from '../../src/app/lifecycle.ts'
import { openQueue, type QueueAddress } from '../../src/queue/connection.ts'
import { inspectQueue } from '../../src/queue/inspect.ts'
import { assertQueueSchema, migrateQueueSchema } from '../../src/queue/schema.ts'
import { createPollTimers, jobIdOf } from '../../src/queue/timers.ts'
import { deferred } from '../support/deferred.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { builtFile, startNode } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'
import { aForeignQueue, aQueue, aWorker, describeQueues, storedJob } from './support.ts'

const KEY = { app: 'default', taskId: '256271667526' }
const ID = jobIdOf(KEY)
const CLOSING_WORKER = fileURLToPath(new URL('./closing-worker.mjs', import.meta.url))
const now = (): Date => new Date()
const due = () => ({ key: KEY, deadlineAt: new Date(Date.now() + 3_600_000), poll: { at: now(), last: false } })
const NO_LOG = { warn: () => undefined, debug: () => undefined }
const inAnHour = () => ({ kind: 'snooze' as const, until: { at: new Date(Date.now() + 3_600_000), last: false } })

describeQueues((backend) => {
  test('the poll of a worker that is killed is made by another one after the lock', async () => {
    const address = backend.address()
    await createPollTimers(aQueue(address), now).set([due()])
    const child = startNode(fileURLToPath(new URL('./slow-worker.mjs', import.meta.url)), {
      args: [builtFile('queue/worker.js'), JSON.stringify(address), '1000'],
    })
    await child.waitForLine(/^polling/)
    const polls: string[] = []
    aWorker(address, { lockMs: 1_000, poll: async ({ taskId }) => (polls.push(taskId), inAnHour()) })
    child.kill('SIGKILL')
    await child.exit
    await until(() => polls.length === 1, { what: 'the other worker polls' })
    const queue = aForeignQueue(address)
    await until(async () => (await storedJob(queue, ID))?.state === 'delayed', { what: 'the job is delayed' })
    expect((await storedJob(queue, ID))?.job.attemptsMade).toBe(0)
  })

  test('a worker that dies in every poll loses no task', async () => {
    const address = backend.address()
    await createPollTimers(aQueue(address), now).set([due()])
    for (let kill = 1; kill <= 3; kill++) {
      const child = startNode(fileURLToPath(new URL('./slow-worker.mjs', import.meta.url)), {
        args: [builtFile('queue/worker.js'), JSON.stringify(address), '500'],
      })
      await child.waitForLine(/^polling/)
      child.kill('SIGKILL')
      await child.exit
    }
    const polls: string[] = []
    aWorker(address, { lockMs: 500, poll: async ({ taskId }) => (polls.push(taskId), { kind: 'done' }) })
    await until(() => polls.length === 1, { what: 'the last worker polls' })
  })
})

/** One that is not done yet would still hold the id of the next one, until its lock is over. */
async function jobIsGone(address: QueueAddress): Promise<void> {
  const queue = aForeignQueue(address)
  await until(async () => (await storedJob(queue, ID)) === undefined, { what: 'the job is done' })
}

describeRedis('a Redis that goes away', () => {
  async function aRedis(): Promise<{ redis: RedisServer; address: QueueAddress }> {
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    return { redis, address: { url: redis.url, name: 'dingtalk-delivery', prefix: 'bull' } }
  }

  test('a worker continues by itself when it is back', async () => {
    const { redis, address } = await aRedis()
    const polls: string[] = []
    aWorker(address, { poll: async ({ taskId }) => (polls.push(taskId), { kind: 'done' }) })
    const timers = createPollTimers(aQueue(address, 'consumer'), now)
    await timers.set([due()])
    await until(() => polls.length === 1, { what: 'a poll' })
    await jobIsGone(address)
    await redis.restart()
    await timers.set([due()])
    await until(() => polls.length === 2, { what: 'a poll after the outage' })
  })

  test('the job of a poll that ends while it is away is delayed when it is back', async () => {
    const { redis, address } = await aRedis()
    await createPollTimers(aQueue(address), now).set([due()])
    const [begun, held] = [deferred(), deferred()]
    aWorker(address, {
      lockMs: 20_000,
      poll: async () => {
        begun.resolve()
        await held.promise
        return inAnHour()
      },
    })
    await begun.promise
    await redis.kill('SIGKILL')
    held.resolve()
    await redis.restart()
    const queue = aForeignQueue(address)
    await until(async () => (await storedJob(queue, ID))?.state === 'delayed', { what: 'the job is delayed' })
  })

  test.each(['producer', 'consumer'] as const)(
    'a timer that it does not take is refused, not waited for without end (%s)',
    async (role) => {
      const { redis, address } = await aRedis()
      const timers = createPollTimers(aQueue(address, role), now, 1_000)
      await timers.set([due()])
      await redis.kill('SIGKILL')
      await expect(timers.set([due()])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
      await expect(timers.restore([due()])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
      await redis.restart()
      await until(() => timers.set([due()]).then(() => true), { what: 'the timer is taken' })
    },
  )

  test('a worker closes soon although it is gone, with a poll under way', async () => {
    const { redis, address } = await aRedis()
    await createPollTimers(aQueue(address), now).set([due()])
    const begun = deferred()
    const worker = aWorker(address, {
      poll: (_key, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
          begun.resolve()
        }),
    })
    await begun.promise
    await redis.kill('SIGKILL')
    const closers = createClosers(NO_LOG)
    closers.add('polls', () => {
      worker.abort()
      return worker.close()
    })
    expect(await closers.close(15_000), 'what did not close in time').toEqual([])
  })

  test('an idle worker and a queue close although it is gone, and let the process end by itself', async () => {
    const { redis, address } = await aRedis()
    const child = startNode(CLOSING_WORKER, {
      args: [builtFile('queue/worker.js'), builtFile('queue/connection.js'), JSON.stringify(address)],
    })
    await child.waitForLine(/^ready/)
    await redis.kill('SIGKILL')
    child.kill('SIGTERM')
    expect(await child.exit).toEqual({ code: 0, signal: null })
    expect(child.stdout()).toContain('closed')
    expect(child.stderr()).toBe('')
  })

  test('one error of the connection is reported once', async () => {
    const { redis, address } = await aRedis()
    const reported: unknown[] = []
    const opened = openQueue(address, 'consumer', (error) => void reported.push(error))
    onTestFinished(() => opened.close())
    await opened.it.count()
    await redis.kill('SIGKILL')
    await until(() => reported.length >= 2, { what: 'two attempts have failed' })
    expect(new Set(reported).size).toBe(reported.length)
  })

  test('what is wrong with it is found', async () => {
    const { redis, address } = await aRedis()
    expect((await inspectQueue(address)).filter(({ remedy }) => remedy !== undefined)).toEqual([])
    const client = new Redis(address.url)
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await client.config('SET', 'appendonly', 'no')
    expect(await wrongAt(address)).toEqual([
      ['queue memory', true, 'set maxmemory-policy noeviction'],
      ['queue persistence', true, 'set appendonly yes'],
    ])
    await client.config('SET', 'maxmemory-policy', 'noeviction')
    await client.config('SET', 'appendonly', 'yes')
    await client.config('SET', 'maxmemory', '1mb')
    expect(await wrongAt(address)).toEqual([['queue memory', true, 'raise maxmemory, or find out what else is in this Redis']])
    await client.config('SET', 'maxmemory', '0')
    // Of itself: it takes no writes from then on.
    await client.replicaof('127.0.0.1', redis.port)
    expect(await wrongAt(address)).toEqual([['queue', false, 'Point QUEUE_URL at the primary, or promote this server (REPLICAOF NO ONE).']])
    client.disconnect()
    await redis.kill('SIGKILL')
    const [gone] = await inspectQueue(address)
    expect(gone).toMatchObject({
      name: 'queue',
      ok: false,
      detail: expect.stringContaining('ECONNREFUSED'),
      remedy: 'check QUEUE_URL and the server',
    })
  })
})

describe('a PostgreSQL that goes away', () => {
  async function aServer(): Promise<{ proxy: TcpProxy; address: QueueAddress }> {
    const database = await createTestDatabase()
    onTestFinished(() => database.drop())
    await migrateQueueSchema(database.url)
    const url = new URL(database.url)
    const proxy = await startProxy(Number(url.port))
    onTestFinished(() => proxy.close())
    url.port = String(proxy.port)
    return { proxy, address: { url: url.href, name: 'dingtalk-delivery', prefix: 'bull' } }
  }

  test('a queue that was opened while it was away works when it is back', async () => {
    const { proxy, address } = await aServer()
    await proxy.mode('refuse')
    const timers = createPollTimers(aQueue(address, 'consumer'), now)
    await expect(timers.set([due()])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
    await proxy.mode('pass')
    await timers.set([due()])
    expect((await timers.restore([due()])).left).toBe(1)
  })

  test('a worker whose first connection broke off polls when it is back', async () => {
    const { proxy, address } = await aServer()
    await proxy.mode('reset')
    const [polls, errors]: [string[], unknown[]] = [[], []]
    aWorker(address, {
      poll: async ({ taskId }) => (polls.push(taskId), { kind: 'done' }),
      events: { failed: ({ error }) => void errors.push(error), lock: () => undefined },
    })
    await until(() => errors.length > 2, { what: 'it has tried again' })
    await proxy.mode('pass')
    await until(
      () =>
        createPollTimers(aQueue(address), now)
          .set([due()])
          .then(() => true),
      { what: 'the timer is taken' },
    )
    await until(() => polls.length === 1, { what: 'a poll' })
  })

  test('a worker continues by itself when it is back', async () => {
    const { proxy, address } = await aServer()
    const polls: string[] = []
    aWorker(address, { poll: async ({ taskId }) => (polls.push(taskId), { kind: 'done' }) })
    const timers = createPollTimers(aQueue(address, 'consumer'), now)
    await timers.set([due()])
    await until(() => polls.length === 1, { what: 'a poll' })
    await jobIsGone(address)
    await proxy.mode('refuse')
    await expect(timers.set([due()])).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
    await proxy.mode('pass')
    await until(() => timers.set([due()]).then(() => true), { what: 'the timer is taken' })
    await until(() => polls.length === 2, { what: 'a poll after the outage' })
  })

  test('an idle worker and a queue close although it is gone, and let the process end by itself', async () => {
    const { proxy, address } = await aServer()
    const child = startNode(CLOSING_WORKER, {
      args: [builtFile('queue/worker.js'), builtFile('queue/connection.js'), JSON.stringify(address)],
    })
    await child.waitForLine(/^ready/)
    await proxy.mode('refuse')
    child.kill('SIGTERM')
    expect(await child.exit).toEqual({ code: 0, signal: null })
    expect(child.stdout()).toContain('closed')
  })

  test('without its schema the error names the command to run', async () => {
    const database = await createTestDatabase()
    onTestFinished(() => database.drop())
    await expect(assertQueueSchema(database.url)).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining('npx dingtalk-delivery migrate'),
    })
    const version = await migrateQueueSchema(database.url)
    expect(await migrateQueueSchema(database.url)).toBe(version)
    await assertQueueSchema(database.url)
    expect(await inspectQueue({ url: database.url, name: 'dingtalk-delivery', prefix: 'bull' })).toEqual([
      { name: 'queue', ok: true, detail: 'PostgreSQL, schema up to date' },
    ])
  })
})

/** Names, whether the work goes on, and what to do. */
async function wrongAt(address: QueueAddress): Promise<Array<[string, boolean, string]>> {
  const findings = await inspectQueue(address)
  return findings.flatMap(({ name, ok, remedy }) => (remedy === undefined ? [] : [[name, ok, remedy.split(':')[0] ?? '']]))
}
