import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, type TaskKey } from '../../src/domain/delivery.ts'
import { aRequest, aTask, delay, lookAt } from './support/polls.ts'
import { lookBetween, lookInVain, openTestReader, scaledDeadline, set, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
})
afterAll(() => db.close())
afterEach(() => db.pool.query('DELETE FROM delivery_task'))

const ago = (ms: number): Date => new Date(Date.now() - ms)
const ahead = (ms: number): Date => ago(-ms)
const DAY_MS = 24 * HOUR_MS

/** An open task whose next poll is in a while. */
async function aHealthyTask(columns: Readonly<Record<string, unknown>> = {}): Promise<TaskKey> {
  const { key } = await aTask(db.store, { userIds: ['ann'] })
  await set(db, key, { next_poll_at: ahead(10 * MINUTE_MS), ...columns })
  return key
}

/** A task that was sent a day and an hour ago and ended an hour ago. */
async function anEndedTask(status: string, columns: Readonly<Record<string, unknown>> = {}): Promise<TaskKey> {
  const { key } = await aTask(db.store, { userIds: ['ann'] })
  const times = { sent_at: ago(DAY_MS + HOUR_MS), deadline_at: ago(HOUR_MS), finished_at: ago(HOUR_MS) }
  await set(db, key, { status, next_poll_at: null, ...times, ...columns })
  return key
}

const risks = async (): Promise<Array<[string, string]>> => (await db.rates.attention()).map(({ taskId, risk }) => [taskId, risk])

describe('an open task', () => {
  test('that goes as planned needs none', async () => {
    await aHealthyTask()
    expect(await risks()).toEqual([])
  })

  test('is overdue when its next poll is late by more than a minute', async () => {
    const late = await aHealthyTask({ next_poll_at: ago(90_000) })
    await aHealthyTask({ next_poll_at: ago(30_000) })
    expect(await risks()).toEqual([[late.taskId, 'overdue']])
  })

  test('is overdue after a minute of its plan, which TIME_SCALE shortens', async () => {
    const sentAt = ago(10_000)
    const scaled = { sent_at: sentAt, deadline_at: scaledDeadline(sentAt, 60) }
    const late = await aHealthyTask({ ...scaled, next_poll_at: ago(3_000) })
    await aHealthyTask({ ...scaled, next_poll_at: ahead(3_000) })
    expect(await risks()).toEqual([[late.taskId, 'overdue']])
  })

  test('is delayed when its poll is delayed', async () => {
    const key = await aHealthyTask()
    await delay(db.store, key, ahead(HOUR_MS), { code: 'call_rate', detail: null })
    const [task] = await db.rates.attention()
    expect(task).toEqual({ ...(await db.rates.task(key)), risk: 'delayed' })
    expect(task).toMatchObject({ delayReason: 'call_rate' })
  })

  test.each([
    ['failed', (key: TaskKey) => lookInVain(db, key, ago(MINUTE_MS))],
    ['said nothing', (key: TaskKey) => lookBetween(db, key, { errcode: 0 }, ago(MINUTE_MS), ago(59_000))],
  ])('is delayed while its final poll %s, until one is good', async (_what, fail) => {
    const key = await aHealthyTask()
    await lookAt(db.store, key, { unread: ['ann'] }, 5)
    await fail(key)
    await set(db, key, { next_poll_at: ahead(MINUTE_MS) })
    expect(await risks()).toEqual([[key.taskId, 'delayed']])
    await lookAt(db.store, key, { unread: ['ann'] }, 59)
    await set(db, key, { next_poll_at: ahead(MINUTE_MS) })
    expect(await risks()).toEqual([])
  })

  test('is overdue rather than delayed: the reason why may have gone', async () => {
    const key = await aHealthyTask({ delay_code: 'call_rate', next_poll_at: ago(5 * MINUTE_MS) })
    expect(await risks()).toEqual([[key.taskId, 'overdue']])
  })
})

