import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, type TaskKey } from '../../src/domain/delivery.ts'
import type { Resuming } from '../../src/polling/ports.ts'
import { createResuming } from '../../src/store/resume.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { adoptAll, aTask, delay, loaded, planBody } from './support/polls.ts'
import { set } from './support/reader.ts'

let db: TestStore
let resuming: Resuming
beforeAll(async () => {
  // With the rights that a worker and a server have, and no more.
  db = await openTestStore({ role: 'worker' })
  resuming = createResuming(db.prisma)
})
afterAll(() => db.close())
afterEach(() => db.pool.query('DELETE FROM delivery_task; DELETE FROM delivery_app; DELETE FROM delivery_pair'))

const ahead = (ms: number): Date => new Date(Date.now() + ms)
const PROBE_AT = ahead(4 * HOUR_MS)
const BUDGET = { code: 'call_budget', detail: { budget: 20, used: 20, reserved: 0, month: '2026-11' } } as const

interface Row {
  readonly status: string
  readonly next_poll_at: Date | null
  readonly is_due: boolean
  readonly scheduled_at: Date | null
  readonly resumed: boolean
  readonly delay_code: string | null
  readonly problem_code: string | null
  readonly problem_polls: number
  readonly failures_in_row: number
  readonly reason_code: string | null
  readonly finished_at: Date | null
}

async function rowOf({ app, taskId }: TaskKey): Promise<Row> {
  const { rows } = await db.pool.query<Row>(
    'SELECT *, next_poll_at <= clock_timestamp() AS is_due FROM delivery_task WHERE app = $1 AND task_id = $2',
    [app, taskId],
  )
  return rows[0]!
}

/** A task that a worker planned, and whose poll is hours away. */
async function aScheduledTask(fields: Parameters<typeof aTask>[1] = {}): Promise<TaskKey> {
  const { key } = await aTask(db.store, fields)
  await adoptAll(db.store)
  await set(db, key, { next_poll_at: PROBE_AT })
  return key
}

async function refuse(key: TaskKey, errcode: number): Promise<void> {
  await db.store.apply(planBody(await loaded(db.store, key), { errcode, errmsg: 'refused' }, 5))
  await set(db, key, { next_poll_at: PROBE_AT })
}

async function pause(app: string, agentId: string | null): Promise<void> {
  const columns = "pause_code = 'permission', pause_detail = '{}', pause_since = now(), pause_set_at = now(), paused_until = $2, probes = 3"
  await db.pool.query('INSERT INTO delivery_app (app) VALUES ($1) ON CONFLICT DO NOTHING', [app])
  if (agentId === null) {
    await db.pool.query(`UPDATE delivery_app SET ${columns} WHERE app = $1`, [app, PROBE_AT])
    return
  }
  await db.pool.query('INSERT INTO delivery_pair (app, agent_id) VALUES ($1, $2)', [app, agentId])
  await db.pool.query(`UPDATE delivery_pair SET ${columns} WHERE app = $1 AND agent_id = $3`, [app, PROBE_AT, agentId])
}

async function pausesOf(app: string): Promise<Array<[string | null, string | null, boolean | null]>> {
  const { rows } = await db.pool.query<{ agent_id: string | null; pause_code: string | null; is_due: boolean | null }>(
    `SELECT NULL AS agent_id, pause_code, paused_until <= clock_timestamp() AS is_due FROM delivery_app WHERE app = $1
     UNION ALL SELECT agent_id, pause_code, paused_until <= clock_timestamp() FROM delivery_pair WHERE app = $1 ORDER BY agent_id NULLS FIRST`,
    [app],
  )
  return rows.map(({ agent_id, pause_code, is_due }) => [agent_id, pause_code, is_due])
}

const resumedAt = async (app: string): Promise<Date | null> =>
  (await db.pool.query<{ at: Date | null }>('SELECT resumed_at AS at FROM delivery_app WHERE app = $1', [app])).rows[0]?.at ?? null

