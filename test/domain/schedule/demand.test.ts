import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR_MS } from '../../../src/domain/delivery.ts'
import { assumedPerWorkDay, type DemandHistory, forecastDemand, type SendCount } from '../../../src/domain/schedule/demand.ts'
import { holds } from '../support.ts'

const DAY_MS = 24 * HOUR_MS
const isFreeDay = (day: number): boolean => [0, 6].includes(new Date(day * DAY_MS).getUTCDay())
const at = (text: string): number => Date.parse(`${text}Z`)
/** February 2027 begins on a Monday and has four weeks. */
const FEBRUARY = { startMs: at('2027-02-01T00:00'), endMs: at('2027-03-01T00:00') }

/** So many tasks at this hour of each day from a day to before another. */
function daily(fromMs: number, toMs: number, tasks: number, { hour = 10, free = 0 } = {}): SendCount[] {
  const counts: SendCount[] = []
  for (let day = fromMs / DAY_MS; day < toMs / DAY_MS; day++) {
    const sent = isFreeDay(day) ? free : tasks
    if (sent > 0) counts.push({ hour: day * 24 + hour, tasks: sent })
  }
  return counts
}

function history(over: Partial<DemandHistory> = {}): DemandHistory {
  return {
    ...{
      counts: [],
      waiting: 0,
      sinceMs: at('2026-06-01T00:00'),
      nowMs: FEBRUARY.startMs,
      month: FEBRUARY,
      isFreeDay,
      assumedPerWorkDay: 16,
    },
    ...over,
  }
}

test('an app whose tasks come at a steady rate is expected to go on', () => {
  const counts = daily(at('2026-12-28T00:00'), at('2027-03-01T00:00'), 10)
  for (const [now, left] of [
    ['2027-02-01T00:00', 200],
    ['2027-02-15T00:00', 100],
    ['2027-02-22T00:00', 50],
  ] as const) {
    const nowMs = at(now)
    const { tasks, pricedTasks, monthTasks } = forecastDemand(
      history({ counts: counts.filter(({ hour }) => hour * HOUR_MS < nowMs), nowMs }),
    )
    expect([tasks / left, monthTasks / 210].map((part) => Math.round(part * 10) / 10)).toEqual([1, 1])
    expect(pricedTasks / tasks).toBeGreaterThan(1)
    expect(pricedTasks / tasks).toBeLessThan(1.3)
  }
})

test('days off have the tasks that they had before', () => {
  const onWeekends = daily(at('2027-01-01T00:00'), FEBRUARY.startMs, 0, { free: 40 })
  const nowMs = at('2027-02-06T00:00')
  const weekend = forecastDemand(
    history({ counts: onWeekends, nowMs, month: { startMs: FEBRUARY.startMs, endMs: at('2027-02-08T00:00') } }),
  )
  const week = forecastDemand(
    history({ counts: onWeekends, nowMs: at('2027-02-08T00:00'), month: { ...FEBRUARY, endMs: at('2027-02-13T00:00') } }),
  )
  expect(weekend.tasks).toBeGreaterThan(2 * week.tasks)
})

test('without history as many tasks are assumed as the budget is enough for', () => {
  const { tasks, monthTasks } = forecastDemand(history({ sinceMs: FEBRUARY.startMs, assumedPerWorkDay: assumedPerWorkDay(4_000) }))
  expect(monthTasks).toBeCloseTo(4_000 / 12, 6)
  expect(tasks).toBeGreaterThan(250)
  expect(assumedPerWorkDay(0)).toBeGreaterThan(0)
})

test('the first tasks of a history do not count for its rate: it began because of them', () => {
  const nowMs = at('2027-02-01T10:30')
  const given = { sinceMs: at('2027-02-01T10:00'), nowMs }
  const none = forecastDemand(history(given))
  const first = forecastDemand(history({ ...given, counts: [{ hour: at('2027-02-01T10:00') / HOUR_MS, tasks: 3 }] }))
  expect(first.monthTasks / none.monthTasks).toBeCloseTo(1, 1)
})

