import { createPostgresBackend, createRedisBackend, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Tracker } from '../../src/index.ts'
import { POSTGRES_SCHEMA } from '../../src/queue/postgres.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { inTime } from '../support/in-time.ts'
import { describeRedis } from '../support/redis.ts'
import { until } from '../support/wait.ts'
import { aDatabase, aRedis, aTracker } from './support.ts'

const TWO_SECONDS_MS = 2_000

async function expectRefusal(tracker: Tracker): Promise<void> {
  const error = await inTime(TWO_SECONDS_MS, () => tracker.track({ taskId: '1' }).catch((caught: unknown) => caught))
  expect(error).toMatchObject({ code: 'QUEUE_UNAVAILABLE', message: expect.stringContaining('QUEUE_URL') })
}

const takes = (tracker: Tracker) => until(() => tracker.track({ taskId: '2' }), { what: 'a task is taken' })

async function aQueueDatabase(): Promise<string> {
  const url = await aDatabase({ migrated: false })
  await migrateQueueSchema(url)
  return url
}

const INPUT = {
  taskId: '9007199254740993123',
  agentId: 836_390_886n,
  userIds: ['b', 'a'],
  campaign: 'payroll-11',
  sentAt: '2026-11-23T09:00:00+08:00',
} as const
const HANDED_OVER = { app: 'default', taskId: INPUT.taskId, duplicate: null, conflict: null, updated: null }
const JOB = {
  name: 'track',
  data: {
    app: 'default',
    taskId: '9007199254740993123',
    agentId: '836390886',
    userIds: ['a', 'b'],
    campaign: 'payroll-11',
    sentAt: '2026-11-23T01:00:00.000Z',
  },
}

describeRedis('the library with a queue on Redis', () => {
  test('a task is a job of the default queue, and the same task twice is one job', async () => {
    const redis = await aRedis()
    const tracker = aTracker({ queueUrl: redis.url })
    expect(await tracker.track(INPUT)).toEqual(HANDED_OVER)
    await tracker.trackMany([INPUT, { taskId: '1' }])
    const client = new Redis(redis.url, { maxRetriesPerRequest: null })
    const queue = new Queue('dingtalk-delivery', { connection: client, prefix: 'bull' }, createRedisBackend)
    onTestFinished(async () => {
      await queue.close()
      client.disconnect()
    })
    const jobs = await queue.getJobs(['waiting'])
    expect(jobs).toHaveLength(2)
    expect(jobs).toContainEqual(expect.objectContaining(JOB))
  })

  test('a server that was never there', async () => {
    const tracker = aTracker({ queueUrl: 'redis://127.0.0.1:1' })
    await expectRefusal(tracker)
    await expectRefusal(tracker)
  })

  test('a database number that the server does not have is refused: nothing lands in database 0', async () => {
    const redis = await aRedis()
    const tracker = aTracker({ queueUrl: `${redis.url}/99` })
    await expectRefusal(tracker)
    const client = new Redis(redis.url)
    onTestFinished(() => client.disconnect())
    expect(await client.dbsize()).toBe(0)
  })

  test('an outage is not paid for with memory: what was refused is not kept', async () => {
    const redis = await aRedis()
    const tracker = aTracker({ queueUrl: redis.url })
    await tracker.track({ taskId: '1' })
    await redis.kill('SIGKILL')
    const refused = await Promise.allSettled(Array.from({ length: 500 }, (_, i) => tracker.track({ taskId: String(i + 100) })))
    expect(refused.every((each) => each.status === 'rejected')).toBe(true)
    await redis.restart()
    await takes(tracker)
    const client = new Redis(redis.url)
    onTestFinished(() => client.disconnect())
    expect(await client.llen('bull:dingtalk-delivery:wait')).toBe(2)
  })

  test('a password in the URL is not told', async () => {
    const error = await aTracker({ queueUrl: 'redis://sender:hunter2@127.0.0.1:1' })
      .track({ taskId: '1' })
      .catch((caught: unknown) => caught)
    expect(String(error)).toContain('QUEUE_URL')
    expect(String(error)).not.toContain('hunter2')
  })
})

describe('the library with a queue on PostgreSQL', () => {
  test('a task is a job of the default queue, and the same task twice is one job', async () => {
    const queueUrl = await aQueueDatabase()
    const tracker = aTracker({ queueUrl })
    expect(await tracker.track(INPUT)).toEqual(HANDED_OVER)
    await tracker.trackMany([INPUT, { taskId: '1' }])
    const queue = new Queue(
      'dingtalk-delivery',
      { connection: { connectionString: queueUrl, schema: POSTGRES_SCHEMA } },
      createPostgresBackend,
    )
    queue.on('error', () => undefined)
    onTestFinished(() => queue.close())
    const jobs = await queue.getJobs(['waiting'])
    expect(jobs).toHaveLength(2)
    expect(jobs).toContainEqual(expect.objectContaining(JOB))
  })

  test('a server that was never there', async () => {
    const tracker = aTracker({ queueUrl: 'postgres://127.0.0.1:1/queue' })
    await expectRefusal(tracker)
  })

  test('a queue without its schema says what is missing', async () => {
    const tracker = aTracker({ queueUrl: await aDatabase({ migrated: false }) })
    await expect(tracker.track({ taskId: '1' })).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining('npx dingtalk-delivery migrate'),
    })
  })
})
