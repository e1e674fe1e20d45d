import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { AppGate } from '../../src/core/ports.ts'
import { createAppGate } from '../../src/store/app-gate.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createMemoryGate } from '../support/memory-store.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aRequest } from './support/looks.ts'

const FAST = { callsPerSecond: 1_000, monthlyBudget: null }
const inMs = (ms: number): Date => new Date(Date.now() + ms)
const fixed = (ms: number) => (): number => ms
const HOUR = 3_600_000

let db: TestStore
beforeAll(async () => {
  db = await openTestStore({ max: 20 })
})
afterAll(() => db.close())

let lastApp = 0
const anApp = (): string => `app${++lastApp}`

function describeAppGate(name: string, gate: () => AppGate): void {
  describe(`the gate of an app: ${name}`, () => {
    test('calls are granted evenly spaced, last looks first, and not far ahead', async () => {
      const app = anApp()
      const granted = await gate().reserve(app, { ordinary: 100, last: 3 }, { callsPerSecond: 20, monthlyBudget: null })
      expect(granted).toMatchObject({ kind: 'granted', last: 3, ordinary: 8, firstInMs: 0, everyMs: 50 })
    })

    test('a slow app gets one call at a time', async () => {
      const app = anApp()
      const slow = { callsPerSecond: 0.1, monthlyBudget: null }
      expect(await gate().reserve(app, { ordinary: 5, last: 0 }, slow)).toMatchObject({ kind: 'granted', ordinary: 1 })
      const busy = await gate().reserve(app, { ordinary: 5, last: 0 }, slow)
      expect(busy.kind === 'busy' && busy.forMs > 9_000 && busy.forMs <= 10_000).toBe(true)
    })

    test('apps do not wait for each other', async () => {
      await gate().reserve(anApp(), { ordinary: 5, last: 0 }, { callsPerSecond: 0.1, monthlyBudget: null })
      expect(await gate().reserve(anApp(), { ordinary: 1, last: 0 }, FAST)).toMatchObject({ kind: 'granted', firstInMs: 0 })
    })

    test('the budget is never exceeded, and a refunded call may be made again', async () => {
      const app = anApp()
      const limits = { callsPerSecond: 1_000, monthlyBudget: 5 }
      expect(await gate().reserve(app, { ordinary: 4, last: 0 }, limits)).toMatchObject({ kind: 'granted', ordinary: 4 })
      expect(await gate().reserve(app, { ordinary: 1, last: 2 }, limits)).toMatchObject({ kind: 'granted', ordinary: 0, last: 1 })
      const refused = await gate().reserve(app, { ordinary: 1, last: 1 }, limits)
      expect(refused).toMatchObject({ kind: 'budget', reason: expect.stringContaining('monthly budget of 5 calls') })
      await gate().refund(app)
      expect(await gate().reserve(app, { ordinary: 1, last: 0 }, limits)).toMatchObject({ kind: 'granted', ordinary: 1 })
    })

    test('the budget begins anew with the month in China', async () => {
      const app = anApp()
      const refused = await gate().reserve(app, { ordinary: 1, last: 0 }, { callsPerSecond: 1, monthlyBudget: 0 })
      const until = refused.kind === 'budget' ? refused.until : null
      expect(until?.toISOString()).toMatch(/T16:00:00\.000Z$/)
      const china = new Date((until?.getTime() ?? 0) + 8 * HOUR)
      expect(china.getUTCDate()).toBe(1)
      expect(china.getTime() - (Date.now() + 8 * HOUR)).toBeLessThanOrEqual(31 * 24 * HOUR)
    })

    test('a throttled app waits until the given time, and an answer to an earlier call does not change that', async () => {
      const app = anApp()
      const until = inMs(HOUR)
      await gate().throttle(app, until, '90018 slow down')
      await gate().throttle(app, inMs(1_000), 'shorter')
      await gate().healthy(app)
      expect(await gate().reserve(app, { ordinary: 1, last: 1 }, FAST)).toEqual({ kind: 'paused', until, reason: '90018 slow down' })
    })

    test('a throttled app goes on when its time is over', async () => {
      const app = anApp()
      await gate().throttle(app, inMs(-1), 'over')
      expect(await gate().reserve(app, { ordinary: 2, last: 0 }, FAST)).toMatchObject({ kind: 'granted', ordinary: 2 })
    })

    test('a used-up quota outlasts whatever else happens', async () => {
      const app = anApp()
      const until = inMs(HOUR)
      await gate().quota(app, until, 'quota is used up')
      await gate().pause(app, 'permission', new Date(), fixed(1))
      await gate().throttle(app, inMs(1_000), 'slow down')
      await gate().healthy(app)
      expect(await gate().reserve(app, { ordinary: 1, last: 0 }, FAST)).toEqual({ kind: 'paused', until, reason: 'quota is used up' })
    })

    test('a misconfigured app pauses with the remedy, and a good answer lifts it', async () => {
      const app = anApp()
      await gate().pause(app, 'grant qyapi_base', new Date(), fixed(HOUR))
      const paused = await gate().reserve(app, { ordinary: 1, last: 0 }, FAST)
      expect(paused).toMatchObject({ kind: 'paused', reason: 'grant qyapi_base' })
      await gate().healthy(app)
      expect(await gate().reserve(app, { ordinary: 2, last: 0 }, FAST)).toMatchObject({ kind: 'granted', ordinary: 2 })
    })

    test('the waits between probes grow with the probes that failed, not with the calls that failed together', async () => {
      const app = anApp()
      const asked: number[] = []
      const waits = (probes: number): number => [0, HOUR][probes] ?? 2 * HOUR
      await Promise.all([1, 2, 3].map(() => gate().pause(anApp(), 'x', new Date(), (probes) => asked.push(probes))))
      await gate().pause(app, 'grant qyapi_base', new Date(), fixed(0))
      expect(await gate().reserve(app, { ordinary: 5, last: 2 }, FAST)).toMatchObject({ kind: 'granted', last: 1, ordinary: 0 })
      await gate().pause(app, 'grant qyapi_base', new Date(), waits)
      await gate().pause(app, 'grant qyapi_base', new Date(), waits)
      const paused = await gate().reserve(app, { ordinary: 5, last: 0 }, FAST)
      const waitMs = paused.kind === 'paused' ? paused.until.getTime() - Date.now() : 0
      expect(waitMs > 0.9 * HOUR && waitMs <= HOUR).toBe(true)
    })

    test('a misconfigured app is probed by one caller at a time', async () => {
      const app = anApp()
      await gate().pause(app, 'grant qyapi_base', new Date(), fixed(0))
      const answers = await Promise.all(Array.from({ length: 12 }, () => gate().reserve(app, { ordinary: 3, last: 0 }, FAST)))
      expect(answers.filter((answer) => answer.kind === 'granted')).toMatchObject([{ ordinary: 1 }])
      expect(answers.filter((answer) => answer.kind === 'paused')).toHaveLength(11)
    })
  })
}