test('a start that the clock of another machine puts into the future is now', () => {
  const { tasks } = forecastDemand(history({ sinceMs: FEBRUARY.startMs + HOUR_MS }))
  expect(tasks).toBeGreaterThan(0)
})

test('a week that is busier than those before is expected to last for two weeks, a quieter one changes little', () => {
  const nowMs = at('2027-02-08T00:00')
  const before = daily(at('2026-12-28T00:00'), FEBRUARY.startMs, 10)
  const after = (tasks: number) => forecastDemand(history({ nowMs, counts: [...before, ...daily(FEBRUARY.startMs, nowMs, tasks)] })).tasks
  expect(after(30) / after(10)).toBeGreaterThan(1.5)
  expect(after(5) / after(10)).toBeGreaterThan(0.85)
})

test('sixty tasks of one campaign raise the forecast less than sixty over two days', () => {
  const nowMs = at('2027-02-17T18:00')
  const before = daily(at('2027-01-01T00:00'), at('2027-02-16T00:00'), 2)
  const campaign = [{ hour: at('2027-02-17T14:00') / HOUR_MS, tasks: 60 }]
  const spread = Array.from({ length: 60 }, (_, i) => ({
    hour: at('2027-02-16T08:00') / HOUR_MS + (i % 10) + 24 * Math.floor(i / 30),
    tasks: 1,
  }))
  const expected = (counts: SendCount[]) => forecastDemand(history({ nowMs, counts: [...before, ...counts] })).tasks
  expect(expected(spread)).toBeGreaterThan(1.3 * expected(campaign))
})

test('what the last month had and this one has not yet is insured against until three days before the end', () => {
  const late = daily(at('2027-01-25T00:00'), FEBRUARY.startMs, 60)
  const priced = (now: string) => {
    const { tasks, pricedTasks } = forecastDemand(history({ counts: late, nowMs: at(now) }))
    return pricedTasks - tasks
  }
  expect(priced('2027-02-24T00:00')).toBeGreaterThan(100)
  expect(priced('2027-02-28T18:00')).toBeLessThan(50)
})

test('tasks that wait are certain', () => {
  const none = forecastDemand(history({ counts: daily(at('2026-12-28T00:00'), FEBRUARY.startMs, 10) }))
  const some = forecastDemand(history({ counts: daily(at('2026-12-28T00:00'), FEBRUARY.startMs, 10), waiting: 60 }))
  expect(some.tasks - none.tasks).toBeCloseTo(60, 9)
})

test('at the end of the month nothing is expected', () => {
  const counts = daily(at('2026-12-28T00:00'), FEBRUARY.endMs, 10)
  expect(forecastDemand(history({ counts, nowMs: FEBRUARY.endMs }))).toMatchObject({ tasks: 0, pricedTasks: 0 })
  expect(forecastDemand(history({ counts, nowMs: FEBRUARY.endMs + HOUR_MS })).tasks).toBe(0)
})

test('any history gives a forecast: finite, not negative, priced at no less than what is expected, and not by the order of the counts', () => {
  const hours = fc.integer({ min: FEBRUARY.startMs / HOUR_MS - 31 * 24, max: FEBRUARY.endMs / HOUR_MS })
  holds(
    fc.property(
      fc.array(fc.record({ hour: hours, tasks: fc.integer({ min: 0, max: 500 }) }), { maxLength: 30 }),
      hours,
      hours,
      fc.integer({ min: 0, max: 100 }),
      (counts, since, now, waiting) => {
        const known = { sinceMs: since * HOUR_MS, nowMs: now * HOUR_MS, waiting }
        const demand = forecastDemand(history({ ...known, counts }))
        const { tasks, pricedTasks, monthTasks } = demand
        expect([tasks, pricedTasks, monthTasks].every((each) => Number.isFinite(each) && each >= 0)).toBe(true)
        expect(pricedTasks).toBeGreaterThanOrEqual(tasks - 1e-9)
        expect(forecastDemand(history({ ...known, counts: counts.toReversed() }))).toEqual(demand)
      },
    ),
    200,
  )
})
