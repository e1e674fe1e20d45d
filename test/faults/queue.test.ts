import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { RedisServer } from '../support/redis.ts'
import type { World } from '../support/world.ts'
import { faultTests } from './support/scenario.ts'

const OUTAGE_MS = 20_000
const REDIS_ONLY = { backends: ['redis'] as const }

faultTests([
  {
    ...REDIS_ONLY,
    fault: 'F1',
    when: 'Redis crashes and is away for 20 s',
    manySeeds: true,
    async strike(world, chance) {
      await sleep(chance.between(0, 4_000, 'begin'))
      await redisOf(world).kill('SIGKILL')
      await sleep(OUTAGE_MS)
      await redisOf(world).restart()
    },
  },
  {
    ...REDIS_ONLY,
    fault: 'F2',
    when: 'Redis hangs for 20 s',
    async strike(world) {
      await redisOf(world).kill('SIGSTOP')
      await sleep(OUTAGE_MS)
      await redisOf(world).kill('SIGCONT')
    },
  },
  {
    fault: 'F3',
    when: 'every connection to the queue goes half-open',
    // A worker blocks for 5 s on the next job, and is then 2 s late at most.
    recoversWithinMs: 7_000,
    async strike(world) {
      await world.toQueue.mode('halfOpen')
    },
  },
  {
    fault: 'F4',
    when: 'replies of the queue get lost after it has acted',
    manySeeds: true,
    async strike(world, chance) {
      for (let i = 0; i < 12; i++) {
        await sleep(chance.between(50, 900, `pause ${i}`))
        await world.toQueue.mode('dropOneReply')
      }
      await world.toQueue.mode('pass')
    },
  },
  {
    fault: 'F5',
    when: 'the queue loses everything',
    manySeeds: true,
    async strike(world, chance) {
      await sleep(chance.between(0, 6_000, 'begin'))
      await wipe(world)
    },
  },
])

function redisOf(world: World): RedisServer {
  if (world.redis === null) throw new Error('this world has no Redis')
  return world.redis
}

async function wipe({ queueUrl, backend }: World): Promise<void> {
  if (backend === 'redis') {
    const redis = new Redis(queueUrl)
    await redis.flushall()
    redis.disconnect()
    return
  }
  const client = new pg.Client({ connectionString: queueUrl })
  await client.connect()
  await client.query('DELETE FROM bullmq.job')
  await client.end()
}