describe('a task that ended', () => {
  test.each(['complete', 'cancelled'])('as %s needs none, whatever was seen', async (status) => {
    await anEndedTask(status)
    expect(await risks()).toEqual([])
  })

  test('because DingTalk cannot answer for it is stopped', async () => {
    const key = await anEndedTask('stopped', { last_observed_at: ago(2 * HOUR_MS), reason_code: 'parameters' })
    expect(await db.rates.attention()).toMatchObject([{ ...key, risk: 'stopped', reason: 'parameters' }])
  })

  test('with its window without one successful poll was never observed', async () => {
    const key = await anEndedTask('expired')
    expect(await risks()).toEqual([[key.taskId, 'never_observed']])
  })

  test('whose last successful poll was more than an hour before the deadline is blind', async () => {
    const blind = await anEndedTask('expired', { last_observed_at: ago(2 * HOUR_MS + MINUTE_MS) })
    await anEndedTask('expired', { last_observed_at: ago(2 * HOUR_MS - MINUTE_MS) })
    expect(await risks()).toEqual([[blind.taskId, 'blind']])
  })

  test('whose window closed early is blind only where it was not seen for an hour before that', async () => {
    const closed = (refusedSince: Date) => ({
      ...{ last_observed_at: ago(10 * HOUR_MS), reason_code: 'window_closed_early' },
      reason_detail: JSON.stringify({ refusedSince: refusedSince.toISOString() }),
    })
    await anEndedTask('expired', closed(ago(9.5 * HOUR_MS)))
    const blind = await anEndedTask('expired', closed(ago(8.5 * HOUR_MS)))
    expect(await risks()).toEqual([[blind.taskId, 'blind']])
  })

  test('is blind by hours of its plan, which TIME_SCALE shortens', async () => {
    const sentAt = ago(2 * MINUTE_MS)
    const scaled = { sent_at: sentAt, deadline_at: scaledDeadline(sentAt, 1_440), finished_at: ago(MINUTE_MS) }
    // An hour is two and a half seconds there.
    const blind = await anEndedTask('expired', { ...scaled, last_observed_at: new Date(sentAt.getTime() + 57_000) })
    await anEndedTask('expired', { ...scaled, last_observed_at: new Date(sentAt.getTime() + 58_000) })
    expect(await risks()).toEqual([[blind.taskId, 'blind']])
  })

  test('is history after a week', async () => {
    const times = (days: number) => ({
      sent_at: ago((days + 1) * DAY_MS),
      deadline_at: ago(days * DAY_MS),
      finished_at: ago(days * DAY_MS),
    })
    const recent = await anEndedTask('expired', times(6.9))
    await anEndedTask('expired', times(7.1))
    // One that ended long before its deadline, and one that was sent long ago and ended at once.
    await anEndedTask('stopped', { sent_at: ago(7.5 * DAY_MS), finished_at: ago(7.4 * DAY_MS) })
    await anEndedTask('expired', { ...times(30), finished_at: ago(MINUTE_MS) })
    expect(await risks()).toEqual([[recent.taskId, 'never_observed']])
  })
})

describe('all of them', () => {
  test('come with what can still be helped first, nearest deadline first, then with what ended last', async () => {
    const open = (hours: number) => ({
      sent_at: ahead(hours * HOUR_MS - DAY_MS),
      deadline_at: ahead(hours * HOUR_MS),
      next_poll_at: ago(HOUR_MS),
    })
    const ended = (hours: number) => ({ sent_at: ago(hours * HOUR_MS + DAY_MS), deadline_at: ago(hours * HOUR_MS) })
    const endedLongAgo = await anEndedTask('expired', ended(20))
    const far = await aHealthyTask(open(20))
    const endedJustNow = await anEndedTask('stopped', ended(2))
    const near = await aHealthyTask(open(2))
    expect((await risks()).map(([taskId]) => taskId)).toEqual([near, far, endedJustNow, endedLongAgo].map(({ taskId }) => taskId))
  })

  test('are told whole, up to a hundred, of every app', async () => {
    await db.store.track(Array.from({ length: 60 }, () => aRequest({ app: 'hr' })))
    await db.store.track(Array.from({ length: 60 }, () => aRequest({ app: 'sales' })))
    await db.pool.query("UPDATE delivery_task SET next_poll_at = now() - interval '1 hour'")
    const tasks = await db.rates.attention()
    expect(tasks).toHaveLength(100)
    expect(new Set(tasks.map(({ app }) => app))).toEqual(new Set(['hr', 'sales']))
    for (const { risk, ...rates } of tasks.slice(0, 3)) expect([risk, rates]).toEqual(['overdue', await db.rates.task(rates)])
  })

  test('are none in an empty database', async () => {
    expect(await risks()).toEqual([])
  })
})
