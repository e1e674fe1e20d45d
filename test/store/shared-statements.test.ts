import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RateLimiter, ScopeEvidence } from '../../src/polling/ports.ts'
import { onRepeated } from '../../src/store/database-errors.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aPause } from './support/evidence.ts'

/** Reservations and successes of many apps that come at the same time share a statement. */

let db: TestStore
let limiter: RateLimiter & ScopeEvidence
beforeAll(async () => {
  // One connection, so that its own statistics are complete when it asks for them.
  db = await openTestStore({ max: 1 })
  limiter = createRateLimiter(db)
})
afterAll(() => db.close())

const LIMITS = { callsPerSecond: 1_000, monthlyBudget: null }
const ONE = { ordinary: 1, reserved: 0, forced: 0 }
const apps = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

async function commits(): Promise<number> {
  await db.pool.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await db.pool.query<{ commits: number }>(
    'SELECT xact_commit::double precision AS commits FROM pg_stat_database WHERE datname = current_database()',
  )
  return rows[0]?.commits ?? Number.NaN
}

test('a hundred apps that ask at once share a few statements, and each has its own answer', async () => {
  const names = apps('many', 100)
  await limiter.recordFailure({ app: 'many7', taskId: '1' }, null, aPause('permission'))
  const before = await commits()
  const answers = await Promise.all(
    names.map((app, i) =>
      limiter.reserve(app, { ...ONE, ordinary: 1 + (i % 3) }, { ...LIMITS, monthlyBudget: app === 'many8' ? 0 : null }),
    ),
  )
  // The statements that count are two more.
  expect((await commits()) - before).toBeLessThanOrEqual(5)
  expect(answers.map(({ kind }) => kind)).toEqual(names.map((_, i) => (i === 7 ? 'paused' : i === 8 ? 'budget' : 'granted')))
  expect(answers.map((answer) => (answer.kind === 'granted' ? answer.ordinary : null))).toEqual(
    names.map((_, i) => (i === 7 || i === 8 ? null : 1 + (i % 3))),
  )
})

test('an app whose reservation fails does not harm the others', async () => {
  const names = apps('harmed', 5)
  const answers = await Promise.allSettled(
    names.map((app, i) => limiter.reserve(app, ONE, { ...LIMITS, callsPerSecond: i === 2 ? 0 : 1_000 })),
  )
  expect(answers.map(({ status }) => status)).toEqual(names.map((_, i) => (i === 2 ? 'rejected' : 'fulfilled')))
  const { rows } = await db.pool.query<{ used: number }>(
    `SELECT calls_used AS used FROM delivery_app WHERE app LIKE 'harmed%' ORDER BY app`,
  )
  expect(rows.map(({ used }) => used)).toEqual([1, 1, 1, 1])
})

test('two workers that ask for the same apps in opposite orders do not wait for each other', async () => {
  const names = apps('order', 30)
  const repeated: unknown[] = []
  const unsubscribe = onRepeated((error) => repeated.push(error))
  const second = openDatabase(db.url)
  const workers = [createRateLimiter(db), createRateLimiter(second)]
  for (let turn = 0; turn < 10; turn++) {
    await Promise.all(workers.flatMap((worker, i) => (i === 0 ? names : names.toReversed()).map((app) => worker.reserve(app, ONE, LIMITS))))
  }
  await second.close()
  unsubscribe()
  expect(repeated).toEqual([])
})

test('successes of many apps share a statement too, and each lifts the pauses around it', async () => {
  const names = apps('good', 50)
  await limiter.recordFailure({ app: 'good3', taskId: '1' }, null, aPause('permission'))
  await limiter.recordFailure({ app: 'good4', taskId: '1' }, 'agent', aPause('agent_id'))
  const at = new Date(Date.now() + 1_000)
  const before = await commits()
  const lifted = await Promise.all(
    names.flatMap((app) => [0, 1].map((ms) => limiter.recordSuccess({ app, taskId: '1' }, 'agent', new Date(at.getTime() + ms)))),
  )
  // For each lifted pause a statement brings its tasks forward.
  expect((await commits()) - before).toBeLessThanOrEqual(7)
  expect(names.filter((_, i) => lifted[2 * i] === true || lifted[2 * i + 1] === true)).toEqual(['good3', 'good4'])
  const { rows } = await db.pool.query<{ good: Date }>(`SELECT last_good_at AS good FROM delivery_pair WHERE app LIKE 'good%'`)
  expect(rows).toEqual(names.map(() => ({ good: new Date(at.getTime() + 1) })))
})
