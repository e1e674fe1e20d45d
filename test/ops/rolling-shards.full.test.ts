import { expect, test } from 'vitest'
import { query } from '../support/postgres.ts'
import { describeRedis } from '../support/redis.ts'
import { until } from '../support/wait.ts'
import { dayMs } from '../support/world.ts'
import { APPS, aShardedWorld, type ShardedWorld, trackOneEach, untilPolled } from './sharded-world.ts'

/** A minute is a second, and a task has a poll each 3 s. */
const DAY = { timeScale: 60, pollsPerTask: 500 }
/** The tasks are in the last part of their day. */
const LEFT_MS = 90_000
const RECONCILE_MS = 1_000
/** The final poll is due 12 to 5 minutes before the deadline. */
const FINAL_MS = 12_000

describeRedis('a rolling change of the number of queues', () => {
  test('from one to two and back, with workers of both at once: no task is lost, polled twice or late, and each has its final poll', {
    timeout: 240_000,
  }, async () => {
    const world = await aShardedWorld(DAY)
    const one = await world.start(1)
    await trackOneEach(world, 1, new Date(Date.now() + LEFT_MS - dayMs(DAY)))
    await until(async () => (await world.polls()).size === APPS.length, { what: 'all are tracked' })
    await untilPolled(world, 3)
    const alone = await lateness(world)
    const two = await world.start(2)
    await untilPolled(world, 4)
    await one.close()
    await untilPolled(world, 2)
    const oneAgain = await world.start(1)
    await untilPolled(world, 4)
    await two.close()
    await until(async () => (await open(world)) === 0, { what: 'all have ended', timeoutMs: LEFT_MS + 60_000 })
    await oneAgain.close()

    const tasks = await query(world.database.url, TASKS)
    expect(tasks.map(({ status, reason, final }) => [status, reason, final])).toEqual(APPS.map(() => ['expired', 'window_over', true]))
    // A late poll may be made twice; its second answer is not stored.
    const twice = tasks.filter(
      ({ task_id, polls, late }) => world.server.calls.get(String(task_id)) !== polls && Number(late) < RECONCILE_MS,
    )
    expect(twice).toEqual([])
    // What a worker alone takes here, and the start of another one in the same process, is the machine's.
    expect(await lateness(world)).toBeLessThan(RECONCILE_MS + Math.max(500, 4 * alone))
  })
})

const LATE = 'extract(epoch FROM requested_at - due_at) * 1000'

const TASKS = `
  SELECT task.task_id, task.status, task.reason_code AS reason, task.last_observed_at > task.deadline_at - interval '${FINAL_MS} ms' AS final,
    count(*)::int AS polls, max(${LATE})::float AS late
  FROM delivery_task AS task JOIN delivery_poll AS poll ON poll.task_pk = task.id GROUP BY task.id ORDER BY task.id`

/** Of the latest poll so far, in milliseconds. The first one of a task was due before it was tracked. */
async function lateness({ database }: ShardedWorld): Promise<number> {
  const [row] = await query(database.url, `SELECT max(${LATE})::float AS late FROM delivery_poll WHERE poll_no > 1`)
  return Number(row?.['late'])
}

async function open({ database }: ShardedWorld): Promise<number> {
  const [row] = await query(database.url, "SELECT count(*)::int AS open FROM delivery_task WHERE status = 'tracking'")
  return Number(row?.['open'])
}
