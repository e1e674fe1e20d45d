import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { forbiddenReasonOf } from '../../src/domain/problems.ts'
import { answeredAt, aTask, lookAt, minutesLater, SENT } from './support/polls.ts'
import { expire, lookBetween, openTestReader, set, states, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())

describe('people of a task', () => {
  let key: TaskKey
  beforeAll(async () => {
    ;({ key } = await aTask(db.store, { userIds: ['Zoe', 'ann', 'bob', '李雷', '0366'], campaign: 'people' }))
    await lookAt(db.store, key, { unread: ['ann', 'bob', 'new'], invalid: ['0366'] }, 5)
    await lookAt(db.store, key, { unread: ['bob', 'new'], read: ['ann', 'Zoe'], invalid: ['0366'] }, 9)
    await lookAt(db.store, key, { unread: ['new'], read: ['ann', 'Zoe'], invalid: ['0366'] }, 14)
  })
  const one = async (userId: string) => (await db.rates.recipients(key, {})).find((person) => person.userId === userId)

  test('come by user id, in the order of code points, with what is known of each', async () => {
    expect(states(await db.rates.recipients(key, {}))).toEqual([
      ...['0366 invalid', 'Zoe read', 'ann read', 'bob unread', 'new unread', '李雷 pending'],
    ])
  })

  test('carry as of when all of it is', async () => {
    for (const { asOf } of await db.rates.recipients(key, {})) expect(asOf).toEqual(answeredAt(14))
  })

  test('are unread as of the last answer that listed them, not as of the final poll', async () => {
    expect(await one('new')).toMatchObject({ lastUnreadAt: minutesLater(14), asOf: answeredAt(14) })
    expect(await one('bob')).toMatchObject({ state: 'unread', lastUnreadAt: minutesLater(9), asOf: answeredAt(14) })
  })

  test('are unread as of the final poll even when the task has long expired', async () => {
    const { key: old } = await aTask(db.store, { userIds: ['ann'] })
    await lookAt(db.store, old, { unread: ['ann'] }, 5)
    await expire(db, old)
    expect(await db.rates.recipients(old, {})).toMatchObject([{ state: 'unread', lastUnreadAt: minutesLater(5), asOf: answeredAt(5) }])
  })

  test('who read did so in a bracket, which begins with the send where nobody saw them unread', async () => {
    expect(await one('ann')).toMatchObject({
      lastUnreadAt: minutesLater(5),
      readAfter: minutesLater(5),
      readBefore: answeredAt(9),
      firstReadAt: answeredAt(9),
    })
    expect(await one('Zoe')).toMatchObject({ lastUnreadAt: null, readAfter: SENT, readBefore: answeredAt(9), firstReadAt: answeredAt(9) })
    expect(await one('bob')).toMatchObject({ readAfter: null, readBefore: null, firstReadAt: null })
  })

  test('know whether the sender named them, and when they were first listed', async () => {
    expect(await one('new')).toMatchObject({ named: false, firstSeenAt: answeredAt(5) })
    expect(await one('Zoe')).toMatchObject({ named: true, firstSeenAt: answeredAt(9) })
    expect(await one('李雷')).toMatchObject({
      named: true,
      firstSeenAt: null,
      lastUnreadAt: null,
      forbiddenCode: null,
      forbiddenCount: null,
    })
  })

  test('before the first successful poll are as of nothing', async () => {
    const { key: fresh } = await aTask(db.store, { userIds: ['ann'] })
    expect(await db.rates.recipients(fresh, {})).toMatchObject([{ state: 'pending', asOf: null }])
  })

  test('in a state are those and no others', async () => {
    for (const state of ['read', 'unread', 'pending', 'failed', 'forbidden', 'invalid'] as const) {
      const all = await db.rates.recipients(key, {})
      expect(await db.rates.recipients(key, { state })).toEqual(all.filter((person) => person.state === state))
    }
    expect(states(await db.rates.recipients(key, { state: 'unread', search: 'NE' }))).toEqual(['new unread'])
  })
})

describe('people of a campaign', () => {
  const ref = { campaign: 'several' }
  let early: TaskKey
  let late: TaskKey
  beforeAll(async () => {
    ;({ key: early } = await aTask(db.store, { ...ref, userIds: ['ann', 'bob', 'cid', 'dan'], sentAt: minutesLater(-30) }))
    ;({ key: late } = await aTask(db.store, { ...ref, userIds: ['ann', 'bob', 'cid', 'eve'] }))
    await lookAt(db.store, early, { read: ['ann'], unread: ['bob'], failed: ['cid'] }, 4)
    await lookAt(db.store, late, { unread: ['ann', 'bob'], forbidden: ['cid'] }, 6)
  })

  test('are there once, as in the task with the best state, of several the latest sent', async () => {
    const { items } = await db.rates.campaignRecipients(ref, {})
    expect(items).toMatchObject([
      { userId: 'ann', state: 'read', taskId: early.taskId, tasks: 2, readAfter: minutesLater(-30), asOf: answeredAt(4) },
      { userId: 'bob', state: 'unread', taskId: late.taskId, tasks: 2, lastUnreadAt: minutesLater(6), asOf: answeredAt(6) },
      { userId: 'cid', state: 'forbidden', taskId: late.taskId, tasks: 2, forbiddenCode: '143105' },
      { userId: 'dan', state: 'pending', taskId: early.taskId, tasks: 1 },
      { userId: 'eve', state: 'pending', taskId: late.taskId, tasks: 1 },
    ])
  })

  test('in a state are those whose best state it is: who read once is not unread', async () => {
    expect(states((await db.rates.campaignRecipients(ref, { state: 'unread' })).items)).toEqual(['bob unread'])
    expect(states((await db.rates.campaignRecipients(ref, { state: 'failed' })).items)).toEqual([])
  })

  test('are as many as the campaign counts, in each state', async () => {
    const { items } = await db.rates.campaignRecipients(ref, {})
    const rates = await db.rates.campaign(ref)
    expect(rates.targeted).toBe(items.length)
    for (const state of ['read', 'unread', 'pending', 'failed', 'forbidden', 'invalid'] as const) {
      expect(rates[state]).toBe(items.filter((person) => person.state === state).length)
    }
  })
})

