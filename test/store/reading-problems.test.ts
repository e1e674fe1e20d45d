import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { answeredAt, aTask, loaded, lookAt, minutesLater, planBody } from './support/polls.ts'
import { lookBetween, openTestReader, set, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())

async function refuse(key: TaskKey, errcode: number, minutes: number): Promise<void> {
  await db.store.apply(planBody(await loaded(db.store, key), { errcode, errmsg: 'words', request_id: 'r1' }, minutes))
}

describe('the problem of a task', () => {
  test('is told since when, with what was answered, until a poll succeeds', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann'], agentId: '7' })
    await refuse(key, 60011, 5)
    await refuse(key, 60011, 20)
    const detail = { said: '60011', message: 'words', scope: 'app', requestId: 'r1', agentId: '7', ip: null }
    expect(await db.rates.task(key)).toMatchObject({
      problemCode: 'permission',
      problemDetail: detail,
      problemSince: answeredAt(5),
      calls: 2,
    })
    expect((await db.rates.polls(key)).map(({ problemCode, scope, calls }) => [problemCode, scope, calls])).toEqual([
      ['permission', 'app', 1],
      ['permission', 'app', 1],
    ])
    await lookAt(db.store, key, { unread: ['ann'] }, 40)
    expect(await db.rates.task(key)).toMatchObject({ problemCode: null, problemDetail: null, problemSince: null, calls: 3 })
  })

  test.each([
    ['a code of a newer version', 'from_the_future', { new: { deep: [1] } }],
    ['details of another kind', 'permission', [1, 2]],
    ['no details', 'permission', null],
  ])('that is %s crashes no reader', async (_what, code, detail) => {
    const { key } = await aTask(db.store, { campaign: code })
    const json = JSON.stringify(detail)
    await set(db, key, {
      problem_code: code,
      problem_detail: json,
      delay_code: code,
      delay_detail: json,
      reason_code: code,
      reason_detail: json,
    })
    const shown = detail === null || Array.isArray(detail) ? null : detail
    const stored = {
      problemCode: code,
      problemDetail: shown,
      delayCode: code,
      delayReason: code,
      delayDetail: shown,
      reasonCode: code,
      reasonDetail: shown,
    }
    expect(await db.rates.task(key)).toMatchObject(stored)
    expect((await db.rates.tasks({ campaign: code })).items).toContainEqual(expect.objectContaining(stored))
    expect((await db.rates.attention()).find(({ taskId }) => taskId === key.taskId)).toMatchObject(stored)
  })
})

test('what an earlier version stored as text is the reason', async () => {
  const { key } = await aTask(db.store)
  const text = 'blind_before_deadline: the last successful poll was long before'
  const end = { status: 'expired', next_poll_at: null, finished_at: new Date() }
  await set(db, key, { ...end, reason_code: 'blind_before_deadline', reason_detail: JSON.stringify({ text }) })
  expect(await db.rates.task(key)).toMatchObject({ reason: text, reasonCode: 'blind_before_deadline', reasonDetail: { text } })
})

describe('unread', () => {
  test('is as of the poll that listed the person: polls that list others, or nobody, move nobody else', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann', 'bob'], campaign: 'unread' })
    await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 5)
    expect((await db.rates.stateDetails(key)).unreadAsOf).toEqual(minutesLater(5))
    await lookAt(db.store, key, { unread: ['bob'] }, 60)
    await lookBetween(
      db,
      key,
      { errcode: 0, send_result: { read_user_id_list: [], unread_user_id_list: [] } },
      minutesLater(90),
      answeredAt(90),
    )
    const times = (await db.rates.recipients(key, {})).map(({ userId, lastUnreadAt }) => [userId, lastUnreadAt])
    expect(times).toEqual([
      ['ann', minutesLater(5)],
      ['bob', minutesLater(60)],
    ])
    for (const of of [key, { campaign: 'unread' }]) expect((await db.rates.stateDetails(of)).unreadAsOf).toEqual(minutesLater(5))
    await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 120)
    for (const of of [key, { campaign: 'unread' }]) expect((await db.rates.stateDetails(of)).unreadAsOf).toEqual(minutesLater(120))
    await lookAt(db.store, key, { read: ['ann', 'bob'] }, 130)
    for (const of of [key, { campaign: 'unread' }]) expect((await db.rates.stateDetails(of)).unreadAsOf).toBeNull()
  })

  test('of a campaign is as of its earliest task, where the person has read in none', async () => {
    const [first, second] = [
      await aTask(db.store, { userIds: ['ann', 'cid'], campaign: 'two' }),
      await aTask(db.store, { userIds: ['bob', 'cid'], campaign: 'two' }),
    ]
    await lookAt(db.store, first.key, { unread: ['ann', 'cid'] }, 5)
    await lookAt(db.store, second.key, { unread: ['bob'], read: ['cid'] }, 30)
    expect((await db.rates.stateDetails({ campaign: 'two' })).unreadAsOf).toEqual(minutesLater(5))
    await lookAt(db.store, first.key, { read: ['ann'], unread: ['cid'] }, 40)
    expect((await db.rates.stateDetails({ campaign: 'two' })).unreadAsOf).toEqual(minutesLater(30))
  })

  test('of a task or campaign that is not there is an error, not nobody', async () => {
    await expect(db.rates.stateDetails({ taskId: '404' })).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    await expect(db.rates.stateDetails({ campaign: 'nothing' })).rejects.toMatchObject({ code: 'CAMPAIGN_NOT_FOUND' })
  })
})

