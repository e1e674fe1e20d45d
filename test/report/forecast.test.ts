import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { expectedCalls } from '../../src/domain/schedule/calls.ts'
import { curveOfDensity } from '../../src/domain/schedule/curve.ts'
import type { PlaceSettings } from '../../src/domain/schedule/place.ts'
import { buildForecast, type Forecast, type ForecastParts } from '../../src/report/forecast.ts'

/** Three of four read: half of these in the first hour. */
const curve = curveOfDensity({ edgesMs: [0, HOUR_MS, 24 * HOUR_MS], density: [23, 1], readShare: 0.75 })
const settings: PlaceSettings = {
  ...{ pollsPerTask: null, targetWidthMs: null, reportAgesMs: [HOUR_MS, 4 * HOUR_MS] },
  maxGap: { ms: 6 * HOUR_MS, isHard: false },
}
const PARTS: ForecastParts = {
  ...{ app: 'hr', recipients: 3_050, sentAt: new Date('2026-12-01T02:00:00Z'), curve, settings, budget: null },
  law: { kind: 'law', version: null, tasks: 0, people: 0, lastSentAt: null, learnedAt: null },
  placing: { by: 'law', price: null },
}

const forecast = (given: Partial<ForecastParts> = {}, changed: Partial<PlaceSettings> = {}): Forecast =>
  buildForecast({ ...PARTS, ...given, settings: { ...settings, ...changed } })

const widthOf = ({ pollsMinutes }: Forecast, readBy: (minutes: number) => number): number =>
  pollsMinutes.reduce((sum, minutes, i) => {
    const before = pollsMinutes[i - 1] ?? 0
    return sum + (minutes - before) * (readBy(minutes) - readBy(before))
  }, 0) / readBy(pollsMinutes.at(-1) ?? 0)

/** The same law, written down anew. */
const readBy = (minutes: number): number => (0.75 / 2) * (Math.min(minutes, 60) / 60 + Math.max(0, minutes - 60) / (23 * 60))

test('a campaign is sent in tasks of 100, and what is left over', () => {
  expect(forecast()).toMatchObject({
    ...{ app: 'hr', recipients: 3_050, sentAt: PARTS.sentAt, tasks: 31, polls: 24, callsAtMost: 31 * 24, price: null, budget: null },
    batches: [
      { tasks: 30, recipients: 100, polls: 24 },
      { tasks: 1, recipients: 50, polls: 24 },
    ],
  })
  expect(forecast({ recipients: 3_000 }).batches).toEqual([{ tasks: 30, recipients: 100, polls: 24 }])
  expect(forecast({ recipients: 7 }).batches).toEqual([{ tasks: 1, recipients: 7, polls: 24 }])
})

test('the final poll is the last one, and the mean bracket is that of the polls', () => {
  const made = forecast()
  expect(made.pollsMinutes).toHaveLength(24)
  expect(made.pollsMinutes).toEqual(made.pollsMinutes.toSorted((a, b) => a - b))
  expect(made.pollsMinutes.at(-1)).toBe(1_431.5)
  expect(made.meanBracketMinutes).toBeCloseTo(widthOf(made, readBy), 2)
  expect(made.optimumMinutes).toBeLessThanOrEqual(made.meanBracketMinutes)
  expect(made.meanDelayMinutes).toBeLessThan(made.meanBracketMinutes)
  expect(made.longestGapMinutes).toBeLessThanOrEqual(360)
})

test('small tasks end early, so fewer calls are expected of them', () => {
  const everyone = curveOfDensity({ edgesMs: [0, HOUR_MS], density: [1], readShare: 1 })
  const made = forecast({ curve: everyone, recipients: 2 })
  const offsetsMs = made.pollsMinutes.map((minutes) => minutes * MINUTE_MS)
  expect(made.calls).toBeCloseTo(expectedCalls(everyone, offsetsMs, 2), 1)
  expect(made.calls).toBeLessThan(made.callsAtMost - 1)
})

test('shares that are expected to have read, and the report ages that polls show', () => {
  expect(forecast().readWithin).toEqual([
    { hours: 1, share: 0.375 },
    { hours: 4, share: expect.closeTo(0.375 + (0.375 * 3) / 23, 4) },
    { hours: 24, share: 0.75 },
  ])
  const ages = (polls: number): boolean[] => forecast({}, { pollsPerTask: polls }).reportAges.map(({ isCovered }) => isCovered)
  expect(forecast().reportAges.map(({ minutes }) => minutes)).toEqual([60, 240])
  expect(ages(24)).toEqual([true, true])
  expect(ages(8)).not.toContain(true)
})

