import { randomBytes } from 'node:crypto'
import { createPostgresBackend, createRedisBackend, type JobsOptions, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, inject, onTestFinished } from 'vitest'
import { isPostgres, type JobQueue, openQueue, type QueueAddress, type Role } from '../../src/queue/connection.ts'
import { POSTGRES_SCHEMA } from '../../src/queue/postgres.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { type PollWorker, type PollWorkerOptions, startPollWorker } from '../../src/queue/worker.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { giveRights, urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'

/** Where a suite's queues live. */
export interface Backend {
  readonly name: 'redis' | 'postgres'
  /** A queue of the test's own. */
  address(): QueueAddress
}

/** Of one suite. Where the queue is in PostgreSQL, those that workers will use are named when it is migrated. */
const MAX_QUEUES = 60

/** The same suite on both backends, with the rights of `delivery_worker` only. */
export function describeQueues(suite: (backend: Backend) => void): void {
  describe('on postgres', () => {
    let [url, database]: [string, TestDatabase | null] = ['', null]
    beforeAll(async () => {
      database = await createTestDatabase()
      await giveRights(database.url)
      await migrateQueueSchema(urlAs('migrate', database.url), names)
      url = urlAs('worker', database.url)
    })
    afterAll(() => database?.drop())
    const names = Array.from({ length: MAX_QUEUES }, newName)
    suite({ name: 'postgres', address: () => ({ url, name: names.pop() ?? 'MAX_QUEUES is too small', prefix: 'bull' }) })
  })
  describeRedis('on redis', () => {
    suite({ name: 'redis', address: () => ({ url: inject('redisUrl') ?? 'no redis', name: newName(), prefix: 'bull' }) })
  })
}

function newName(): string {
  return `queue-${randomBytes(6).toString('hex')}`
}

/** Our own view of the queue, closed at the end of the test. */
export function aQueue(address: QueueAddress, role: Role = 'producer'): JobQueue {
  const opened = openQueue(address, role, () => undefined)
  onTestFinished(() => opened.close())
  return opened.it
}

/** A queue as any other BullMQ client sees it. */
export function aForeignQueue(address: QueueAddress): Queue {
  if (isPostgres(address.url)) {
    // The class is typed for its default backend; the calls that the tests make are the same on both.
    const queue = new Queue(
      address.name,
      { connection: { connectionString: address.url, schema: POSTGRES_SCHEMA } },
      createPostgresBackend,
    ) as unknown as Queue
    // Sessions that end with the database are no news.
    queue.on('error', () => undefined)
    onTestFinished(() => queue.close())
    return queue
  }
  const redis = new Redis(address.url, { maxRetriesPerRequest: null })
  const queue = new Queue(address.name, { connection: redis, prefix: address.prefix }, createRedisBackend)
  onTestFinished(async () => {
    await queue.close()
    redis.disconnect()
  })
  return queue
}

const QUIET = { failed: () => undefined, lock: () => undefined }

/** A worker that does nothing, but for what the test says. Closed at the end of the test. */
export function aWorker(address: QueueAddress, options: Partial<PollWorkerOptions> = {}): PollWorker {
  const worker = startPollWorker({
    address,
    concurrency: 5,
    lockMs: 5_000,
    poll: async () => ({ kind: 'done' }),
    track: async () => undefined,
    now: () => new Date(),
    events: QUIET,
    ...options,
  })
  onTestFinished(async () => {
    worker.abort()
    await worker.close()
  })
  return worker
}

/** The job as it is stored, or undefined. The state first: what is read after it is at least as new. */
export async function storedJob(queue: Queue, id: string) {
  const state = await queue.getJobState(id)
  const job = await queue.getJob(id)
  return job === undefined ? undefined : { state, job }
}

export function failedJob(queue: Queue, id: string) {
  return until(
    async () => {
      const stored = await storedJob(queue, id)
      return stored?.state === 'failed' ? stored.job : undefined
    },
    { what: `job ${id} has failed` },
  )
}

/** Adds a finished job and keeps it, as another client may have asked for. */
export async function addKept(queue: Queue, name: string, data: unknown, jobId: string): Promise<void> {
  const options: JobsOptions = { jobId, removeOnComplete: false, removeOnFail: false }
  await queue.add(name, data, options)
}
