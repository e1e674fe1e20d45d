import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/domain/delivery.ts'
import { toElapsedBracket } from '../../src/report/read-brackets.ts'
import { timeToReadOfTask, timeToReadPooled } from '../../src/report/time-to-read.ts'
import { bracketsOf, only, type RawPerson, readTables } from './support/naive.ts'
import { answeredAt, aTask, lookAt, minutesLater, SENT } from './support/polls.ts'
import { expire, lookBetween, openTestReader, scaledDeadline, set, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())

const minutes = (count: number): number => count * MINUTE_MS
const peopleOf = async (app: string, campaign?: string): Promise<readonly RawPerson[]> =>
  only(await readTables(db.pool, app), (task) => campaign === undefined || task.campaign === campaign).people

describe('the time to read of one task', () => {
  test('is between two looks for each share, for certain', async () => {
    const { key } = await aTask(db.store, { app: 'one', userIds: ['a', 'b', 'c', 'd'] })
    await lookAt(db.store, key, { unread: ['a', 'b', 'c', 'd'] }, 3)
    await lookAt(db.store, key, { read: ['a'], unread: ['b', 'c', 'd'] }, 9)
    await lookAt(db.store, key, { read: ['a', 'b', 'c'], unread: ['d'] }, 20)
    const times = await db.rates.timeToRead(key)
    expect(times).toMatchObject({ people: 4, read: 3, method: 'polls', asOf: answeredAt(20) })
    expect(times.quantiles.map(({ share, afterMs, beforeMs }) => [share, afterMs, beforeMs])).toEqual([
      [0.25, minutes(3), minutes(9) + SECOND_MS],
      [0.5, minutes(9), minutes(20) + SECOND_MS],
      [0.75, minutes(9), minutes(20) + SECOND_MS],
      // Whoever is still unread at the final poll may read after it, or never.
      [0.9, minutes(20), null],
    ])
    expect(times.within.map(({ hours, atLeast, atMost }) => [hours, atLeast, atMost])).toEqual([
      ...[1, 4, 8, 24].map((hours) => [hours, 0.75, 1]),
    ])
    expect(times).toEqual(timeToReadOfTask(bracketsOf(await peopleOf('one')).map(toElapsedBracket), answeredAt(20)))
  })

  test('ends at the final poll where the window ended since: unread is not never', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann'] })
    await lookAt(db.store, key, { unread: ['ann'] }, 3)
    await expire(db, key)
    expect((await db.rates.timeToRead(key)).quantiles[0]).toMatchObject({ afterMs: minutes(3), beforeMs: null })
  })

  test('is of delivered people only', async () => {
    const { key } = await aTask(db.store, { userIds: ['a', 'b', 'c', 'd', 'e'] })
    await lookAt(db.store, key, { read: ['a'], failed: ['b'], forbidden: ['c'], invalid: ['d'] }, 3)
    expect(await db.rates.timeToRead(key)).toMatchObject({ people: 1, read: 1 })
  })

  test('of nobody is nothing', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann'] })
    expect(await db.rates.timeToRead(key)).toEqual({
      people: 0,
      read: 0,
      assumedSendTimes: 0,
      method: 'polls',
      asOf: null,
      quantiles: [],
      within: [],
    })
    expect((await db.rates.readTimes(key)).bounds).toEqual([])
  })

  test('of a day that TIME_SCALE made a minute long is told in hours of the day', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann', 'bob'] })
    await set(db, key, { deadline_at: scaledDeadline(SENT, 1_440) })
    const seconds = (count: number): Date => new Date(SENT.getTime() + count * SECOND_MS)
    const body = (lists: object) => ({ errcode: 0, send_result: lists })
    await lookBetween(db, key, body({ unread_user_id_list: ['ann', 'bob'] }), seconds(5), seconds(5.5))
    await lookBetween(db, key, body({ read_user_id_list: ['ann'], unread_user_id_list: ['bob'] }), seconds(10), seconds(10.5))
    const { quantiles, within } = await db.rates.timeToRead(key)
    expect(quantiles[0]).toMatchObject({ afterMs: 2 * HOUR_MS, beforeMs: 4.2 * HOUR_MS })
    expect(quantiles[3]).toMatchObject({ afterMs: 4 * HOUR_MS, beforeMs: null })
    expect(within.map(({ atLeast, atMost }) => [atLeast, atMost])).toEqual([
      ...[
        [0, 0],
        [0, 0.5],
        [0.5, 1],
        [0.5, 1],
      ],
    ])
    // The band is a matter of real moments.
    expect((await db.rates.readTimes(key)).bounds).toEqual([
      { at: seconds(5), atLeast: 0, atMost: 1 },
      { at: seconds(10), atLeast: 0, atMost: 2 },
      { at: seconds(10.5), atLeast: 1, atMost: 2 },
    ])
  })
})