describe('a task', () => {
  test.each([40035, 400002, 41011, 60011, 90020, 99999, -1])(
    'that was refused with %i is due at once, and its job is to be moved',
    async (code) => {
      const key = await aScheduledTask({ agentId: '7' })
      await refuse(key, code)
      expect(await resuming.task(key)).toEqual({ isWithoutBudget: false })
      expect(await rowOf(key)).toMatchObject({
        ...{ status: 'tracking', is_due: true, scheduled_at: null, resumed: true },
        ...{ delay_code: null, problem_polls: 0, failures_in_row: 0 },
      })
    },
  )

  test('keeps its problem until a poll succeeds', async () => {
    const key = await aScheduledTask({ agentId: '7' })
    await refuse(key, 41011)
    await resuming.task(key)
    expect(await rowOf(key)).toMatchObject({ problem_code: 'agent_id' })
  })

  test('is scheduled again by a worker, and is due', async () => {
    const key = await aScheduledTask()
    await resuming.task(key)
    expect(await adoptAll(db.store)).toMatchObject([{ key, resumed: true }])
    expect(await rowOf(key)).toMatchObject({ is_due: true, resumed: false, scheduled_at: expect.any(Date) })
  })

  test('that no worker has scheduled yet has no job to be moved', async () => {
    const { key } = await aTask(db.store)
    await resuming.task(key)
    expect(await rowOf(key)).toMatchObject({ is_due: true, scheduled_at: null, resumed: false })
  })

  test('that the call budget delayed says so', async () => {
    const key = await aScheduledTask()
    await delay(db.store, key, PROBE_AT, BUDGET)
    expect(await resuming.task(key)).toEqual({ isWithoutBudget: true })
  })

  test('makes the pause of its app and of its agent id due, and of no other, so that its poll is the probe', async () => {
    const key = await aScheduledTask({ agentId: '7' })
    await pause('default', null)
    await pause('default', '7')
    await pause('default', '8')
    await pause('other', '7')
    await resuming.task(key)
    expect(await pausesOf('default')).toEqual([
      [null, 'permission', true],
      ['7', 'permission', true],
      ['8', 'permission', false],
    ])
    expect(await pausesOf('other')).toEqual([
      [null, null, null],
      ['7', 'permission', false],
    ])
    expect(await resumedAt('default')).toBeInstanceOf(Date)
    expect(await resumedAt('other')).toBeNull()
  })

  test("without an agent id of its own makes that of its last poll due, and all of the app's where none is known", async () => {
    const key = await aScheduledTask()
    await set(db, key, { problem_code: 'agent_id', problem_detail: JSON.stringify({ agentId: '8' }) })
    await pause('default', '7')
    await pause('default', '8')
    await resuming.task(key)
    expect(await pausesOf('default')).toEqual([
      [null, null, null],
      ['7', 'permission', false],
      ['8', 'permission', true],
    ])
    await resuming.task(await aScheduledTask())
    expect(await pausesOf('default')).toMatchObject([{}, ['7', 'permission', true], ['8', 'permission', true]])
  })

  test('that an earlier version stopped inside its window is open again', async () => {
    const key = await aScheduledTask()
    const ended = { status: 'stopped', next_poll_at: null, finished_at: new Date() }
    await set(db, key, { ...ended, reason_code: 'parameters', reason_detail: JSON.stringify({ text: 'refused: …' }) })
    expect(await resuming.task(key)).toEqual({ isWithoutBudget: false })
    expect(await rowOf(key)).toMatchObject({ status: 'tracking', is_due: true, reason_code: null, finished_at: null })
  })

  test.each(['complete', 'expired', 'cancelled', 'stopped'])('that ended as %s stays so, and nothing around it changes', async (status) => {
    const key = await aScheduledTask({ agentId: '7' })
    await set(db, key, { status, next_poll_at: null, finished_at: new Date(), deadline_at: new Date(Date.now() - MINUTE_MS) })
    await pause('default', '7')
    expect(await resuming.task(key)).toBeNull()
    expect(await rowOf(key)).toMatchObject({ status, resumed: false })
    expect(await pausesOf('default')).toMatchObject([{}, ['7', 'permission', false]])
  })

  test('that is not there is none', async () => {
    expect(await resuming.task({ app: 'default', taskId: '404' })).toBeNull()
    expect(await resumedAt('default')).toBeNull()
  })
})

