import { randomBytes } from 'node:crypto'
import { expect, inject, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { erasePersonEverywhere } from '../../src/app/operations.ts'
import { createTracker } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createWorker, type EmbeddedWorker } from '../../src/worker.ts'
import { aForeignQueue } from '../queue/support.ts'
import { startApiPageServer } from '../support/api-page-server.ts'
import { createTestDatabase, query } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { until } from '../support/wait.ts'
import { diagnose } from './support.ts'

const APPS = Array.from({ length: 9 }, (_, i) => `org-${i}`)
/** A day is two minutes, so that no deadline comes near. */
const TIME_SCALE = 720

/** One database and one queue, for workers with different numbers of queues. */
async function aWorld() {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const server = await startApiPageServer()
  onTestFinished(() => server.close())
  const queue = { queueUrl: inject('redisUrl') ?? 'no redis', queueName: `queue-${randomBytes(6).toString('hex')}` }
  const open = new Set<EmbeddedWorker>()
  onTestFinished(async () => void (await Promise.all([...open].map((worker) => worker.close()))))
  return {
    ...{ database, server, queue },
    async start(queueShards: number): Promise<EmbeddedWorker> {
      const worker = createWorker({
        ...{ ...queue, queueShards, databaseUrl: database.url, timeScale: TIME_SCALE, schedule: 'growing', pollsPerTask: 60 },
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

type World = Awaited<ReturnType<typeof aWorld>>

async function track({ queue, server }: World, queueShards: number): Promise<void> {
  const tracker = createTracker({ ...queue, queueShards })
  const sentAt = new Date()
  const people = [{ userId: 'ann', fate: 'delivered' as const, listedAt: 0, readAt: null }]
  for (const [i] of APPS.entries())
    server.add({ taskId: String(i + 1), agentId: '836390886', sentAt: sentAt.getTime(), windowMs: 86_400_000 / TIME_SCALE, people })
  // A sender has two seconds, which a busy machine may not; tracking again is safe.
  await until(() => tracker.trackMany(APPS.map((app, i) => ({ app, taskId: i + 1, userIds: ['ann'], sentAt }))), {
    what: 'all are tracked',
  })
  await tracker.close()
}

async function untilPolled(world: World, more: number): Promise<void> {
  const before = await world.polls()
  await until(async () => [...(await world.polls())].every(([app, polls]) => polls >= (before.get(app) ?? 0) + more), {
    what: `each task has ${more} polls more`,
  })
}

describeRedis('workers with another number of queues', () => {
  test('go on with open tasks: from one queue to three and back, each poll is stored and none is made twice', async () => {
    const world = await aWorld()
    const first = await world.start(1)
    await track(world, 1)
    await until(async () => (await world.polls()).size === APPS.length, { what: 'all are tracked' })
    await untilPolled(world, 1)
    await first.close()
    const second = await world.start(3)
    await untilPolled(world, 2)
    await second.close()
    const third = await world.start(1)
    await untilPolled(world, 2)
    expect((await third.health()).checks.filter(({ name, ok }) => !ok && name.startsWith('queue'))).toEqual([])
    await third.close()
    const calls = [...world.server.calls.values()].reduce((a, b) => a + b, 0)
    const [row] = await query(world.database.url, 'SELECT count(*)::int AS polls FROM delivery_poll')
    expect(row?.['polls']).toBe(calls)
  })

  test('erasure finds a person in every queue, doctor and metrics count the refused jobs of all', async () => {
    const world = await aWorld()
    const { queueUrl: url, queueName: name } = world.queue
    const names = [name, `${name}-0`, `${name}-1`, `${name}-5`]
    // A worker would take them.
    for (const [i, each] of names.entries())
      await aForeignQueue({ url, name: each, prefix: 'bull' }).add('track', { taskId: String(i + 1), userIds: ['erin'] })
    const config = parseConfig({ DATABASE_URL: world.database.url, QUEUE_URL: url, QUEUE_NAME: name, QUEUE_SHARDS: '2' })
    if (config.queue === null) throw new Error('it has a queue')
    expect(await erasePersonEverywhere(world.database.url, config.queue, { userId: 'erin', app: null })).toMatchObject({ jobs: 4 })
    for (const each of names) await aForeignQueue({ url, name: each, prefix: 'bull' }).add('track', { taskId: 'none' })
    const worker = await world.start(2)
    await until(async () => /^dingtalk_delivery_refused_jobs 4$/m.test(await worker.metrics()), { what: 'all are refused and counted' })
    const findings = await diagnose(config)
    expect(findings.find((finding) => finding.name === 'refused jobs')?.detail).toMatch(/^3 jobs were refused/)
    expect(findings.find((finding) => finding.name === 'queues')?.detail).toContain(`left behind, with jobs: ${name}-5`)
  })
})