describe('a send time that was not given', () => {
  let key: TaskKey
  beforeAll(async () => {
    ;({ key } = await aTask(db.store, { userIds: ['ann', 'bob', 'cid'], campaign: 'assumed' }))
    await set(db, key, { sent_at_given: false })
    await lookAt(db.store, key, { read: ['ann'], unread: ['bob', 'cid'] }, 5)
    await lookAt(db.store, key, { read: ['ann', 'bob'], unread: ['cid'] }, 20)
  })

  test('is said of the task', async () => {
    expect(await db.rates.task(key)).toMatchObject({ sentAtGiven: false })
  })

  test('bounds no read: who was never seen unread may have read at any time before', async () => {
    const brackets = (await db.rates.recipients(key, {})).map(({ userId, readAfter, readBefore }) => [userId, readAfter, readBefore])
    expect(brackets).toEqual([
      ['ann', null, answeredAt(5)],
      ['bob', minutesLater(5), answeredAt(20)],
      ['cid', null, null],
    ])
    const { items } = await db.rates.campaignRecipients({ campaign: 'assumed' }, {})
    expect(items.map(({ readAfter }) => readAfter)).toEqual([null, minutesLater(5), null])
  })

  test('is counted with the time to read, whose figures count from the enqueue', async () => {
    for (const of of [key, { campaign: 'assumed' }]) {
      const time = await db.rates.timeToRead(of)
      expect(time).toMatchObject({ people: 3, read: 2, assumedSendTimes: 1 })
      expect(time.quantiles[0]?.certain).toEqual({ afterMs: 0, beforeMs: answeredAt(5).getTime() - minutesLater(0).getTime() })
    }
  })

  test('begins the band at the enqueue: before it nothing is known', async () => {
    expect((await db.rates.readTimes(key)).bounds).toEqual([
      { at: minutesLater(0), atLeast: 0, atMost: 1 },
      { at: minutesLater(5), atLeast: 0, atMost: 2 },
      { at: answeredAt(5), atLeast: 1, atMost: 2 },
      { at: minutesLater(20), atLeast: 1, atMost: 3 },
      { at: answeredAt(20), atLeast: 2, atMost: 3 },
    ])
  })

  test('of one task of two leaves a person who is in both without a lower end', async () => {
    const { key: given } = await aTask(db.store, { userIds: ['ann', 'dan'], campaign: 'assumed' })
    await lookAt(db.store, given, { unread: ['ann', 'dan'] }, 30)
    const time = await db.rates.timeToRead({ campaign: 'assumed' })
    expect(time).toMatchObject({ people: 4, assumedSendTimes: 1 })
    expect((await db.rates.readTimes({ campaign: 'assumed' })).bounds[0]).toEqual({ at: minutesLater(0), atLeast: 0, atMost: 1 })
  })

  test('of a task that reached nobody changes no figure, and is not counted', async () => {
    const { key: empty } = await aTask(db.store, { campaign: 'empty' })
    await set(db, empty, { sent_at_given: false })
    expect(await db.rates.timeToRead(empty)).toMatchObject({ people: 0, assumedSendTimes: 0 })
  })
})
