import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { PrismaClient } from '../../src/store/generated/client.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { answeredAt, aTask, delay, lookAt, minutesLater, SENT } from './support/polls.ts'
import { lookInVain, openTestReader, set, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())

const PARTS = ['read', 'unread', 'pending', 'failed', 'forbidden', 'invalid'] as const

describe('a task', () => {
  test('that nobody looked at yet is known only as far as its sender said', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann', 'bob'], app: 'fresh' })
    expect(await db.rates.task(key)).toMatchObject({
      ...{ targeted: 2, pending: 2, delivered: 0, readRate: null, readRateOfTargeted: 0 },
      ...{
        polls: 0,
        goodPolls: 0,
        lastObservedAt: null,
        finishedAt: null,
        delayReason: null,
        recipientsKnown: true,
        campaign: null,
        agentId: null,
      },
    })
    const { trackedAt, nextPollAt } = await db.rates.task(key)
    expect([trackedAt, nextPollAt]).toEqual([expect.any(Date), expect.any(Date)])
  })

  test('whose recipients nobody named says so, and has no people yet', async () => {
    const { key } = await aTask(db.store)
    expect(await db.rates.task(key)).toMatchObject({ recipientsKnown: false, targeted: 0, readRate: null, readRateOfTargeted: null })
  })

  test('tells as of when its figures are: a failed poll moves nothing', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann', 'bob'] })
    await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 5)
    const known = await db.rates.task(key)
    await lookInVain(db, key, minutesLater(9))
    const problem = { problemCode: 'outage', problemDetail: expect.objectContaining({ said: 'TIMEOUT' }), problemSince: minutesLater(9) }
    expect(await db.rates.task(key)).toEqual({ ...known, ...problem, polls: 2, calls: 2, nextPollAt: expect.any(Date) })
    expect(known.lastObservedAt).toEqual(answeredAt(5))
  })

  test('delayed says why', async () => {
    const { key } = await aTask(db.store)
    const detail = { budget: 20, used: 15, reserved: 5, month: '2026-11' }
    await delay(db.store, key, minutesLater(90), { code: 'call_budget', detail })
    const delayed = { delayReason: 'call_budget', delayCode: 'call_budget', delayDetail: detail }
    expect(await db.rates.task(key)).toMatchObject({ ...delayed, nextPollAt: minutesLater(90), polls: 0 })
  })

  test('and a campaign are the sum of their parts', async () => {
    const { key } = await aTask(db.store, { campaign: 'parts', userIds: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] })
    await lookAt(db.store, key, { read: ['a'], unread: ['b', 'g'], failed: ['c'], invalid: ['d'], forbidden: ['e'] }, 5)
    for (const rates of [await db.rates.task(key), await db.rates.campaign({ campaign: 'parts' })]) {
      expect(PARTS.map((part) => rates[part]).reduce((a, b) => a + b)).toBe(7)
      expect(rates).toMatchObject({ targeted: 7, delivered: 3, readRate: 1 / 3, readRateOfTargeted: 1 / 7 })
    }
  })
})

