import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { query } from '../support/postgres.ts'
import { urlAs } from '../support/roles.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'
import { aTask } from './support/polls.ts'

/** Triggers do for recipients what a foreign key does: each has a task, and is deleted with it. */

let db: TestStore
let [deleter, writer]: pg.Client[] = []

beforeAll(async () => {
  db = await openTestStore()
  deleter = await openSession(db.url)
  writer = await openSession(db.url)
})
afterAll(async () => {
  await deleter?.end()
  await writer?.end()
  await db.close()
})
afterEach(() => db.pool.query('TRUNCATE delivery_task CASCADE'))

/** Two tasks of two recipients each; the id of the first. */
async function arrange(): Promise<string> {
  for (let i = 0; i < 2; i++) await aTask(db.store, { campaign: 'payroll', userIds: ['ann', 'bob'] })
  const { rows } = await db.pool.query<{ id: string }>('SELECT min(id)::text AS id FROM delivery_task')
  return rows[0]?.id ?? ''
}

const addTo = (...ids: readonly string[]): string =>
  `INSERT INTO delivery_recipient (task_pk, user_id, named, state) VALUES ${ids.map((id) => `(${id}, 'eve', true, 'pending')`).join(', ')}`

/** For each task that recipients name: whether it is there, and how many they are. */
async function recipients(): Promise<unknown[]> {
  const { rows } = await db.pool.query<Record<string, unknown>>(`
    SELECT task.id IS NOT NULL AS there, count(*)::int AS recipients
    FROM delivery_recipient AS person LEFT JOIN delivery_task AS task ON task.id = person.task_pk GROUP BY person.task_pk, task.id ORDER BY person.task_pk`)
  return rows
}

/** Until a statement of this session waits for another transaction. */
async function isWaiting(session: pg.Client | undefined): Promise<void> {
  const pid: unknown = Reflect.get(session ?? {}, 'processID')
  await expect
    .poll(async () => (await db.pool.query('SELECT FROM pg_locks WHERE pid = $1 AND NOT granted', [pid])).rowCount)
    .toBeGreaterThan(0)
}

const TWO_EACH = [
  { there: true, recipients: 2 },
  { there: true, recipients: 2 },
]

describe('no recipient is without a task', () => {
  test.each([
    ['a new one', (id: string) => addTo(id, '4711')],
    ['one that changes tasks', (id: string) => `UPDATE delivery_recipient SET task_pk = 4711 WHERE task_pk = ${id} AND user_id = 'bob'`],
  ])('%s that names a task that there is not is refused, with all else of its statement', async (_, statement) => {
    const id = await arrange()
    await expect(db.pool.query(statement(id))).rejects.toMatchObject({
      code: '23503',
      message: 'There is no task with the id 4711 for a recipient.',
      table: 'delivery_recipient',
    })
    expect(await recipients()).toEqual(TWO_EACH)
  })

  test('a new one waits for a transaction that deletes its task, and is refused then', async () => {
    const id = await arrange()
    await deleter?.query('BEGIN')
    await deleter?.query(`DELETE FROM delivery_task WHERE id = ${id}`)
    const adding = expect(writer?.query(addTo(id))).rejects.toMatchObject({ code: '23503' })
    await isWaiting(writer)
    await deleter?.query('COMMIT')
    await adding
    expect(await recipients()).toEqual([{ there: true, recipients: 2 }])
  })
})

describe('a task takes its recipients with it', () => {
  test('also one that is added while the task is being deleted', async () => {
    const id = await arrange()
    await writer?.query('BEGIN')
    await writer?.query(addTo(id))
    const deleting = deleter?.query(`DELETE FROM delivery_task WHERE id = ${id}`)
    await isWaiting(deleter)
    await writer?.query('COMMIT')
    await deleting
    expect(await recipients()).toEqual([{ there: true, recipients: 2 }])
  })

  test.each(['TRUNCATE delivery_task CASCADE', 'TRUNCATE delivery_task, delivery_recipient CASCADE', 'DELETE FROM delivery_task'])(
    'all of them after %s',
    async (statement) => {
      await arrange()
      await db.pool.query(statement)
      expect(await recipients()).toEqual([])
    },
  )

  test('a snapshot that would not show all of them deletes no task', async () => {
    await arrange()
    await deleter?.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await expect(deleter?.query('DELETE FROM delivery_task')).rejects.toThrow(
      'DELETE of delivery_task works in READ COMMITTED transactions only.',
    )
    await deleter?.query('ROLLBACK')
    expect(await recipients()).toEqual(TWO_EACH)
  })
})

describe('a session in which a dump is restored, which sets check_function_bodies to off', () => {
  const RESTORING = 'SET LOCAL check_function_bodies = off'
  const marks = async (): Promise<number | null> => (await db.pool.query('SELECT FROM delivery_campaign_change')).rowCount

  test('copies recipients before their tasks, and marks nothing: what it copies is counted already', async () => {
    await db.pool.query('TRUNCATE delivery_campaign_change, delivery_task_end')
    await writer?.query(`BEGIN; ${RESTORING}`)
    await writer?.query(addTo('4711'))
    await writer?.query(`INSERT INTO delivery_task (id, app, task_id, campaign, recipients_known, status, sent_at, deadline_at, finished_at)
      OVERRIDING SYSTEM VALUE VALUES (4711, 'default', '1', 'payroll', true, 'expired', now(), now(), now())`)
    await writer?.query('COMMIT')
    expect(await recipients()).toEqual([{ there: true, recipients: 1 }])
    expect([await marks(), (await db.pool.query('SELECT FROM delivery_task_end')).rowCount]).toEqual([0, 0])
  })

  test('may be any other session too: a sender cannot keep its tasks out of the figures by that', async () => {
    const settings = new URL(urlAs('send', db.url))
    settings.searchParams.set('options', '-c check_function_bodies=off')
    await query(settings.href, "SELECT dingtalk.track_delivery(task_id => '1', user_ids => ARRAY['ann'], campaign => 'payroll')")
    const [figures] = await query(db.url, 'SELECT tasks, targeted FROM delivery_campaign_rates')
    expect(figures).toEqual({ tasks: 1, targeted: 1 })
  })
})
