import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import type { ScheduleRequest } from '../../src/report/schedule.ts'
import { createLaws } from '../../src/store/laws.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { createScheduleReader, runBacktest, type ScheduleOptions } from '../../src/store/reading/schedule.ts'
import { createRandom, drawReads, even, NIGHT, observe, someSendTimes, UTC } from '../domain/schedule/population.ts'
import { urlAs } from '../support/roles.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { storeEndedTasks, toLatestWeeks } from './support/ended-tasks.ts'
import { adoptAll, aTask } from './support/polls.ts'

const SETTINGS: ScheduleOptions['settings'] = {
  ...{
    kind: 'learned',
    pollsPerTask: null,
    targetWidthMs: null,
    reportAgesMs: [],
    maxGap: { ms: 6 * HOUR_MS, isHard: false },
    pollTimes: null,
  },
}
const TUESDAY = new Date('2026-11-24T10:00:00Z')

let db: TestStore
let asReader: ReturnType<typeof openDatabase>
beforeAll(async () => {
  db = await openTestStore()
  // A role that reads reports needs no more for these.
  asReader = openDatabase(urlAs('read', db.url))
  const random = createRandom(1)
  const tasks = someSendTimes(40, random).map((sentAt) => observe(sentAt, drawReads(NIGHT, sentAt, 30, random), even(12)))
  await storeEndedTasks(db, toLatestWeeks(tasks), { app: 'night', plannedPolls: 12 })
  await createLaws(db).add('night', { law: NIGHT, tasks: 40, people: 1_200, lastSentAt: TUESDAY, learnedAt: TUESDAY })
  await createLaws(db).add('pooled', { law: NIGHT, tasks: 0, people: 0, lastSentAt: null, learnedAt: TUESDAY })
})
afterAll(async () => {
  await asReader.close()
  await db.close()
})

function optionsOf(options: Partial<ScheduleOptions> = {}): ScheduleOptions {
  return {
    settings: SETTINGS,
    calendar: UTC,
    timeScale: 1,
    apps: ['night', 'pooled', 'new'],
    hasBudget: () => false,
    now: () => TUESDAY,
    ...options,
  }
}
const reader = (options: Partial<ScheduleOptions> = {}) => createScheduleReader(asReader, optionsOf(options))
const schedule = (request: ScheduleRequest, options: Partial<ScheduleOptions> = {}) => reader(options).schedule(request)

test('the law of the app places the polls; its sample is in the report', async () => {
  const report = await schedule({ app: 'night' })
  expect(report).toMatchObject({
    app: 'night',
    sentAt: TUESDAY,
    recipients: 30,
    recipientsFrom: 'median',
    placedBy: 'learned',
    price: null,
  })
  expect(report.law).toMatchObject({ kind: 'learned', tasks: 40, people: 1_200, lastSentAt: TUESDAY, attention: NIGHT.attention })
  expect(report.polls).toHaveLength(24)
  // Until two in the afternoon few of them read.
  expect(report.polls.filter(({ offsetMs }) => offsetMs < 4 * HOUR_MS).length).toBeLessThan(8)
  expect(report.widthMs).toBeLessThan(report.growingWidthMs * 0.8)
})

test('an app without tasks has the law of the others, or the prior', async () => {
  expect(await schedule({ app: 'pooled' })).toMatchObject({
    placedBy: 'learned',
    law: { kind: 'pooled' },
    recipients: 50,
    recipientsFrom: 'assumed',
  })
  const report = await schedule({ app: 'new' })
  expect(report).toMatchObject({ placedBy: 'prior', law: { kind: 'prior', version: null, attention: PRIOR_LAW.attention } })
})

test('an app has to be named where there are several, and to be known', async () => {
  await expect(schedule({})).rejects.toMatchObject({ code: 'SEVERAL_APPS' })
  await expect(schedule({ app: 'nihgt' })).rejects.toMatchObject({ code: 'APP_NOT_FOUND', message: expect.stringContaining('night') })
  expect(await schedule({}, { apps: ['night'] })).toMatchObject({ app: 'night' })
})

test('a number of polls or a target width that is asked for goes before the settings', async () => {
  const settings = { ...SETTINGS, pollsPerTask: 10 }
  expect((await schedule({ app: 'night' }, { settings })).polls).toHaveLength(10)
  expect((await schedule({ app: 'night', polls: 7 }, { settings })).polls).toHaveLength(7)
  const reached = await schedule({ app: 'night', targetWidthMs: 30 * MINUTE_MS })
  expect(reached.widthMs).toBeLessThanOrEqual(30 * MINUTE_MS)
  const fewer = await schedule({ app: 'night', polls: reached.polls.length - 1 })
  expect(fewer.widthMs).toBeGreaterThan(30 * MINUTE_MS)
})

