import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ListedState } from '../../src/domain/delivery.ts'
import { poll } from '../../src/polling/poll.ts'
import type { PollDeps } from '../../src/polling/poll-delays.ts'
import { createWriteBreaker } from '../../src/polling/write-breaker.ts'
import { beginErasure, computeDigest, erasePerson } from '../../src/store/erase-people.ts'
import { keepFigures } from '../../src/store/maintenance.ts'
import { until } from '../support/wait.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'
import { everything, figures } from './support/personal-data.ts'
import { answeredAt, aRequest, aTask, loaded, lookAt, minutesLater, planFor, TIMING } from './support/polls.ts'

let db: TestStore
const sessions: pg.Client[] = []
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end()
  await db.pool.query('TRUNCATE delivery_task CASCADE')
  await db.pool.query('TRUNCATE delivery_campaign, delivery_campaign_change, delivery_erasure, delivery_campaign_salt')
})

async function aSession(): Promise<pg.Client> {
  const session = await openSession(db.url)
  sessions.push(session)
  return session
}

async function erase(userId: string, app: string | null = null): Promise<{ tasks: number; people: number; pseudonym: string }> {
  const person = { userId, app }
  const pseudonym = await beginErasure(db, person)
  return { ...(await erasePerson(db, person, pseudonym)), pseudonym }
}

/** Unlike anything else in a database. */
const ERIN = 'erin-0366325231-zq'

const who = async (key: { readonly taskId: string }): Promise<string[]> => {
  const { rows } = await db.pool.query<{ user_id: string }>('SELECT user_id FROM delivery_recipient_status WHERE task_id = $1', [
    key.taskId,
  ])
  return rows.map((row) => row.user_id).sort()
}

test('every figure stays, one person in several tasks stays one, and nothing names the person', async () => {
  const first = await aTask(db.store, { campaign: 'one', userIds: [ERIN, 'ann'] })
  const second = await aTask(db.store, { campaign: 'one', userIds: [ERIN, 'bob'] })
  const alone = await aTask(db.store, { userIds: [ERIN] })
  for (const { key } of [first, second, alone]) await lookAt(db.store, key, { unread: [ERIN] }, 5)
  await lookAt(db.store, first.key, { read: [ERIN], unread: ['ann'] }, 9)
  await keepFigures(db)
  const before = await figures(db.pool)
  expect(await everything(db.pool)).toContain(ERIN)

  const { tasks, pseudonym } = await erase(ERIN)
  expect(tasks).toBe(3)
  expect(pseudonym).toMatch(/^anonymous:[0-9a-f]{24}$/)
  expect(await who(first.key)).toEqual(['ann', pseudonym])
  expect(await everything(db.pool)).not.toContain(ERIN)
  expect(await figures(db.pool)).toEqual(before)
  await keepFigures(db)
  expect(await figures(db.pool), 'settled').toEqual(before)
})

test('an id in another app may be somebody else, and stays where one app is named', async () => {
  const [ours, theirs] = [await aTask(db.store, { app: 'hr', userIds: [ERIN] }), await aTask(db.store, { app: 'acme', userIds: [ERIN] })]
  expect((await erase(ERIN, 'hr')).tasks).toBe(1)
  expect([await who(ours.key), await who(theirs.key)]).toEqual([[expect.stringMatching(/^anonymous:/)], [ERIN]])
  const looked = await lookAt(db.store, theirs.key, { read: [ERIN] }, 5)
  expect(looked).toMatchObject({ erasures: [], recipients: [{ userId: ERIN }] })
})

