import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { SentTask } from '../support/api-page-server.ts'
import { judge } from '../support/oracle.ts'
import { until } from '../support/wait.ts'
import { backends, dayMs, makeWorld, type World } from '../support/world.ts'
import { withQueue } from './support/queue.ts'
import { record, withDatabase } from './support/scenario.ts'
import { busiestSecond } from './support/workers.ts'

/** F24. In the long form as many as a large company sends on a day; in the short form enough for every line to be long. */
const IS_SHORT = process.env['FAULT_SEEDS'] === undefined
const [TASKS, CAP] = IS_SHORT ? [1_500, 25] : [50_000, 1_000]
/** Tasks that come in last and whose final poll is due before the others are through: in this day it is 10 to 24 s before the deadline. */
const LAST = 100
const LAST_DEADLINE_MS = IS_SHORT ? 50_000 : 60_000
const DAY = { timeScale: 30, pollsPerTask: 2 }
const BASE = 9_000_000_000
const MAX_RSS_MB = 600
/** A call whose job's lock ran out on a machine that stood still is made again. */
const EXTRA_CALLS = TASKS / 100

// One after the other: each wants all the cores.
describe('many tasks are due at once', () => {
  for (const backend of IS_SHORT ? backends().slice(0, 1) : backends()) {
    test(`F24: ${TASKS} tasks on ${backend}`, { timeout: 300_000 }, async ({ onTestFinished }) => {
      const world = await makeWorld(backend, DAY, onTestFinished, { env: { MAX_CALLS_PER_SECOND: String(CAP) } })
      const day = dayMs(DAY)
      await addMany(world, 0, TASKS, Date.now() - day / 2)
      const worker = await world.start()
      const inLine = (): Promise<number> => withQueue(world.queueUrl, (queue) => queue.count())
      await until(async () => (await inLine()) + world.server.calls.size >= TASKS, {
        timeoutMs: 240_000,
        everyMs: 1_000,
        what: 'all stand in line',
      })
      await addMany(world, TASKS, LAST, Date.now() - day + LAST_DEADLINE_MS)
      let rssMb = 0
      const polled = async (): Promise<boolean> => {
        rssMb = Math.max(rssMb, await rssOf(worker.pid))
        return world.server.calls.size >= TASKS + LAST || (await resultsOf(world)).blind > 0
      }
      await until(polled, { timeoutMs: 240_000, everyMs: 1_000, what: 'every task was asked about' })
      const { blind } = await resultsOf(world)
      worker.kill('SIGTERM')
      expect((await worker.exit).code, 'exit code').toBe(0)
      const { lost, wrong, polls, extraCalls, rows } = await judge(world.databaseUrl, world.server, 'some are open')
      // At this rate the others alone take a minute: without a turn of their own they would be too late.
      expect(blind, 'tasks without a poll before their deadline').toBe(0)
      expect(busiestSecond(world.server), 'calls in a second, at the server').toBeLessThanOrEqual(CAP * 1.25)
      expect(rssMb, 'MB of memory').toBeLessThan(MAX_RSS_MB)
      expect({ lost, wrong }).toEqual({ lost: [], wrong: [] })
      expect(extraCalls, 'calls that are in no row').toBeLessThanOrEqual(EXTRA_CALLS)
      const open = [...rows.values()].filter(({ status }) => status === 'tracking').length
      expect(await inLine(), 'timers, and the tasks are still open').toBe(open)
      const when = `many tasks are due at once (here ${TASKS}; ${CAP} calls a second; memory ${Math.round(rssMb)} MB at most)`
      record({
        fault: 'F24',
        when,
        backend,
        seed: 1,
        tasks: TASKS + LAST,
        lost: lost.length,
        wrong: wrong.length,
        polls,
        extraCalls,
        recoverMs: null,
      })
    })
  }
})

/** Past the ways to enqueue: what is tested is what comes then. */
async function addMany(world: World, from: number, count: number, sentAt: number): Promise<void> {
  const people = [{ userId: 'ann', fate: 'delivered' as const, listedAt: sentAt, readAt: null }]
  for (let i = from; i < from + count; i++) world.server.add(taskOf(i, sentAt, dayMs(world.day), people))
  await withDatabase(world, (client) =>
    client.query(
      `INSERT INTO delivery_task (app, task_id, agent_id, sent_at, deadline_at, recipients_known, next_poll_at)
       SELECT 'default', ($1::bigint + n)::text, '836390886', $2::timestamptz, $2::timestamptz + interval '24 hours', false, now()
       FROM generate_series($3::bigint, $3::bigint + $4::bigint - 1) AS n`,
      [BASE, new Date(sentAt), from, count],
    ),
  )
}

function taskOf(i: number, sentAt: number, windowMs: number, people: SentTask['people']): SentTask {
  return { taskId: String(BASE + i), agentId: '836390886', sentAt, windowMs, people }
}

async function resultsOf(world: World): Promise<{ polls: number; blind: number }> {
  return withDatabase(world, async (client) => {
    const { rows } = await client.query<{ polls: number; blind: number }>(
      `SELECT sum(poll_no)::int AS polls, (count(*) FILTER (WHERE status = 'expired' AND good_polls = 0))::int AS blind FROM delivery_task`,
    )
    return rows[0] ?? { polls: -1, blind: -1 }
  })
}

async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1_024
}
