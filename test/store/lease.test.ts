import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { MAX_LEASE_MS, withLease } from '../../src/store/lease.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { deferred } from '../support/deferred.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'
import { openTestStore, type TestStore } from './support/database.ts'

/** Far longer than a test takes. */
const LONG = { name: 'work', leaseMs: 60_000 }
const SHORT = { name: 'work', leaseMs: 300 }

let db: TestStore
beforeAll(async () => {
  db = await openTestStore({ role: 'worker' })
})
afterAll(() => db.close())
beforeEach(() => db.pool.query('DELETE FROM delivery_lease'))

const attempt = (options = LONG): Promise<string | null> => withLease(db, options, async () => 'done')

/** A run that goes on until it is told to end. */
function aRun(options = LONG, database: Pick<TestStore, 'prisma'> = db) {
  const begun = deferred<() => boolean>()
  const end = deferred()
  const ended = withLease(database, options, async (lease) => {
    begun.resolve(() => lease.isHeld())
    await end.promise
    return 'done'
  })
  onTestFinished(async () => {
    end.resolve()
    await ended
  })
  return { isHeld: begun.promise, end: () => (end.resolve(), ended) }
}

/** As if a worker had taken it and died. */
const heldBySomebody = (expires: string): Promise<unknown> =>
  db.pool.query(`INSERT INTO delivery_lease VALUES ('work', 'somebody', clock_timestamp() + $1::interval)`, [expires])

test('of many that ask at once one works, and the others are told', async () => {
  const run = aRun()
  expect((await run.isHeld)()).toBe(true)
  expect(await Promise.all(Array.from({ length: 20 }, () => attempt()))).toEqual(Array(20).fill(null))
  expect(await run.end()).toBe('done')
  expect(await attempt()).toBe('done')
})

test('of many that ask at once for what nobody has, one has it', async () => {
  const end = deferred()
  let refused = 0
  const answers = Array.from({ length: 20 }, async () => {
    const answer = await withLease(db, LONG, () => end.promise.then(() => 'done'))
    if (answer === null) refused += 1
    return answer
  })
  await until(() => refused === 19, { what: 'all but one were told' })
  end.resolve()
  expect((await Promise.all(answers)).filter((answer) => answer === 'done')).toHaveLength(1)
})

test('leases of other names are independent', async () => {
  await aRun().isHeld
  expect(await attempt({ ...LONG, name: 'other work' })).toBe('done')
})

test('nothing is left of a lease that was given back, whatever became of the work', async () => {
  await expect(withLease(db, LONG, () => Promise.reject(new Error('work failed')))).rejects.toThrow('work failed')
  expect((await db.pool.query('SELECT FROM delivery_lease')).rowCount).toBe(0)
})

describe('a holder that died', () => {
  test('blocks until its lease is over, by the clock of the database', async () => {
    await heldBySomebody('3 seconds')
    expect(await attempt()).toBeNull()
    expect(await until(() => attempt(), { what: 'the lease is over' })).toBe('done')
  })

  test.each(['-1 second', '-1 day', '-100 years'])('blocks nobody when its lease ended (%s)', async (expires) => {
    await heldBySomebody(expires)
    expect(await attempt()).toBe('done')
  })

  test.each(['2 minutes', '10 minutes', '2 hours', '100 years'])(
    'blocks nobody when the clock of the database stepped back and its lease lies %s ahead',
    async (expires) => {
      await heldBySomebody(expires)
      expect(await attempt()).toBe('done')
    },
  )

  // The longest one is rounded to a whole millisecond, perhaps up.
  test.each([-5_000, 0, 1, 100])('blocks while its lease is one that can be (the longest and %i ms)', async (ms) => {
    await heldBySomebody(`${MAX_LEASE_MS + ms} milliseconds`)
    expect(await attempt()).toBeNull()
  })
})

describe('a holder that works for longer than its lease', () => {
  test('renews it', async () => {
    const run = aRun(SHORT)
    await run.isHeld
    const seen = new Map<string, string>()
    await until(
      async () => {
        const { rows } = await db.pool.query<{ ends: string; holder: string }>(
          'SELECT expires_at::text AS ends, holder FROM delivery_lease',
        )
        for (const { ends, holder } of rows) seen.set(ends, holder)
        return seen.size > 4
      },
      { what: 'it was renewed several times' },
    )
    expect(new Set(seen.values()).size).toBe(1)
    expect(await run.end()).toBe('done')
  })

  test('knows when another one has it', async () => {
    const run = aRun(SHORT)
    const isHeld = await run.isHeld
    await db.pool.query("UPDATE delivery_lease SET holder = 'somebody', expires_at = clock_timestamp() + interval '30 seconds'")
    await until(() => !isHeld(), { what: 'it knows' })
    expect(await run.end()).toBe('done')
    // What is another one's is not given back.
    expect((await db.pool.query('SELECT FROM delivery_lease')).rowCount).toBe(1)
  })

  test('knows that it may be over when the database does not answer', async () => {
    const url = new URL(db.url)
    const proxy = await startProxy(Number(url.port))
    onTestFinished(() => proxy.close())
    url.port = String(proxy.port)
    const through = openDatabase(url.href, { max: 2, connectionTimeoutMs: 1_500 })
    onTestFinished(() => through.close())
    const run = aRun(SHORT, through)
    const isHeld = await run.isHeld
    await proxy.mode('refuse')
    await until(() => !isHeld(), { what: 'it knows' })
    await proxy.mode('pass')
    expect(await run.end()).toBe('done')
  })
})