test('doing it again changes nothing; after a crash in the middle it goes on with the same pseudonym', async () => {
  const tasks = [await aTask(db.store, { userIds: [ERIN] }), await aTask(db.store, { campaign: 'one', userIds: [ERIN] })]
  const before = await figures(db.pool)
  const pseudonym = await beginErasure(db, { userId: ERIN, app: null })
  // The first task, and then nothing more.
  await db.pool.query('SELECT delivery_erase_page($1, $2, NULL, 0, 1)', [ERIN, pseudonym])
  expect(await everything(db.pool)).toContain(ERIN)
  expect(await erase(ERIN)).toEqual({ tasks: 1, people: 0, pseudonym })
  expect(await erase(ERIN)).toEqual({ tasks: 0, people: 0, pseudonym })
  for (const { key } of tasks) expect(await who(key)).toEqual([pseudonym])
  expect(await figures(db.pool)).toEqual(before)
})

test('a campaign is done whole: in no snapshot is the person two', async () => {
  for (let i = 0; i < 4; i++) await aTask(db.store, { campaign: 'one', userIds: [ERIN, `user${i}`] })
  const before = await figures(db.pool)
  const pseudonym = await beginErasure(db, { userId: ERIN, app: null })
  const { rows } = await db.pool.query('SELECT tasks FROM delivery_erase_page($1, $2, NULL, 0, 1)', [ERIN, pseudonym])
  expect(rows).toEqual([{ tasks: 4 }])
  expect(await figures(db.pool)).toEqual(before)
})

test('an open task goes on with the pseudonym, also for somebody whom DingTalk lists only later, and completes', async () => {
  const named = await aTask(db.store, { userIds: [ERIN, 'ann'] })
  const unnamed = await aTask(db.store)
  await lookAt(db.store, named.key, { unread: [ERIN, 'ann'] }, 5)
  await lookAt(db.store, unnamed.key, { unread: ['ann'] }, 5)
  const { pseudonym } = await erase(ERIN)
  expect(await lookThrough(named.key, { unread: [ERIN], read: ['ann'] }, 9)).toBe('tracking')
  expect(await lookThrough(named.key, { read: [ERIN, 'ann'] }, 14)).toBe('complete')
  expect(await lookThrough(unnamed.key, { unread: [ERIN], read: ['ann'] }, 9)).toBe('tracking')
  for (const { key } of [named, unnamed]) expect(await who(key)).toEqual(['ann', pseudonym])
  expect(await loaded(db.store, named.key)).toMatchObject({ recipients: [{ state: { kind: 'read' } }, { state: { kind: 'read' } }] })
  const { rows } = await db.pool.query(
    'SELECT sum(anomalies)::integer AS anomalies, max(targeted) AS targeted FROM delivery_looks, delivery_task_rates',
  )
  expect(rows).toEqual([{ anomalies: 0, targeted: 2 }])
  expect(await everything(db.pool)).not.toContain(ERIN)
})

test('what is sent later is new: who is messaged again is stored again', async () => {
  await aTask(db.store, { userIds: [ERIN] })
  await erase(ERIN)
  const later = await aTask(db.store, { userIds: [ERIN], sentAt: new Date(Date.now() + 1_000) })
  expect((await lookAt(db.store, later.key, { read: [ERIN] }, 5)).recipients.map(({ userId }) => userId)).toEqual([ERIN])
})

test('a task that is handed over later, of a message that was sent before, is rid of the name at its first poll', async () => {
  const pseudonym = await beginErasure(db, { userId: ERIN, app: null })
  const { key } = await aTask(db.store, { userIds: [ERIN, 'ann'], campaign: 'one' })
  await lookThrough(key, {}, 5)
  expect(await who(key)).toEqual(['ann', pseudonym])
  const { rows } = await db.pool.query('SELECT targeted, pending FROM delivery_campaign_rates')
  expect(rows).toEqual([{ targeted: 2, pending: 2 }])
})

