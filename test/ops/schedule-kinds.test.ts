import { Client } from 'pg'
import { expect, test } from 'vitest'
import type { DatabaseRole } from '../support/roles.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker, type Running } from './support.ts'

/** The whole worker: what it stores for a task, and what it counts. A day is a minute. */

const AGENT_ID = '836390886'
const WORKER_ROLE: DatabaseRole = 'worker'

async function query<Row extends object>({ databaseUrl }: Running, text: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    return (await client.query<Row>(text, [...values])).rows
  } finally {
    await client.end()
  }
}

/** A task whose people read at once, with the answer of DingTalk for it. */
async function send(running: Running, taskId: string, people: number): Promise<void> {
  const sentAt = Date.now()
  const userIds = Array.from({ length: people }, (_, i) => `user${i}`)
  running.server.add({
    ...{ taskId, agentId: AGENT_ID, sentAt, windowMs: 60_000 },
    people: userIds.map((userId) => ({ userId, fate: 'delivered', listedAt: sentAt, readAt: sentAt })),
  })
  await query(running, 'SELECT track_delivery(task_id => $1, user_ids => $2, sent_at => now())', [taskId, userIds])
}

interface PlanRow {
  readonly task_id: string
  readonly polls: number
  readonly plan: Readonly<Record<string, unknown>>
}

async function plansOf(running: Running, count: number): Promise<PlanRow[]> {
  const text = `SELECT task_id, cardinality(poll_offsets) AS polls, plan FROM delivery_task_rates WHERE status = 'complete' ORDER BY task_id`
  return await until(
    async () => {
      const rows = await query<PlanRow>(running, text)
      return rows.length === count && rows
    },
    { what: 'the tasks are complete' },
  )
}

test('a worker plans by the read law and the price of its own part of the budget, in the months of its clock, with the rights of its role', async () => {
  const clockStart = `2027-03-16T10:00@${new Date().toISOString()}`
  const budget = { monthlyCallBudget: 4_000, callsUsedElsewhere: '50%' }
  const running = await aRunningWorker(undefined, budget, WORKER_ROLE, { schedule: 'learned', clockStart })
  await send(running, '1', 1)
  await send(running, '2', 40)
  const plans = await plansOf(running, 2)
  for (const { plan } of plans) {
    expect(plan).toMatchObject({ placedBy: 'prior', law: null, price: expect.any(Number), widthMs: expect.any(Number) })
    expect(plan['price']).toBeGreaterThan(0)
  }
  // The reads of many tell more than that of one.
  expect(plans[1]?.polls).toBeGreaterThanOrEqual(plans[0]?.polls ?? 0)
  const page = await running.worker.metrics()
  const valueOf = (name: string): number => Number(new RegExp(`^dingtalk_delivery_${name}\\{app="default"\\} (\\S+)$`, 'm').exec(page)?.[1])
  const calls = [...running.server.calls.values()].reduce((sum, count) => sum + count, 0)
  expect(calls).toBeGreaterThan(0)
  expect(valueOf('api_calls_used')).toBe(calls)
  expect(valueOf('call_budget_remaining')).toBe(2_000 - calls)
  expect(await query(running, 'SELECT calls_month, calls_used FROM delivery_app')).toEqual([{ calls_month: '2027-03', calls_used: calls }])
})

test("a program's function plans; a task for which it fails is polled with growing gaps", async () => {
  const pollTimes = ({ taskId }: { readonly taskId: string }): number[] => {
    if (taskId === '2') throw new Error('not this one')
    return [30, 600]
  }
  const running = await aRunningWorker(undefined, {}, WORKER_ROLE, { schedule: 'custom', pollTimes })
  await send(running, '1', 1)
  await send(running, '2', 1)
  const plans = await plansOf(running, 2)
  expect(plans.map(({ polls, plan }) => [polls, plan['placedBy']])).toEqual([
    [3, 'custom'],
    [24, 'growing'],
  ])
})