describe('forbidden people', () => {
  const body = (reasons: Readonly<Record<string, string | undefined>>) => ({
    errcode: 0,
    send_result: { forbidden_list: Object.entries(reasons).map(([userid, code]) => ({ userid, code, count: 1 })) },
  })

  test('of a task are counted by reason, most first, and those without a code last', async () => {
    const { key } = await aTask(db.store)
    const reasons = { a: '143106', b: '143105', c: '143106', d: undefined, e: '424242' }
    await lookBetween(db, key, body(reasons), minutesLater(5), answeredAt(5))
    expect((await db.rates.stateDetails(key)).forbidden).toEqual([
      { code: '143106', reason: 'duplicate_content', people: 2 },
      { code: '143105', reason: 'daily_limit', people: 1 },
      { code: '424242', reason: 'other', people: 1 },
      { code: null, reason: 'other', people: 1 },
    ])
  })

  test('of a campaign are counted once, and not at all where another task of it was delivered to them', async () => {
    const [first, second] = [await aTask(db.store, { campaign: 'forbidden' }), await aTask(db.store, { campaign: 'forbidden' })]
    await lookBetween(db, first.key, body({ a: '143105', b: '143105' }), minutesLater(5), answeredAt(5))
    await lookBetween(db, second.key, body({ a: '143105' }), minutesLater(6), answeredAt(6))
    await lookAt(db.store, second.key, { unread: ['b'] }, 7)
    expect((await db.rates.stateDetails({ campaign: 'forbidden' })).forbidden).toEqual([
      { code: '143105', reason: 'daily_limit', people: 1 },
    ])
    expect(await db.rates.campaign({ campaign: 'forbidden' })).toMatchObject({ forbidden: 1 })
  })

  test('are none where nobody is', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann'] })
    expect((await db.rates.stateDetails(key)).forbidden).toEqual([])
  })

  test('have the same word for a code in SQL and here, whatever the code', async () => {
    const codes = [null, '', '0', '999', 'daily_limit', '143105 ', ...Array.from({ length: 400 }, (_, i) => String(143_000 + i))]
    const { rows } = await db.pool.query<{ code: string | null; reason: string }>(
      'SELECT code, delivery_forbidden_reason(code) AS reason FROM unnest($1::text[]) AS code',
      [codes],
    )
    expect(rows).toEqual(codes.map((code) => ({ code, reason: forbiddenReasonOf(code) })))
    expect(new Set(rows.map(({ reason }) => reason)).size).toBe(5)
  })
})

describe('what was known at a moment', () => {
  let key: TaskKey
  beforeAll(async () => {
    ;({ key } = await aTask(db.store, { userIds: ['ann', 'bob'] }))
    await set(db, key, { tracked_at: minutesLater(1) })
    await lookAt(db.store, key, { forbidden: ['ann'], unread: ['new'] }, 5)
    await lookAt(db.store, key, { unread: ['ann', 'new'] }, 9)
    await lookAt(db.store, key, { read: ['ann'], unread: ['new'] }, 14)
  })
  const at = async (moment: Date) => states(await db.rates.stateAt(key, moment))
  const justBefore = (moment: Date): Date => new Date(moment.getTime() - 1)

  test('is nothing before tracking began', async () => {
    expect(await at(justBefore(minutesLater(1)))).toEqual([])
    expect(await at(new Date(-8.64e15))).toEqual([])
  })

  test('is who was named, until an answer comes', async () => {
    expect(await at(minutesLater(1))).toEqual(['ann pending', 'bob pending'])
    expect(await at(justBefore(answeredAt(5)))).toEqual(['ann pending', 'bob pending'])
  })

  test('changes with each answer, at the moment it arrives', async () => {
    expect(await at(answeredAt(5))).toEqual(['ann forbidden', 'bob pending', 'new unread'])
    expect(await at(answeredAt(9))).toEqual(['ann unread', 'bob pending', 'new unread'])
    expect(await at(justBefore(answeredAt(14)))).toEqual(['ann unread', 'bob pending', 'new unread'])
    expect(await at(answeredAt(14))).toEqual(['ann read', 'bob pending', 'new unread'])
  })

  test('is what is known now, for every moment since', async () => {
    const now = states(await db.rates.recipients(key, {}))
    expect(await at(minutesLater(15))).toEqual(now)
    expect(await at(new Date(8.64e15))).toEqual(now)
  })

  test('says since when each is so', async () => {
    expect(await db.rates.stateAt(key, answeredAt(9))).toEqual([
      { userId: 'ann', state: 'unread', since: answeredAt(9) },
      { userId: 'bob', state: 'pending', since: minutesLater(1) },
      { userId: 'new', state: 'unread', since: answeredAt(5) },
    ])
  })
})
