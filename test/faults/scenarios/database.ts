import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { createTracker, TrackerError } from '../../../src/index.ts'
import { until } from '../../support/wait.ts'
import { atSabotage, type World } from '../../support/world.ts'
import { chanceOf, type FaultScenario, seededTasks, withDatabase } from '../support/scenario.ts'

const OUTAGE_MS = 15_000

export const DATABASE_FAULTS: readonly FaultScenario[] = [
  {
    fault: 'F15',
    when: 'PostgreSQL is stopped at once and is away for 15 s',
    manySeeds: true,
    ownPostgres: true,
    async strike(world, chance) {
      await sleep(chance.between(0, 6_000, 'begin'))
      await world.postgres?.crash()
      await databaseDoorRefuses(world)
      await sleep(OUTAGE_MS)
      await world.postgres?.start()
    },
  },
  {
    fault: 'F16',
    when: 'all sessions of the database are ended',
    async strike(world) {
      await withDatabase(world, (client) =>
        client.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        ),
      )
      await sleep(2_000)
      expect(await pickupMs(world), 'ms from the enqueue of a task to its first call').toBeLessThan(1_000 * 2)
    },
  },
  {
    fault: 'F17',
    when: 'PostgreSQL does not answer for 18 s',
    async strike(world) {
      await world.toDatabase.mode('blackhole')
      await sleep(18_000)
      await world.toDatabase.mode('pass')
      await sleep(1_000)
      await expectNoLeak(world)
    },
  },
  {
    fault: 'F17',
    when: 'a table is locked for 18 s',
    async strike(world) {
      await withDatabase(world, async (client) => {
        await client.query('BEGIN; LOCK TABLE delivery_task')
        await sleep(18_000)
        await client.query('ROLLBACK')
      })
      await sleep(1_000)
      await expectNoLeak(world)
    },
  },
  {
    fault: 'F18',
    when: 'a worker has one connection, and looks are written slowly',
    tasks: 10,
    // Each write waits for the ones before.
    recoversWithinMs: null,
    begin: (world) => world.start(atSabotage({ edits: [{ file: 'store/prisma.js', from: 'options.max ?? 10', to: '1' }] })),
    async strike(world) {
      await withDatabase(world, async (client) => {
        await client.query(SLOW_WRITES)
        await sleep(8_000)
        await client.query('DROP TRIGGER slow ON delivery_poll')
      })
    },
  },
]

const SLOW_WRITES = `
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.7); RETURN NULL; END';
  CREATE TRIGGER slow AFTER INSERT ON delivery_poll FOR EACH STATEMENT EXECUTE FUNCTION slow()`

async function databaseDoorRefuses({ databaseUrl }: World): Promise<void> {
  const door = createTracker({ databaseUrl })
  try {
    await expect(door.track({ taskId: '1' })).rejects.toBeInstanceOf(TrackerError)
  } finally {
    await door.close()
  }
}

/** A task that comes in now, through the queue. */
async function pickupMs(world: World): Promise<number> {
  const [task] = seededTasks(chanceOf(4_711), 1, Date.now(), 40_000)
  if (task === undefined) throw new Error('one task was asked for')
  const late = { ...task, taskId: '9007199254740994998' }
  world.server.add(late)
  const door = createTracker({ queueUrl: world.queueUrl })
  try {
    const { taskId, agentId, people } = late
    await door.track({ taskId, agentId, userIds: people.map(({ userId }) => userId) })
    const tracked = performance.now()
    await until(() => world.server.calls.has(taskId), { timeoutMs: 30_000, everyMs: 10, what: 'it is asked about' })
    return performance.now() - tracked
  } finally {
    await door.close()
  }
}

/** The worker's pools have ten and six connections; none waits in a transaction for something that never comes. */
async function expectNoLeak(world: World): Promise<void> {
  const leaks = await withDatabase(world, async (client) => {
    const { rows } = await client.query<{ all: number; waiting: number }>(
      `SELECT count(*)::int AS all, (count(*) FILTER (WHERE state LIKE 'idle in transaction%'))::int AS waiting
       FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
    return rows[0]
  })
  expect(leaks?.waiting, 'sessions that are idle in a transaction').toBe(0)
  expect(leaks?.all, 'sessions').toBeLessThanOrEqual(25)
}
