import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../../src/domain/delivery.ts'
import { chooseN, expectedCalls, leastNFor } from '../../../src/domain/schedule/calls.ts'
import { buildFamily, choosePlan, MEAN_FINAL_OFFSET_MS, mostPolls, type PlaceSettings } from '../../../src/domain/schedule/place.ts'
import type { PollPlan } from '../../../src/domain/schedule/types.ts'
import { KNOWN_LAWS, minutes } from './laws.ts'

const curve = KNOWN_LAWS['natural'] ?? expect.fail('the law is there')
const SETTINGS: PlaceSettings = { pollsPerTask: null, targetWidthMs: null, reportAgesMs: [], maxGap: { ms: 6 * HOUR_MS, isHard: false } }

const place = (given: Partial<PlaceSettings>, price: number | null = null, people = 100): PollPlan => {
  const settings = { ...SETTINGS, ...given }
  const family = buildFamily(curve, settings, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: price !== null })
  return choosePlan(family, settings, { curve, people, price })
}
const countPolls = (...given: Parameters<typeof place>): number => place(...given).offsetsMs.length

test('the mean of all final polls is 8.5 minutes before the deadline', () => {
  expect(MEAN_FINAL_OFFSET_MS / MINUTE_MS).toBe(1_431.5)
  expect(place({}).offsetsMs.at(-1)).toBe(MEAN_FINAL_OFFSET_MS)
})

describe('the number of polls', () => {
  test('is as set, or 24, where nothing else decides', () => {
    expect([countPolls({}), countPolls({ pollsPerTask: 7 }), countPolls({ pollsPerTask: 70 })]).toEqual([24, 7, 70])
  })

  test('is at most 64 where a budget or a target width decides, unless another number is set', () => {
    expect(mostPolls(SETTINGS, true)).toBe(64)
    expect(mostPolls({ ...SETTINGS, targetWidthMs: MINUTE_MS }, false)).toBe(64)
    expect(mostPolls({ ...SETTINGS, pollsPerTask: 9 }, true)).toBe(9)
  })

  test('is the least that reaches a target width', () => {
    const plan = place({ targetWidthMs: 30 * MINUTE_MS })
    const polls = plan.offsetsMs.length
    expect(plan.widthMs).toBeLessThanOrEqual(30 * MINUTE_MS)
    expect(place({ pollsPerTask: polls - 1 }).widthMs).toBeGreaterThan(30 * MINUTE_MS)
  })

  test('is the most that is allowed where no number reaches the target width', () => {
    expect(countPolls({ targetWidthMs: MINUTE_MS, pollsPerTask: 12 })).toBe(12)
  })

  test('falls as calls get dearer, and small tasks get fewer', () => {
    const counts = [0, 10, 100, 1_000].map((price) => countPolls({}, price))
    expect(counts).toEqual(counts.toSorted((a, b) => b - a))
    expect(counts[0]).toBe(64)
    expect(countPolls({}, 50, 4)).toBeLessThan(countPolls({}, 50, 100))
  })

  test('is never more than reach the target width, however cheap calls are', () => {
    const target = { targetWidthMs: 30 * MINUTE_MS }
    expect(countPolls(target, 0)).toBe(countPolls(target))
    expect(countPolls(target, 1_000)).toBe(countPolls({}, 1_000))
  })
})

test('report ages and the longest gap are those of the settings', () => {
  const withAge = place({ reportAgesMs: minutes(300) }).offsetsMs
  expect(withAge.filter((offsetMs) => offsetMs >= 300 * MINUTE_MS && offsetMs <= 301 * MINUTE_MS)).toHaveLength(1)
  const hard = place({ maxGap: { ms: 100 * MINUTE_MS, isHard: true } }).offsetsMs
  expect(Math.max(...hard.map((offsetMs, i) => offsetMs - (hard[i - 1] ?? 0)))).toBeLessThanOrEqual(100 * MINUTE_MS)
})

test('a task that is tracked late is polled at once', () => {
  const family = buildFamily(curve, SETTINGS, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, fromMs: 60 * MINUTE_MS, hasPrice: false })
  expect(family[23]?.offsetsMs[0]).toBe(60 * MINUTE_MS)
})

test('the choice out of a family is that of the functions for price and width', () => {
  const family = buildFamily(curve, SETTINGS, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: true })
  expect(countPolls({}, 30)).toBe(chooseN(family, { curve, people: 100, price: 30, ceiling: 64 }))
  expect(countPolls({ targetWidthMs: 20 * MINUTE_MS })).toBe(leastNFor(family, 20 * MINUTE_MS))
})

test('calls that are known are not computed again', () => {
  const family = buildFamily(curve, SETTINGS, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: true })
  const choose = (calls?: readonly number[]): number => {
    return choosePlan(family, SETTINGS, { curve, people: 100, price: 30, ...(calls && { calls }) }).offsetsMs.length
  }
  expect(choose(family.map(({ offsetsMs }) => expectedCalls(curve, offsetsMs, 100)))).toBe(choose())
  // Calls that cost nothing are all bought.
  expect(choose(family.map(() => 0))).toBe(64)
})

test('there is nothing to choose out of an empty family', () => {
  expect(choosePlan([], SETTINGS, { curve, people: 1, price: null })).toEqual({ offsetsMs: [], widthMs: 0 })
})
