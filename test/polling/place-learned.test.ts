import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS, SECOND_MS } from '../../src/domain/delivery.ts'
import { buildTiming, growingPlan } from '../../src/domain/poll-times.ts'
import { expectedCalls } from '../../src/domain/schedule/calls.ts'
import { curveOf } from '../../src/domain/schedule/curve.ts'
import type { PlaceSettings } from '../../src/domain/schedule/place.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import { createLearnedPlacing } from '../../src/polling/place-learned.ts'
import { createTaskPlanner } from '../../src/polling/plan-tasks.ts'
import type { TaskStart, UnscheduledTask } from '../../src/polling/ports.ts'
import { aNewTask, anOutlook, calendar, settings, someLaws, someOutlooks } from './planning.ts'
import { keyOf, minutesLater, notes, SENT } from './support.ts'

interface Given {
  readonly settings?: Partial<PlaceSettings>
  readonly budget?: number | null
  readonly timeScale?: number
  readonly laws?: ReturnType<typeof someLaws>
  readonly outlooks?: ReturnType<typeof someOutlooks>
}

function aWorld({ budget = null, timeScale = 1, laws = someLaws(), outlooks = someOutlooks(), ...given }: Given = {}) {
  const clock = { now: SENT }
  const events = notes()
  const now = () => clock.now
  const timing = buildTiming(24, timeScale)
  const placing = createLearnedPlacing({ settings: { ...settings, ...given.settings }, calendar, laws, outlooks, timing, now })
  const planner = createTaskPlanner({ timing, now, placing, events, limitsOf: () => ({ monthlyBudget: budget }) })
  const plan = async (columns: Partial<UnscheduledTask> = {}): Promise<TaskStart> => planner.plan(aNewTask({ people: 50, ...columns }))
  return { clock, events, laws, outlooks, plan, timing }
}

const detailOf = ({ plan }: TaskStart) => {
  if (plan === undefined) throw new Error('a new task has a plan')
  return plan
}
const count = ({ pollOffsetsMs }: TaskStart): number => pollOffsetsMs.length

describe('without a budget', () => {
  test('a task has 24 polls where its law says that people read, and the plan says what it expects', async () => {
    const { plan, events } = aWorld()
    const start = await plan()
    expect(count(start)).toBe(24)
    const { expectedCalls: calls, widthMs, ...detail } = detailOf(start)
    expect(detail).toEqual({ placedBy: 'learned', people: 50, law: 1, price: null })
    // Some of 50 never read, so no task ends early.
    expect(calls).toBeCloseTo(24, 1)
    expect(widthMs).toBeGreaterThan(5 * MINUTE_MS)
    expect(widthMs).toBeLessThan(HOUR_MS)
    expect(start.pollOffsetsMs).toEqual(start.pollOffsetsMs.toSorted((a, b) => a - b))
    expect(events.lines).toEqual([])
  })

  test('the law that is assumed before one is learned is named as such', async () => {
    const { plan } = aWorld({ laws: someLaws(null) })
    expect(detailOf(await plan())).toMatchObject({ placedBy: 'prior', law: null })
  })

  test('a single recipient ends early: fewer calls are expected than polls', async () => {
    const { expectedCalls: calls } = detailOf(await aWorld().plan({ people: 1 }))
    expect(calls).toBeLessThan(16)
  })

  test('the number of polls is exact where it is given', async () => {
    expect(count(await aWorld({ settings: { pollsPerTask: 7 } }).plan())).toBe(7)
    expect(count(await aWorld({ settings: { pollsPerTask: 1 } }).plan())).toBe(1)
  })

  test('a target width is reached with the fewest polls, which is a ceiling', async () => {
    const targetWidthMs = 40 * MINUTE_MS
    const start = await aWorld({ settings: { targetWidthMs } }).plan()
    expect(detailOf(start).widthMs).toBeLessThanOrEqual(targetWidthMs)
    const fewer = await aWorld({ settings: { pollsPerTask: count(start) - 1 } }).plan()
    expect(detailOf(fewer).widthMs).toBeGreaterThan(targetWidthMs)
    expect(count(await aWorld({ settings: { targetWidthMs: MINUTE_MS, pollsPerTask: 10 } }).plan())).toBe(10)
  })

  test('tasks of the same minute are not polled in the same second, and report ages are kept', async () => {
    const { plan } = aWorld()
    const starts = await Promise.all(Array.from({ length: 50 }, (_, i) => plan({ key: keyOf(`same${i}`) })))
    expect(new Set(starts.map(({ pollOffsetsMs }) => pollOffsetsMs[5])).size).toBeGreaterThan(40)
    for (const { pollOffsetsMs } of starts) {
      for (const age of settings.reportAgesMs) {
        expect(pollOffsetsMs.some((offset) => offset >= age && offset <= age + 2 * MINUTE_MS)).toBe(true)
      }
    }
  })

  test('tasks of unnamed recipients are planned for as many as others have in the median, which is read now and then', async () => {
    const recent = [3, 40, 8, 100, 12].map((people) => ({ sentAt: SENT, people }))
    const { plan, clock, outlooks } = aWorld({ outlooks: someOutlooks({ recent }) })
    expect(detailOf(await plan({ people: 0 })).people).toBe(12)
    expect(detailOf(await plan({ people: 0 })).people).toBe(12)
    expect(outlooks.recentReads).toBe(1)
    clock.now = minutesLater(11)
    await plan({ people: 0 })
    expect(outlooks.recentReads).toBe(2)
    expect(detailOf(await aWorld().plan({ people: 0 })).people).toBe(50)
  })
})

