import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { expect } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { CANARIES } from '../support/canaries.ts'
import { startRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'
import { atFailPoint, type World } from '../support/world.ts'
import { probesOf } from './support/health.ts'
import { redisOf, withRedis } from './support/redis.ts'
import { chanceOf, type FaultScenario, faultTests, seededTasks } from './support/scenario.ts'
import { firstOf } from './support/workers.ts'

const REDIS_ONLY = { backends: ['redis'] as const }
const REFUSING_MS = 6_000

type Change = (redis: Redis) => Promise<unknown>

/** F6: writes are refused for a while; reads are answered. */
function refusal(when: string, begin: Change, end: Change, onlyLong = true): FaultScenario {
  return {
    ...REDIS_ONLY,
    fault: 'F6',
    when,
    onlyLong,
    // BullMQ rests for 5 s after a refusal.
    recoversWithinMs: 10_000,
    async strike(world, chance) {
      await withRedis(redisOf(world).adminUrl, begin)
      await queueDoorRefuses(world)
      await databaseDoorAccepts(world, chance.seed)
      await sleep(REFUSING_MS)
      await withRedis(redisOf(world).adminUrl, end)
    },
  }
}

async function queueDoorRefuses({ queueUrl }: World): Promise<void> {
  const door = createTracker({ queueUrl })
  try {
    await expect(door.track({ taskId: '1' })).rejects.toMatchObject({
      code: expect.stringMatching(/^(QUEUE_UNAVAILABLE|NOT_PERMITTED)$/),
      message: expect.stringMatching(/Redis|QUEUE_URL/),
    })
  } finally {
    await door.close()
  }
}

/** Tasks that come in while the queue is away are tracked like all others; the oracle asks for them. */
async function databaseDoorAccepts(world: World, seed: number): Promise<void> {
  const [late] = seededTasks(chanceOf(seed + 1_000), 1, Date.now(), 30_000)
  if (late === undefined) throw new Error('one task was asked for')
  const task = { ...late, taskId: '9007199254740994999' }
  world.server.add(task)
  const door = createTracker({ databaseUrl: world.sendersUrl })
  try {
    const { duplicate } = await door.track({ taskId: task.taskId, agentId: task.agentId, userIds: task.people.map(({ userId }) => userId) })
    expect(duplicate).toBe(false)
  } finally {
    await door.close()
  }
}

faultTests([
  refusal(
    'Redis is out of memory and evicts nothing',
    async (redis) => redis.config('SET', 'maxmemory', '1'),
    async (redis) => redis.config('SET', 'maxmemory', '0'),
    false,
  ),
  refusal(
    'Redis is a read-only replica for a while',
    async (redis) => redis.replicaof('127.0.0.1', 1),
    async (redis) => redis.replicaof('NO', 'ONE'),
  ),
  refusal(
    'Redis takes the right to write away',
    async (redis) => redis.acl('SETUSER', 'delivery_worker', '-@write'),
    async (redis) => redis.acl('LOAD'),
  ),
  {
    ...REDIS_ONLY,
    fault: 'F7',
    when: 'Redis fails over to a replica that is 3 s behind',
    onlyLong: true,
    async strike(world) {
      const login = { masteruser: 'delivery_admin', masterauth: CANARIES.redisPassword }
      const replica = await startRedis({ users: true, config: login })
      await withRedis(replica.adminUrl, async (redis) => {
        await redis.replicaof('127.0.0.1', redisOf(world).port)
        await until(async () => /master_link_status:up/.test(await redis.info('replication')), { what: 'the replica is in step' })
        await redis.replicaof('NO', 'ONE')
      })
      await sleep(3_000)
      await redisOf(world).kill('SIGKILL')
      world.toQueue.retarget(replica.port)
      world.later(() => replica.stop())
    },
  },
  {
    fault: 'F8',
    when: 'the servers are down when the worker starts',
    onlyLong: true,
    workers: null,
    async begin(world) {
      await Promise.all([world.toDatabase.mode('refuse'), world.toQueue.mode('refuse')])
      await probesOf(world.launch())
    },
    async strike(world) {
      const probes = await probesOf(firstOf(world.workers))
      expect(await probes.live(), '/livez while the servers are down').toBe(true)
      expect((await probes.ready()).ok, '/readyz while the servers are down').toBe(false)
      await sleep(3_000)
      expect(await probes.live(), '/livez after 3 s').toBe(true)
      await world.toDatabase.mode('pass')
      await sleep(2_000)
      expect((await probes.ready()).ok, '/readyz without the queue').toBe(false)
      await world.toQueue.mode('pass')
      await until(async () => (await probes.ready()).ok, { what: 'it is ready' })
    },
  },
  {
    fault: 'F30',
    when: 'a worker silently takes no job any more',
    onlyLong: true,
    // Each of its jobs is held by it until it is gone.
    recoversWithinMs: null,
    begin: (world) => world.start({ ...atFailPoint('poll.loaded', 'hang-all', 60), WORKER_CONCURRENCY: '4' }),
    async strike(world) {
      const wedged = firstOf(world.workers)
      const probes = await probesOf(wedged)
      const isRed = async (): Promise<boolean> => (await probes.ready()).checks.some(({ name, ok }) => name === 'consumption' && !ok)
      await until(isRed, { timeoutMs: 60_000, what: '/readyz is red' })
      wedged.kill('SIGKILL')
      await world.start()
    },
  },
])
