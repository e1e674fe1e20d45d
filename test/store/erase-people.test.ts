import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { createOldDetails } from '../../src/store/maintenance.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'
import { everything } from './support/personal-data.ts'
import { aTask } from './support/polls.ts'

/** Names and departments go with the person, and by their age. */
let db: TestStore
/** As the command and the worker run, whose role may see no name. */
let worker: Database
const sessions: pg.Client[] = []
beforeAll(async () => {
  db = await openTestStore()
  worker = openDatabase(urlAs('worker', db.url), { max: 4 })
})
afterAll(async () => {
  await worker.close()
  await db.close()
})
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end()
  await db.pool.query('TRUNCATE delivery_task CASCADE')
  await db.pool.query('TRUNCATE delivery_person, delivery_erasure')
})

async function aSession(): Promise<pg.Client> {
  const session = await openSession(db.url)
  sessions.push(session)
  return session
}

/** Unlike anything else in a database. */
const ERIN = 'erin-0366325231-zq'
const NAME = 'Erin Zquirrel'
const UNIT = 'Zhead/Zsales'
const CANARIES = [ERIN, NAME, 'Zhead', 'Zsales']
const erin = { userId: ERIN, name: NAME, departments: [UNIT] }

interface Put {
  readonly created: number
  readonly changed: number
  readonly unchanged: number
  readonly erased: number
}

async function put(given: readonly object[], app = 'default', asked: Pick<pg.Client, 'query'> = db.pool): Promise<Put | undefined> {
  return (await asked.query<Put>('SELECT * FROM delivery_put_people($1, $2)', [JSON.stringify(given), app])).rows[0]
}

async function erase(userId: string, app: string | null = null): Promise<{ tasks: number; people: number }> {
  const person = { userId, app }
  return await erasePerson(worker, person, await beginErasure(worker, person))
}

async function people(): Promise<object[]> {
  return (await db.pool.query<object>('SELECT app, user_id, name, manager_user_id FROM delivery_person ORDER BY app, user_id')).rows
}

async function expectNothingOf(canaries: readonly string[]): Promise<void> {
  const stored = await everything(db.pool)
  for (const canary of canaries) expect([canary, stored.includes(canary)]).toEqual([canary, false])
}

describe('an erasure', () => {
  test('removes name and departments, and the person as the manager of others, in every app', async () => {
    await aTask(db.store, { campaign: 'one', userIds: [ERIN, 'ann'] })
    await put([erin, { userId: 'ann', name: 'Ann', managerUserId: ERIN }, { userId: 'bob', managerUserId: 'ann' }])
    await put([erin], 'hr')
    for (const canary of CANARIES) expect(await everything(db.pool)).toContain(canary)
    expect(await erase(ERIN)).toEqual({ tasks: 1, people: 3 })
    await expectNothingOf(CANARIES)
    expect(await people()).toEqual([
      { app: 'default', user_id: 'ann', name: 'Ann', manager_user_id: null },
      { app: 'default', user_id: 'bob', name: null, manager_user_id: 'ann' },
    ])
    expect(await erase(ERIN), 'again').toEqual({ tasks: 0, people: 0 })
  })

  test('finds a person who is in no task, and one who is known as a manager only', async () => {
    await put([erin, { userId: 'ann', managerUserId: 'mia' }])
    expect(await erase(ERIN)).toEqual({ tasks: 0, people: 1 })
    expect(await erase('mia')).toEqual({ tasks: 0, people: 1 })
    await expectNothingOf([...CANARIES, 'mia'])
  })

  test('of one app leaves the person of the same user id in another', async () => {
    await put([erin])
    await put([erin], 'hr')
    expect(await erase(ERIN, 'hr')).toEqual({ tasks: 0, people: 1 })
    expect(await people()).toEqual([{ app: 'default', user_id: ERIN, name: NAME, manager_user_id: null }])
    expect(await put([erin], 'hr')).toMatchObject({ created: 0, erased: 1 })
    expect(await put([erin])).toMatchObject({ unchanged: 1, erased: 0 })
  })

  test('keeps the person out of imports until the digest is forgotten, as themselves and as a manager', async () => {
    await put([erin])
    await erase(ERIN)
    const list = [erin, { userId: 'ann', name: 'Ann', managerUserId: ERIN }]
    expect(await put(list)).toEqual({ created: 1, changed: 0, unchanged: 0, erased: 1 })
    expect(await put(list), 'a second import finds nothing new').toEqual({ created: 0, changed: 0, unchanged: 1, erased: 1 })
    await expectNothingOf(CANARIES)
    await createOldDetails(worker).forgetErasures(new Date(Date.now() + 60_000))
    expect(await put(list)).toEqual({ created: 1, changed: 1, unchanged: 0, erased: 0 })
    expect(await people()).toMatchObject([{ manager_user_id: ERIN }, { user_id: ERIN, name: NAME }])
  })
})