describe('the number of polls', () => {
  test('is the least that reaches a target width, which the forecast names', () => {
    const made = forecast({}, { targetWidthMs: 45 * MINUTE_MS })
    expect(made.targetWidthMinutes).toBe(45)
    expect(made.meanBracketMinutes).toBeLessThanOrEqual(45)
    expect(forecast({}, { pollsPerTask: made.polls - 1 }).meanBracketMinutes).toBeGreaterThan(45)
    expect(forecast().targetWidthMinutes).toBeNull()
  })

  test('follows the price; the smaller last task may have fewer, and all other figures are those of full ones', () => {
    const made = forecast({ placing: { by: 'law', price: 20 }, recipients: 1_004 })
    const [full, rest] = made.batches
    expect(made.price).toBe(20)
    expect(full?.polls).toBe(made.polls)
    expect(rest?.polls).toBeLessThan(made.polls)
    expect(made.callsAtMost).toBe(10 * made.polls + (rest?.polls ?? 0))
    expect(made.meanBracketMinutes).toBe(made.compare.learned.meanBracketMinutes)
  })
})

test('what is compared has as many polls, or as many as its gaps need', () => {
  const { compare, meanBracketMinutes } = forecast()
  const polls = Object.entries(compare).map(([name, figures]) => [name, figures.polls, figures.callsAtMost])
  expect(polls).toEqual([
    ['learned', 24, 744],
    ['growing', 24, 744],
    ['backOff', 17, 527],
    ['hourly', 24, 744],
    ['quarterHourly', 96, 2_976],
  ])
  expect(compare.learned.meanBracketMinutes).toBe(meanBracketMinutes)
  expect(compare.growing.meanBracketMinutes).toBeGreaterThan(meanBracketMinutes)
  expect(compare.hourly.meanBracketMinutes).toBeCloseTo(60, 0)
  expect(compare.quarterHourly.meanBracketMinutes).toBeCloseTo(15, 0)
})

describe('other schedules', () => {
  test('growing gaps, beside as many polls that are placed by the law', () => {
    const made = forecast({ placing: { by: 'growing' } })
    expect(made).toMatchObject({ placedBy: 'growing', polls: 24, price: null })
    expect(made.meanBracketMinutes).toBe(made.compare.growing.meanBracketMinutes)
    expect(made.compare.learned.meanBracketMinutes).toBe(forecast().meanBracketMinutes)
  })

  test('growing gaps have the fewest polls that reach a target width too', () => {
    const made = forecast({ placing: { by: 'growing' } }, { targetWidthMs: 60 * MINUTE_MS })
    expect(made.meanBracketMinutes).toBeLessThanOrEqual(60)
    expect(forecast({ placing: { by: 'growing' } }, { pollsPerTask: made.polls - 1 }).meanBracketMinutes).toBeGreaterThan(60)
  })

  test('given polls, with the final poll behind them', () => {
    const made = forecast({ placing: { by: 'custom', offsetsMs: [HOUR_MS, 1_435 * MINUTE_MS] } })
    expect(made).toMatchObject({ placedBy: 'custom', polls: 2, pollsMinutes: [60, 1_431.5], callsAtMost: 62 })
  })
})

test.each([
  ['law', 'law'],
  ['learned', 'learned'],
  ['pooled', 'learned'],
  ['prior', 'prior'],
] as const)('a law of the kind %s places polls as %s', (kind, placedBy) => {
  expect(forecast({ law: { ...PARTS.law, kind } }).placedBy).toBe(placedBy)
})

describe('a monthly budget', () => {
  const withBudget = (monthlyCallBudget: number, callsUsed: number | null) => forecast({ budget: { monthlyCallBudget, callsUsed } }).budget

  test('says what part of it the campaign takes', () => {
    expect(withBudget(7_440, 1_000)).toEqual({ monthlyCallBudget: 7_440, callsUsed: 1_000, share: expect.closeTo(0.1, 4), isEnough: true })
  })

  test('is too small where less is left than the campaign is expected to take', () => {
    expect(withBudget(7_440, 7_000)).toMatchObject({ isEnough: false })
    expect(withBudget(7_440, null)).toMatchObject({ isEnough: null })
  })
})
