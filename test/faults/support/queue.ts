import { createPostgresBackend, createRedisBackend, Queue } from 'bullmq'
import { Redis } from 'ioredis'

/** What a test asks of it; the two backends give queues of different types. */
type ForeignQueue = Pick<Queue, 'add' | 'close' | 'count' | 'getActiveCount' | 'getJob'> & {
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** The tracker's queue as any other BullMQ client sees it. */
export async function withQueue<T>(url: string, work: (queue: ForeignQueue) => Promise<T>): Promise<T> {
  const redis = url.startsWith('redis') ? new Redis(url, { maxRetriesPerRequest: null }) : null
  const queue: ForeignQueue =
    redis === null
      ? new Queue('dingtalk-delivery', { connection: { connectionString: url, schema: 'bullmq' } }, createPostgresBackend)
      : new Queue('dingtalk-delivery', { connection: redis }, createRedisBackend)
  queue.on('error', () => undefined)
  try {
    return await work(queue)
  } finally {
    await queue.close()
    redis?.disconnect()
  }
}
