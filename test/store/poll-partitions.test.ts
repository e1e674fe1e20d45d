import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { createOldDetails } from '../../src/store/maintenance.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { urlAs } from '../support/roles.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'
import { aTask, loaded, lookAt, planFor } from './support/polls.ts'

/** Partitions of delivery_poll: made ahead, dropped when all of their tasks are old. The worker does both without a right to change tables. */

let db: TestStore
let worker: Database
let old: ReturnType<typeof createOldDetails>
let other: pg.Client
beforeAll(async () => {
  db = await openTestStore()
  worker = openDatabase(urlAs('worker', db.url), { max: 6 })
  old = createOldDetails(worker)
  other = await openSession(db.url)
})
afterAll(async () => {
  await other.end()
  await worker.close()
  await db.close()
})

/** One partition for the ids up to 100,000, of which none is given out, and the default one. */
beforeEach(async () => {
  // Of a test that failed.
  await other.query('ROLLBACK')
  await db.pool.query('TRUNCATE delivery_task RESTART IDENTITY CASCADE')
  await db.pool.query('TRUNCATE delivery_campaign, delivery_campaign_change')
  for (const { name } of await ranges()) await db.pool.query(`DROP TABLE ${name}`)
  await db.pool.query("SELECT delivery_make_partition('delivery_poll_first', 'FOR VALUES FROM (MINVALUE) TO (100001)')")
})

interface Range {
  readonly name: string
  readonly from: number | null
  readonly to: number
}

async function ranges(): Promise<Range[]> {
  const { rows } = await db.pool.query<Range>('SELECT name, from_id::int AS from, to_id::int AS to FROM delivery_poll_ranges()')
  return rows
}
const FIRST = { name: 'delivery_poll_first', from: null, to: 100_001 }
const aRange = (from: number, to: number): Range => ({ name: `delivery_poll_from_${from}`, from, to })

/** The next task has the id after this one. */
async function giveOut(id: number): Promise<void> {
  await db.pool.query("SELECT setval(pg_get_serial_sequence('delivery_task', 'id'), $1)", [id])
}

const DAY_MS = 86_400_000
const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY_MS)

/** An open task with two polls. */
async function aPolledTask(): Promise<TaskKey> {
  const { key } = await aTask(db.store, { userIds: ['ann', 'bob'] })
  await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 5)
  await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 9)
  return key
}

/** Tracked and ended so many days ago. @param hasNames as long as they were not removed */
async function anOldTask(days: number, { hasNames = false } = {}): Promise<TaskKey> {
  const key = await aPolledTask()
  await db.store.cancel(key)
  await db.pool.query(
    `UPDATE delivery_task SET tracked_at = $2, sent_at = $2, deadline_at = $2::timestamptz + interval '1 day', finished_at = $2 WHERE task_id = $1`,
    [key.taskId, daysAgo(days)],
  )
  if (!hasNames) await db.pool.query('UPDATE delivery_task SET names_removed_at = now() WHERE task_id = $1', [key.taskId])
  return key
}

/** Of each task the partition with its polls, and how many they are. */
async function polls(): Promise<unknown[]> {
  const { rows } = await db.pool.query<Record<string, unknown>>(
    'SELECT task_pk::int AS id, tableoid::regclass::text AS part, count(*)::int AS polls FROM delivery_poll GROUP BY 1, 2 ORDER BY 1',
  )
  return rows
}

async function taskIds(): Promise<number[]> {
  return (await db.pool.query<{ id: number }>('SELECT id::int AS id FROM delivery_task ORDER BY 1')).rows.map(({ id }) => id)
}

