import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import type { TrackOutcome } from '../../src/domain/track-outcome.ts'
import { parseTrackRequest, type TrackInput } from '../../src/intake/track-request.ts'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

const SENT = new Date(Date.now() - HOUR_MS)
const FIRST = { agentId: '1', userIds: ['ann', 'bob'], campaign: 'one', sentAt: SENT } as const

/** Each test has a task of its own. */
let taskId = '1000'
beforeEach(() => {
  taskId = String(Number(taskId) + 1)
})

async function track(input: Omit<TrackInput, 'taskId'>): Promise<TrackOutcome> {
  const [tracked] = await db.store.track([parseTrackRequest({ taskId, ...input }, new Date())])
  if (tracked === undefined) throw new Error('one request gives one result')
  return tracked
}

/** Puts the task where a poll, or an earlier version, would have put it. */
async function set(columns: string): Promise<void> {
  await db.pool.query(`UPDATE delivery_task SET ${columns} WHERE task_id = $1`, [taskId])
}

/** Scheduled an hour ahead, as by a worker. */
const schedule = () => set(`scheduled_at = now(), next_poll_at = now() + interval '1 hour', resumed = false`)
const fail = () => set(`poll_no = 3, calls = 3, problem_code = 'agent_id', problem_detail = '{}', problem_since = now(), problem_polls = 3`)
const succeed = () => set(`poll_no = 1, good_polls = 1, last_good_requested_at = now(), last_observed_at = now()`)

interface Stored {
  readonly users: readonly string[]
  readonly poll_no: number
  readonly sent_at: Date
}

async function row(): Promise<Stored> {
  const { rows } = await db.pool.query<Stored>(
    `SELECT status, agent_id, campaign, sent_at, sent_at_given, deadline_at, deadline_at - sent_at = interval '24 hours' AS is_day, pending,
       recipients_known, next_poll_at <= now() AS is_due, scheduled_at IS NULL AS is_unscheduled, resumed, poll_no, problem_polls, delay_code, reason_code, finished_at,
       (SELECT array_agg(user_id ORDER BY user_id) FROM delivery_recipient WHERE task_pk = task.id AND named) AS users,
       (SELECT count(*)::int FROM delivery_recipient WHERE task_pk = task.id AND state = 'pending') AS counted
     FROM delivery_task AS task WHERE task_id = $1`,
    [taskId],
  )
  if (rows[0] === undefined) throw new Error(`there is no task ${taskId}`)
  return rows[0]
}

const BROUGHT_FORWARD = { status: 'tracking', is_due: true, is_unscheduled: true, resumed: true, problem_polls: 0, delay_code: null }