describe('an app', () => {
  test('loses all its pauses, and every task that was delayed or has a problem is due', async () => {
    const [refused, waiting, planned, elsewhere] = [
      await aScheduledTask({ agentId: '7' }),
      await aScheduledTask(),
      await aScheduledTask(),
      await aScheduledTask({ app: 'other' }),
    ]
    await refuse(refused, 41011)
    await delay(db.store, waiting, PROBE_AT, { code: 'call_rate', detail: null })
    await delay(db.store, elsewhere, PROBE_AT, { code: 'call_rate', detail: null })
    await pause('default', null)
    await pause('default', '7')
    await pause('other', '7')
    expect(await resuming.app('default')).toEqual({ app: 'default', tasks: 2, tasksWithoutBudget: 0 })
    for (const key of [refused, waiting])
      expect(await rowOf(key)).toMatchObject({ is_due: true, scheduled_at: null, resumed: true, delay_code: null, problem_polls: 0 })
    for (const key of [planned, elsewhere]) expect(await rowOf(key)).toMatchObject({ is_due: false, resumed: false })
    expect(await pausesOf('default')).toEqual([
      [null, null, null],
      ['7', null, null],
    ])
    expect(await pausesOf('other')).toMatchObject([{}, ['7', 'permission', false]])
    expect(await resumedAt('default')).toBeInstanceOf(Date)
  })

  test('says how many of its tasks the call budget delayed', async () => {
    for (let i = 0; i < 3; i++) await delay(db.store, await aScheduledTask(), PROBE_AT, BUDGET)
    await refuse(await aScheduledTask(), 60011)
    expect(await resuming.app('default')).toEqual({ app: 'default', tasks: 4, tasksWithoutBudget: 3 })
  })

  test('brings forward more tasks than one statement takes, and ended ones never', async () => {
    await db.pool.query(
      `INSERT INTO delivery_task (app, task_id, status, sent_at, deadline_at, scheduled_at, next_poll_at, finished_at, recipients_known, delay_code)
       SELECT 'default', n::text, CASE WHEN n % 2 = 0 THEN 'tracking' ELSE 'expired' END, now(), now() + interval '1 day', now(),
         CASE WHEN n % 2 = 0 THEN now() + interval '1 hour' END, CASE WHEN n % 2 = 1 THEN now() END, false, 'call_rate'
       FROM generate_series(1, 2200) AS n`,
    )
    expect(await resuming.app('default')).toEqual({ app: 'default', tasks: 1_100, tasksWithoutBudget: 0 })
    const { rows } = await db.pool.query(
      "SELECT count(*)::int AS n FROM delivery_task WHERE status = 'tracking' AND resumed AND next_poll_at <= clock_timestamp()",
    )
    expect(rows).toEqual([{ n: 1_100 }])
  })

  test('that has tasks and never called is known, and one that has nothing is not', async () => {
    await aTask(db.store, { app: 'only-tasks' })
    expect(await resuming.app('only-tasks')).toEqual({ app: 'only-tasks', tasks: 0, tasksWithoutBudget: 0 })
    expect(await resuming.app('nobody')).toBeNull()
    expect(await resumedAt('nobody')).toBeNull()
  })

  test('can be resumed by two at once, while its tasks are', async () => {
    const keys = await Promise.all(Array.from({ length: 40 }, () => aTask(db.store)))
    await adoptAll(db.store)
    await db.pool.query("UPDATE delivery_task SET delay_code = 'call_rate', next_poll_at = $1", [PROBE_AT])
    await Promise.all([resuming.app('default'), resuming.app('default'), ...keys.map(({ key }) => resuming.task(key))])
    const { rows } = await db.pool.query('SELECT count(*)::int AS n FROM delivery_task WHERE resumed AND delay_code IS NULL')
    expect(rows).toEqual([{ n: 40 }])
  })
})