describeAppGate('memory', () => memory)
const memory = createMemoryGate(() => new Date())
let shared: AppGate | undefined
describeAppGate('PostgreSQL', () => (shared ??= createAppGate(db)))

const more: Array<{ close(): Promise<void> }> = []
afterEach(async () => {
  for (const database of more.splice(0)) await database.close()
})

/** A gate of another worker: its own connections, and a memory of its own. */
function anotherGate(): AppGate {
  const database = openDatabase(db.url, { max: 4 })
  more.push(database)
  return createAppGate(database)
}

test('three workers together never make more calls in any second than the app may', async () => {
  const app = anApp()
  await db.pool.query(RECORDER)
  const gates = [anotherGate(), anotherGate(), anotherGate()]
  const end = performance.now() + 2_000
  const work = async (gate: AppGate): Promise<number> => {
    let calls = 0
    while (performance.now() < end) {
      const answer = await gate.reserve(app, { ordinary: 7, last: 1 }, { callsPerSecond: 50, monthlyBudget: null })
      if (answer.kind === 'granted') calls += answer.last + answer.ordinary
      if (answer.kind === 'busy') await new Promise((resolve) => setTimeout(resolve, Math.min(answer.forMs, 50)))
    }
    return calls
  }
  const calls = await Promise.all(gates.flatMap((gate) => [work(gate), work(gate)]))
  const { rows } = await db.pool.query<{ at: number }>('SELECT at FROM slots WHERE app = $1 ORDER BY at', [app])
  const slots = rows.map((row) => row.at)
  expect(slots).toHaveLength(calls.reduce((sum, count) => sum + count, 0))
  expect(slots.length).toBeGreaterThan(10)
  // The first slot of a second and the first of the next: 50 calls lie between.
  const tooClose = slots.filter((at, i) => (slots[i + 51] ?? Number.POSITIVE_INFINITY) - at < 1_000)
  expect(tooClose).toEqual([])
})