describe('a task of which no poll has succeeded takes what is newer, and is polled at once', () => {
  test.each([
    ['agentId', { agentId: '2' }, { agent_id: '2' }],
    ['userIds', { userIds: ['bob', 'cy', 'dee'] }, { users: ['bob', 'cy', 'dee'], pending: 3, counted: 3 }],
    ['userIds', { userIds: ['ann'] }, { users: ['ann'], pending: 1, counted: 1 }],
    ['campaign', { campaign: 'two' }, { campaign: 'two' }],
    ['sentAt', { sentAt: new Date(SENT.getTime() - 2 * HOUR_MS) }, { sent_at: new Date(SENT.getTime() - 2 * HOUR_MS), is_day: true }],
  ] as const)('%s: %o', async (field, change, stored) => {
    await track(FIRST)
    await schedule()
    await fail()
    await set(`delay_code = 'paused', delay_detail = '{}'`)
    expect(await track({ ...FIRST, ...change })).toMatchObject({
      isNew: false,
      status: 'tracking',
      conflict: [],
      updated: [field],
      stored: null,
    })
    expect(await row()).toMatchObject({
      ...BROUGHT_FORWARD,
      agent_id: '1',
      campaign: 'one',
      users: ['ann', 'bob'],
      sent_at: SENT,
      ...stored,
    })
  })

  test('everything at once, in the order of the fields', async () => {
    await track(FIRST)
    await schedule()
    const other = { agentId: '2', userIds: ['cy'], campaign: 'two', sentAt: new Date(SENT.getTime() - HOUR_MS) }
    expect(await track(other)).toMatchObject({ updated: ['agentId', 'userIds', 'campaign', 'sentAt'] })
    expect(await row()).toMatchObject({ agent_id: '2', users: ['cy'], campaign: 'two', sent_at: other.sentAt, ...BROUGHT_FORWARD })
  })

  test('what the first request left out is taken from the second', async () => {
    await track({})
    await schedule()
    expect(await row()).toMatchObject({ sent_at_given: false, recipients_known: false })
    expect(await track(FIRST)).toMatchObject({ updated: ['agentId', 'userIds', 'campaign', 'sentAt'] })
    expect(await row()).toMatchObject({
      agent_id: '1',
      users: ['ann', 'bob'],
      sent_at: SENT,
      sent_at_given: true,
      recipients_known: true,
      pending: 2,
    })
  })

  test('before any worker has scheduled it as well', async () => {
    await track(FIRST)
    expect(await track({ ...FIRST, agentId: '2' })).toMatchObject({ updated: ['agentId'] })
    expect(await row()).toMatchObject({ agent_id: '2', is_due: true, is_unscheduled: true, poll_no: 0 })
  })

  test('the window keeps its length when the send time moves: it may have been scaled', async () => {
    await track(FIRST)
    await schedule()
    await set(`deadline_at = sent_at + interval '1 minute', final_calls = 2`)
    await track({ ...FIRST, sentAt: new Date(SENT.getTime() + 30 * MINUTE_MS) })
    const { rows } = await db.pool.query(
      `SELECT deadline_at - sent_at = interval '1 minute' AS same, final_calls FROM delivery_task WHERE task_id = $1`,
      [taskId],
    )
    expect(rows).toEqual([{ same: true, final_calls: 0 }])
  })

  test('a task with a problem is polled at once although nothing changed: the cause may be gone', async () => {
    await track(FIRST)
    await schedule()
    await fail()
    expect(await track(FIRST)).toMatchObject({ isNew: false, status: 'tracking', conflict: [], updated: [] })
    expect(await row()).toMatchObject({ ...BROUGHT_FORWARD, poll_no: 3 })
  })

  test('a task that an earlier version stopped inside its window is opened again', async () => {
    await track(FIRST)
    await schedule()
    await set(`status = 'stopped', finished_at = now(), next_poll_at = NULL, reason_code = 'parameters', reason_detail = '{}'`)
    expect(await track({ ...FIRST, agentId: '2' })).toMatchObject({ status: 'tracking', updated: ['agentId'] })
    expect(await row()).toMatchObject({ ...BROUGHT_FORWARD, agent_id: '2', reason_code: null, finished_at: null })
    await set(`status = 'stopped', finished_at = now(), next_poll_at = NULL, reason_code = 'parameters'`)
    expect(await track(FIRST)).toMatchObject({ status: 'tracking' })
    await set(`status = 'stopped', finished_at = now(), next_poll_at = NULL, reason_code = 'parameters'`)
    expect(await track({})).toMatchObject({ status: 'tracking', updated: [] })
    expect(await row()).toMatchObject(BROUGHT_FORWARD)
  })

  test('a poll that is under way with what is replaced is not stored', async () => {
    await track(FIRST)
    await schedule()
    const before = (await row()).poll_no
    await track({ ...FIRST, campaign: 'two' })
    expect((await row()).poll_no).toBe(before)
    await schedule()
    await track({ ...FIRST, campaign: 'two', agentId: '2' })
    expect((await row()).poll_no).toBe(before + 1)
  })

  test('figures of both campaigns follow when people and campaign change', async () => {
    await track({ ...FIRST, campaign: `from-${taskId}` })
    await schedule()
    await track({ ...FIRST, campaign: `to-${taskId}`, userIds: ['ann', 'cy', 'dee'] })
    const { rows } = await db.pool.query(
      `SELECT campaign, targeted FROM delivery_campaign_rates WHERE campaign LIKE '%-' || $1 ORDER BY campaign`,
      [taskId],
    )
    expect(rows).toEqual([{ campaign: `to-${taskId}`, targeted: 3 }])
  })
})

describe('retrying is safe', () => {
  test.each([
    ['the same request', FIRST],
    ['one that leaves everything out', {}],
    ['the same people in another order, one of them twice', { userIds: ['bob', 'ann', 'bob'] }],
    ['a send time that differs by minutes', { ...FIRST, sentAt: new Date(SENT.getTime() + 15 * MINUTE_MS) }],
    ['a send time of a wrong clock', { ...FIRST, sentAt: new Date(Date.now() + 10 * MINUTE_MS) }],
  ])('%s changes nothing of a task that is well, and costs no poll', async (_, again) => {
    await track(FIRST)
    await schedule()
    const before = await row()
    expect(await track(again)).toMatchObject({ isNew: false, status: 'tracking', conflict: [], updated: [] })
    expect(await row()).toEqual(before)
    await succeed()
    expect(await track(again)).toMatchObject({ isNew: false, status: 'tracking', conflict: [], updated: [] })
  })

  test('a repeated request waits for no poll: it locks nothing', async () => {
    await track(FIRST)
    await schedule()
    const session = await openSession(db.url)
    try {
      await session.query('BEGIN')
      await session.query('SELECT FROM delivery_task WHERE task_id = $1 FOR UPDATE', [taskId])
      expect(await track(FIRST)).toMatchObject({ updated: [] })
    } finally {
      await session.end()
    }
  })
})

