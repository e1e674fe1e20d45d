import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import { planExpiry } from '../../src/domain/plan.ts'
import type { RateReader } from '../../src/report/rates.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { answeredAt, aTask, loaded, lookAt, minutesLater, planBody, SENT, TIMING } from './support/polls.ts'

let db: TestStore
let rates: RateReader
beforeAll(async () => {
  db = await openTestStore()
  rates = createRateReader(db)
})
afterAll(() => db.close())

async function columnsOf(view: string): Promise<string[]> {
  const { rows } = await db.pool.query<{ name: string }>(
    'SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position',
    [view],
  )
  return rows.map((row) => row.name)
}

const PROMISED = {
  delivery_task_rates:
    'app, task_id, agent_id, campaign, status, reason, sent_at, deadline_at, last_observed_at, finished_at, polls, targeted, delivered, read, unread, pending, failed, forbidden, invalid, read_rate, read_rate_of_targeted',
  delivery_campaign_rates:
    'app, campaign, tasks, open_tasks, first_sent_at, last_deadline_at, targeted, delivered, read, unread, pending, failed, forbidden, invalid, read_rate, read_rate_of_targeted',
  delivery_recipient_status:
    'app, task_id, campaign, user_id, state, first_seen_at, last_unread_at, first_read_at, forbidden_code, forbidden_count',
  delivery_read_curve: 'app, task_id, campaign, at, delivered, read, read_rate',
}

test.each(Object.entries(PROMISED))('%s has the promised columns first', async (view, columns) => {
  const promised = columns.split(', ')
  expect((await columnsOf(view)).slice(0, promised.length)).toEqual(promised)
})

test('times, ids and rates have the promised types', async () => {
  const { rows } = await db.pool.query<{ type: string }>(
    `SELECT DISTINCT column_name ~ '_at$|^at$' AS time, column_name ~ '_id$' AS id, column_name ~ 'rate' AS rate, data_type AS type
     FROM information_schema.columns
     WHERE table_name = ANY ($1) AND column_name ~ '_at$|^at$|_id$|rate' ORDER BY type`,
    [Object.keys(PROMISED)],
  )
  expect(rows).toEqual([
    { time: false, id: false, rate: true, type: 'double precision' },
    { time: false, id: true, rate: false, type: 'text' },
    { time: true, id: false, rate: false, type: 'timestamp with time zone' },
  ])
})

