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
