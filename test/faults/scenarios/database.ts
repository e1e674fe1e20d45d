import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { createTracker, type Tracker, TrackerError } from '../../../src/index.ts'
import type { SentTask } from '../../support/api-page-server.ts'
import type { PostgresServer } from '../../support/postgres-server.ts'
import { until } from '../../support/wait.ts'
import { atSabotage, dayMs, type World } from '../../support/world.ts'
import { type Chance, chanceOf, type FaultScenario, requestOf, seededTasks, trackAll, withDatabase } from '../support/scenario.ts'
import { endOf, firstOf } from '../support/workers.ts'

const SHORT_DAY = { timeScale: 2880, pollsPerTask: 24 }
const AWAY_MS = 15_000

const POSTGRES_STOPS: FaultScenario = {
  fault: 'F15',
  when: 'PostgreSQL stops at once and is away for 15 s, while tasks come in',
  manySeeds: true,
  ownPostgres: true,
  day: SHORT_DAY,
  async strike(world, chance) {
    const sending = keepSending(world, chance)
    await sleep(chance.between(0, 4_000, 'begin'))
    await postgresOf(world).crash()
    await sleep(AWAY_MS)
    await postgresOf(world).start()
    const { refused, slowestMs } = await sending.stop()
    expect(refused.length, 'tasks that were refused').toBeGreaterThan(0)
    expect(slowestMs, 'until a sender knows').toBeLessThan(10_000)
    await trackAll(world, refused)
  },
  afterwards: stillRuns,
}

function postgresOf({ postgres }: World): PostgresServer {
  if (postgres === null) throw new Error('this world has no PostgreSQL of its own')
  return postgres
}

async function stillRuns({ workers }: World): Promise<void> {
  expect(await endOf(firstOf(workers)), 'the worker runs on').toBe(null)
}

const SEND_EVERY_MS = 250

interface Sending {
  /** @returns what was refused with an error that says so; all else was accepted, and the oracle asks for it */
  stop(): Promise<{ readonly refused: readonly SentTask[]; readonly slowestMs: number }>
}

/** Sends a task through one door and then the other, again and again. */
function keepSending(world: World, chance: Chance): Sending {
  const intakes = [createTracker({ databaseUrl: world.sendersUrl }), createTracker({ queueUrl: world.queueUrl })]
  const refused: SentTask[] = []
  const underWay: Promise<void>[] = []
  let slowestMs = 0
  let count = 0
  const send = async (door: Tracker, task: SentTask): Promise<void> => {
    const since = performance.now()
    await door.track(requestOf(task)).catch((error: unknown) => {
      if (!(error instanceof TrackerError) || !error.code.endsWith('_UNAVAILABLE')) throw error
      refused.push(task)
    })
    slowestMs = Math.max(slowestMs, performance.now() - since)
  }
  const timer = setInterval(() => {
    const [task] = seededTasks(chanceOf(chance.seed * 1_000 + count), 1, Date.now(), dayMs(world.day))
    const door = intakes[count % intakes.length]
    if (task === undefined || door === undefined) throw new Error('a task and a door were asked for')
    const sent = { ...task, taskId: `${8_000_000_000 + count}` }
    world.server.add(sent)
    underWay.push(send(door, sent))
    count++
  }, SEND_EVERY_MS)
  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
      await Promise.all(intakes.map((door) => door.close()))
      return { refused, slowestMs }
    },
  }
}

const PICKUPS = 5

const SESSIONS_ARE_KILLED: FaultScenario = {
  fault: 'F16',
  when: 'all sessions of the database are ended, again and again',
  onlyLong: true,
  day: SHORT_DAY,
  async strike(world, chance) {
    for (let round = 0; round < 3; round++) {
      await endSessions(world)
      // The pause of BullMQ's worker after a failure is 1 s.
      await sleep(1_500)
      const pickups: number[] = []
      for (let n = 0; n < PICKUPS; n++) pickups.push(await pickupMs(world, chance, round * PICKUPS + n))
      expect(median(pickups), `from the commit to the first call, ${pickups.join(', ')} ms`).toBeLessThan(1_000 * 2)
    }
  },
  afterwards: stillRuns,
}

async function endSessions(world: World): Promise<void> {
  await withDatabase(world, (client) =>
    client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'),
  )
}