describe('an import and an erasure at the same time', () => {
  test('the erasure waits for an import that is being written, and finds what it wrote', async () => {
    const importing = await aSession()
    await importing.query('BEGIN')
    await put([erin, { userId: 'ann', managerUserId: ERIN }], 'default', importing)
    const erased = erase(ERIN)
    await waiting(1)
    await importing.query('COMMIT')
    expect(await erased).toEqual({ tasks: 0, people: 2 })
    await expectNothingOf(CANARIES)
  })

  test('an import waits for an erasure that has begun, and leaves the person out', async () => {
    await put([erin])
    const erasing = await aSession()
    await erasing.query('BEGIN')
    await erasing.query('SELECT delivery_begin_erasure($1, NULL)', [ERIN])
    const imported = put([erin, { userId: 'ann', managerUserId: ERIN }])
    await waiting(1)
    await erasing.query('COMMIT')
    expect(await imported).toEqual({ created: 1, changed: 0, unchanged: 0, erased: 1 })
    await expectNothingOf(CANARIES)
  })

  test('an import whose transaction cannot see the erasure is refused', async () => {
    for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
      const importing = await aSession()
      await importing.query(`BEGIN ISOLATION LEVEL ${level}`)
      await importing.query('SELECT 1')
      await erase(ERIN)
      await expect(put([erin], 'default', importing)).rejects.toMatchObject({ code: '25001' })
    }
    await expectNothingOf(CANARIES)
  })

  test('in any order no name remains, and no import of others fails', async () => {
    const others = Array.from({ length: 40 }, (_, i) => ({ userId: `user${i}`, name: `Person ${i}`, managerUserId: ERIN }))
    const turned = [...others].reverse()
    const results = await Promise.allSettled([
      ...Array.from({ length: 8 }, (_, i) => put([...(i % 2 === 0 ? others : turned), erin])),
      erase(ERIN),
      ...Array.from({ length: 8 }, (_, i) => put([erin, ...(i % 2 === 0 ? turned : others)])),
    ])
    expect(results.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []))).toEqual([])
    await put([erin, ...others])
    await expectNothingOf(CANARIES)
    expect(await people()).toHaveLength(40)
  })
})

describe('by their age', () => {
  const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000)

  test('people go whom no import has named for that long, longest ago first; to name them again keeps them', async () => {
    await put(['a', 'b', 'c', 'd'].map((userId) => ({ userId, name: 'Same' })))
    for (const [userId, days] of Object.entries({ a: 91, b: 200, c: 89, d: 300 }))
      await db.pool.query('UPDATE delivery_person SET seen_at = $2 WHERE user_id = $1', [userId, daysAgo(days)])
    const old = createOldDetails(worker)
    expect(await old.forgetPeople(daysAgo(90), 1)).toBe(1)
    expect(await people()).toMatchObject([{ user_id: 'a' }, { user_id: 'b' }, { user_id: 'c' }])
    expect(await put([{ userId: 'b', name: 'Same' }])).toMatchObject({ unchanged: 1 })
    expect(await old.forgetPeople(daysAgo(90), 10)).toBe(1)
    expect(await old.forgetPeople(daysAgo(90), 10)).toBe(0)
    expect(await people()).toMatchObject([{ user_id: 'b' }, { user_id: 'c' }])
  })

  test('who is being named again stays, and is not waited for', async () => {
    await put([erin, { userId: 'ann' }])
    await db.pool.query('UPDATE delivery_person SET seen_at = $1', [daysAgo(91)])
    const importing = await aSession()
    await importing.query('BEGIN')
    await put([erin], 'default', importing)
    expect(await createOldDetails(worker).forgetPeople(daysAgo(90), 10)).toBe(1)
    await importing.query('COMMIT')
    expect(await people()).toMatchObject([{ user_id: ERIN }])
  })

  test('a pass with nothing to do reads nothing of a large directory', async () => {
    await db.pool.query(
      `INSERT INTO delivery_person (app, user_id, name) SELECT 'default', 'user' || n, 'Name ' || n FROM generate_series(1, 5000) AS n`,
    )
    await db.pool.query('ANALYZE delivery_person')
    const client = await aSession()
    const reads = async (): Promise<number> => {
      await client.query('SELECT pg_stat_force_next_flush()')
      const { rows } = await client.query<{ reads: number }>(
        "SELECT (seq_tup_read + idx_tup_fetch)::integer AS reads FROM pg_stat_user_tables WHERE relname = 'delivery_person'",
      )
      return rows[0]?.reads ?? Number.NaN
    }
    const before = await reads()
    await client.query('SELECT delivery_forget_people($1, 1000)', [daysAgo(90)])
    expect((await reads()) - before).toBeLessThan(50)
  })
})

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
