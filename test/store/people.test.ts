import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { InvalidInputError } from '../../src/domain/errors.ts'
import { parsePerson } from '../../src/intake/people.ts'
import { comparePeople, importPeople, putPeople, readStoredPeople } from '../../src/store/write-people.ts'
import { until } from '../support/wait.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())
afterEach(() => db.pool.query('TRUNCATE delivery_person, delivery_erasure'))

const none = { created: 0, changed: 0, unchanged: 0, erased: 0 }
const ANN = { userId: 'ann', name: 'Ann', departments: ['A/B', 'C'], managerUserId: 'bob' }

async function column(name: string, userId = 'ann'): Promise<unknown> {
  const { rows } = await db.pool.query<{ value: unknown }>(`SELECT ${name} AS value FROM delivery_person WHERE user_id = $1`, [userId])
  return rows[0]?.value
}

describe('an import', () => {
  test('compares without writing, counts as it writes, and is one transaction over all batches', async () => {
    const people = Array.from({ length: 4_500 }, (_, i) => ({ userId: `u${i}`, name: `n${i}` }))
    expect(await comparePeople(db, 'default', people)).toEqual({ ...none, created: 4_500 })
    expect(await readStoredPeople(db, 'default')).toEqual([])
    const seen: number[] = []
    const done = await importPeople(db, 'default', people, { onProgress: (count) => void seen.push(count) })
    expect([done, seen]).toEqual([{ ...none, created: 4_500, removed: 0 }, [2_000, 4_000, 4_500]])
    const { rows } = await db.pool.query<{ count: number }>('SELECT count(DISTINCT xmin::text)::integer AS count FROM delivery_person')
    expect(rows).toEqual([{ count: 1 }])
    const moved = people.map((person, i) => ({ ...person, ...(i < 3 && { departments: ['A'] }) }))
    expect(await comparePeople(db, 'default', moved)).toEqual({ ...none, changed: 3, unchanged: 4_497 })
    expect(await importPeople(db, 'default', moved.slice(0, 10), { removed: ['u20', 'u21', 'nobody'] })).toEqual({
      ...{ ...none, changed: 3, unchanged: 7 },
      removed: 2,
    })
  })

  test('waits for an erasure that has begun, and then leaves the person out', async () => {
    const eraser = await openSession(db.url)
    try {
      await eraser.query('BEGIN ISOLATION LEVEL READ COMMITTED')
      await eraser.query("SELECT dingtalk.delivery_begin_erasure('ann', NULL)")
      const importing = importPeople(db, 'default', [ANN, { userId: 'zoe' }])
      await until(async () => (await waiting()) > 0, { what: 'the import waits' })
      await eraser.query('COMMIT')
      expect(await importing).toEqual({ ...none, created: 1, erased: 1, removed: 0 })
      expect(await readStoredPeople(db, 'default')).toMatchObject([{ userId: 'zoe' }])
    } finally {
      await eraser.end()
    }
  })

  test('names a person again for retention once a day, and says when something changed', async () => {
    await putPeople(db, 'default', [ANN])
    await db.pool.query("UPDATE delivery_person SET seen_at = now() - interval '1 hour', updated_at = now() - interval '9 days'")
    const [seen, updated] = [await column('seen_at'), await column('updated_at')]
    expect(await putPeople(db, 'default', [ANN])).toEqual({ ...none, unchanged: 1 })
    expect([await column('seen_at'), await column('updated_at')]).toEqual([seen, updated])
    await db.pool.query("UPDATE delivery_person SET seen_at = now() - interval '25 hours'")
    expect(await putPeople(db, 'default', [ANN])).toEqual({ ...none, unchanged: 1 })
    expect(await column("seen_at > now() - interval '1 hour'")).toBe(true)
    expect(await column('updated_at')).toEqual(updated)
    await putPeople(db, 'default', [{ userId: 'ann', name: 'Anna' }])
    expect(await column("updated_at > now() - interval '1 hour'")).toBe(true)
  })
})

async function waiting(): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>(
    "SELECT count(*)::integer AS count FROM pg_locks AS held JOIN pg_class ON pg_class.oid = held.relation WHERE relname = 'delivery_erasure' AND NOT granted",
  )
  return rows[0]?.count ?? 0
}

test('a person counts in every department above their own, in each once', async () => {
  await putPeople(db, 'default', [{ userId: 'ann', departments: ['总部/销售/北', '总部/销售', '总部/财务', 'x'] }])
  expect(await column('in_departments')).toEqual(['总部', '总部/销售', '总部/销售/北', '总部/财务', 'x'])
  await putPeople(db, 'default', [{ userId: 'ann', departments: [] }])
  expect(await column('in_departments')).toEqual([])
})

/** The table has fewer rules: a row of SQL may have what a request may not. */
test.each([
  [{ name: 'x'.repeat(200) }, true],
  [{ name: 'x'.repeat(201) }, false],
  [{ name: '' }, false],
  [{ name: ' x' }, false],
  [{ name: 'x\u0085' }, false],
  [{ name: null }, true],
  [{ departments: ['A/B', 'C D'] }, true],
  [{ departments: ['x'.repeat(500)] }, true],
  [{ departments: ['y', 'x'.repeat(501)] }, false],
  [{ departments: [`${'x'.repeat(249)}/${'y'.repeat(250)}`, 'z'.repeat(499)] }, true],
  [{ departments: [''] }, false],
  [{ departments: ['A//B'] }, false],
  [{ departments: ['/A'] }, false],
  [{ departments: ['A/'] }, false],
  [{ departments: ['A /B'] }, false],
  [{ departments: ['A/ B'] }, false],
  [{ departments: ['A\nB'] }, false],
  [{ departments: ['A', 'B '] }, false],
  [{ departments: Array.from({ length: 50 }, (_, i) => `d${i}`) }, true],
  [{ departments: Array.from({ length: 51 }, (_, i) => `d${i}`) }, false],
  [{ managerUserId: 'x'.repeat(128) }, true],
  [{ managerUserId: 'x'.repeat(129) }, false],
  [{ userId: 'x'.repeat(129) }, false],
])('a request and the table agree about %j', async (fields, isAccepted) => {
  const person = { userId: 'ann', ...fields }
  const inDatabase = putPeople(db, 'default', [person]).then(
    () => true,
    () => false,
  )
  expect([isParsed(person), await inDatabase]).toEqual([isAccepted, isAccepted])
})

function isParsed(person: unknown): boolean {
  try {
    parsePerson('people[0]', person)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError)
    return false
  }
}
