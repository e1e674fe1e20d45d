import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { addAll, type Case, eighteenCases } from '../support/eighteen.ts'
import { checkTruth } from '../support/oracle.ts'
import { until } from '../support/wait.ts'
import { backends, makeWorld, type World } from '../support/world.ts'

/** Three minutes: the final polls have then two seconds before the deadline, and all of them must be made within that on a busy machine. */
const TIME_SCALE = 480
const DAY_MS = 86_400_000 / TIME_SCALE
const POLLS_PER_TASK = 24
const PATIENCE_MS = DAY_MS + 40_000

describe.for(backends())('on %s', { concurrent: true }, (backend) => {
  test.concurrent('eighteen tasks through every door end as they should', { timeout: PATIENCE_MS + 30_000 }, async ({ onTestFinished }) => {
    const world = await makeWorld(backend, { timeScale: TIME_SCALE, pollsPerTask: POLLS_PER_TASK }, onTestFinished)
    await world.start()
    const cases = eighteenCases(Date.now(), DAY_MS, POLLS_PER_TASK)
    addAll(world.server, cases)
    await trackAll(world, cases)
    await allEnded(world.databaseUrl, cases.length)
    const rows = await checkTruth(world.databaseUrl, world.server)
    for (const each of cases) {
      const row = rows.get(each.task.taskId)
      expect([row?.status, row?.reason_code], each.name).toEqual([each.status, expect.stringMatching(each.reason)])
      const calls = world.server.calls.get(each.task.taskId) ?? 0
      expect(calls, `calls for ${each.name}`).toBeLessThanOrEqual(each.maxCalls)
      expect(row?.calls, `calls that are counted for ${each.name}`).toBe(calls)
    }
    expect(world.server.tokenCalls, 'one token serves all polls').toBe(1)
    expectLateLastLooks(cases, rows)
  })
})

async function trackAll(world: World, cases: readonly Case[]): Promise<void> {
  const toDatabase = createTracker({ databaseUrl: world.databaseUrl })
  const toQueue = createTracker({ queueUrl: world.queueUrl })
  const isRedis = world.queueUrl.startsWith('redis')
  const redis = isRedis ? new Redis(world.queueUrl, { maxRetriesPerRequest: null }) : null
  const plain = redis === null ? null : new Queue('dingtalk-delivery', { connection: redis })
  const sql = new pg.Client({ connectionString: world.databaseUrl })
  await sql.connect()
  try {
    for (const { door, task, userIds } of cases) {
      const fields = { taskId: task.taskId, agentId: task.agentId, campaign: 'eighteen', ...(userIds && { userIds }) }
      if (door === 'library to the database') await taken(() => toDatabase.track({ ...fields, sentAt: new Date(task.sentAt) }))
      else if (door === 'SQL') await sql.query(TRACK_SQL, [task.taskId, task.agentId, userIds, 'eighteen', new Date(task.sentAt)])
      else if (door === 'plain BullMQ job' && plain !== null) await plain.add('track', { ...fields, sentAt: task.sentAt })
      else await taken(() => toQueue.track({ ...fields, sentAt: new Date(task.sentAt).toISOString() }))
    }
  } finally {
    await Promise.all([toDatabase.close(), toQueue.close(), plain?.close(), sql.end()])
    redis?.disconnect()
  }
}

/** A machine that is too busy refuses within two seconds; a sender tries again. */
async function taken(track: () => Promise<unknown>): Promise<void> {
  await until(() => track().then(() => true), { what: 'a task is taken' })
}

const TRACK_SQL = 'SELECT track_delivery(task_id => $1, agent_id => $2, user_ids => $3, campaign => $4, sent_at => $5)'

async function allEnded(databaseUrl: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const ended = async (): Promise<boolean> => {
      const { rows } = await client.query<{ n: number }>("SELECT count(*)::int AS n FROM delivery_task WHERE status <> 'tracking'")
      return rows[0]?.n === count
    }
    await until(ended, { timeoutMs: PATIENCE_MS, everyMs: 250, what: `${count} tasks ended` })
  } finally {
    await client.end()
  }
}

/** Whoever is still unread is so as of the last 1 % of the window. */
function expectLateLastLooks(cases: readonly Case[], rows: Awaited<ReturnType<typeof checkTruth>>): void {
  for (const each of cases.filter((one) => one.reason.test('window_over'))) {
    const seen = rows.get(each.task.taskId)?.last_observed_at?.getTime() ?? 0
    expect(seen, `last successful poll of ${each.name}`).toBeGreaterThan(each.task.sentAt + DAY_MS * 0.99)
  }
}