describe('a task that was polled with success, or has ended, keeps what it has and names what differs', () => {
  const OTHER = { agentId: '2', userIds: ['ann', 'bob', 'cy'], campaign: 'two', sentAt: new Date(SENT.getTime() - HOUR_MS) }
  const STORED = { agentId: '1', campaign: 'one', sentAt: SENT.toISOString(), userIds: 2 }

  test.each([
    ['was polled with success', 'tracking', succeed],
    ['is complete', 'complete', () => set(`status = 'complete', finished_at = now(), next_poll_at = NULL`)],
    ['is cancelled', 'cancelled', () => set(`status = 'cancelled', finished_at = now(), next_poll_at = NULL`)],
    ['is expired', 'expired', () => set(`status = 'expired', finished_at = now(), next_poll_at = NULL`)],
    [
      'was stopped at its deadline',
      'stopped',
      () => set(`status = 'stopped', finished_at = now(), next_poll_at = NULL, deadline_at = now() - interval '1 second'`),
    ],
  ])('%s', async (_, status, arrange) => {
    await track(FIRST)
    await schedule()
    await arrange()
    const before = await row()
    expect(await track(OTHER)).toMatchObject({
      ...{ isNew: false, status, updated: [], stored: STORED },
      conflict: ['agentId', 'userIds', 'campaign', 'sentAt'],
    })
    for (const field of ['agentId', 'userIds', 'campaign', 'sentAt'] as const) {
      expect(await track({ [field]: OTHER[field] })).toMatchObject({ conflict: [field], updated: [] })
    }
    expect(await row()).toEqual(before)
  })

  test('an assumed send time contradicts nothing', async () => {
    await track({ agentId: '1' })
    await succeed()
    expect(await track({ agentId: '1', sentAt: new Date(SENT.getTime() - 10 * HOUR_MS) })).toMatchObject({ conflict: [], updated: [] })
  })

  test('people whom only DingTalk listed are no matter of the request', async () => {
    await track(FIRST)
    await succeed()
    await db.pool.query(
      `INSERT INTO delivery_recipient (task_pk, user_id, named, state) SELECT id, 'eve', false, 'unread' FROM delivery_task WHERE task_id = $1`,
      [taskId],
    )
    expect(await track(FIRST)).toMatchObject({ conflict: [] })
  })

  test('in SQL a warning names the fields, and neither values nor people', async () => {
    await track(FIRST)
    await succeed()
    const session = await openSession(db.url)
    const notices: string[] = []
    session.on('notice', ({ severity, message }) => notices.push(`${severity} ${message}`))
    const { rows } = await session.query(`SELECT track_delivery($1, '2', ARRAY['cy']) AS is_new, track_delivery($1, '1') AS again`, [
      taskId,
    ])
    await session.end()
    expect(rows).toEqual([{ is_new: false, again: false }])
    expect(notices).toEqual([
      expect.stringMatching(new RegExp(`^WARNING Task ${taskId} of app default .* another agentId, userIds, and keeps it`)),
    ])
    expect(notices.join()).not.toContain('cy')
  })
})

describe('somebody who was erased does not come back', () => {
  async function erase(userId: string): Promise<string> {
    const person = { userId, app: null }
    const pseudonym = await beginErasure(db, person)
    await erasePerson(db, person, pseudonym)
    return pseudonym
  }

  test('by the same request again', async () => {
    await track({ ...FIRST, userIds: ['ann', `erased-${taskId}`] })
    await schedule()
    const pseudonym = await erase(`erased-${taskId}`)
    expect(await track({ ...FIRST, userIds: ['ann', `erased-${taskId}`] })).toMatchObject({ conflict: [], updated: [] })
    expect((await row()).users).toEqual([pseudonym, 'ann'].toSorted())
    // A day later nobody can tell any more whose pseudonym it is.
    await db.pool.query('DELETE FROM delivery_erasure')
    expect(await track({ ...FIRST, userIds: ['ann', `erased-${taskId}`] })).toMatchObject({ conflict: [], updated: [] })
    await succeed()
    expect(await track({ ...FIRST, userIds: ['ann', 'bob', 'cy'] })).toMatchObject({ conflict: ['userIds'] })
  })

  test('by a list that replaces the people', async () => {
    const erased = `erased-${taskId}`
    await track({ ...FIRST, userIds: ['ann', erased] })
    await schedule()
    const pseudonym = await erase(erased)
    expect(await track({ ...FIRST, userIds: [erased, 'cy'] })).toMatchObject({ updated: ['userIds'] })
    expect((await row()).users).toEqual([pseudonym, 'cy'].toSorted())
    // Somebody else in their place is somebody else.
    expect(await track({ ...FIRST, userIds: ['dee', 'cy'] })).toMatchObject({ updated: ['userIds'] })
    expect((await row()).users).toEqual(['cy', 'dee'])
  })

  test('and a task whose names went by their age is not said to have others', async () => {
    await track(FIRST)
    await set(`status = 'expired', finished_at = now() - interval '1 year', next_poll_at = NULL`)
    await db.pool.query(`SELECT delivery_remove_names(now() - interval '90 days', 10)`)
    expect((await row()).users).toEqual([expect.stringMatching(/^anonymous:/), expect.stringMatching(/^anonymous:/)])
    expect(await track(FIRST)).toMatchObject({ conflict: [], status: 'expired' })
    expect(await track({ userIds: ['ann'] })).toMatchObject({ conflict: ['userIds'] })
  })
})