describe('lists of tasks', () => {
  test('have what is asked for, by app, id, campaign and status together', async () => {
    const [first, second] = [await aTask(db.store, { app: 'lists', campaign: 'x' }), await aTask(db.store, { app: 'lists', campaign: 'y' })]
    await db.store.cancel(second.key)
    const idsOf = async (filter: Parameters<typeof db.rates.tasks>[0]) => (await db.rates.tasks(filter)).items.map(({ taskId }) => taskId)
    expect(await idsOf({ app: 'lists' })).toEqual([second.key.taskId, first.key.taskId])
    expect(await idsOf({ app: 'lists', campaign: 'x' })).toEqual([first.key.taskId])
    expect(await idsOf({ app: 'lists', status: 'cancelled' })).toEqual([second.key.taskId])
    expect(await idsOf({ taskId: first.key.taskId })).toEqual([first.key.taskId])
    expect(await idsOf({ taskId: first.key.taskId, status: 'cancelled' })).toEqual([])
    expect(await idsOf({ taskId: first.key.taskId, app: 'nobody' })).toEqual([])
    expect(await idsOf({ app: 'lists', campaign: 'X' })).toEqual([])
  })

  test('find an id in every app that has it', async () => {
    const { key } = await aTask(db.store, { app: 'twice-a' })
    await aTask(db.store, { app: 'twice-b', taskId: key.taskId })
    expect((await db.rates.tasks({ taskId: key.taskId })).items.map(({ app }) => app)).toEqual(['twice-b', 'twice-a'])
  })

  test('begin with since and end before until', async () => {
    const [early, late] = [minutesLater(-120), minutesLater(-60)]
    const { key } = await aTask(db.store, { app: 'period', campaign: 'p', sentAt: early })
    await aTask(db.store, { app: 'period', campaign: 'p', sentAt: late })
    await aTask(db.store, { app: 'period', campaign: 'q', sentAt: late })
    const counts = async (period: { since?: Date; until?: Date }) => {
      const [tasks, campaigns] = [
        await db.rates.tasks({ app: 'period', ...period }),
        await db.rates.campaigns({ app: 'period', ...period }),
      ]
      return [tasks.items.length, campaigns.items.map(({ campaign, tasks: count }) => `${campaign} ${count}`)]
    }
    expect(await counts({})).toEqual([3, ['q 1', 'p 2']])
    expect(await counts({ since: early })).toEqual([3, ['q 1', 'p 2']])
    // A campaign of which one task was sent in the time is counted whole.
    expect(await counts({ until: late })).toEqual([1, ['p 2']])
    expect(await counts({ since: late })).toEqual([2, ['q 1', 'p 2']])
    expect(await counts({ since: early, until: early })).toEqual([0, []])
    expect((await db.rates.tasks({ app: 'period', until: late })).items[0]).toMatchObject(key)
  })

  test('take any Date for the beginning and the end of time', async () => {
    const forever = { app: 'period', since: new Date(-8.64e15), until: new Date(8.64e15) }
    expect((await db.rates.tasks(forever)).items).toHaveLength(3)
    expect((await db.rates.campaigns(forever)).items).toHaveLength(2)
    expect((await db.rates.tasks({ ...forever, since: forever.until })).items).toEqual([])
  })
})

describe('campaigns', () => {
  test('are the same figures alone and in the list, kept or counted afresh', async () => {
    const { key } = await aTask(db.store, { app: 'kept', campaign: 'c', userIds: ['ann', 'bob'] })
    await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 5)
    const fresh = await db.rates.campaign({ campaign: 'c' })
    expect((await db.rates.campaigns({ app: 'kept' })).items).toEqual([fresh])
    await db.pool.query('SELECT delivery_recount_campaigns(1000, 10)')
    expect(await db.rates.campaign({ campaign: 'c' })).toEqual(fresh)
    await lookAt(db.store, key, { read: ['ann', 'bob'] }, 9)
    expect(await db.rates.campaign({ campaign: 'c' })).toMatchObject({
      read: 2,
      unread: 0,
      readRate: 1,
      lastObservedAt: answeredAt(9),
      openTasks: 0,
    })
  })

  test('are the latest sent first, by their last task', async () => {
    for (const [campaign, minutes] of [
      ['a', -3],
      ['b', -2],
      ['a', -1],
    ] as const) {
      await aTask(db.store, { app: 'latest', campaign, sentAt: minutesLater(minutes) })
    }
    const { items } = await db.rates.campaigns({ app: 'latest' })
    expect(items).toMatchObject([
      { campaign: 'a', tasks: 2, firstSentAt: minutesLater(-3), lastSentAt: minutesLater(-1) },
      { campaign: 'b', tasks: 1, firstSentAt: minutesLater(-2), lastSentAt: minutesLater(-2) },
    ])
  })

  test('of one name in two apps are two', async () => {
    await aTask(db.store, { app: 'hr', campaign: 'shared', userIds: ['ann'] })
    await aTask(db.store, { app: 'sales', campaign: 'shared', userIds: ['ann', 'bob'] })
    expect(await db.rates.campaign({ campaign: 'shared', app: 'hr' })).toMatchObject({ targeted: 1 })
    expect((await db.rates.campaigns({ campaign: 'shared' })).items).toMatchObject([
      { app: 'sales', targeted: 2 },
      { app: 'hr', targeted: 1 },
    ])
  })
})