describe('partitions are made ahead', () => {
  test('when less than half of the last one is left, and only then', async () => {
    await old.makeRoom()
    await giveOut(49_999)
    await old.makeRoom()
    expect(await ranges()).toEqual([FIRST])
    await giveOut(50_001)
    await old.makeRoom()
    await old.makeRoom()
    expect(await ranges()).toEqual([FIRST, aRange(100_001, 200_001)])
  })

  test('by many workers at once, each once', async () => {
    await giveOut(80_000)
    await Promise.all(Array.from({ length: 6 }, () => old.makeRoom()))
    expect(await ranges()).toEqual([FIRST, aRange(100_001, 200_001)])
  })

  test('as large as needed for some thirty of them, whatever is kept', async () => {
    await db.pool.query("SELECT track_delivery('1')")
    await giveOut(32_000_000)
    await old.makeRoom()
    const [, made] = await ranges()
    expect((made?.to ?? 0) - (made?.from ?? 0)).toBe(999_999)
  })

  test('with the rows and the comments of delivery_poll, and no right for anybody but the owner', async () => {
    await giveOut(80_000)
    await old.makeRoom()
    for (const statement of [
      'SELECT FROM delivery_poll_from_100001',
      'DELETE FROM delivery_poll_default',
      'DROP TABLE delivery_poll_from_100001',
      'ALTER TABLE delivery_poll DETACH PARTITION delivery_poll_first',
      'ALTER TABLE delivery_poll_from_100001 ADD COLUMN x text',
    ])
      await expect(worker.pool.query(statement)).rejects.toMatchObject({ code: '42501' })
    const { rows } = await db.pool.query(
      `SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND (relacl IS NOT NULL AND cardinality(relacl) > 1 OR obj_description(oid) IS NULL)`,
    )
    expect(rows).toEqual([])
  })

  test('while a long read goes on: the next call does it, and polls are stored meanwhile', async () => {
    await giveOut(80_000)
    const key = await aPolledTask()
    await other.query('BEGIN; SELECT FROM delivery_poll')
    await old.makeRoom()
    expect(await ranges()).toEqual([FIRST])
    await lookAt(db.store, key, { read: ['ann', 'bob'] }, 12)
    await other.query('COMMIT')
    await old.makeRoom()
    expect(await ranges()).toEqual([FIRST, aRange(100_001, 200_001)])
  })
})

describe('a poll', () => {
  test('is in the partition of its task, and every question finds it', async () => {
    const keys = [await aPolledTask()]
    await giveOut(90_000)
    await old.makeRoom()
    await giveOut(100_000)
    keys.push(await aPolledTask())
    expect(await polls()).toEqual([
      { id: 1, part: 'delivery_poll_first', polls: 2 },
      { id: 100_001, part: 'delivery_poll_from_100001', polls: 2 },
    ])
    const rates = createRateReader(worker)
    for (const key of keys) {
      expect(await rates.polls(key)).toHaveLength(2)
      expect(await rates.explain(key, 'ann')).toMatchObject({ person: { state: 'read' } })
    }
  })

  test('of a task beyond all partitions is stored all the same, and the next partition begins behind it', async () => {
    await giveOut(300_000)
    const key = await aPolledTask()
    expect(await polls()).toEqual([{ id: 300_001, part: 'delivery_poll_default', polls: 2 }])
    await old.makeRoom()
    expect(await ranges()).toEqual([FIRST, aRange(310_002, 410_002)])
    await lookAt(db.store, key, { read: ['ann', 'bob'] }, 12)
    await giveOut(310_001)
    await aPolledTask()
    expect(await polls()).toEqual([
      { id: 300_001, part: 'delivery_poll_default', polls: 3 },
      { id: 310_002, part: 'delivery_poll_from_310002', polls: 2 },
    ])
  })

  test('that is being written waits for a drop and is stored; its own partition cannot be dropped', async () => {
    await anOldTask(100)
    await giveOut(100_001)
    await db.pool.query("SELECT delivery_make_partition('delivery_poll_from_100001', 'FOR VALUES FROM (100001) TO (200001)')")
    const key = await aPolledTask()
    const plan = planFor(await loaded(db.store, key), { read: ['ann', 'bob'] }, 20)
    const [dropped, written] = await Promise.all([old.removePolls(daysAgo(90)), db.store.apply(plan)])
    expect(written).toBe('stored')
    if (dropped === 'busy') expect(await old.removePolls(daysAgo(90))).toBe('removed')
    expect(await old.removePolls(daysAgo(-1))).toBe('none')
    expect(await polls()).toEqual([{ id: 100_002, part: 'delivery_poll_from_100001', polls: 3 }])
  })
})

