import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { RateLimiter, Reservation, ScopeEvidence, WantedCalls } from '../../src/polling/ports.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { createMemoryGate } from '../support/memory-store.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aPause, inMs, letProbesBeDue } from './support/evidence.ts'
import { aProblem, aRequest } from './support/polls.ts'

const FAST = { callsPerSecond: 1_000, monthlyBudget: null }
const HOUR = 3_600_000
/** A wait that is over when it begins. */
const OVER = -1

let db: TestStore
beforeAll(async () => {
  db = await openTestStore({ max: 20 })
})
afterAll(() => db.close())

let lastApp = 0
const anApp = (): string => `app${++lastApp}`
const aKey = (app: string, taskId = '1') => ({ app, taskId })

function wanted(calls: Partial<WantedCalls>): WantedCalls {
  return { ordinary: 0, reserved: 0, forced: 0, ...calls }
}

function describeAppGate(name: string, gate: () => RateLimiter & ScopeEvidence): void {
  describe(`the gate of an app: ${name}`, () => {
    test('calls are granted evenly spaced, reserved ones first, and not far ahead', async () => {
      const app = anApp()
      const granted = await gate().reserve(app, wanted({ ordinary: 100, reserved: 3 }), { callsPerSecond: 20, monthlyBudget: null })
      expect(granted).toMatchObject({ kind: 'granted', reserved: 3, ordinary: 8, firstInMs: 0, everyMs: 50 })
    })

    test('a slow app gets one call at a time', async () => {
      const app = anApp()
      const slow = { callsPerSecond: 0.1, monthlyBudget: null }
      expect(await gate().reserve(app, wanted({ ordinary: 5 }), slow)).toMatchObject({ kind: 'granted', ordinary: 1 })
      const busy = await gate().reserve(app, wanted({ ordinary: 5 }), slow)
      expect(busy.kind === 'busy' && busy.forMs > 9_000 && busy.forMs <= 10_000).toBe(true)
    })

    test('apps do not wait for each other', async () => {
      await gate().reserve(anApp(), wanted({ ordinary: 5 }), { callsPerSecond: 0.1, monthlyBudget: null })
      expect(await gate().reserve(anApp(), wanted({ ordinary: 1 }), FAST)).toMatchObject({ kind: 'granted', firstInMs: 0 })
    })

    test('the budget is never exceeded, and a refunded call may be made again', async () => {
      const app = anApp()
      const limits = { callsPerSecond: 1_000, monthlyBudget: 5 }
      const first = await gate().reserve(app, wanted({ ordinary: 4 }), limits)
      expect(first).toMatchObject({ kind: 'granted', ordinary: 4 })
      expect(await gate().reserve(app, wanted({ ordinary: 1, reserved: 2 }), limits)).toMatchObject({
        kind: 'granted',
        ordinary: 0,
        reserved: 1,
      })
      const refused = await gate().reserve(app, wanted({ ordinary: 1, reserved: 1 }), limits)
      expect(refused).toMatchObject({ kind: 'budget', used: 5, month: monthOf(first) })
      await gate().refund(app, monthOf(first), 2)
      expect(await gate().reserve(app, wanted({ ordinary: 9 }), limits)).toMatchObject({ kind: 'granted', ordinary: 2 })
    })

    test('a call that is given back in another month than the current one changes nothing', async () => {
      const app = anApp()
      const limits = { callsPerSecond: 1_000, monthlyBudget: 3 }
      await gate().reserve(app, wanted({ ordinary: 3 }), limits)
      await gate().refund(app, '2001-01', 3)
      expect(await gate().reserve(app, wanted({ ordinary: 1 }), limits)).toMatchObject({ kind: 'budget', used: 3 })
    })

    test('the budget begins anew with the month in China', async () => {
      const app = anApp()
      const refused = await gate().reserve(app, wanted({ ordinary: 1 }), { callsPerSecond: 1, monthlyBudget: 0 })
      const until = refused.kind === 'budget' ? refused.until : null
      expect(until?.toISOString()).toMatch(/T16:00:00\.000Z$/)
      const china = new Date((until?.getTime() ?? 0) + 8 * HOUR)
      expect(china.getUTCDate()).toBe(1)
      expect(china.getTime() - (Date.now() + 8 * HOUR)).toBeLessThanOrEqual(31 * 24 * HOUR)
      expect(monthOf(refused)).toBe(new Date(china.getTime() - 1).toISOString().slice(0, 7))
    })

    test('a paused app waits for its next probe, and the answer says why', async () => {
      const app = anApp()
      const until = inMs(HOUR)
      await gate().recordFailure(aKey(app), null, aPause('rate_limit', { until, problem: aProblem('rate_limit', { said: '90018' }) }))
      const paused = await gate().reserve(app, wanted({ ordinary: 1, reserved: 1 }), FAST)
      expect(paused).toEqual({ kind: 'paused', until, problem: aProblem('rate_limit', { said: '90018' }) })
    })

    test('the first call of a final poll passes a pause, and nothing else does', async () => {
      const app = anApp()
      await gate().recordFailure(aKey(app), null, aPause('quota', { until: inMs(HOUR) }))
      expect(await gate().reserve(app, wanted({ ordinary: 5, reserved: 3, forced: 2 }), FAST)).toMatchObject({
        ...{ kind: 'granted', ordinary: 0, reserved: 2 },
      })
      expect(await gate().reserve(app, wanted({ ordinary: 5, reserved: 3 }), FAST)).toMatchObject({ kind: 'paused' })
    })

    test('a call that passes a pause still needs a budget', async () => {
      const app = anApp()
      await gate().recordFailure(aKey(app), null, aPause('permission', { until: inMs(HOUR) }))
      const forced = wanted({ reserved: 2, forced: 2 })
      expect(await gate().reserve(app, forced, { callsPerSecond: 1_000, monthlyBudget: 1 })).toMatchObject({ kind: 'granted', reserved: 1 })
      expect(await gate().reserve(app, forced, { callsPerSecond: 1_000, monthlyBudget: 1 })).toMatchObject({ kind: 'budget', used: 1 })
    })

    test('a paused app whose probe is due is probed with one call at a time', async () => {
      const app = anApp()
      await gate().recordFailure(aKey(app), null, aPause('permission', { probeDelaysMs: [OVER] }))
      const answers = await Promise.all(Array.from({ length: 12 }, () => gate().reserve(app, wanted({ ordinary: 3, reserved: 1 }), FAST)))
      expect(answers.filter((answer) => answer.kind === 'granted')).toMatchObject([{ ordinary: 0, reserved: 1 }])
      expect(answers.filter((answer) => answer.kind === 'paused')).toHaveLength(11)
    })

    test('a probe that succeeds lifts the pause', async () => {
      const app = anApp()
      await gate().recordFailure(aKey(app), null, aPause('permission', { probeDelaysMs: [OVER] }))
      await gate().reserve(app, wanted({ ordinary: 1 }), FAST)
      expect(await gate().recordSuccess(aKey(app), null, new Date())).toBe(true)
      expect(await gate().reserve(app, wanted({ ordinary: 2 }), FAST)).toMatchObject({ kind: 'granted', ordinary: 2 })
    })
  })
}

