import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { answeredAt, aTask, lookAt, minutesLater } from './support/polls.ts'
import { lookBetween, lookInVain, openTestReader, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())

describe('looks at a task', () => {
  let key: TaskKey
  beforeAll(async () => {
    ;({ key } = await aTask(db.store, { userIds: ['ann', 'bob'] }))
    await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 5)
    await lookBetween(db, key, { errcode: 88, sub_code: 'isv.busy', errmsg: 'later', request_id: 'r' }, minutesLater(7), answeredAt(7))
    await lookInVain(db, key, minutesLater(8))
    await lookBetween(db, key, { errcode: 0 }, minutesLater(9), answeredAt(9))
    await lookAt(db.store, key, { unread: ['bob'], read: ['ann'] }, 12)
    await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 14)
  })

  test('are all there, good or failed, oldest first, with what was said', async () => {
    const polls = await db.rates.polls(key)
    expect(polls.map(({ pollNo, outcome, code }) => [pollNo, outcome, code])).toEqual([
      ...[
        [1, 'observed', '0'],
        [2, 'transient', 'isv.busy'],
        [3, 'transient', 'TIMEOUT'],
        [4, 'empty', '0'],
        [5, 'observed', '0'],
        [6, 'observed', '0'],
      ],
    ])
    expect(polls[1]).toEqual({
      ...{ pollNo: 2, requestedAt: minutesLater(7), respondedAt: answeredAt(7), dueAt: expect.any(Date), outcome: 'transient' },
      ...{
        code: 'isv.busy',
        problemCode: 'unknown_code',
        scope: 'answer',
        calls: 1,
        message: 'later',
        requestId: 'r',
        changed: 0,
        anomalies: 0,
      },
      ...{ pending: null, invalid: null, failed: null, forbidden: null, unread: null, read: null },
    })
    expect(polls[2]).toMatchObject({ respondedAt: null, message: 'no answer', requestId: null })
  })

  test('have their counts, who changed, and what contradicted what was known', async () => {
    const polls = await db.rates.polls(key)
    const nobody = { pending: 0, invalid: 0, failed: 0, forbidden: 0 }
    expect(polls[4]).toMatchObject({ ...nobody, unread: 1, read: 1, changed: 1, anomalies: 0, message: null })
    expect(polls[5]).toMatchObject({ ...nobody, unread: 1, read: 1, changed: 0, anomalies: 1 })
  })

  test('are explained for one person: what each said, and what is known after it', async () => {
    const { person, polls } = await db.rates.explain(key, 'ann')
    expect(person).toEqual((await db.rates.recipients(key, {}))[0])
    expect(polls.map(({ state, isChange }) => [state, isChange])).toEqual([
      ...[
        ['unread', true],
        ['unread', false],
        ['unread', false],
        ['unread', false],
        ['read', true],
        ['read', false],
      ],
    ])
    const { outcome, code, message, requestedAt, respondedAt, pollNo } = (await db.rates.polls(key))[1] ?? {}
    expect(polls[1]).toEqual({ outcome, code, message, requestedAt, respondedAt, pollNo, state: 'unread', isChange: false })
  })

  test('are explained for a person whom none of them listed', async () => {
    const { key: other } = await aTask(db.store, { userIds: ['ann', 'bob'] })
    await lookAt(db.store, other, { unread: ['ann'] }, 5)
    expect((await db.rates.explain(other, 'bob')).polls).toMatchObject([{ state: 'pending', isChange: false }])
  })

  test('are none before the first', async () => {
    const { key: fresh } = await aTask(db.store, { userIds: ['ann'] })
    expect(await db.rates.polls(fresh)).toEqual([])
    expect(await db.rates.curve(fresh)).toEqual([])
    expect((await db.rates.explain(fresh, 'ann')).polls).toEqual([])
  })

  test('make a curve: a point for each good one, the last of which is the rate of the task', async () => {
    const curve = await db.rates.curve(key)
    expect(curve).toEqual([
      { at: answeredAt(5), delivered: 2, read: 0, readRate: 0 },
      { at: answeredAt(12), delivered: 2, read: 1, readRate: 0.5 },
      { at: answeredAt(14), delivered: 2, read: 1, readRate: 0.5 },
    ])
    const { lastObservedAt, delivered, read, readRate } = await db.rates.task(key)
    expect(curve.at(-1)).toEqual({ at: lastObservedAt, delivered, read, readRate })
  })

  test('that found nobody delivered are points without a rate', async () => {
    const { key: slow } = await aTask(db.store, { userIds: ['ann'] })
    await lookAt(db.store, slow, { failed: [] }, 5)
    expect(await db.rates.curve(slow)).toEqual([{ at: answeredAt(5), delivered: 0, read: 0, readRate: null }])
  })
})

describe('the curve of a campaign', () => {
  const ref = { campaign: 'curve' }
  beforeAll(async () => {
    const [first, second] = [
      await aTask(db.store, { ...ref, userIds: ['ann', 'bob', 'cid'], sentAt: minutesLater(-9) }),
      await aTask(db.store, { ...ref, userIds: ['ann', 'dan', 'eve'] }),
    ]
    await lookAt(db.store, first.key, { unread: ['ann', 'bob'], forbidden: ['cid'] }, 1)
    await lookAt(db.store, second.key, { read: ['ann'], unread: ['dan'], failed: ['eve'] }, 3)
    await lookAt(db.store, first.key, { read: ['ann', 'bob'], unread: ['cid'] }, 5)
    await lookAt(db.store, first.key, { read: ['ann', 'bob'], unread: ['cid'] }, 6)
    await lookAt(db.store, second.key, { read: ['ann', 'dan'] }, 7)
    // Another app's campaign of the same name is not this one.
    const other = await aTask(db.store, { ...ref, app: 'other', userIds: ['ann'] })
    await lookAt(db.store, other.key, { read: ['ann'] }, 2)
  })

  test('has a point where anybody was delivered or had read for the first time, people once', async () => {
    expect(await db.rates.campaignCurve({ ...ref, app: 'default' })).toEqual([
      { at: answeredAt(1), delivered: 2, read: 0, readRate: 0 },
      { at: answeredAt(3), delivered: 3, read: 1, readRate: 1 / 3 },
      { at: answeredAt(5), delivered: 4, read: 2, readRate: 0.5 },
      { at: answeredAt(7), delivered: 4, read: 3, readRate: 0.75 },
    ])
  })

  test('never falls, and ends at the rate of the campaign', async () => {
    const curve = await db.rates.campaignCurve({ ...ref, app: 'default' })
    for (const [i, point] of curve.entries()) {
      expect(point.delivered).toBeGreaterThanOrEqual(curve[i - 1]?.delivered ?? 0)
      expect(point.read).toBeGreaterThanOrEqual(curve[i - 1]?.read ?? 0)
      expect(point.at.getTime()).toBeGreaterThan(curve[i - 1]?.at.getTime() ?? 0)
    }
    const { delivered, read, readRate } = await db.rates.campaign({ ...ref, app: 'default' })
    expect(curve.at(-1)).toMatchObject({ delivered, read, readRate })
  })

  test('is empty while nobody is delivered', async () => {
    const { key } = await aTask(db.store, { campaign: 'undelivered', userIds: ['ann', 'bob'] })
    await lookAt(db.store, key, { failed: ['ann'] }, 5)
    expect(await db.rates.campaignCurve({ campaign: 'undelivered' })).toEqual([])
  })
})