test('a law is read at most once a minute, and the plan names the one it is from', async () => {
  const { plan, clock, laws } = aWorld()
  await plan()
  laws.version = 2
  clock.now = new Date(SENT.getTime() + 59 * SECOND_MS)
  expect(detailOf(await plan({ sentAt: clock.now })).law).toBe(1)
  expect(laws.reads).toBe(1)
  clock.now = new Date(SENT.getTime() + 61 * SECOND_MS)
  expect(detailOf(await plan({ sentAt: clock.now })).law).toBe(2)
  expect(laws.reads).toBe(2)
})

test('a task that is sent on a free evening is polled later than one on a work morning', async () => {
  const { plan, clock } = aWorld()
  const at = async (text: string): Promise<number> => {
    clock.now = new Date(text)
    const { pollOffsetsMs } = await plan({ sentAt: clock.now })
    return pollOffsetsMs[12] ?? 0
  }
  expect(await at('2026-11-07T01:00:00Z')).toBeGreaterThan(1.5 * (await at('2026-11-03T10:00:00Z')))
})

test('the time scale divides the plan', async () => {
  const key = keyOf('scaled')
  const [real, scaled] = [await aWorld().plan({ key }), await aWorld({ timeScale: 1_000 }).plan({ key })]
  expect(scaled.pollOffsetsMs).toHaveLength(24)
  for (const [i, offset] of scaled.pollOffsetsMs.entries())
    expect(Math.abs(offset * 1_000 - (real.pollOffsetsMs[i] ?? 0))).toBeLessThan(1_001)
  expect(detailOf(scaled).widthMs).toBe(detailOf(real).widthMs)
})

describe('a task that is tracked late', () => {
  test('is polled at once, and then where those are expected who have not read', async () => {
    const { plan, clock } = aWorld({ settings: { pollsPerTask: 8 } })
    clock.now = minutesLater(181)
    const start = await plan()
    expect(start.first).toEqual({ at: clock.now, last: false })
    expect(start.pollOffsetsMs[0]).toBe(181 * MINUTE_MS)
    expect(count(start)).toBe(8)
    // From the send on, it would be polled four times in three hours.
    expect(start.pollOffsetsMs[1]).toBeGreaterThan(190 * MINUTE_MS)
  })

  test('keeps the plan from the send on while its first poll is still ahead', async () => {
    const key = keyOf('soon')
    const { plan, clock } = aWorld({ settings: { pollsPerTask: 4 } })
    const onTime = await plan({ key })
    clock.now = minutesLater(4)
    const { pollOffsetsMs, first } = await plan({ key })
    expect(pollOffsetsMs).toEqual(onTime.pollOffsetsMs)
    expect(first.at.getTime()).toBe(SENT.getTime() + (pollOffsetsMs[0] ?? 0))
  })

  test('has its final poll alone when there is no time for more, or one poll is all that there is', async () => {
    const { plan, clock } = aWorld()
    clock.now = new Date(SENT.getTime() + QUERY_WINDOW_MS - 4 * MINUTE_MS)
    const start = await plan()
    expect(start.first).toEqual({ at: clock.now, last: true })
    expect(count(start)).toBe(1)
    const one = aWorld({ settings: { pollsPerTask: 1 } })
    one.clock.now = minutesLater(300)
    expect((await one.plan()).first.last).toBe(true)
  })
})

