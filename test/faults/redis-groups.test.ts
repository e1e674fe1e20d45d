import { expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisGroup, startCluster, startSentinels } from '../support/redis-groups.ts'
import { until } from '../support/wait.ts'
import { dayMs, type World } from '../support/world.ts'
import { brokenPromises, chanceOf, type Run, requestOf, runScenario, seededTasks } from './support/scenario.ts'

const DAY = { timeScale: 2160, pollsPerTask: 24 }
/** A sender answers within two seconds, and on a busy machine somewhat later. */
const SENDER_MS = 6_000

describeRedis('nothing is lost when the primary of the queue is killed in the middle of the day', () => {
  test.each([
    ['sentinels', startSentinels],
    ['a cluster', startCluster],
  ] as const)('with %s', { timeout: 300_000 }, async (_, start) => {
    const closers: Array<() => Promise<void>> = []
    try {
      const group = await start()
      closers.push(() => group.stop())
      const run: Run = {
        ...{ fault: 'F22', when: 'the primary of the queue is killed, and another server takes its place', backend: 'redis', seed: 1 },
        ...{ day: DAY, workers: 2, tasks: 12, redisGroup: group },
        // The failover itself takes a few seconds, and the lock of a poll that was under way expires after it.
        recoversWithinMs: 10_000,
        strike: (world) => failOver(world, group),
      }
      const ran = await runScenario(run, (close) => void closers.push(close))
      expect(brokenPromises(run, ran)).toEqual([])
      expect(ran.world.server.tasks.size).toBe(12 + LATER)
    } finally {
      for (const close of closers.toReversed()) await close()
    }
  })
})

/** Tasks that are sent while there is no primary, and again until they are taken. */
const LATER = 3

async function failOver(world: World, group: RedisGroup): Promise<void> {
  const tracker = createTracker({ queueUrl: world.queueUrl })
  try {
    // Connected before the harm.
    await tracker.track(requestOf(firstOf(world)))
    const over = group.failover()
    const later = seededTasks(chanceOf(2), LATER, Date.now(), dayMs(DAY)).map((task, i) => ({ ...task, taskId: `90071992547409939${i}` }))
    for (const task of later) world.server.add(task)
    await until(
      async () => {
        const begun = performance.now()
        const answer = await tracker.trackMany(later.map(requestOf)).then(
          () => null,
          (error: unknown) => error,
        )
        expect(performance.now() - begun).toBeLessThan(SENDER_MS)
        if (answer !== null) expect(answer).toMatchObject({ code: 'QUEUE_UNAVAILABLE', retryable: true })
        return answer === null
      },
      { timeoutMs: 60_000, what: 'the tasks are taken' },
    )
    await over
    // A sender that comes afterwards has the address of the server that is gone in its URL.
    const another = createTracker({ queueUrl: world.queueUrl })
    await another.trackMany(later.map(requestOf))
    await another.close()
  } finally {
    await tracker.close()
  }
}

function firstOf(world: World) {
  const [task] = world.server.tasks.values()
  if (task === undefined) throw new Error('tasks were tracked')
  return task
}
