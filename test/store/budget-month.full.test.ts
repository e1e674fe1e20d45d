import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { buildTiming } from '../../src/domain/poll-times.ts'
import { curveOf, shareBy } from '../../src/domain/schedule/curve.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import type { Calendar } from '../../src/domain/schedule/types.ts'
import { createLearnedPlacing } from '../../src/polling/place-learned.ts'
import { createTaskPlanner } from '../../src/polling/plan-tasks.ts'
import { createCallOutlooks } from '../../src/store/call-outlook.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { randomFrom } from '../support/random.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'
import { aRequest } from './support/polls.ts'

/**
 * Months on PostgreSQL in seconds: between two events every time in the database is moved back by what passes between them, and the clock of the
 * calls is moved forward. The polls are those that the plans say; their permits are the limiter's.
 */

const DAY_MS = 24 * HOUR_MS
const CHINA_MS = 8 * HOUR_MS
const APP = 'month'
const BUDGET = 160
const TIMING = buildTiming(24)
const LIMITS = { callsPerSecond: 1_000_000, monthlyBudget: BUDGET }
const SIZES = [1, 10, 20, 100]
const SETTINGS = { pollsPerTask: 24, targetWidthMs: null, reportAgesMs: [HOUR_MS], maxGap: { ms: 6 * HOUR_MS, isHard: false } }

let db: TestStore
/** No trigger runs in it: a send time that is moved back is not corrected. */
let session: pg.Client
beforeAll(async () => {
  db = await openTestStore({ max: 4 })
  session = await openSession(db.url)
  await session.query('SET session_replication_role = replica')
})
afterAll(async () => {
  await session.end()
  await db.close()
})

interface Poll {
  readonly taskId: string
  readonly at: number
  readonly isFinal: boolean
}

/** What is known of a task besides its row. */
interface Sent {
  readonly sentAt: number
  readonly readsAt: readonly number[]
  isAdmitted: boolean
  isOver: boolean
  hasFinalPoll: boolean
}

/** @param sends simulated times, and how many tasks are sent at each */
async function runMonths(sends: ReadonlyArray<{ readonly at: number; readonly tasks: number }>, random: () => number) {
  let now = sends[0]?.at ?? 0
  const calendar: Calendar = {
    localAt: (at) => at.getTime() - Date.now() + now + CHINA_MS,
    isFreeDay: (day) => [0, 6].includes((day + 4) % 7),
  }
  const clock = () => ({ at: new Date(), shows: new Date(now), scale: 1 })
  const used = new Map<string, number>()
  const sent = new Map<string, Sent>()
  const polls: Poll[] = []

  async function pass(to: number): Promise<void> {
    await moveBack(to - now)
    now = to
  }

  /** Two workers that start at the same time, and know nothing of each other. */
  async function schedule(): Promise<void> {
    const worker = async (): Promise<void> => {
      const deps = { timing: TIMING, now: () => new Date() }
      const outlooks = createCallOutlooks(db, clock())
      const placing = createLearnedPlacing({ ...deps, settings: SETTINGS, calendar, outlooks, laws: { latest: async () => null } })
      const planner = createTaskPlanner({ ...deps, placing, limitsOf: () => LIMITS })
      const store = createDeliveryStore(db, { callClock: clock() })
      while ((await store.schedule((task) => planner.plan(task), 3)).length > 0);
    }
    await Promise.all([worker(), worker()])
  }

  async function send(tasks: number): Promise<void> {
    const requests = Array.from({ length: tasks }, () => {
      const people = SIZES[Math.floor(random() * SIZES.length)] ?? 1
      return aRequest({ app: APP, sentAt: new Date(), userIds: Array.from({ length: people }, (_, i) => `u${i}`) })
    })
    await db.store.track(requests)
    while ((await db.pool.query('SELECT FROM delivery_task WHERE scheduled_at IS NULL')).rowCount !== 0) await schedule()
    for (const { taskId, userIds } of requests) {
      const { rows } = await db.pool.query<{ poll_offsets: number[]; admitted: boolean }>(
        'SELECT poll_offsets, admitted FROM delivery_task WHERE task_id = $1',
        [taskId],
      )
      const [{ poll_offsets: offsets, admitted } = { poll_offsets: [], admitted: false }] = rows
      const curve = curveOf(PRIOR_LAW, new Date(now + CHINA_MS), { ...calendar, localAt: (at) => at.getTime() })
      const readsAt = (userIds ?? []).map(() => drawRead(random(), (offset) => shareBy(curve, offset)))
      sent.set(taskId, { sentAt: now, readsAt, isAdmitted: admitted, isOver: false, hasFinalPoll: false })
      polls.push(...offsets.map((offset, i) => ({ taskId, at: now + offset, isFinal: i === offsets.length - 1 })))
    }
    polls.sort((a, b) => a.at - b.at)
  }

  async function poll({ taskId, isFinal }: Poll): Promise<void> {
    const task = sent.get(taskId)
    if (task === undefined || task.isOver) return
    const limiter = createRateLimiter(db, { callClock: clock() })
    const wanted = isFinal ? { ordinary: 0, reserved: 1, forced: 0 } : { ordinary: 1, reserved: 0, forced: 0 }
    const permit = await limiter.reserve(APP, wanted, LIMITS)
    if (permit.kind === 'granted') used.set(permit.month, (used.get(permit.month) ?? 0) + permit.ordinary + permit.reserved)
    const isMade = permit.kind === 'granted'
    if (isFinal) task.hasFinalPoll = isMade
    const unread = task.readsAt.filter((at) => at > now - task.sentAt).length
    task.isOver = isFinal || (isMade && unread === 0)
    await session.query(
      `UPDATE delivery_task SET status = CASE WHEN $2 THEN 'expired' ELSE status END, good_polls = 1, unread = $3, pending = 0,
         read = $4, final_calls = CASE WHEN $5 THEN 1 ELSE 0 END, finished_at = CASE WHEN $2 THEN now() END,
         next_poll_at = CASE WHEN $2 THEN NULL ELSE next_poll_at END
       WHERE task_id = $1`,
      [taskId, task.isOver, unread, task.readsAt.length - unread, isFinal],
    )
  }

  for (const { at, tasks } of [...sends, { at: Number.POSITIVE_INFINITY, tasks: 0 }]) {
    while (polls[0] !== undefined && polls[0].at <= at) {
      const [next] = polls.splice(0, 1)
      if (next === undefined) break
      await pass(next.at)
      await poll(next)
    }
    if (tasks === 0) continue
    await pass(at)
    await send(tasks)
  }
  return { used, tasks: [...sent.values()] }
}

