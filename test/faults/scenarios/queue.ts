import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from '../../support/world.ts'
import { redisOf, withRedis } from '../support/redis.ts'
import { type FaultScenario, withDatabase } from '../support/scenario.ts'

const OUTAGE_MS = 20_000
const REDIS_ONLY = { backends: ['redis'] as const }

export const REDIS_CRASHES: FaultScenario = {
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
}

export const QUEUE_FAULTS: readonly FaultScenario[] = [
  REDIS_CRASHES,
  {
    ...REDIS_ONLY,
    fault: 'F2',
    when: 'Redis hangs for 20 s',
    onlyLong: true,
    async strike(world) {
      await redisOf(world).kill('SIGSTOP')
      await sleep(OUTAGE_MS)
      await redisOf(world).kill('SIGCONT')
    },
  },
  {
    fault: 'F3',
    when: 'every connection to the queue goes half-open',
    // A command that gets no answer for 5 s (on PostgreSQL a statement for 10 s), then the block of 5 s on the next job, and 2 s.
    recoversWithinMs: { redis: 12_000, postgres: 17_000 },
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
]

async function wipe(world: World): Promise<void> {
  if (world.backend === 'redis') await withRedis(redisOf(world).adminUrl, (redis) => redis.flushall())
  else await withDatabase(world, (client) => client.query('DELETE FROM bullmq.job'))
}
