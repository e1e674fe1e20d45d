import { Redis } from 'ioredis'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { checkTruth } from '../support/oracle.ts'
import { until } from '../support/wait.ts'
import { backends, makeWorld, type World } from '../support/world.ts'

const DAY = { timeScale: 2880, pollsPerTask: 24 }
const DAY_MS = 86_400_000 / DAY.timeScale
const TASK_ID = '9007199254740993123'
const PATIENCE = { timeoutMs: DAY_MS + 60_000, everyMs: 20 }
const TIMEOUT = { timeout: DAY_MS + 100_000 }

/** What a test does with the world so that a worker that dies now dies between these two steps. */
interface Moment {
  readonly name: string
  /** Resolves in that moment. */
  readonly arrives: (world: World) => Promise<void>
}

const MOMENTS: readonly Moment[] = [
  {
    name: 'after its timer rang and before it has read the row',
    arrives: async ({ toDatabase, databaseUrl }) => {
      await toDatabase.mode('blackhole')
      await lookIsDue(databaseUrl)
    },
  },
  {
    name: 'while DingTalk is being asked',
    arrives: ({ server }) =>
      new Promise((resolve) => {
        server.beforeAnswer = async () => {
          resolve()
          server.beforeAnswer = async () => {}
          // The answer never comes: whoever asked is dead.
          await new Promise((later) => setTimeout(later, 2_000))
        }
      }),
  },
  {
    name: 'after the answer and before it is stored',
    arrives: ({ server, toDatabase }) =>
      new Promise((resolve) => {
        server.beforeAnswer = async () => toDatabase.mode('blackhole')
        server.afterAnswer = async () => {
          server.afterAnswer = async () => {}
          server.beforeAnswer = async () => {}
          setTimeout(resolve, 100)
        }
      }),
  },
  {
    name: 'after it is stored and before the timer is set again',
    arrives: async ({ server, toQueue, databaseUrl }) => {
      const looks = await looksOf(databaseUrl)
      server.beforeAnswer = async () => toQueue.mode('blackhole')
      await until(async () => (await looksOf(databaseUrl)) > looks, { ...PATIENCE, what: 'a look is stored' })
      server.beforeAnswer = async () => {}
    },
  },
]

describe.for(backends())('on %s', { concurrent: true }, (backend) => {
  test.concurrent.for(MOMENTS)(
    'a worker killed $name loses nothing and counts nothing twice',
    TIMEOUT,
    async (moment, { onTestFinished }) => {
      const world = await makeWorld(backend, DAY, onTestFinished)
      const worker = await world.start()
      await trackOne(world)
      await until(async () => (await looksOf(world.databaseUrl)) > 0, { ...PATIENCE, what: 'the first look is stored' })

      await moment.arrives(world)
      worker.kill('SIGKILL')
      await worker.exit
      await Promise.all([world.toDatabase.mode('pass'), world.toQueue.mode('pass')])
      await world.start()

      await until(async () => (await statusOf(world.databaseUrl)) !== 'tracking', { ...PATIENCE, what: 'the task has ended' })
      await checkTruth(world.databaseUrl, world.server)
      expect(await statusOf(world.databaseUrl)).toBe('complete')
      // The plan, and what the death cost at the most: a look that was not stored, and one that was stored but not known to be.
      expect(world.server.calls.get(TASK_ID)).toBeLessThanOrEqual(DAY.pollsPerTask + 2)
    },
  )

  test.concurrent('a queue that loses everything gets its timers back from the database', TIMEOUT, async ({ onTestFinished }) => {
    const world = await makeWorld(backend, DAY, onTestFinished)
    const worker = await world.start()
    await trackOne(world)
    await until(async () => (await looksOf(world.databaseUrl)) > 0, { ...PATIENCE, what: 'the first look is stored' })

    await wipe(world.queueUrl)
    await until(async () => (await statusOf(world.databaseUrl)) !== 'tracking', { ...PATIENCE, what: 'the task has ended' })
    await checkTruth(world.databaseUrl, world.server)
    expect(await statusOf(world.databaseUrl)).toBe('complete')
    expect(worker.stderr()).toMatch(/"added":1.*reconciled/)
  })

  test.concurrent('a worker that is paused for longer than its lock and goes on changes nothing', TIMEOUT, async ({ onTestFinished }) => {
    const world = await makeWorld(backend, DAY, onTestFinished)
    const sleeper = await world.start()
    await trackOne(world)
    await until(async () => (await looksOf(world.databaseUrl)) > 0, { ...PATIENCE, what: 'the first look is stored' })

    const asked = new Promise<void>((resolve) => {
      world.server.beforeAnswer = async () => {
        world.server.beforeAnswer = async () => {}
        sleeper.kill('SIGSTOP')
        resolve()
      }
    })
    await asked
    const looks = await looksOf(world.databaseUrl)
    await world.start()
    await until(async () => (await looksOf(world.databaseUrl)) > looks, { ...PATIENCE, what: 'the other worker has looked' })
    sleeper.kill('SIGCONT')
    await until(() => sleeper.stderr().includes('look came too late'), { ...PATIENCE, what: 'the late write is refused' })

    await until(async () => (await statusOf(world.databaseUrl)) !== 'tracking', { ...PATIENCE, what: 'the task has ended' })
    await checkTruth(world.databaseUrl, world.server)
    expect(await statusOf(world.databaseUrl)).toBe('complete')
  })
})

async function wipe(queueUrl: string): Promise<void> {
  if (queueUrl.startsWith('redis')) {
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

/** Two of three read while the test goes on, the last one later, so that the task is open until then. */
async function trackOne({ server, databaseUrl }: World): Promise<void> {
  const now = Date.now()
  const person = (userId: string, readAfter: number) => ({ userId, fate: 'delivered' as const, listedAt: now, readAt: now + readAfter })
  const people = [person('036632523163121146', DAY_MS * 0.02), person('manager4220', DAY_MS * 0.2), person('user123', DAY_MS * 0.6)]
  server.add({ taskId: TASK_ID, agentId: '836390886', sentAt: now, windowMs: DAY_MS, people })
  const tracker = createTracker({ databaseUrl })
  await tracker.track({ taskId: TASK_ID, userIds: people.map((each) => each.userId), sentAt: new Date(now) })
  await tracker.close()
}

function looksOf(databaseUrl: string): Promise<number> {
  return ask(databaseUrl, 'SELECT poll_no AS answer FROM delivery_task', 0)
}

function statusOf(databaseUrl: string): Promise<string> {
  return ask(databaseUrl, 'SELECT status AS answer FROM delivery_task', 'tracking')
}

async function lookIsDue(databaseUrl: string): Promise<void> {
  const due = (): Promise<boolean> =>
    ask(databaseUrl, "SELECT next_poll_at < now() - interval '200 ms' AS answer FROM delivery_task", false)
  await until(due, { ...PATIENCE, what: 'a look is due' })
}

async function ask<T>(databaseUrl: string, sql: string, fallback: T): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ answer: T }>(sql)
    return rows[0]?.answer ?? fallback
  } finally {
    await client.end()
  }
}