/** From the commit of a task whose first poll is due at once to the call, in milliseconds. */
async function pickupMs(world: World, chance: Chance, n: number): Promise<number> {
  const day = dayMs(world.day)
  const [task] = seededTasks(chanceOf(chance.seed * 1_000 + n), 1, Date.now() - day / 20, day)
  if (task === undefined) throw new Error('one task was asked for')
  const sent = { ...task, taskId: `${8_000_000_000 + n}` }
  world.server.add(sent)
  const door = createTracker({ databaseUrl: world.sendersUrl })
  await door.track(requestOf(sent))
  const committedAt = performance.now()
  await door.close()
  await until(() => world.server.calls.has(sent.taskId), { everyMs: 2, what: 'the new task is looked at' })
  return Math.round(performance.now() - committedAt)
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Infinity
}

const HANG_MS = 25_000
const LONG_DAY = { timeScale: 1920, pollsPerTask: 24 }

const POSTGRES_HANGS: FaultScenario = {
  fault: 'F17',
  when: `PostgreSQL hangs for ${HANG_MS / 1_000} s`,
  onlyLong: true,
  day: LONG_DAY,
  async strike(world) {
    const proxies = world.backend === 'postgres' ? [world.toDatabase, world.toQueue] : [world.toDatabase]
    await Promise.all(proxies.map((proxy) => proxy.mode('blackhole')))
    await sleep(HANG_MS)
    await Promise.all(proxies.map((proxy) => proxy.mode('pass')))
  },
  async afterwards(world) {
    expect(firstOf(world.workers).stderr(), 'what a statement without an answer ends with').toMatch(/timeout/i)
    await noSessionIsLeft(world)
  },
}

const LOCKED_MS = 20_000

const TABLE_IS_LOCKED: FaultScenario = {
  fault: 'F17',
  when: `the table of the tasks is locked for ${LOCKED_MS / 1_000} s`,
  onlyLong: true,
  day: LONG_DAY,
  async strike(world) {
    await locked(world, 'delivery_task', LOCKED_MS)
  },
  async afterwards(world) {
    expect(firstOf(world.workers).stderr(), 'what a statement that waits ends with').toMatch(/statement timeout/i)
    await noSessionIsLeft(world)
  },
}

async function locked(world: World, table: string, ms: number): Promise<void> {
  await withDatabase(world, async (client) => {
    await client.query('BEGIN')
    await client.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
    await sleep(ms)
    await client.query('COMMIT')
  })
}

/** The worker's pool has ten at most; the reconciler's lock is held by one beside it. */
const SESSIONS = 10 + 1

async function noSessionIsLeft(world: World): Promise<void> {
  await stillRuns(world)
  const sessions = (): Promise<{ all: number; stuck: number }> =>
    withDatabase(world, async (client) => {
      const { rows } = await client.query<{ all: number; stuck: number }>(
        `SELECT count(*) FILTER (WHERE application_name = 'dingtalk-delivery')::int AS all,
           count(*) FILTER (WHERE state LIKE 'idle in transaction%' OR wait_event_type = 'Lock')::int AS stuck
         FROM pg_stat_activity WHERE datname = current_database()`,
      )
      return rows[0] ?? { all: -1, stuck: -1 }
    })
  await until(
    async () => {
      const { all, stuck } = await sessions()
      if (all > SESSIONS || stuck > 0) throw new Error(`${all} sessions, ${stuck} stuck`)
      return true
    },
    { timeoutMs: 10_000, what: 'the sessions of the worker are those of its pool and of its lock' },
  )
}

const POOL_IS_EXHAUSTED: FaultScenario = {
  fault: 'F18',
  when: 'the pool has one connection, and a statement takes 12 s',
  onlyLong: true,
  day: SHORT_DAY,
  env: atSabotage({ edits: [{ file: 'store/prisma.js', from: 'options.max ?? 10', to: '1' }] }),
  async strike(world) {
    await locked(world, 'delivery_app', 12_000)
  },
  async afterwards(world) {
    expect(firstOf(world.workers).stderr(), 'what a statement that gets no connection ends with').toMatch(
      /timeout exceeded when trying to connect/,
    )
    await noSessionIsLeft(world)
  },
}

export const DATABASE_FAULTS: readonly FaultScenario[] = [
  POSTGRES_STOPS,
  SESSIONS_ARE_KILLED,
  POSTGRES_HANGS,
  TABLE_IS_LOCKED,
  POOL_IS_EXHAUSTED,
]
