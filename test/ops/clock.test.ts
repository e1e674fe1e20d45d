import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createDatabaseClock } from '../../src/ops/clock.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startProxy } from '../support/tcp-proxy.ts'

const MINUTE_MS = 60_000

afterEach(() => {
  vi.restoreAllMocks()
})

test("the database's time counts, however far the system clock is away or steps; while the database is away it runs on", async () => {
  const { pool, toDatabase } = await aDatabase()
  const told: number[] = []
  const clock = createDatabaseClock(pool, (differenceMs) => told.push(differenceMs))
  const really = Date.now
  shiftBy(10 * MINUTE_MS)
  expect(clock.differenceMs()).toBeNull()
  await clock.measure()
  await clock.measure()
  expect(near(clock.now().getTime(), really())).toBe(true)
  expect(near(clock.differenceMs() ?? 0, 10 * MINUTE_MS)).toBe(true)
  expect(told.map((ms) => near(ms, 10 * MINUTE_MS))).toEqual([true])

  shiftBy(-45_000)
  expect(near(clock.now().getTime(), really())).toBe(true)
  expect(near(clock.differenceMs() ?? 0, -45_000)).toBe(true)

  await toDatabase.mode('refuse')
  await expect(clock.measure()).rejects.toThrow()
  expect(clock.waitedMs()).toBeNull()
  expect(near(clock.now().getTime(), really())).toBe(true)
  // Its poll must not fail over it.
  await clock.measureIfStale()

  await toDatabase.mode('pass')
  shiftBy(0)
  await clock.measure()
  shiftBy(-MINUTE_MS)
  await clock.measureIfStale()
  expect(told, 'told again after it was right in between').toHaveLength(2)
})

test('a clock that was not set in between is not measured for each poll', async () => {
  const { pool } = await aDatabase()
  const clock = createDatabaseClock(pool)
  await clock.measure()
  const asked = vi.spyOn(pool, 'connect')
  await clock.measureIfStale()
  expect(asked).not.toHaveBeenCalled()
  shiftBy(MINUTE_MS)
  await Promise.all([clock.measureIfStale(), clock.measureIfStale()])
  expect(asked).toHaveBeenCalledTimes(1)
})

test('the time that comes with another answer counts where it is as certain as the last measurement', async () => {
  const { pool } = await aDatabase()
  const clock = createDatabaseClock(pool)
  await clock.measure()
  const offsetMs = clock.now().getTime() - performance.now()
  const systemMs = Date.now() - performance.now()
  const answer = (aheadMs: number, uncertaintyMs: number) =>
    Promise.resolve({ offset: { offsetMs: offsetMs + aheadMs, uncertaintyMs }, waitedMs: 7, systemMs, row: {} })

  await clock.observe(answer(60_000, 30_000))
  expect(clock.now().getTime() - performance.now() - offsetMs).toBeLessThan(1_000)
  await clock.observe(answer(60_000, 0))
  expect(clock.now().getTime() - performance.now() - offsetMs).toBeGreaterThan(50_000)
  expect(clock.waitedMs()).toBe(7)

  await expect(clock.observe(Promise.reject(new Error('no database')))).rejects.toThrow('no database')
  expect(clock.waitedMs()).toBeNull()
})

test('where no answer was certain for ten seconds the clock is measured', async () => {
  const { pool } = await aDatabase()
  const clock = createDatabaseClock(pool)
  await clock.measure()
  const asked = vi.spyOn(pool, 'connect')
  const uncertain = Promise.resolve({ offset: { offsetMs: 0, uncertaintyMs: 60_000 }, waitedMs: 0, systemMs: 0, row: {} })
  await clock.observe(uncertain)
  expect(asked).not.toHaveBeenCalled()
  const monotonic = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => monotonic() + 10_000)
  await clock.observe(uncertain)
  expect(asked).toHaveBeenCalledTimes(1)
})

async function aDatabase() {
  const created = await createTestDatabase()
  onTestFinished(() => created.drop())
  const url = new URL(created.url)
  const toDatabase = await startProxy(Number(url.port))
  onTestFinished(() => toDatabase.close())
  url.port = String(toDatabase.port)
  const database = openDatabase(url.href)
  onTestFinished(() => database.close())
  return { pool: database.pool, toDatabase }
}

const system = Date.now

function shiftBy(ms: number): void {
  vi.spyOn(Date, 'now').mockImplementation(() => system() + ms)
}

/** A machine that is busy with other tests takes its time between two questions. */
function near(a: number, b: number): boolean {
  return Math.abs(a - b) < 5_000
}