describe('many requests in one statement', () => {
  test('several for one task are taken in their order, and the answers come in the order of the requests', async () => {
    const request = (id: string, rest: Omit<TrackInput, 'taskId'>) => parseTrackRequest({ taskId: id, ...rest }, new Date())
    const [a, b] = [`${taskId}01`, `${taskId}02`]
    const outcomes = await db.store.track([
      request(b, { agentId: '1' }),
      request(a, { agentId: '1' }),
      request(b, { agentId: '2' }),
      request(b, { agentId: '2' }),
      request(b, { agentId: '3', campaign: 'x' }),
    ])
    expect(outcomes.map(({ key, isNew, updated }) => [key.taskId, isNew, updated])).toEqual([
      [b, true, []],
      [a, true, []],
      [b, false, ['agentId']],
      [b, false, []],
      [b, false, ['agentId', 'campaign']],
    ])
  })

  test('one that is refused names its field, and nothing of the others is stored', async () => {
    const good = parseTrackRequest({ taskId }, new Date())
    const ahead = { ...good, taskId: `${taskId}9`, sentAt: new Date(Date.now() + HOUR_MS) }
    await expect(db.store.track([good, ahead])).rejects.toMatchObject({
      name: 'InvalidInputError',
      field: 'sentAt',
      message: expect.stringContaining('60 minutes in the future'),
    })
    await expect(row()).rejects.toThrow('there is no task')
  })

  test('many that change the same tasks at once, in any order, wait for no other in a circle', async () => {
    const ids = Array.from({ length: 60 }, (_, i) => `${taskId}${100 + i}`)
    const round = (agentId: string, reverse: boolean) =>
      (reverse ? ids.toReversed() : ids).map((id) =>
        parseTrackRequest({ taskId: id, agentId, userIds: [`u${agentId}`, 'ann'] }, new Date()),
      )
    await db.store.track(round('1', false))
    await Promise.all(Array.from({ length: 12 }, (_, i) => db.store.track(round(String(i + 2), i % 2 === 0))))
    const { rows } = await db.pool.query(
      `SELECT count(*)::int AS tasks, bool_and(pending = 2 AND (SELECT count(*) FROM delivery_recipient WHERE task_pk = task.id) = 2) AS whole
       FROM delivery_task AS task WHERE task_id = ANY ($1)`,
      [ids],
    )
    expect(rows).toEqual([{ tasks: 60, whole: true }])
  })
})

test('a send time that is not given is not given, whoever enqueues: the time of the database is assumed', async () => {
  await db.pool.query(`SELECT track_delivery($1)`, [taskId])
  expect(await row()).toMatchObject({ sent_at_given: false })
  taskId = `${taskId}1`
  await db.pool.query(`SELECT track_delivery($1, sent_at => now() + interval '10 minutes')`, [taskId])
  expect(await row()).toMatchObject({ sent_at_given: false, is_due: true })
  taskId = `${taskId}1`
  await db.pool.query(`SELECT track_delivery($1, sent_at => now() - interval '1 hour')`, [taskId])
  expect(await row()).toMatchObject({ sent_at_given: true })
  taskId = `${taskId}1`
  const [tracked] = await db.store.track([
    { ...parseTrackRequest({ taskId }, new Date()), assumedSentAt: new Date(Date.now() - 5 * HOUR_MS) },
  ])
  expect(tracked).toMatchObject({ isNew: true })
  const stored = await row()
  expect(stored).toMatchObject({ sent_at_given: false })
  expect(Date.now() - stored.sent_at.getTime()).toBeGreaterThan(5 * HOUR_MS - 1_000)
})