describe('one task', () => {
  let key: TaskKey
  beforeAll(async () => {
    ;({ key } = await aTask(db.store, { userIds: ['ann', 'bob', 'cid', 'dan', 'eve', 'fay'], campaign: 'one', agentId: '836390886' }))
    await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 5)
    await lookAt(db.store, key, { unread: ['ann'], read: ['bob'], failed: ['cid'], invalid: ['dan'], forbidden: ['eve'] }, 9)
    await db.store.apply(planBody(await loaded(db.store, key), { errcode: 88, sub_code: 'x', errmsg: 'later' }, 12))
    await lookAt(db.store, key, { unread: ['ann'], read: ['bob'], failed: ['cid'], invalid: ['dan'], forbidden: ['eve'] }, 14)
  })

  test('its rates', async () => {
    expect(await rates.task({ taskId: key.taskId })).toMatchObject({
      ...{ app: 'default', taskId: key.taskId, agentId: '836390886', campaign: 'one', status: 'tracking', reason: null },
      ...{ sentAt: SENT, deadlineAt: minutesLater(24 * 60), lastObservedAt: answeredAt(14), finishedAt: null, polls: 4, goodPolls: 3 },
      ...{ targeted: 6, delivered: 2, read: 1, unread: 1, pending: 1, failed: 1, forbidden: 1, invalid: 1 },
      ...{ readRate: 0.5, readRateOfTargeted: 1 / 6 },
    })
  })

  test('its people, with the time of the last successful poll for who is unread', async () => {
    const people = await rates.recipients(key, {})
    expect(people.map(({ userId, state }) => `${userId} ${state}`)).toEqual([
      ...['ann unread', 'bob read', 'cid failed', 'dan invalid', 'eve forbidden', 'fay pending'],
    ])
    expect(people[0]).toMatchObject({ lastUnreadAt: minutesLater(14), firstSeenAt: answeredAt(5), firstReadAt: null, readAfter: null })
    expect(people[1]).toMatchObject({
      lastUnreadAt: minutesLater(5),
      firstReadAt: answeredAt(9),
      readAfter: minutesLater(5),
      readBefore: answeredAt(9),
    })
    expect(people[4]).toMatchObject({ forbiddenCode: '143105', forbiddenCount: 500 })
    expect(await rates.recipients(key, { state: 'unread' })).toEqual([people[0]])
  })

  test('its polls, good and failed', async () => {
    expect(await rates.polls(key)).toMatchObject([
      { pollNo: 1, outcome: 'observed', changed: 2, unread: 2, pending: 4, requestId: 'r5' },
      { pollNo: 2, outcome: 'observed', changed: 4, read: 1, failed: 1, invalid: 1, forbidden: 1 },
      { pollNo: 3, outcome: 'transient', code: 'x', changed: 0, read: null, unread: null },
      { pollNo: 4, outcome: 'observed', changed: 0, read: 1, anomalies: 0 },
    ])
  })

  test('its curve has a point for each successful poll', async () => {
    expect(await rates.curve(key)).toEqual([
      { at: answeredAt(5), delivered: 2, read: 0, readRate: 0 },
      { at: answeredAt(9), delivered: 2, read: 1, readRate: 0.5 },
      { at: answeredAt(14), delivered: 2, read: 1, readRate: 0.5 },
    ])
  })

  test('what was known at any moment', async () => {
    await db.pool.query('UPDATE delivery_task SET tracked_at = $1 WHERE task_id = $2', [minutesLater(1), key.taskId])
    expect(await stateAt(key, minutesLater(0.5))).toEqual([])
    expect(await stateAt(key, minutesLater(2))).toEqual(['ann', 'bob', 'cid', 'dan', 'eve', 'fay'].map((name) => `${name} pending`))
    expect(await stateAt(key, answeredAt(5))).toEqual([
      'ann unread',
      'bob unread',
      'cid pending',
      'dan pending',
      'eve pending',
      'fay pending',
    ])
    expect(await stateAt(key, minutesLater(600))).toEqual(
      (await rates.recipients(key, {})).map(({ userId, state }) => `${userId} ${state}`),
    )
  })

  test('an unchanged poll writes no person', async () => {
    const versions = async (): Promise<unknown> =>
      (await db.pool.query('SELECT user_id, xmin::text FROM delivery_recipient ORDER BY task_pk, user_id')).rows
    const before = await versions()
    await lookAt(db.store, key, { unread: ['ann'], read: ['bob'], failed: ['cid'], invalid: ['dan'], forbidden: ['eve'] }, 20)
    expect(await versions()).toEqual(before)
    expect(await rates.recipients(key, { state: 'unread' })).toMatchObject([{ userId: 'ann', lastUnreadAt: minutesLater(20) }])
  })

  test('the end keeps who is unread as of the last successful poll, with the time of the end', async () => {
    const task = await loaded(db.store, key)
    await db.store.end(key, { pollNo: task.pollNo }, planExpiry(task, TIMING))
    const ended = await rates.task(key)
    expect(ended).toMatchObject({
      status: 'expired',
      reason: 'blind_before_deadline',
      reasonCode: 'blind_before_deadline',
      polls: 5,
      nextPollAt: null,
    })
    expect(ended.finishedAt).toBeInstanceOf(Date)
    expect(await rates.recipients(key, { state: 'unread' })).toMatchObject([
      { userId: 'ann', lastUnreadAt: minutesLater(20), asOf: answeredAt(20) },
    ])
  })
})

test('people whom nobody named appear when they are first listed', async () => {
  const { key } = await aTask(db.store)
  await lookAt(db.store, key, { unread: ['ann'] }, 5)
  await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 9)
  await db.pool.query('UPDATE delivery_task SET tracked_at = $1 WHERE task_id = $2', [minutesLater(1), key.taskId])
  expect(await stateAt(key, minutesLater(4))).toEqual([])
  expect(await stateAt(key, minutesLater(6))).toEqual(['ann unread'])
  expect(await stateAt(key, minutesLater(10))).toEqual(['ann unread', 'bob unread'])
})