describe('a period of old tasks', () => {
  /** Two old tasks in the first partition, and one of today in the second. */
  async function aPeriod(first = 100, second = 99.5): Promise<void> {
    await anOldTask(first)
    await anOldTask(second)
    await db.pool.query("SELECT delivery_make_partition('delivery_poll_from_100001', 'FOR VALUES FROM (100001) TO (200001)')")
    await giveOut(100_001)
    await aPolledTask()
  }

  test('loses its polls at once when its last task is old; then its tasks go', async () => {
    await aPeriod()
    // The first one is old, and waits for the second.
    expect([await old.removePolls(daysAgo(99.8)), await old.removeTasks(daysAgo(99.8), 50)]).toEqual(['none', 0])
    expect(await old.removePolls(daysAgo(90))).toBe('removed')
    expect(await ranges()).toEqual([aRange(100_001, 200_001)])
    expect([(await polls()).length, await taskIds()]).toEqual([1, [1, 2, 100_002]])
    // As after a crash: the next pass goes on with the tasks.
    expect([await old.removePolls(daysAgo(90)), await old.removeTasks(daysAgo(90), 1), await old.removeTasks(daysAgo(90), 50)]).toEqual([
      'none',
      1,
      1,
    ])
    expect(await taskIds()).toEqual([100_002])
    const { rows } = await db.pool.query('SELECT FROM delivery_recipient LEFT JOIN delivery_task ON id = task_pk WHERE id IS NULL')
    expect(rows).toEqual([])
  })

  test('that is late keeps a task two days longer at most, or a twentieth of its age', async () => {
    await aPeriod(100, 99.5)
    expect(await old.removeTasks(daysAgo(96), 50)).toBe(0)
    expect(await old.removeTasks(daysAgo(95), 50)).toBe(1)
    expect(await taskIds()).toEqual([2, 100_002])
  })

  test('that is long loses task by task', async () => {
    await aPeriod(100, 60)
    expect([await old.removePolls(daysAgo(90)), await old.removeTasks(daysAgo(90), 50)]).toEqual(['none', 1])
    expect(await taskIds()).toEqual([2, 100_002])
    expect(await old.removePolls(daysAgo(50))).toBe('removed')
  })

  test.each([
    ['an open task', "UPDATE delivery_task SET status = 'tracking', finished_at = NULL, next_poll_at = now() WHERE id = 1"],
    ['a task with names', 'UPDATE delivery_task SET names_removed_at = NULL WHERE id = 1'],
    ['a younger task', 'UPDATE delivery_task SET finished_at = now() WHERE id = 1'],
    ['a task whose deadline is to come', "UPDATE delivery_task SET deadline_at = now() + interval '1 hour' WHERE id = 1"],
  ])('with %s stays', async (_, statement) => {
    await aPeriod()
    await db.pool.query(statement)
    expect(await old.removePolls(daysAgo(90))).toBe('none')
    expect(await polls()).toHaveLength(3)
  })

  test('into which tasks may still come stays', async () => {
    await anOldTask(100)
    expect(await old.removePolls(daysAgo(90))).toBe('none')
    expect(await old.removeTasks(daysAgo(90), 50)).toBe(1)
  })

  test('that is being read is left to the next pass', async () => {
    await aPeriod()
    await other.query('BEGIN; SELECT FROM delivery_poll')
    expect(await old.removePolls(daysAgo(90))).toBe('busy')
    await other.query('COMMIT')
    expect(await polls()).toHaveLength(3)
    expect(await old.removePolls(daysAgo(90))).toBe('removed')
  })

  test('is dropped once by many workers', async () => {
    await aPeriod()
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => old.removePolls(daysAgo(90))))
    expect(outcomes.filter((each) => each === 'removed')).toHaveLength(1)
    expect(await ranges()).toEqual([aRange(100_001, 200_001)])
  })

  test('leaves what of its tasks is in the default partition to their removal', async () => {
    await aPeriod()
    expect(await old.removePolls(daysAgo(90))).toBe('removed')
    await db.pool.query(
      `INSERT INTO delivery_poll (task_pk, poll_no, requested_at, outcome, code, changed, anomalies) VALUES (1, 3, now(), 'transient', '-1', 0, 0)`,
    )
    expect((await polls())[0]).toEqual({ id: 1, part: 'delivery_poll_default', polls: 1 })
    expect(await old.removeTasks(daysAgo(90), 50)).toBe(2)
    expect(await polls()).toHaveLength(1)
  })
})