function monthOf(answer: Reservation): string {
  if (answer.kind !== 'granted' && answer.kind !== 'budget') throw new Error(`${answer.kind} has no month`)
  return answer.month
}

describeAppGate('memory', () => memory)
const memory = createMemoryGate(() => new Date())
let shared: (RateLimiter & ScopeEvidence) | undefined
describeAppGate('PostgreSQL', () => (shared ??= createRateLimiter(db)))

const more: Array<{ close(): Promise<void> }> = []
afterEach(async () => {
  for (const database of more.splice(0)) await database.close()
})

/** A gate of another worker: its own connections, and a memory of its own. */
function anotherGate(): RateLimiter & ScopeEvidence {
  const database = openDatabase(db.url, { max: 4 })
  more.push(database)
  return createRateLimiter(database)
}

test('three workers together never make more calls in any second than the app may', async () => {
  const app = anApp()
  await db.pool.query(RECORDER)
  const gates = [anotherGate(), anotherGate(), anotherGate()]
  const end = performance.now() + 2_000
  const work = async (gate: RateLimiter): Promise<number> => {
    let calls = 0
    while (performance.now() < end) {
      const answer = await gate.reserve(app, wanted({ ordinary: 7, reserved: 1 }), { callsPerSecond: 50, monthlyBudget: null })
      if (answer.kind === 'granted') calls += answer.reserved + answer.ordinary
      if (answer.kind === 'busy') await new Promise((resolve) => setTimeout(resolve, Math.min(answer.forMs, 50)))
    }
    return calls
  }
  const calls = await Promise.all(gates.flatMap((gate) => [work(gate), work(gate)]))
  const { rows } = await db.pool.query<{ at: number }>('SELECT at FROM slots WHERE app = $1 ORDER BY at', [app])
  await db.pool.query('DROP TRIGGER record_slots ON delivery_app')
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

const used = async (app: string): Promise<number | undefined> =>
  (await db.pool.query<{ calls_used: number }>('SELECT calls_used FROM delivery_app WHERE app = $1', [app])).rows[0]?.calls_used

describe('the budget', () => {
  /** The end of the month in China, as the database computes it elsewhere: from the text of the month. */
  const MONTH_END = `((to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') || '-01')::timestamp + interval '1 month') AT TIME ZONE 'Asia/Shanghai'`

  /** Open tasks whose final poll is due in this month, whatever the date of this run. */
  async function openTasks(app: string, count: number, deadlineAt = 'now()'): Promise<string[]> {
    const requests = Array.from({ length: count }, () => aRequest({ app }))
    await db.store.track(requests)
    const ids = requests.map(({ taskId }) => taskId)
    await db.pool.query(`UPDATE delivery_task SET scheduled_at = now(), deadline_at = ${deadlineAt} WHERE task_id = ANY ($1)`, [ids])
    return ids
  }

  const finalPollMade = (ids: readonly string[]) =>
    db.pool.query('UPDATE delivery_task SET final_calls = 1 WHERE task_id = ANY ($1)', [ids])
  const gate = () => createRateLimiter(db)
  const budgetOf = (monthlyBudget: number) => ({ callsPerSecond: 100_000, monthlyBudget })

  test('keeps one call for the final poll of every open task, and a tenth of them for retries', async () => {
    const app = anApp()
    await openTasks(app, 3)
    expect(await gate().reserve(app, wanted({ ordinary: 9 }), budgetOf(6))).toMatchObject({ kind: 'granted', ordinary: 2 })
    expect(await gate().reserve(app, wanted({ ordinary: 9 }), budgetOf(6))).toMatchObject({ kind: 'budget', used: 2, reserved: 3 })
    expect(await gate().reserve(app, wanted({ ordinary: 9, retries: 9 }), budgetOf(6))).toMatchObject({ kind: 'granted', ordinary: 1 })
    expect(await gate().reserve(app, wanted({ ordinary: 9, retries: 9 }), budgetOf(6))).toMatchObject({ kind: 'budget', used: 3 })
    expect(await gate().reserve(app, wanted({ ordinary: 9, reserved: 9 }), budgetOf(6))).toMatchObject({ ordinary: 0, reserved: 3 })
  })

  test('keeps none for a task that was not admitted, or that no worker has scheduled', async () => {
    const app = anApp()
    const [first, second] = await openTasks(app, 3)
    await db.pool.query('UPDATE delivery_task SET admitted = false WHERE task_id = $1', [first])
    await db.pool.query('UPDATE delivery_task SET scheduled_at = NULL WHERE task_id = $1', [second])
    expect(await gate().reserve(app, wanted({ ordinary: 9 }), budgetOf(6))).toMatchObject({ kind: 'granted', ordinary: 4 })
  })

  test('counts in the month that the clock of a demo shows, and says when that ends', async () => {
    const app = anApp()
    const at = new Date()
    const callClock = { at, shows: new Date('2027-01-31T15:00:00Z'), scale: 1_000 }
    const fast = createRateLimiter(db, { callClock })
    expect(await fast.reserve(app, wanted({ ordinary: 3 }), budgetOf(3))).toMatchObject({ kind: 'granted', month: '2027-01' })
    const refused = await fast.reserve(app, wanted({ ordinary: 3 }), budgetOf(3))
    expect(refused).toMatchObject({ kind: 'budget', month: '2027-01' })
    // An hour of this clock is 3.6 seconds.
    if (refused.kind === 'budget') expect(Math.abs(refused.until.getTime() - at.getTime() - 3_600)).toBeLessThan(5)
    const february = createRateLimiter(db, { callClock: { ...callClock, shows: new Date('2027-01-31T16:00:00Z') } })
    expect(await february.reserve(app, wanted({ ordinary: 3 }), budgetOf(3))).toMatchObject({ kind: 'granted', month: '2027-02' })
  })

  test('is not drained by the retries of one final poll: every other task has its own call', async () => {
    const app = anApp()
    const [first, ...others] = await openTasks(app, 20)
    expect(await gate().reserve(app, wanted({ reserved: 1 }), budgetOf(20))).toMatchObject({ kind: 'granted', reserved: 1 })
    await finalPollMade([first ?? ''])
    for (let i = 0; i < 5; i++) {
      expect(await gate().reserve(app, wanted({ ordinary: 1 }), budgetOf(20))).toMatchObject({ kind: 'budget', reserved: 19 })
    }
    for (const id of others) {
      expect(await gate().reserve(app, wanted({ reserved: 1 }), budgetOf(20))).toMatchObject({ kind: 'granted', reserved: 1 })
      await finalPollMade([id])
    }
    expect(await gate().reserve(app, wanted({ ordinary: 1, reserved: 1 }), budgetOf(20))).toMatchObject({
      kind: 'budget',
      used: 20,
      reserved: 0,
    })
  })

  test.each([
    ['has ended', "UPDATE delivery_task SET status = 'cancelled', next_poll_at = NULL, finished_at = now() WHERE app = $1"],
    ['has had its final poll', 'UPDATE delivery_task SET final_calls = 2 WHERE app = $1'],
    ['has its final poll in the next month', `UPDATE delivery_task SET deadline_at = ${MONTH_END} + interval '13 minutes' WHERE app = $1`],
    ['is of another app', "UPDATE delivery_task SET app = app || ' other' WHERE app = $1"],
  ])('keeps nothing for a task that %s', async (_, change) => {
    const app = anApp()
    await openTasks(app, 4)
    await db.pool.query(change, [app])
    expect(await gate().reserve(app, wanted({ ordinary: 9 }), budgetOf(5))).toMatchObject({ kind: 'granted', ordinary: 5 })
  })

  test('keeps a call for a task whose deadline is just after the month: its final poll is before', async () => {
    const app = anApp()
    await openTasks(app, 1, `${MONTH_END} + interval '11 minutes'`)
    expect(await gate().reserve(app, wanted({ ordinary: 9 }), budgetOf(5))).toMatchObject({ kind: 'granted', ordinary: 3 })
  })

  test('is never exceeded and never miscounted by workers that reserve and give back at once', async () => {
    const app = anApp()
    await openTasks(app, 10)
    const gates = [anotherGate(), anotherGate(), anotherGate()]
    const granted: number[] = []
    await Promise.all(
      Array.from({ length: 90 }, async (_, i) => {
        const gateOfWorker = gates[i % 3] ?? gate()
        const answer = await gateOfWorker.reserve(app, wanted({ ordinary: i % 4, reserved: i % 2, forced: i % 2 }), budgetOf(60))
        if (answer.kind !== 'granted') return
        const calls = answer.ordinary + answer.reserved
        granted.push(calls)
        if (calls > 1 && i % 3 === 0) {
          await gateOfWorker.refund(app, answer.month, 1)
          granted.push(-1)
        }
      }),
    )
    const total = granted.reduce((sum, calls) => sum + calls, 0)
    expect(await used(app)).toBe(total)
    expect(total).toBeLessThanOrEqual(60)
    expect(granted.length).toBeGreaterThan(20)
  })

  test('of a new month is whole, and a call of the month before that is given back is not taken from it', async () => {
    const app = anApp()
    await gate().reserve(app, wanted({ ordinary: 2 }), budgetOf(2))
    await db.pool.query("UPDATE delivery_app SET calls_month = '2020-01' WHERE app = $1", [app])
    const granted = await gate().reserve(app, wanted({ ordinary: 5 }), budgetOf(2))
    expect(granted).toMatchObject({ kind: 'granted', ordinary: 2 })
    await gate().refund(app, '2020-01', 2)
    expect(await used(app)).toBe(2)
    await gate().refund(app, monthOf(granted), 1)
    expect(await used(app)).toBe(1)
  })

  test('of a month that nobody has called in yet is not less by what is given back of the month before', async () => {
    const app = anApp()
    const granted = await gate().reserve(app, wanted({ ordinary: 3 }), budgetOf(9))
    await db.pool.query("UPDATE delivery_app SET calls_month = '2020-01' WHERE app = $1", [app])
    await gate().refund(app, monthOf(granted), 3)
    expect(await used(app)).toBe(3)
    expect(await gate().reserve(app, wanted({ ordinary: 99 }), budgetOf(9))).toMatchObject({ kind: 'granted', ordinary: 9 })
  })

  test('is not below nothing where more is given back than was made', async () => {
    const app = anApp()
    const granted = await gate().reserve(app, wanted({ ordinary: 1 }), budgetOf(9))
    await gate().refund(app, monthOf(granted), 5)
    expect(await used(app)).toBe(0)
  })
})

describe('a clock of the database that steps back by ten minutes', () => {
  /** What the row says was written before the step. */
  const stepBack = (app: string) =>
    db.pool.query(
      `UPDATE delivery_app SET next_call_at = next_call_at + interval '10 minutes', paused_until = paused_until + interval '10 minutes',
        pause_set_at = pause_set_at + interval '10 minutes', pause_since = pause_since + interval '10 minutes' WHERE app = $1`,
      [app],
    )

  test.each([0.1, 1, 20, 1_000])('does not hold up calls at %d a second', async (callsPerSecond) => {
    const app = anApp()
    const gate = createRateLimiter(db)
    const limits = { callsPerSecond, monthlyBudget: null }
    await gate.reserve(app, wanted({ ordinary: 99 }), limits)
    await stepBack(app)
    expect(await gate.reserve(app, wanted({ ordinary: 2 }), limits)).toMatchObject({ kind: 'granted', firstInMs: 0 })
    // And the rate holds from here on.
    const next = await gate.reserve(app, wanted({ ordinary: 2_000 }), limits)
    const granted = next.kind === 'granted' ? next.ordinary : 0
    expect(granted).toBeLessThanOrEqual(callsPerSecond / 2 + 1)
  })

  test.each(['rate_limit', 'permission', 'outage'] as const)('does not prolong a pause (%s): its probe is due', async (code) => {
    const app = anApp()
    const gate = createRateLimiter(db)
    await gate.recordFailure(aKey(app), null, aPause(code, { probeDelaysMs: [60_000], until: code === 'rate_limit' ? inMs(60_000) : null }))
    await stepBack(app)
    expect(await gate.reserve(app, wanted({ ordinary: 5 }), FAST)).toMatchObject({ kind: 'granted', ordinary: 1 })
    // The lease of this probe counts from now.
    expect(await gate.reserve(app, wanted({ ordinary: 5 }), FAST)).toMatchObject({ kind: 'paused' })
    expect(await gate.recordSuccess(aKey(app), null, new Date())).toBe(true)
    expect(await gate.reserve(app, wanted({ ordinary: 5 }), FAST)).toMatchObject({ kind: 'granted', ordinary: 5 })
  })
})

test('another worker lifts the pause when its probe is answered', async () => {
  const app = anApp()
  const [first, second] = [anotherGate(), anotherGate()]
  await first.recordFailure(aKey(app), null, aPause('permission', { probeDelaysMs: [OVER] }))
  expect(await second.reserve(app, wanted({ ordinary: 1 }), FAST)).toMatchObject({ kind: 'granted' })
  await second.recordSuccess(aKey(app), null, new Date())
  expect(await first.reserve(app, wanted({ ordinary: 4 }), FAST)).toMatchObject({ kind: 'granted', ordinary: 4 })
})

test('a probe whose worker died is followed by another', async () => {
  const app = anApp()
  const gate = createRateLimiter(db)
  await gate.recordFailure(aKey(app), null, aPause('permission', { probeDelaysMs: [OVER] }))
  expect(await gate.reserve(app, wanted({ ordinary: 1 }), FAST)).toMatchObject({ kind: 'granted', ordinary: 1 })
  expect(await gate.reserve(app, wanted({ ordinary: 1 }), FAST)).toMatchObject({ kind: 'paused' })
  // Its lease has run out.
  await letProbesBeDue(db, app)
  expect(await gate.reserve(app, wanted({ ordinary: 2 }), FAST)).toMatchObject({ kind: 'granted', ordinary: 1 })
})