test('a campaign counts people once, each with the best state', async () => {
  const first = await aTask(db.store, { campaign: 'many', userIds: ['a', 'b', 'c', 'd', 'e', 'f'] })
  const second = await aTask(db.store, { campaign: 'many', userIds: ['a', 'b', 'c', 'd', 'e', 'g'] })
  const other = await aTask(db.store, { campaign: 'many', app: 'other', userIds: ['a'] })
  await lookAt(db.store, first.key, { read: ['a'], unread: ['b'], forbidden: ['c'], failed: ['d'], invalid: ['e', 'f'] }, 5)
  await lookAt(db.store, second.key, { unread: ['a', 'b'], failed: ['c'], invalid: ['d'], read: ['g'] }, 6)
  await lookAt(db.store, other.key, { read: ['a'] }, 7)
  expect(await rates.campaign({ campaign: 'many', app: 'default' })).toEqual({
    ...{ app: 'default', campaign: 'many', tasks: 2, openTasks: 2, firstSentAt: SENT, lastSentAt: SENT },
    ...{ lastDeadlineAt: minutesLater(24 * 60), lastObservedAt: answeredAt(6), namesRemovedAt: null },
    // a read, g read, b unread, e pending in one of two, c forbidden over failed, d failed over invalid, f invalid
    ...{ targeted: 7, delivered: 3, read: 2, unread: 1, pending: 1, failed: 1, forbidden: 1, invalid: 1 },
    ...{ readRate: 2 / 3, readRateOfTargeted: 2 / 7 },
  })
  expect((await rates.campaigns({ campaign: 'many' })).items.map(({ app }) => app)).toEqual(['other', 'default'])
  const { items } = await rates.campaignRecipients({ campaign: 'many', app: 'default' }, { state: 'unread' })
  expect(items.map(({ userId }) => userId)).toEqual(['b'])
})

test('rates without a denominator are null', async () => {
  const { key } = await aTask(db.store, { campaign: 'nobody' })
  const nobody = { targeted: 0, delivered: 0, readRate: null, readRateOfTargeted: null }
  expect(await rates.task(key)).toMatchObject(nobody)
  expect(await rates.campaign({ campaign: 'nobody' })).toMatchObject({ tasks: 1, ...nobody })
})

test('reports may be limited in time and number, latest first', async () => {
  const [old, young] = [minutesLater(-60 * 24 * 40), minutesLater(-60 * 24 * 30)]
  await aTask(db.store, { campaign: 'old', app: 'since', sentAt: old })
  const { key } = await aTask(db.store, { campaign: 'young', app: 'since', sentAt: young })
  expect((await rates.tasks({ app: 'since', since: young })).items).toMatchObject([{ taskId: key.taskId }])
  expect((await rates.tasks({ app: 'since', limit: 1 })).items).toMatchObject([{ taskId: key.taskId }])
  expect((await rates.campaigns({ app: 'since' })).items).toMatchObject([{ campaign: 'young' }, { campaign: 'old' }])
  expect((await rates.campaigns({ app: 'since', since: young })).items).toMatchObject([{ campaign: 'young' }])
})

test("rates are right through a program's own Prisma client, whatever its session's time zone", async () => {
  const { PrismaPg } = await import('@prisma/adapter-pg')
  const { PrismaClient } = await import('../../src/store/generated/client.ts')
  const { key } = await aTask(db.store)
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: db.url }) })
  try {
    const zone = await prisma.$queryRawUnsafe("SELECT current_setting('TimeZone') AS zone")
    expect(zone).toEqual([{ zone: 'Asia/Shanghai' }])
    const { items } = await createRateReader({ prisma }).tasks({ taskId: key.taskId, since: SENT })
    expect(items).toEqual([await rates.task(key)])
    expect(items).toMatchObject([{ sentAt: SENT, deadlineAt: minutesLater(24 * 60) }])
  } finally {
    await prisma.$disconnect()
  }
})

async function stateAt(key: TaskKey, at: Date): Promise<string[]> {
  const { rows } = await db.pool.query<{ user_id: string; state: string }>('SELECT * FROM delivery_state_at($1, $2, $3)', [
    key.app,
    key.taskId,
    at,
  ])
  return rows.map((row) => `${row.user_id} ${row.state}`)
}
