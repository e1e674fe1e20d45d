import { createTracker } from '../../../src/index.ts'
import { until } from '../../support/wait.ts'
import { atFailPoint, type World } from '../../support/world.ts'
import { withQueue } from '../support/queue.ts'
import { redisOf, withRedis } from '../support/redis.ts'
import { type Chance, chanceOf, type FaultScenario, seededTasks, withDatabase } from '../support/scenario.ts'
import { firstOf } from '../support/workers.ts'

/** See src/lib/fail-points.ts. `poll.ended` comes last: tasks that nobody has read end with their window. */
const POINTS = [
  'poll.loaded',
  'poll.permitted',
  'poll.answered',
  'poll.stored',
  'poll.reported',
  'timer.set',
  'timer.removed',
  'track.stored',
  'schedule.claimed',
  'schedule.set',
] as const

type Point = (typeof POINTS)[number]

/** Half of the points in each run; with four seeds every point on both backends. */
const POINTS_A_RUN = POINTS.length / 2

/** A point that is not passed in this time is not passed at all; the worker is killed where it is. */
const PASSES_WITHIN_MS = 6_000

export const CRASH_BETWEEN_STEPS: FaultScenario = {
  fault: 'F20',
  when: 'workers crash between any two steps, one after the other',
  manySeeds: true,
  day: { timeScale: 1440, pollsPerTask: 24 },
  tasks: 15,
  // Of a crash in the middle of all polls.
  extraCalls: 20 * POINTS_A_RUN,
  // A worker that ends with the first task that nobody read to the end is replaced by another one, which has to start.
  recoversWithinMs: 10_000,
  mayBeBlind: true,
  async strike(world, chance) {
    const first = firstOf(world.workers)
    first.kill('SIGKILL')
    await first.exit
    for (const [i, point] of pointsOf(world, chance).entries()) await crashAt(point, i, world, chance)
    const last = await world.start(atFailPoint('poll.ended', 'kill'))
    // None may end with its window; then nobody passes here.
    void last.exit.then(() => world.launch())
  },
}

function pointsOf({ backend }: World, { seed }: Chance): Point[] {
  const from = (Math.floor(seed / 2) + (backend === 'redis' ? 0 : 1)) % 2
  return POINTS.filter((_, i) => i % 2 === from)
}

async function crashAt(point: Point, i: number, world: World, chance: Chance): Promise<void> {
  if (point === 'timer.removed') await leaveAFinishedJob(world)
  const worker = world.launch(atFailPoint(point, 'kill', 1 + Math.floor(chance.between(0, 4, `nth ${point}`))))
  await worker.waitForLine(/worker ready/, 60_000).catch(() => undefined)
  // What comes in now has to be stored, claimed and given its timer.
  await trackMore(world, chance, i)
  const giveUp = setTimeout(() => worker.kill('SIGKILL'), PASSES_WITHIN_MS)
  await worker.exit
  clearTimeout(giveUp)
}

async function trackMore({ queueUrl, server, day }: World, chance: Chance, i: number): Promise<void> {
  const more = seededTasks(chanceOf(chance.seed * 1_000 + i + 1), 5, Date.now(), 86_400_000 / day.timeScale).map((task, n) => ({
    ...task,
    taskId: String(9_007_199_254_750_000_000n + BigInt(100 * i + n)),
  }))
  for (const task of more) server.add(task)
  const door = createTracker({ queueUrl })
  const requests = more.map(({ taskId, agentId, sentAt, people }) => ({
    ...{ taskId, agentId, sentAt: new Date(sentAt) },
    userIds: people.map(({ userId }) => userId),
  }))
  try {
    await until(() => door.trackMany(requests), { what: 'the tasks are acknowledged' })
  } finally {
    await door.close()
  }
}

/** A job that has finished and still holds its id, as a BullMQ of another release or a hand may leave it: the reconciler has to remove it. */
async function leaveAFinishedJob(world: World): Promise<void> {
  const id = `poll.default.${await anOpenTask(world)}`
  const stored = await withQueue(world.queueUrl, (queue) => queue.getJob(id))
  if (stored === undefined) return
  if (world.backend === 'redis') await withRedis(redisOf(world).adminUrl, (redis) => redis.zrem('bull:dingtalk-delivery:delayed', id))
  else await withDatabase(world, (client) => client.query(`UPDATE bullmq.job SET state = 'completed' WHERE id = $1`, [id]))
}

function anOpenTask(world: World): Promise<string> {
  return withDatabase(world, async (client) => {
    const { rows } = await client.query<{ task_id: string }>(
      "SELECT task_id FROM delivery_task WHERE status = 'tracking' AND scheduled_at IS NOT NULL ORDER BY next_poll_at DESC LIMIT 1",
    )
    return rows[0]?.task_id ?? 'none'
  })
}
