import { expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS, SECOND_MS } from '../../../src/domain/delivery.ts'
import { bracketWidthMs } from '../../../src/domain/schedule/calls.ts'
import { curveOf } from '../../../src/domain/schedule/curve.ts'
import { buildFamily, MEAN_FINAL_OFFSET_MS } from '../../../src/domain/schedule/place.ts'
import { type Place, placePolls } from '../../../src/domain/schedule/place-polls.ts'
import { PRIOR_LAW } from '../../../src/domain/schedule/prior.ts'

const FINAL_MS = MEAN_FINAL_OFFSET_MS
const PLAN = [2, 10, 60.5, 120, 600].map((minutes) => minutes * MINUTE_MS).concat(FINAL_MS)

const place = (given: Partial<Place> = {}, offsetsMs: readonly number[] = PLAN): number[] =>
  placePolls(offsetsMs, { jitter: 0.5, ages: [], fromMs: 0, timeScale: 1, finalMs: FINAL_MS, minGapMs: 30_000, ...given })

const JITTERS = Array.from({ length: 101 }, (_, i) => i / 101)

test('a task in the middle of the spread is polled at the times of its plan, and last at its own final poll', () => {
  expect(place({ finalMs: FINAL_MS + 12_345.6 })).toEqual([...PLAN.slice(0, -1), FINAL_MS + 12_346])
})

test('others are moved by a twentieth of the smaller gap at most, to both sides, and by three minutes at most', () => {
  const early = place({ jitter: 0 })
  const late = place({ jitter: 1 })
  const moved = (times: readonly number[]) => times.map((ms, i) => (ms - (PLAN[i] ?? 0)) / SECOND_MS)
  expect(moved(late)).toEqual([6, 24, 151.5, 178.5, 180, 0])
  expect(moved(early)).toEqual([-6, -24, -151.5, -178.5, -180, 0])
})

test('no task has its polls in another order, or twice at the same time', () => {
  for (const jitter of JITTERS) {
    const times = place({ jitter })
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times).toHaveLength(PLAN.length)
  }
})

test('a poll for a report age stays in the two minutes after it, with room for being late', () => {
  const age = HOUR_MS
  for (const second of [20, 40, 60]) {
    const plan = [10 * MINUTE_MS, age + second * SECOND_MS, 5 * HOUR_MS, FINAL_MS]
    for (const jitter of JITTERS) {
      const afterAge = ((place({ jitter, ages: [age] }, plan)[1] ?? 0) - age) / SECOND_MS
      expect(afterAge).toBeGreaterThanOrEqual(10)
      expect(afterAge).toBeLessThanOrEqual(90)
    }
  }
  // One that a plan has there by chance, without room, does not move.
  for (const second of [3, 110]) {
    const plan = [age + second * SECOND_MS, FINAL_MS]
    expect(place({ jitter: 0.9, ages: [age] }, plan)).toEqual(plan)
  }
})

test('the first poll of a task that is tracked late is due at once', () => {
  const plan = [3 * HOUR_MS, 4 * HOUR_MS, FINAL_MS]
  expect(place({ jitter: 0.9, fromMs: 3 * HOUR_MS }, plan)[0]).toBe(3 * HOUR_MS)
  expect(place({ jitter: 0.9, fromMs: 3 * HOUR_MS }, plan)[1]).toBeGreaterThan(4 * HOUR_MS)
})

test('the time scale divides the plan; polls that fall together are one', () => {
  expect(place({ timeScale: 1_000, finalMs: FINAL_MS / 1_000, minGapMs: 30 })).toEqual(PLAN.map((ms) => ms / 1_000))
  const plan = [20_000, 20_400, 60_000, FINAL_MS]
  expect(place({ timeScale: 1_000, finalMs: FINAL_MS / 1_000, minGapMs: 30 }, plan)).toEqual([20, 60, FINAL_MS / 1_000])
})

test('a poll that would be beside the final one is left out', () => {
  const plan = [HOUR_MS, FINAL_MS - MINUTE_MS, FINAL_MS]
  expect(place({ finalMs: FINAL_MS - 3.5 * MINUTE_MS }, plan)).toEqual([HOUR_MS, FINAL_MS - 3.5 * MINUTE_MS])
  expect(place({}, [FINAL_MS])).toEqual([FINAL_MS])
})

test('moving the polls costs less than 0.2 % of the mean bracket', () => {
  const calendar = { localAt: (at: Date) => at.getTime(), isFreeDay: () => false }
  const settings = { pollsPerTask: 24, targetWidthMs: null, reportAgesMs: [], maxGap: { ms: QUERY_WINDOW_MS, isHard: false } }
  const curve = curveOf(PRIOR_LAW, new Date('2026-11-03T10:00:00Z'), calendar)
  const plan = buildFamily(curve, settings, { finalOffsetMs: FINAL_MS, hasPrice: false }).at(-1)
  if (plan === undefined) throw new Error('a family has a plan')
  const widths = JITTERS.map((jitter) => bracketWidthMs(curve, place({ jitter }, plan.offsetsMs)))
  const mean = widths.reduce((sum, width) => sum + width, 0) / widths.length
  expect(mean / plan.widthMs).toBeLessThan(1.002)
  expect(mean / plan.widthMs).toBeGreaterThan(0.999)
})