describe('the time to read of a campaign', () => {
  const app = 'campaign'
  const ref = { campaign: 'times', app }
  beforeAll(async () => {
    const early = await aTask(db.store, { ...ref, userIds: ['ann', 'bob'], sentAt: minutesLater(-30) })
    const late = await aTask(db.store, { ...ref, userIds: ['ann', 'bob', 'cid'] })
    await lookAt(db.store, early.key, { unread: ['ann', 'bob'] }, -20)
    await lookAt(db.store, late.key, { read: ['ann'], unread: ['bob', 'cid'] }, 10)
    await lookAt(db.store, early.key, { unread: ['ann', 'bob'] }, 15)
    await lookAt(db.store, late.key, { read: ['ann', 'cid'], unread: ['bob'] }, 20)
  })

  test('counts a person of several tasks once, from the earliest send to the first read', async () => {
    const brackets = bracketsOf(await peopleOf(app))
    expect(brackets).toHaveLength(3)
    // ann is unread in one task at 15 and was seen as read in the other at 10.
    expect(brackets).toContainEqual({
      ...{ sentAt: minutesLater(-30), afterAt: SENT, beforeAt: answeredAt(10) },
      deadlineAt: minutesLater(24 * 60 - 30),
    })
    expect(await db.rates.timeToRead(ref)).toEqual(timeToReadPooled(brackets.map(toElapsedBracket), answeredAt(20)))
  })

  test('is an estimate beside what is certain', async () => {
    const { method, people, read, asOf, quantiles } = await db.rates.timeToRead(ref)
    expect({ method, people, read, asOf }).toEqual({ method: 'turnbull', people: 3, read: 2, asOf: answeredAt(20) })
    for (const { afterMs, certain } of quantiles) expect(afterMs).toBeGreaterThanOrEqual(certain.afterMs)
  })

  test('has a band that ends at everybody, and of who read for certain', async () => {
    const band = (await db.rates.readTimes(ref)).bounds
    expect(band.at(-1)).toMatchObject({ atLeast: 2, atMost: 3 })
    expect(band.at(0)).toEqual({ at: SENT, atLeast: 0, atMost: 1 })
  })
})

describe('the time to read of what was sent in a time', () => {
  beforeAll(async () => {
    for (const [i, sentMinutes] of [-60, -30, 0].entries()) {
      const { key } = await aTask(db.store, { app: 'day', userIds: ['ann', 'bob'], sentAt: minutesLater(sentMinutes) })
      await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 5)
      await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 9 + i)
    }
  })

  test('counts a person in each message', async () => {
    expect(await db.rates.timeToRead({ app: 'day' })).toMatchObject({ people: 6, read: 3, method: 'turnbull', asOf: answeredAt(11) })
  })

  test('is of what was sent from since on and before until, as of its own final poll', async () => {
    const half = { app: 'day', since: minutesLater(-60), until: minutesLater(0) }
    const { people } = only(await readTables(db.pool, 'day'), ({ sent_at }) => sent_at < SENT)
    expect(await db.rates.timeToRead(half)).toEqual(timeToReadPooled(bracketsOf(people).map(toElapsedBracket), answeredAt(10)))
    expect(await db.rates.timeToRead({ ...half, until: minutesLater(-60) })).toMatchObject({ people: 0, asOf: null, quantiles: [] })
  })

  test('is of all apps where none is named', async () => {
    const { people } = await db.rates.timeToRead({})
    const apps = await db.pool.query<{ app: string }>('SELECT DISTINCT app FROM delivery_task')
    const each = await Promise.all(apps.rows.map(({ app }) => db.rates.timeToRead({ app })))
    expect(people).toBe(each.reduce((sum, times) => sum + times.people, 0))
    expect(people).toBeGreaterThan(10)
  })
})
