import type { Client } from 'pg'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { until } from '../support/wait.ts'
import { backends, makeWorld, type World } from '../support/world.ts'

/** In real time, as an operator runs it. */
const DAY = { timeScale: 1, pollsPerTask: 24 }
const PROMISED_MS = 5_000
/** The machine can only add to what the product takes, so the best of a few tasks is the product's. */
const TRIES = 4
/** Of two questions at rest; a worker with new tasks asks each second. */
const AT_REST_MS = 3_500
const AGENT_ID = '836390886'

describe.concurrent('a task that comes through SQL while the worker rests', () => {
  test.concurrent.for(backends())(
    'is polled within 5 s of the commit, queue in %s',
    { timeout: 180_000 },
    async (backend, { expect: expected, onTestFinished }) => {
      const world = await makeWorld(backend, DAY, onTestFinished)
      await world.start()
      const client = new pg.Client({ connectionString: world.databaseUrl })
      await client.connect()
      try {
        const took: Took[] = []
        while (took.length < TRIES && !took.some(isKept)) took.push(await trackAtRest(world, client, took.length + 1))
        expected(took).toContainEqual(expected.toSatisfy(isKept))
      } finally {
        await client.end()
      }
    },
  )
})

/** Milliseconds since the commit, as observed at DingTalk and as stored by the database's clock. */
interface Took {
  readonly callMs: number
  readonly storedMs: number
  /** Until a task that was just sent has its plan: its first poll is minutes later. */
  readonly plannedMs: number
}

const isKept = (took: Took): boolean => Math.max(took.callMs, took.storedMs, took.plannedMs) < PROMISED_MS

/** Commits right after a question, when the next one is as far away as it ever is. */
async function trackAtRest({ server }: World, client: Client, no: number): Promise<Took> {
  const [late, fresh] = [String(no * 10), String(no * 10 + 1)]
  const sentAt = Date.now() - 3_600_000
  const people = [{ userId: 'ann', fate: 'delivered' as const, listedAt: 0, readAt: null }]
  server.add({ taskId: late, agentId: AGENT_ID, sentAt, windowMs: 86_400_000, people })
  const called = new Promise<number>((resolve) => {
    server.beforeAnswer = async (taskId) => {
      if (taskId === late) resolve(Date.now())
    }
  })
  const askedAt = await questionAtRest(client)
  await client.query('BEGIN')
  const track = "SELECT track_delivery(task_id => $1, agent_id => $2, user_ids => ARRAY['ann'], sent_at => $3)"
  await client.query(track, [late, AGENT_ID, new Date(sentAt)])
  await client.query(track, [fresh, AGENT_ID, new Date()])
  const { rows } = await client.query<{ at: Date }>('SELECT clock_timestamp() AS at')
  const committedAt = Date.now()
  await client.query('COMMIT')
  const callMs = (await called) - committedAt
  const poll = await until(() => pollOf(client, late), { what: 'the poll is stored' })
  const task = await until(() => planOf(client, fresh), { what: 'the fresh task has its plan' })
  expect(poll.requestedAt - askedAt.getTime(), 'the poll came after the question at rest').toBeGreaterThan(0)
  expect(task.firstPollMs, 'it is polled within minutes of the send').toBeLessThanOrEqual(180_000)
  const databaseAt = rows[0]?.at.getTime() ?? 0
  return { callMs, storedMs: poll.requestedAt - databaseAt, plannedMs: task.scheduledAt - databaseAt }
}

/** When the worker has asked for work, so long after it asked before that it is at rest. */
async function questionAtRest(client: Client): Promise<Date> {
  let before = await lastQuestion(client)
  return await until(
    async () => {
      const last = await lastQuestion(client)
      if (last === null || last.getTime() === before?.getTime()) return null
      const gapMs = before === null ? 0 : last.getTime() - before.getTime()
      before = last
      return gapMs > AT_REST_MS && last
    },
    { what: 'the worker rests', timeoutMs: 60_000 },
  )
}

/** Each session shows its last statement. */
async function lastQuestion(client: Client): Promise<Date | null> {
  const { rows } = await client.query<{ at: Date | null }>(
    "SELECT max(query_start) AS at FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '/* pending_work */%'",
  )
  return rows[0]?.at ?? null
}

async function pollOf(client: Client, taskId: string): Promise<{ requestedAt: number } | null> {
  const { rows } = await client.query<{ at: Date }>('SELECT requested_at AS at FROM delivery_poll_history WHERE task_id = $1', [taskId])
  return rows[0] === undefined ? null : { requestedAt: rows[0].at.getTime() }
}

async function planOf(client: Client, taskId: string): Promise<{ scheduledAt: number; firstPollMs: number } | null> {
  const { rows } = await client.query<{ at: Date; first: string }>(
    `SELECT scheduled_at AS at, extract(epoch FROM next_poll_at - sent_at) * 1000 AS first FROM delivery_task
     WHERE task_id = $1 AND scheduled_at IS NOT NULL`,
    [taskId],
  )
  return rows[0] === undefined ? null : { scheduledAt: rows[0].at.getTime(), firstPollMs: Number(rows[0].first) }
}
