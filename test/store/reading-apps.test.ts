import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MINUTE_MS } from '../../src/core/delivery.ts'
import type { AppGate } from '../../src/core/ports.ts'
import { createAppGate } from '../../src/store/app-gate.ts'
import { aTask, lookAt } from './support/looks.ts'
import { openTestReader, type TestReader } from './support/reader.ts'

let db: TestReader
let gate: AppGate
beforeAll(async () => {
  db = await openTestReader()
  gate = createAppGate(db)
})
afterAll(() => db.close())
afterEach(() => db.pool.query('TRUNCATE delivery_task, delivery_app CASCADE'))

const LIMITS = { callsPerSecond: 1_000, monthlyBudget: null }
const call = (app: string, calls: number) => gate.reserve(app, { ordinary: calls, last: 0 }, LIMITS)
const later = (ms: number): Date => new Date(Date.now() + ms)
const one = async (app: string) => (await db.rates.apps()).find((each) => each.app === app)

/** In China a month begins eight hours earlier than in UTC. */
const chinaMonth = (at: Date): string => new Date(at.getTime() + 8 * 60 * MINUTE_MS).toISOString().slice(0, 7)

test('apps that have a task or ever called come by name, each once', async () => {
  await aTask(db.store, { app: 'b-has-both' })
  await aTask(db.store, { app: 'Only_tasks' })
  await call('b-has-both', 2)
  await call('a-only-called', 3)
  const free = { pauseKind: null, pauseReason: null, pausedUntil: null, month: chinaMonth(new Date()) }
  expect(await db.rates.apps()).toEqual([
    { app: 'Only_tasks', openTasks: 1, callsUsed: 0, ...free },
    { app: 'a-only-called', openTasks: 0, callsUsed: 3, ...free },
    { app: 'b-has-both', openTasks: 1, callsUsed: 2, ...free },
  ])
})

test('there are none in an empty database', async () => {
  expect(await db.rates.apps()).toEqual([])
})

test('tasks that ended are not open, and an app all of whose tasks ended is still there', async () => {
  const [first, second] = [await aTask(db.store, { userIds: ['ann'] }), await aTask(db.store)]
  expect(await one('default')).toMatchObject({ openTasks: 2 })
  await lookAt(db.store, first.key, { read: ['ann'] }, 5)
  expect(await one('default')).toMatchObject({ openTasks: 1 })
  await db.store.cancel(second.key)
  expect(await one('default')).toMatchObject({ openTasks: 0, callsUsed: 0 })
})

test('calls of an earlier month are not those of this one', async () => {
  await call('default', 5)
  await db.pool.query("UPDATE delivery_app SET calls_month = '2020-01'")
  expect(await one('default')).toMatchObject({ callsUsed: 0, month: chinaMonth(new Date()) })
  await call('default', 2)
  expect(await one('default')).toMatchObject({ callsUsed: 2 })
})

test('a call that is given back is not used', async () => {
  await call('default', 5)
  await gate.refund('default')
  expect(await one('default')).toMatchObject({ callsUsed: 4 })
})

test('a pause says its kind, why, and until when', async () => {
  const until = later(10 * MINUTE_MS)
  await gate.throttle('slow', until, 'too many calls')
  await gate.quota('used-up', until, 'the quota is used up')
  await gate.pause('wrong', 'check the app key', new Date(), () => 10 * MINUTE_MS)
  expect(await one('slow')).toMatchObject({ pauseKind: 'throttled', pauseReason: 'too many calls', pausedUntil: until })
  expect(await one('used-up')).toMatchObject({ pauseKind: 'quota', pauseReason: 'the quota is used up', pausedUntil: until })
  const wrong = await one('wrong')
  expect(wrong).toMatchObject({ pauseKind: 'configuration', pauseReason: 'check the app key' })
  expect(Math.abs((wrong?.pausedUntil?.getTime() ?? 0) - until.getTime())).toBeLessThan(MINUTE_MS)
})

test('a rate limit whose end has passed is no pause any more', async () => {
  await gate.throttle('default', later(-1_000), 'too many calls')
  expect(await one('default')).toMatchObject({ pauseKind: null, pauseReason: null, pausedUntil: null })
})

test('a wrong configuration is a pause until a probe shows that it is right, though the time of the probe has passed', async () => {
  await gate.pause('default', 'check the app key', new Date(), () => -1_000)
  expect(await one('default')).toMatchObject({ pauseKind: 'configuration', pauseReason: 'check the app key' })
  await gate.healthy('default')
  expect(await one('default')).toMatchObject({ pauseKind: null, pauseReason: null, pausedUntil: null })
})