test('somebody who is erased while another is taken out of a task for its poll goes as well, and stays one person', async () => {
  const { key } = await aTask(db.store, { userIds: [ERIN, 'ann'] })
  await beginErasure(db, { userId: ERIN, app: null })
  // Its pages are looked through only when the poll is over.
  let pseudonym = ''
  const rename: PollDeps['store']['rename'] = async (...person) => {
    await db.store.rename(...person)
    pseudonym ||= await beginErasure(db, { userId: 'ann', app: null })
  }
  await lookThrough(key, { read: [ERIN, 'ann'] }, 5, { ...db.store, rename })
  await erasePerson(db, { userId: 'ann', app: null }, pseudonym)
  expect(await who(key)).toEqual([expect.stringMatching(/^anonymous:/), expect.stringMatching(/^anonymous:/)])
  expect(await loaded(db.store, key)).toMatchObject({
    status: 'complete',
    recipients: [{ state: { kind: 'read' } }, { state: { kind: 'read' } }],
  })
})

test('a poll that began before the erasure writes nothing, whether the person was known or is new', async () => {
  for (const task of [await aTask(db.store, { userIds: [ERIN] }), await aTask(db.store)]) {
    const plan = planFor(task, { read: [ERIN] }, 5)
    const { pseudonym } = await erase(ERIN)
    expect(await db.store.apply(plan)).toBe('stale')
    await lookThrough(task.key, { read: [ERIN] }, 5)
    expect(await who(task.key)).toEqual([pseudonym])
    await db.pool.query('TRUNCATE delivery_erasure')
  }
})

test('a poll that is being written while the erasure begins is waited for, and what it wrote is found', async () => {
  const { key } = await aTask(db.store)
  // Holds the task, so that the poll has begun to write and cannot go on.
  const holder = await aSession()
  await holder.query('BEGIN')
  await holder.query('SELECT FROM delivery_task WHERE task_id = $1 FOR UPDATE', [key.taskId])
  const written = db.store.apply(planFor(await loaded(db.store, key), { unread: [ERIN] }, 5))
  await waiting(1)
  const erased = erase(ERIN)
  await waiting(2)
  await holder.query('COMMIT')
  expect([await written, (await erased).tasks]).toEqual(['stored', 1])
  expect(await everything(db.pool)).not.toContain(ERIN)
})

test('a poll that begins to write while the erasure begins waits, and then writes nothing', async () => {
  const { key } = await aTask(db.store)
  const plan = planFor(await loaded(db.store, key), { unread: [ERIN] }, 5)
  const eraser = await aSession()
  await eraser.query('BEGIN')
  await eraser.query('SELECT delivery_begin_erasure($1, NULL)', [ERIN])
  const written = db.store.apply(plan)
  await waiting(1)
  await eraser.query('COMMIT')
  expect(await written).toBe('stale')
})

test('a backup holds up no erasure', async () => {
  await aTask(db.store, { userIds: [ERIN] })
  const backup = await aSession()
  await backup.query(
    'BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE delivery_erasure, delivery_task, delivery_recipient IN ACCESS SHARE MODE',
  )
  expect((await erase(ERIN)).tasks).toBe(1)
})

test('polls and erasures in any order end each other in no deadlock, and the figures stay exact', async () => {
  const tasks = await Promise.all(
    Array.from({ length: 30 }, (_, i) => aTask(db.store, { campaign: `c${i % 3}`, userIds: [ERIN, 'ann', 'bob'] })),
  )
  await Promise.all([
    ...tasks.map(({ key }) => lookThrough(key, { unread: [ERIN, 'ann'], read: ['bob'] }, 5)),
    erase(ERIN),
    erase('ann'),
    keepFigures(db),
  ])
  await Promise.all(tasks.map(({ key }) => lookThrough(key, { read: [ERIN, 'ann', 'bob'] }, 9)))
  const everywhere = await everything(db.pool)
  for (const name of [ERIN, '"ann"']) expect(everywhere).not.toContain(name)
  const { rows } = await db.pool.query("SELECT targeted, read FROM delivery_campaign_rates WHERE campaign LIKE 'c%'")
  expect(rows).toEqual([1, 2, 3].map(() => ({ targeted: 3, read: 3 })))
  const { rows: states } = await db.pool.query('SELECT DISTINCT status, read FROM delivery_task')
  expect(states).toEqual([{ status: 'complete', read: 3 }])
})

