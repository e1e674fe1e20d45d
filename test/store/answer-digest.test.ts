import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAnswer } from '../../src/domain/answer.ts'
import { withDigest } from '../../src/domain/answer-digest.ts'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { planPoll } from '../../src/domain/plan.ts'
import { beginErasure, computeDigest, erasePerson } from '../../src/store/erase-people.ts'
import { createOldDetails } from '../../src/store/maintenance.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { answeredAt, aTask, loaded, minutesLater, TIMING } from './support/polls.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

/** A task of which one poll listed these people as unread. */
async function aPolledTask(userIds: readonly string[], campaign: string | null = null): Promise<TaskKey> {
  const task = await aTask(db.store, { userIds: [...userIds], campaign })
  const said = parseAnswer(
    { errcode: 0, send_result: { unread_user_id_list: userIds } },
    { requestedAt: minutesLater(5), respondedAt: answeredAt(5) },
  )
  const plan = planPoll(task, withDigest(task.key, said, computeDigest), 1, answeredAt(5), TIMING)
  expect(await db.store.apply(plan)).toBe('stored')
  return task.key
}

async function storedDigest({ app, taskId }: TaskKey): Promise<string | null> {
  const { rows } = await db.pool.query<{ digest: string | null }>(
    'SELECT answer_digest AS digest FROM delivery_task WHERE app = $1 AND task_id = $2',
    [app, taskId],
  )
  return rows[0]?.digest ?? null
}

test('a task with a digest is loaded for a poll without its recipients, but with how many are in which state', async () => {
  const key = await aPolledTask(['ann', 'bob'])
  const { recipients, ...task } = await loaded(db.store, key)
  expect(recipients).toHaveLength(2)
  expect(await db.store.loadForPoll(key)).toEqual({
    ...task,
    counts: { pending: 0, invalid: 0, failed: 0, forbidden: 0, unread: 2, read: 0 },
  })
  const fresh = await aTask(db.store, { userIds: ['ann'] })
  expect(await db.store.loadForPoll(fresh.key)).toEqual(fresh)
  expect(await db.store.loadForPoll({ app: 'default', taskId: '1' })).toBeNull()
})

test('the digest is forgotten where a person of the task is renamed, and in no other task', async () => {
  const [renamed, other] = [await aPolledTask(['carl', 'dora']), await aPolledTask(['dora'])]
  await db.store.rename(renamed, 'carl', 'anonymous:1')
  expect(await storedDigest(renamed)).toBeNull()
  expect(await storedDigest(other)).not.toBeNull()
})

test('the digest is forgotten where a person of the task is erased', async () => {
  const [erased, sibling] = [await aPolledTask(['erik', 'fay'], 'digests'), await aPolledTask(['erik'], 'digests')]
  const pseudonym = await beginErasure(db, { userId: 'erik', app: null })
  await erasePerson(db, { userId: 'erik', app: null }, pseudonym)
  expect([await storedDigest(erased), await storedDigest(sibling)]).toEqual([null, null])
})

test('the digest ends with the task', async () => {
  const [ended, cancelled] = [await aPolledTask(['gus']), await aPolledTask(['gus'])]
  const { status: _, ...task } = await loaded(db.store, ended)
  const counts = { pending: 0, invalid: 0, failed: 0, forbidden: 0, unread: 1, read: 0 }
  await db.store.end(ended, { pollNo: 1 }, { ...task, status: 'expired', reason: { code: 'window_over', detail: null }, counts })
  await db.store.cancel(cancelled)
  expect([await storedDigest(ended), await storedDigest(cancelled)]).toEqual([null, null])
})

test('the digest of a task that an earlier version ended is forgotten with its names', async () => {
  const key = await aPolledTask(['hal'])
  await db.pool.query(
    "UPDATE delivery_task SET status = 'expired', next_poll_at = NULL, finished_at = clock_timestamp() WHERE app = $1 AND task_id = $2",
    [key.app, key.taskId],
  )
  expect(await storedDigest(key)).not.toBeNull()
  await createOldDetails(db).removeNames(new Date(Date.now() + 60_000), 100)
  expect(await storedDigest(key)).toBeNull()
})

test('no view shows it: of a list of one, the name could be guessed from it', async () => {
  const { rows } = await db.pool.query<{ relation: string }>(
    `SELECT table_name::text AS relation FROM information_schema.columns WHERE column_name = 'answer_digest'`,
  )
  expect(rows).toEqual([{ relation: 'delivery_task' }])
})