test('where the send time was assumed, polls are early, late and even, as many as would have been chosen', async () => {
  const { plan } = aWorld({ settings: { pollsPerTask: 9 } })
  const task = { key: keyOf('assumed'), sentAtGiven: false }
  const start = await plan(task)
  const deadlineAt = new Date(SENT.getTime() + QUERY_WINDOW_MS)
  expect(start.pollOffsetsMs).toEqual(growingPlan({ ...task, sentAt: SENT, deadlineAt }, buildTiming(9)))
  expect(detailOf(start)).toMatchObject({ placedBy: 'assumed_send_time', law: null, widthMs: null, people: 50 })
})

describe('with a budget', () => {
  test('a task costs what the rest of the month is worth: more left, more polls', async () => {
    const polls = async (used: number) => aWorld({ budget: 4_000, outlooks: someOutlooks({ used }) }).plan()
    const [rich, poor, last] = [await polls(0), await polls(3_000), await polls(3_990)]
    expect(count(rich)).toBeGreaterThan(count(poor))
    expect(count(poor)).toBeGreaterThan(count(last))
    expect(detailOf(rich).price).toBeLessThan(detailOf(poor).price ?? 0)
    expect(rich.admission?.budget).toBe(4_000)
  })

  test('nobody pays for calls that nobody else needs: the ceiling is 64, or what is given', async () => {
    const end = { startsAt: new Date(SENT.getTime() - 30 * 24 * HOUR_MS), endsAt: new Date(SENT.getTime() + 25 * HOUR_MS) }
    const outlooks = () => someOutlooks({ month: end, isOld: true })
    const start = await aWorld({ budget: 100_000, outlooks: outlooks() }).plan()
    expect(count(start)).toBe(64)
    expect(detailOf(start).price).toBe(0)
    expect(count(await aWorld({ budget: 100_000, outlooks: outlooks(), settings: { pollsPerTask: 30 } }).plan())).toBe(30)
    const wide = await aWorld({ budget: 100_000, outlooks: outlooks(), settings: { targetWidthMs: HOUR_MS } }).plan()
    expect(detailOf(wide).widthMs).toBeLessThanOrEqual(HOUR_MS)
    expect(count(wide)).toBeLessThan(20)
  })

  test('a burst shares what is left: its plans together stay within the budget, and the outlook is read once', async () => {
    const outlooks = someOutlooks({ waiting: 300, used: 1_000 })
    const { plan } = aWorld({ budget: 4_000, outlooks })
    const starts = await Promise.all(Array.from({ length: 300 }, (_, i) => plan({ people: [1, 10, 50, 100][i % 4] ?? 1 })))
    const calls = starts.reduce((sum, start) => sum + (detailOf(start).expectedCalls ?? 0), 0)
    expect(calls).toBeLessThan(3_000)
    expect(calls).toBeGreaterThan(1_500)
    expect(outlooks.asked).toHaveLength(1)
    // The last ones are not left with what the first ones did not want.
    const [first, last] = [starts.slice(0, 100), starts.slice(-100)].map((some) => some.reduce((sum, start) => sum + count(start), 0))
    expect((last ?? 0) / (first ?? 1)).toBeGreaterThan(0.7)
    expect((last ?? 0) / (first ?? 1)).toBeLessThan(1.4)
  })

  test('what open tasks will still call is not there for new ones', async () => {
    const pollOffsetsMs = Array.from({ length: 24 }, (_, i) => (i + 1) * HOUR_MS - 10 * MINUTE_MS)
    const sample = Array.from({ length: 20 }, () => ({ sentAt: SENT, unread: 50, pollOffsetsMs }))
    const alone = await aWorld({ budget: 2_000 }).plan()
    const beside = await aWorld({ budget: 2_000, outlooks: someOutlooks({ open: { tasks: 60, sample } }) }).plan()
    expect(count(beside)).toBeLessThan(count(alone))
    // Those of an earlier version have no plan of their own: as many polls are assumed as it made.
    const old = sample.map((each) => ({ ...each, pollOffsetsMs: null }))
    const besideOld = await aWorld({ budget: 2_000, outlooks: someOutlooks({ open: { tasks: 60, sample: old } }) }).plan()
    expect(Math.abs(count(besideOld) - count(beside))).toBeLessThanOrEqual(2)
  })

  test('many recent tasks raise the price', async () => {
    const sent = Array.from({ length: 24 * 14 }, (_, i) => ({ hour: -i, tasks: 3 }))
    const recent = Array.from({ length: 40 }, () => ({ sentAt: SENT, people: 50 }))
    const busy = detailOf(await aWorld({ budget: 4_000, outlooks: someOutlooks({ sent, recent, isOld: true }) }).plan())
    const calm = detailOf(await aWorld({ budget: 4_000, outlooks: someOutlooks({ sent: sent.slice(0, 20), recent, isOld: true }) }).plan())
    expect(busy.price).toBeGreaterThan(calm.price ?? 0)
  })

  test('at the end of a month the polls after it are paid by the next one', async () => {
    const month = { startsAt: new Date(SENT.getTime() - 30 * 24 * HOUR_MS), endsAt: new Date(SENT.getTime() + MINUTE_MS) }
    const start = await aWorld({ budget: 4_000, outlooks: someOutlooks({ used: 4_000, month }) }).plan()
    expect(count(start)).toBeGreaterThan(5)
  })

  test('the outlook is read anew after a time and for many tasks, and the sends of the history twice a day', async () => {
    const outlooks = someOutlooks()
    const { plan, clock } = aWorld({ budget: 4_000, outlooks })
    const planAt = async (minutes: number, tasks = 1) => {
      clock.now = minutesLater(minutes)
      await Promise.all(Array.from({ length: tasks }, () => plan({ sentAt: clock.now })))
    }
    await planAt(0)
    await planAt(0.2)
    expect(outlooks.asked.map(({ sinceHour }) => sinceHour)).toEqual([null])
    await planAt(0.3, 6)
    await planAt(1)
    await planAt(120)
    await planAt(360)
    expect(outlooks.asked.map(({ sinceHour }) => sinceHour)).toEqual([null, -2, -2, -4, null])
    const { hours, budget } = outlooks.asked[3] ?? {}
    expect({ hours, budget }).toEqual({ hours: { originAt: SENT_HOUR, lengthMs: HOUR_MS }, budget: 4_000 })
  })

  test('the price of tasks that wait longer than the outlook holds is from one reading', async () => {
    const outlooks = someOutlooks({ waiting: 20 })
    const { plan, clock, laws } = aWorld({ budget: 4_000, outlooks })
    const planned = Array.from({ length: 20 }, () => plan())
    await planned[3]
    clock.now = minutesLater(0.9)
    laws.version = 2
    await Promise.all(planned)
    expect(outlooks.asked).toHaveLength(1)
  })

  test('an app whose outlook cannot be read gets growing gaps, and is admitted as always', async () => {
    const outlooks = Object.assign(someOutlooks(), { read: () => Promise.reject(new Error('no database')) })
    const { plan, events } = aWorld({ budget: 4_000, outlooks })
    const start = await plan()
    expect(start).toMatchObject({ plan: { placedBy: 'growing' }, admission: { budget: 4_000 } })
    expect(events.lines).toEqual(['failed: placing polls by the read law, instead of which gaps grow,'])
  })

  test('a calendar that calls every day free costs no endless walk', async () => {
    const timing = buildTiming(24)
    const outlooks = someOutlooks()
    const free = { ...calendar, isFreeDay: () => true }
    const placing = createLearnedPlacing({ settings, calendar: free, laws: someLaws(), outlooks, timing, now: () => SENT })
    const planner = createTaskPlanner({ timing, now: () => SENT, placing, limitsOf: () => ({ monthlyBudget: 4_000 }) })
    expect(detailOf(await planner.plan(aNewTask({ people: 5 })))).toMatchObject({ placedBy: 'learned' })
  })
})

const SENT_HOUR = new Date(Math.floor(minutesLater(120).getTime() / HOUR_MS) * HOUR_MS)

test('the expected calls are those of the plan before the task moved its polls', async () => {
  const start = await aWorld().plan({ people: 3 })
  const curve = curveOf(PRIOR_LAW, SENT, calendar)
  expect(detailOf(start).expectedCalls).toBeCloseTo(expectedCalls(curve, start.pollOffsetsMs, 3), 0)
})

test('an outlook of the future is as good as one of the past', async () => {
  // The database's clock stepped back.
  const outlooks = someOutlooks()
  const { plan, clock } = aWorld({ budget: 4_000, outlooks })
  await plan()
  clock.now = minutesLater(-60)
  outlooks.outlook = anOutlook({ used: 3_999 })
  expect(detailOf(await plan({ sentAt: clock.now })).price).toBeGreaterThan(0)
  expect(outlooks.asked).toHaveLength(2)
})
