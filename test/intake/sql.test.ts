import { expect, onTestFinished, test } from 'vitest'
import { buildTiming } from '../../src/domain/poll-times.ts'
import type { Timer } from '../../src/polling/ports.ts'
import { schedule } from '../../src/polling/schedule-tasks.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { growingPlanner } from '../support/planner.ts'
import { aDatabase, aSession, taskRows } from './support.ts'

const TIMING = buildTiming(24)
const now = (): Date => new Date()

/** What a worker would plan now. */
async function planned(databaseUrl: string): Promise<string[]> {
  const database = openDatabase(databaseUrl)
  onTestFinished(() => database.close())
  const timers: Timer[] = []
  const deps = {
    store: createDeliveryStore(database),
    timers: {
      set: async (given: readonly Timer[]) => void timers.push(...given),
      restore: async (given: readonly Timer[]) => ({ added: given.length, replaced: 0, moved: 0, left: 0 }),
    },
    timing: TIMING,
    planner: growingPlanner(TIMING, now),
    now,
    events: { scheduled: () => undefined },
  }
  await schedule(deps)
  return timers.map((timer) => timer.key.taskId)
}

test('a task that is tracked inside a transaction that is rolled back was never there', async () => {
  const databaseUrl = await aDatabase()
  const sql = await aSession(databaseUrl)
  await sql.query('BEGIN')
  expect(await sql.query("SELECT track_delivery(task_id => '1', user_ids => ARRAY['a'])")).toEqual([{ track_delivery: true }])
  expect(await planned(databaseUrl), 'nobody sees it before the commit').toEqual([])
  await sql.query('ROLLBACK')
  expect(await taskRows(sql)).toEqual([])
  expect(await planned(databaseUrl)).toEqual([])
})

test('a task that is committed with the rest of the transaction is planned', async () => {
  const databaseUrl = await aDatabase()
  const sql = await aSession(databaseUrl)
  await sql.query('BEGIN')
  const call =
    "SELECT track_delivery(task_id => '9007199254740993123', agent_id => '836390886', user_ids => ARRAY['b','036'], campaign => 'payroll-11') AS is_new"
  expect(await sql.query(call)).toEqual([{ is_new: true }])
  expect(await sql.query(call)).toEqual([{ is_new: false }])
  await sql.query('COMMIT')
  expect(await taskRows(sql)).toMatchObject([
    { app: 'default', task_id: '9007199254740993123', agent_id: '836390886', campaign: 'payroll-11', users: ['036', 'b'] },
  ])
  expect(await planned(databaseUrl)).toEqual(['9007199254740993123'])
  expect(await planned(databaseUrl), 'once').toEqual([])
})

test('a mistake takes the sender back to their savepoint, and no further', async () => {
  const databaseUrl = await aDatabase()
  const sql = await aSession(databaseUrl)
  await sql.query('BEGIN')
  await sql.query("SELECT track_delivery(task_id => '1')")
  await sql.query('SAVEPOINT mine')
  await expect(sql.query("SELECT track_delivery(task_id => 'x')")).rejects.toThrow(/^taskId must be a whole number/)
  await sql.query('ROLLBACK TO mine')
  await sql.query('COMMIT')
  expect((await taskRows(sql)).map((row) => row.task_id)).toEqual(['1'])
})