test('a person is looked for by keys, not by reading everybody', async () => {
  const people = Array.from({ length: 90 }, (_, i) => `user${i}`)
  await db.store.track(
    Array.from({ length: 300 }, (_, i) => aRequest({ campaign: `c${i % 10}`, userIds: i === 7 ? [...people, ERIN] : people })),
  )
  await db.pool.query('ANALYZE')
  const client = await aSession()
  const reads = async (): Promise<number> => {
    await client.query('SELECT pg_stat_force_next_flush()')
    const { rows } = await client.query<{ reads: number }>(
      "SELECT (seq_tup_read + idx_tup_fetch)::integer AS reads FROM pg_stat_user_tables WHERE relname = 'delivery_recipient'",
    )
    return rows[0]?.reads ?? Number.NaN
  }
  const before = await reads()
  const { rows } = await client.query('SELECT tasks FROM delivery_erase_page($1, $2, NULL, 0, 2000)', [ERIN, 'anonymous:x'])
  expect(rows).toEqual([{ tasks: 1 }])
  expect((await reads()) - before).toBeLessThan(50)
})

/** A look as a worker makes it, with this answer of DingTalk. Resolves with the status of the task after it. */
async function lookThrough(
  key: { readonly app: string; readonly taskId: string },
  lists: Parameters<typeof planFor>[1],
  minutes: number,
  store: PollDeps['store'] = db.store,
) {
  const people = new Map<string, ListedState>([
    ...(lists.unread ?? []).map((name): [string, ListedState] => [name, { kind: 'unread' }]),
    ...(lists.read ?? []).map((name): [string, ListedState] => [name, { kind: 'read' }]),
  ])
  const deps: PollDeps = {
    store,
    digest: computeDigest,
    api: {
      sendResult: async () => ({
        calls: 1,
        answer: {
          kind: 'observed',
          observation: { requestedAt: minutesLater(minutes), respondedAt: answeredAt(minutes), requestId: null, people },
        },
      }),
    },
    limiter: { refund: nothing },
    permits: { take: async () => ({ kind: 'granted', month: '2026-11' }) },
    scopes: { recordFailure: no, recordSuccess: no, claimProbe: no },
    worker: WELL,
    writes: createWriteBreaker({ now: () => new Date(), onFailed: quiet }),
    timing: TIMING,
    now: () => new Date(),
    events: QUIET,
  }
  await db.pool.query('UPDATE delivery_task SET next_poll_at = now() WHERE task_id = $1 AND status = $2', [key.taskId, 'tracking'])
  await poll(deps, key, new AbortController().signal)
  return (await loaded(db.store, key)).status
}

const nothing = async (): Promise<void> => undefined
const no = async (): Promise<boolean> => false
const quiet = (): void => undefined
const QUIET = {
  early: quiet,
  learned: quiet,
  lock: quiet,
  tracked: quiet,
  scheduled: quiet,
  polled: quiet,
  ended: quiet,
  delayed: quiet,
  paused: quiet,
  recovered: quiet,
  reconciled: quiet,
  retained: quiet,
  failed: quiet,
}

/** A worker that can poll every app. */
const WELL: PollDeps['worker'] = {
  findBlock: () => null,
  claimProbe: () => true,
  recordFailure: nothing,
  recordSuccess: nothing,
  isServedByOthers: no,
  heartbeat: nothing,
  problems: () => ({}),
  close: nothing,
}

/** Until so many sessions wait for a lock. */
async function waiting(sessionCount: number): Promise<void> {
  const asked = await aSession()
  await until(
    async () => {
      const { rows } = await asked.query<{ count: number }>(
        'SELECT count(DISTINCT pid)::integer AS count FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())',
      )
      return rows[0]?.count === sessionCount
    },
    { what: `${sessionCount} sessions wait for a lock` },
  )
}
