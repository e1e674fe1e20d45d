import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { inspectQueue } from '../../src/queue/inspect.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { giveRights, urlAs } from '../support/roles.ts'

/** The suites of the queue run as this user and this role; here is what neither must do. */
describeRedis('the user of deploy/redis/users.acl', () => {
  let server: RedisServer
  let worker: Redis
  beforeAll(async () => {
    server = await startRedis({ users: true })
    worker = new Redis(server.url)
  })
  afterAll(async () => {
    worker.disconnect()
    await server.stop()
  })

  test.each([
    ['FLUSHALL'],
    ['FLUSHDB'],
    ['CONFIG', 'GET', 'requirepass'],
    ['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'],
    ['KEYS', '*'],
    ['SCAN', '0'],
    ['DEBUG', 'SLEEP', '0'],
    ['ACL', 'LIST'],
    ['ACL', 'SETUSER', 'delivery_worker', '+@all'],
    ['SHUTDOWN', 'NOSAVE'],
    ['CLIENT', 'KILL', 'TYPE', 'normal'],
    ['MONITOR'],
    ['SAVE'],
    ['REPLICAOF', '127.0.0.1', '1'],
    ['SCRIPT', 'FLUSH'],
    ['FUNCTION', 'FLUSH'],
    ['MODULE', 'LIST'],
    ['PUBLISH', 'bull', 'x'],
    ['SUBSCRIBE', 'bull:x'],
    ['GET', 'session:of-another-program'],
    ['SET', 'bullet', 'x'],
    ['RENAME', 'bull:a', 'b'],
    ['EVAL', "return redis.call('GET', 'session:of-another-program')", '0'],
    ['EVAL', "return redis.call('FLUSHALL')", '0'],
  ])('may not: %s %s', async (command, ...args) => {
    await expect(worker.call(command, ...args)).rejects.toThrow(/NOPERM|can't access|can't run|not allowed|ACL failure/)
  })

  test('is the only user besides the admin: a client without a password is refused', async () => {
    const nobody = new Redis({ host: '127.0.0.1', port: server.port, retryStrategy: () => null })
    nobody.on('error', () => undefined)
    onTestFinished(() => nobody.disconnect())
    await expect(nobody.ping()).rejects.toThrow(/NOAUTH/)
  })

  test('gets an error with the remedy, from doctor and from the queue, when it may not use the keys', async () => {
    const address = { url: server.url, name: 'dingtalk-delivery', prefix: 'bull' }
    expect((await inspectQueue(address)).filter(({ ok }) => !ok)).toEqual([])
    const finding = (await inspectQueue({ ...address, prefix: 'other' })).find(({ name }) => name === 'queue rights')
    const message = expect.stringMatching(
      /^The Redis user of QUEUE_URL lacks a right: .*NOPERM.*Load deploy\/redis\/users\.acl, and set QUEUE_PREFIX/,
    )
    expect(finding).toMatchObject({ ok: false, detail: message })
    const tracker = createTracker({ queueUrl: server.url, queuePrefix: 'other' })
    onTestFinished(() => tracker.close())
    await expect(tracker.track({ taskId: '1' })).rejects.toMatchObject({ code: 'NOT_PERMITTED', message })
  })
})

test('the error of a role without rights on the queue in PostgreSQL names what gives them', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  await giveRights(database.url)
  await expect(migrateQueueSchema(urlAs('worker', database.url))).rejects.toMatchObject({
    code: 'NOT_PERMITTED',
    message: expect.stringMatching(/^The role "test_worker" lacks .* make the role a member of delivery_migrate\.$/),
  })
  await migrateQueueSchema(urlAs('migrate', database.url), ['dingtalk-delivery'])
  const tracker = createTracker({ queueUrl: urlAs('read', database.url) })
  onTestFinished(() => tracker.close())
  await expect(tracker.track({ taskId: '1' })).rejects.toMatchObject({
    code: 'NOT_PERMITTED',
    message: expect.stringContaining('make the role a member of delivery_worker'),
  })
})
