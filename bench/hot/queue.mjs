import { createPostgresBackend, createRedisBackend, Queue } from 'bullmq'
import { openQueuePool, openSockets, POSTGRES_SCHEMA } from '../../dist/queue/postgres.js'
import { migrateQueueSchema } from '../../dist/queue/schema.js'
import { setPoolOptions } from '../../dist/queue/workarounds.js'

/**
 * The bench's own connection to a queue: it sets timers to a common time, which the tracker never does.
 * @param {import('../support/bench.mjs').Closers} closers
 * @param {{ url: string, name: string }} address
 */
export async function openBenchQueue(closers, { url, name }) {
  const queue = url.startsWith('postgres') ? await onPostgres(closers, url, name) : onRedis(url, name)
  queue.on('error', () => undefined)
  closers.push(() => queue.close())
  return queue
}

function onRedis(url, name) {
  return new Queue(name, { connection: { url }, prefix: 'bull' }, createRedisBackend)
}

async function onPostgres(closers, url, name) {
  await migrateQueueSchema(url, [name])
  const { pool, end } = openQueuePool({ url }, 4, { statementMs: 60_000, queryMs: 60_000, waitsForDisk: false }, openSockets())
  closers.push(end)
  return new Queue(name, { connection: pool }, setPoolOptions(createPostgresBackend, POSTGRES_SCHEMA))
}