/** Writes down when each granted call may start, by the database's clock: n calls end where `next_call_at` was moved to. */
const RECORDER = `
  CREATE TABLE slots (app text, at double precision);
  CREATE FUNCTION record_slots() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO slots SELECT NEW.app, extract(epoch FROM NEW.next_call_at) * 1000 - 20 * i
    FROM generate_series(1, NEW.calls_used - OLD.calls_used) AS i;
    RETURN NEW;
  END $$;
  CREATE TRIGGER record_slots AFTER UPDATE ON delivery_app FOR EACH ROW EXECUTE FUNCTION record_slots()`

test('ordinary looks leave a call for the last look of every open task', async () => {
  const app = anApp()
  await db.store.track([aRequest({ app }), aRequest({ app }), aRequest({ app })])
  const gate = createAppGate(db)
  const limits = { callsPerSecond: 1_000, monthlyBudget: 5 }
  expect(await gate.reserve(app, { ordinary: 9, last: 0 }, limits)).toMatchObject({ kind: 'granted', ordinary: 2 })
  expect(await gate.reserve(app, { ordinary: 9, last: 0 }, limits)).toMatchObject({
    kind: 'budget',
    reason: expect.stringContaining('3 kept back'),
  })
  expect(await gate.reserve(app, { ordinary: 9, last: 9 }, limits)).toMatchObject({ kind: 'granted', ordinary: 0, last: 3 })
})

test('a new month begins with the whole budget', async () => {
  const app = anApp()
  const gate = createAppGate(db)
  const limits = { callsPerSecond: 1_000, monthlyBudget: 2 }
  await gate.reserve(app, { ordinary: 2, last: 0 }, limits)
  await db.pool.query("UPDATE delivery_app SET calls_month = '2020-01' WHERE app = $1", [app])
  expect(await gate.reserve(app, { ordinary: 5, last: 0 }, limits)).toMatchObject({ kind: 'granted', ordinary: 2 })
})

test('another worker lifts the pause when its probe is answered', async () => {
  const app = anApp()
  const [first, second] = [anotherGate(), anotherGate()]
  await first.pause(app, 'grant qyapi_base', new Date(), fixed(0))
  expect(await second.reserve(app, { ordinary: 1, last: 0 }, FAST)).toMatchObject({ kind: 'granted' })
  await second.healthy(app)
  expect(await first.reserve(app, { ordinary: 4, last: 0 }, FAST)).toMatchObject({ kind: 'granted', ordinary: 4 })
})

test('a probe whose worker died is followed by another', async () => {
  const app = anApp()
  const gate = createAppGate(db, { probeLeaseMs: 1 })
  await gate.pause(app, 'grant qyapi_base', new Date(), fixed(0))
  await gate.reserve(app, { ordinary: 1, last: 0 }, FAST)
  await expect.poll(() => gate.reserve(app, { ordinary: 1, last: 0 }, FAST)).toMatchObject({ kind: 'granted', ordinary: 1 })
})