describe('what cannot be told', () => {
  const task = { taskId: '4' }
  const campaign = { campaign: '工资 "11"' }
  const asTask = (ref: { readonly taskId: string; readonly app?: string }) =>
    [
      db.rates.task(ref),
      db.rates.recipients(ref, {}),
      db.rates.curve(ref),
      db.rates.timeToRead(ref),
      db.rates.readTimes(ref),
      db.rates.stateDetails(ref),
      db.rates.stateAt(ref, SENT),
      db.rates.polls(ref),
      db.rates.explain(ref, 'ann'),
    ].map((answer) => answer.catch((error: unknown) => error))
  const asCampaign = (ref: { readonly campaign: string; readonly app?: string }) =>
    [
      db.rates.campaign(ref),
      db.rates.campaignRecipients(ref, {}),
      db.rates.campaignCurve(ref),
      db.rates.timeToRead(ref),
      db.rates.readTimes(ref),
      db.rates.stateDetails(ref),
    ].map((answer) => answer.catch((error: unknown) => error))

  test('a task that is not there, by every method', async () => {
    for (const error of await Promise.all(asTask(task)))
      expect(error).toMatchObject({ code: 'TASK_NOT_FOUND', message: 'Task 4 is not tracked.' })
    await expect(db.rates.task({ ...task, app: 'hr' })).rejects.toMatchObject({ message: 'Task 4 of app hr is not tracked.' })
  })

  test('a campaign that is not there, by every method', async () => {
    for (const error of await Promise.all(asCampaign(campaign))) {
      expect(error).toMatchObject({ code: 'CAMPAIGN_NOT_FOUND', message: String.raw`No task of any app has the campaign "工资 \"11\"".` })
    }
    await expect(db.rates.campaign({ ...campaign, app: 'hr' })).rejects.toMatchObject({
      message: String.raw`No task of app hr has the campaign "工资 \"11\"".`,
    })
  })

  test('which of several apps is meant, by every method, until one is named', async () => {
    const { key } = await aTask(db.store, { app: 'beta', campaign: 'both' })
    await aTask(db.store, { app: 'alpha', campaign: 'both', taskId: key.taskId })
    for (const error of await Promise.all(asTask({ taskId: key.taskId }))) {
      expect(error).toMatchObject({ code: 'SEVERAL_APPS', message: `Several apps have task ${key.taskId}: alpha, beta.` })
    }
    for (const error of await Promise.all(asCampaign({ campaign: 'both' }))) {
      expect(error).toMatchObject({ code: 'SEVERAL_APPS', message: 'Several apps have a campaign "both": alpha, beta.' })
    }
    expect(await db.rates.task({ taskId: key.taskId, app: 'beta' })).toMatchObject(key)
    expect(await db.rates.timeToRead({ campaign: 'both', app: 'beta' })).toMatchObject({ people: 0 })
  })

  test('a person who is not in the task', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann'] })
    await expect(db.rates.explain(key, 'Ann')).rejects.toMatchObject({
      code: 'RECIPIENT_NOT_FOUND',
      message: `Task ${key.taskId} has no recipient "Ann".`,
    })
  })

  test('anything, where the tables are missing', async () => {
    const { url, drop } = await createTestDatabase()
    onTestFinished(drop)
    const database = openDatabase(url)
    onTestFinished(() => database.close())
    const rates = createRateReader(database)
    const questions = [rates.task(task), rates.tasks({}), rates.campaigns({}), rates.apps(), rates.attention(), rates.stateAt(task, SENT)]
    for (const error of await Promise.all(questions.map((answer) => answer.catch((reason: unknown) => reason)))) {
      expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', message: expect.stringContaining('npx dingtalk-delivery migrate') })
    }
  })
})

test("a program's own client in another time zone reads the same, of whatever schema it is", async () => {
  const { key } = await aTask(db.store, { campaign: 'zone', userIds: ['ann', 'bob'] })
  await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 5)
  await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 9)
  await set(db, key, { tracked_at: SENT })
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: db.url, options: '-c timezone=America/Lima' }) })
  onTestFinished(() => prisma.$disconnect())
  expect(await prisma.$queryRawUnsafe("SELECT current_setting('TimeZone') AS zone")).toEqual([{ zone: 'America/Lima' }])
  const theirs = createRateReader({ prisma })
  const everythingOf = async (rates: typeof theirs) => [
    await rates.task(key),
    await rates.tasks({ taskId: key.taskId, since: SENT, until: minutesLater(1) }),
    await rates.campaign({ campaign: 'zone' }),
    await rates.campaigns({ campaign: 'zone', since: SENT }),
    await rates.recipients(key, {}),
    await rates.campaignRecipients({ campaign: 'zone' }, { limit: 1 }),
    await rates.curve(key),
    await rates.campaignCurve({ campaign: 'zone' }),
    (await rates.readTimes(key)).bounds,
    await rates.timeToRead(key),
    await rates.timeToRead({ since: SENT }),
    await rates.stateAt(key, answeredAt(5)),
    await rates.polls(key),
    await rates.explain(key, 'ann'),
  ]
  const read = await everythingOf(theirs)
  expect(read).toEqual(await everythingOf(db.rates))
  expect(read[0]).toMatchObject({ sentAt: SENT, lastObservedAt: answeredAt(9) })
})