/** When a recipient reads, in milliseconds since the send; Infinity: never in its window. */
function drawRead(luck: number, shareAt: (offsetMs: number) => number): number {
  if (luck > shareAt(DAY_MS)) return Number.POSITIVE_INFINITY
  let [low, high] = [0, DAY_MS]
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2
    if (shareAt(middle) < luck) low = middle
    else high = middle
  }
  return high
}

async function moveBack(ms: number): Promise<void> {
  await session.query(
    `UPDATE delivery_task SET sent_at = sent_at - moved.by, deadline_at = deadline_at - moved.by, scheduled_at = scheduled_at - moved.by,
       next_poll_at = next_poll_at - moved.by, finished_at = finished_at - moved.by
     FROM (SELECT make_interval(secs => $1::float8 / 1000) AS by) AS moved`,
    [ms],
  )
}

test('two workers spend a month of calls on its tasks and never one more; every admitted task has its final poll', async () => {
  const random = randomFrom(20_270_301)
  const march = Date.parse('2027-03-01T01:00:00Z')
  // 36 tasks in two months, alone and in small campaigns.
  const sends = Array.from({ length: 24 }, (_, i) => ({
    at: march + i * 2.5 * DAY_MS + Math.floor(random() * 9 * HOUR_MS),
    tasks: i % 4 === 0 ? 3 : 1,
  }))
  const { used, tasks } = await runMonths(sends, random)
  const months = [...used].toSorted(([a], [b]) => (a < b ? -1 : 1))
  expect(months.map(([month]) => month).slice(0, 2)).toEqual(['2027-03', '2027-04'])
  for (const [month, calls] of months) expect(calls, month).toBeLessThanOrEqual(BUDGET)
  expect(used.get('2027-03')).toBeGreaterThan(0.7 * BUDGET)
  expect(used.get('2027-04')).toBeGreaterThan(0.7 * BUDGET)
  expect(tasks.filter(({ isAdmitted }) => !isAdmitted)).toHaveLength(0)
  const isCovered = ({ hasFinalPoll, readsAt }: Sent): boolean => hasFinalPoll || readsAt.every((at) => at < DAY_MS - 5 * MINUTE_MS)
  expect(tasks.filter((task) => !isCovered(task))).toEqual([])
}, 60_000)