test('with growing gaps and custom polls the law only tells what they give', async () => {
  const growing = await schedule({ app: 'night' }, { settings: { ...SETTINGS, kind: 'growing' } })
  expect(growing).toMatchObject({ placedBy: 'growing', law: { kind: 'learned' } })
  expect(growing.widthMs).toBeCloseTo(growing.growingWidthMs)
  const custom = { ...SETTINGS, kind: 'custom', pollTimes: () => [60, 5] } as const
  const { placedBy, polls } = await schedule({ app: 'night' }, { settings: custom })
  expect([placedBy, polls.map(({ offsetMs }) => offsetMs / MINUTE_MS)]).toEqual(['custom', [5, 60, 1_431.5]])
  const wrong = { ...custom, pollTimes: () => [Number.NaN] }
  expect((await schedule({ app: 'night' }, { settings: wrong })).placedBy).toBe('growing')
})

test('with a budget the price of the latest task decides about the number of polls', async () => {
  const app = 'priced'
  const { key } = await aTask(db.store, { app, userIds: ['ann', 'bob', 'cy'] })
  await adoptAll(db.store)
  const request = { app, sentAt: TUESDAY }
  const options = { apps: [app], hasBudget: () => true }
  expect(await schedule(request, options)).toMatchObject({ price: null, recipients: 3 })
  await db.pool.query(`UPDATE delivery_task SET plan = '{"price": 400}' WHERE task_id = $1`, [key.taskId])
  const dear = await schedule(request, options)
  expect(dear.price).toBe(400)
  expect(dear.polls.length).toBeLessThan(5)
  expect(await schedule(request, { ...options, hasBudget: () => false })).toMatchObject({ price: null })
  expect((await schedule({ ...request, polls: 9 }, options)).polls).toHaveLength(9)
})

test('the plan of a task is explained by the law that it names, else by the newest one', async () => {
  const app = 'explained'
  const version = await createLaws(db).add(app, { law: NIGHT, tasks: 3, people: 9, lastSentAt: TUESDAY, learnedAt: TUESDAY })
  const { key } = await aTask(db.store, { app, userIds: ['ann', 'bob'] })
  const rates = createRateReader(asReader)
  expect(await reader().scheduleOfTask(await rates.task(key))).toBeNull()
  await adoptAll(db.store)
  const setPlan = (plan: unknown): Promise<unknown> =>
    db.pool.query(`UPDATE delivery_task SET plan = $2, poll_offsets = '{60000,3600000,85890000}' WHERE task_id = $1`, [key.taskId, plan])
  await setPlan({ law: version, people: 2, price: 3, placedBy: 'learned' })
  const newest = await createLaws(db).add(app, { law: PRIOR_LAW, tasks: 4, people: 9, lastSentAt: TUESDAY, learnedAt: TUESDAY })
  const report = await reader().scheduleOfTask(await rates.task(key))
  expect(report).toMatchObject({ recipients: 2, recipientsFrom: 'task', placedBy: 'learned', price: 3, law: { version } })
  expect(report?.polls.map(({ offsetMs }) => Math.round(offsetMs / MINUTE_MS))).toEqual([1, 60, 1_432])
  await setPlan({ law: 999_999, placedBy: 'of a newer version' })
  expect(await reader().scheduleOfTask(await rates.task(key))).toMatchObject({ placedBy: 'growing', price: null, law: { version: newest } })
})

test('a backtest of people who read at night finds the gain over even polls, with as many calls', async () => {
  const report = await runBacktest(asReader, optionsOf(), 'night')
  expect(report).toMatchObject({ app: 'night', tasks: 40, tasksNeeded: 25 })
  expect(report.result?.tasks).toBe(32)
  expect(report.result?.ratio).toBeLessThan(0.8)
  expect(report.result?.plannedCalls).toBeLessThanOrEqual(32 * 12)
})

test('a backtest of few tasks says how many are needed, one without an app that there is none', async () => {
  expect(await runBacktest(asReader, optionsOf(), 'new')).toMatchObject({ tasks: 0, tasksNeeded: 25, result: null, firstSentAt: null })
})
