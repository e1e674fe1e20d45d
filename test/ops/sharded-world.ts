import { randomBytes } from 'node:crypto'
import { inject, onTestFinished } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createWorker, type EmbeddedWorker } from '../../src/worker.ts'
import { startApiPageServer } from '../support/api-page-server.ts'
import { createTestDatabase, query } from '../support/postgres.ts'
import { until } from '../support/wait.ts'
import { type Day, dayMs } from '../support/world.ts'

export const APPS = Array.from({ length: 9 }, (_, i) => `org-${i}`)
/** One database and one queue, for workers with different numbers of queues. */
export async function aShardedWorld(day: Day) {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const server = await startApiPageServer()
  onTestFinished(() => server.close())
  const queue = { queueUrl: inject('redisUrl') ?? 'no redis', queueName: `queue-${randomBytes(6).toString('hex')}` }
  const open = new Set<EmbeddedWorker>()
  onTestFinished(async () => void (await Promise.all([...open].map((worker) => worker.close()))))
  return {
    ...{ database, server, queue, day },
    async start(queueShards: number): Promise<EmbeddedWorker> {
      const worker = createWorker({
        ...{ ...queue, queueShards, databaseUrl: database.url, ...day, schedule: 'growing' },
        apps: APPS.map((name) => ({
          ...{ name, agentId: '836390886', oapiUrl: server.url, apiUrl: server.url },
          credentials: { kind: 'internal', appKey: 'key', appSecret: 'secret', endpoint: 'new' },
        })),
        shutdownGraceSeconds: 10,
        logger: createLogger({ level: 'silent', pretty: false }),
      })
      open.add(worker)
      await worker.ready
      return worker
    },
    /** Polls of each app so far. */
    polls: async (): Promise<ReadonlyMap<string, number>> =>
      new Map(
        (await query(database.url, 'SELECT app, poll_no FROM delivery_task')).map(({ app, poll_no }) => [String(app), Number(poll_no)]),
      ),
  }
}

export type ShardedWorld = Awaited<ReturnType<typeof aShardedWorld>>

/** A task of each app, with one person who never reads. */
export async function trackOneEach({ queue, server, day }: ShardedWorld, queueShards: number, sentAt = new Date()): Promise<void> {
  const tracker = createTracker({ ...queue, queueShards })
  const people = [{ userId: 'ann', fate: 'delivered' as const, listedAt: 0, readAt: null }]
  for (const [i] of APPS.entries())
    server.add({ taskId: String(i + 1), agentId: '836390886', sentAt: sentAt.getTime(), windowMs: dayMs(day), people })
  // A sender has two seconds, which a busy machine may not; tracking again is safe.
  await until(() => tracker.trackMany(APPS.map((app, i) => ({ app, taskId: i + 1, userIds: ['ann'], sentAt }))), {
    what: 'all are tracked',
  })
  await tracker.close()
}

/** Until each task has so many polls more. */
export async function untilPolled(world: ShardedWorld, more: number): Promise<void> {
  const before = await world.polls()
  await until(async () => [...(await world.polls())].every(([app, polls]) => polls >= (before.get(app) ?? 0) + more), {
    what: `each task has ${more} polls more`,
  })
}
