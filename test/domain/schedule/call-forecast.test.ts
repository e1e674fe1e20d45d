import { expect, test } from 'vitest'
import { HOUR_MS } from '../../../src/domain/delivery.ts'
import { type CallMonth, forecastCalls } from '../../../src/domain/schedule/call-forecast.ts'

const DAY_MS = 24 * HOUR_MS
/** Midday of 10 November in China; the month ends in 20.5 days. */
const NOW = new Date('2026-11-10T04:00:00Z')
const STARTS = new Date('2026-10-31T16:00:00Z')
const ENDS = new Date('2026-11-30T16:00:00Z')

/** 1,000 of 4,000 calls used, 100 a day, 4 tasks a day, 3 of them open. */
function aMonth(changes: Partial<CallMonth> = {}): CallMonth {
  return {
    ...{ app: 'hr', budget: 4_000, used: 1_000, finalPolls: 3, finalPollsNext: 0, planned: 40, refused: 0, month: '2026-11' },
    ...{ now: NOW, monthStartsAt: STARTS, monthEndsAt: ENDS, dayMs: DAY_MS },
    callsByDay: [50, 100, 100, 100, 100, 100, 100, 100, 100],
    tasksInWeek: 28,
    firstSentAt: new Date(NOW.getTime() - 20 * DAY_MS),
    ...changes,
  }
}

const daysLater = (days: number): Date => new Date(NOW.getTime() + days * DAY_MS)

test('calls that last until the month ends give no warning', () => {
  expect(forecastCalls(aMonth())).toEqual({
    ...{ app: 'hr', month: '2026-11', budget: 4_000, used: 1_000, left: 3_000, reserved: 4, planned: 40, monthEndsAt: ENDS, readAt: NOW },
    usedShare: 0.25,
    monthShare: 9.5 / 30,
    usedUpAt: null,
    endsEarly: false,
    // 3,000 calls are enough for the final polls of 2,727 tasks, with a tenth for retries, and three are promised.
    tasksAdmittable: 2_724,
    // Four a day, until a day before the month ends: the final polls of later ones are the next month's.
    tasksExpected: 78,
    tasksRefused: 0,
    warning: null,
  })
})

test('the rate is that of the last 7 times 24 hours: of the first day the part that lies in them', () => {
  // 50 + 6 · 100 and half of 100 in 7 days: 700 are left for 7 days.
  expect(forecastCalls(aMonth({ used: 3_300 }))).toMatchObject({ usedUpAt: daysLater(7), warning: 'used_up_early' })
})

test('an app that is younger than a week has the rate of its days, and one of hours that of a day', () => {
  const young = forecastCalls(aMonth({ used: 3_700, callsByDay: [50, 100] }))
  expect(young.usedUpAt).toEqual(daysLater(3))
  expect(forecastCalls(aMonth({ used: 3_900, callsByDay: [50] })).usedUpAt).toEqual(daysLater(2))
})

test('without calls they last', () => {
  expect(forecastCalls(aMonth({ used: 0, callsByDay: [], tasksInWeek: 0, firstSentAt: null, finalPolls: 0 }))).toMatchObject({
    ...{ usedUpAt: null, tasksExpected: 0, reserved: 0, warning: null },
  })
})

test('a few hours before the month ends are no reason to warn', () => {
  const late = { now: new Date(ENDS.getTime() - 3 * DAY_MS), tasksInWeek: 7 }
  const almost = forecastCalls(aMonth({ ...late, used: 3_750, callsByDay: [0, ...Array.from({ length: 7 }, () => 100)] }))
  expect(almost.usedUpAt?.getTime()).toBeGreaterThan(ENDS.getTime() - DAY_MS)
  expect(almost.warning).toBe(null)
})

test('more tasks to come than can be served', () => {
  expect(forecastCalls(aMonth({ used: 3_920, callsByDay: [] }))).toMatchObject({
    tasksAdmittable: 69,
    tasksExpected: 78,
    warning: 'tasks_beyond',
  })
})

test('a task of yesterday is expected again each day, one of an hour ago too', () => {
  const firstSentAt = new Date(NOW.getTime() - DAY_MS / 24)
  expect(forecastCalls(aMonth({ tasksInWeek: 2, firstSentAt })).tasksExpected).toBe(39)
})

test('no call is left for another task, or for one that is open', () => {
  expect(forecastCalls(aMonth({ used: 3_997 }))).toMatchObject({ left: 3, reserved: 3, tasksAdmittable: 0, warning: 'none_left' })
  expect(forecastCalls(aMonth({ refused: 2 }))).toMatchObject({ tasksRefused: 2, warning: 'tasks_refused' })
})

test('a budget that was made smaller, and none at all', () => {
  expect(forecastCalls(aMonth({ budget: 900 }))).toMatchObject({ left: 0, usedShare: 1, usedUpAt: NOW, warning: 'none_left' })
  expect(forecastCalls(aMonth({ budget: 0 }))).toMatchObject({ left: 0, usedShare: 1 })
})

test('on the last day of a month new tasks get the calls of the next one', () => {
  const now = new Date(ENDS.getTime() - DAY_MS / 2)
  expect(forecastCalls(aMonth({ now, used: 4_000, finalPollsNext: 10 }))).toMatchObject({ tasksAdmittable: 3_626, tasksExpected: 0 })
})

test('under a faster clock days are shorter', () => {
  const scaled = aMonth({ used: 3_300, dayMs: DAY_MS / 1_000, monthEndsAt: new Date(NOW.getTime() + (20.5 * DAY_MS) / 1_000) })
  const monthStartsAt = new Date(NOW.getTime() - (9.5 * DAY_MS) / 1_000)
  expect(forecastCalls({ ...scaled, monthStartsAt }).usedUpAt).toEqual(new Date(NOW.getTime() + (7 * DAY_MS) / 1_000))
})
