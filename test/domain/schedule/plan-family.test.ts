import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../src/domain/delivery.ts'
import { bracketWidthMs } from '../../../src/domain/schedule/calls.ts'
import { longestGapMs, optimumWidthMs } from '../../../src/domain/schedule/compare.ts'
import { shareBy } from '../../../src/domain/schedule/curve.ts'
import { coveredAges, planFamily } from '../../../src/domain/schedule/plan-family.ts'
import type { Curve, PollPlan } from '../../../src/domain/schedule/types.ts'
import { runs } from '../../support/runs.ts'
import { density, FINAL_MS, KNOWN_LAWS, minutes, OPTIONS, someDensity, WITH_AGES } from './laws.ts'

const POLLS = [8, 16, 24, 48]
const AGES = WITH_AGES.forcedAges
const NONE: PollPlan = { offsetsMs: [], widthMs: Number.NaN }

const planIn = (family: readonly PollPlan[], polls: number): PollPlan => family[polls - 1] ?? NONE

const ratios = (curve: Curve, family: readonly PollPlan[]): number[] =>
  POLLS.map((count) => planIn(family, count).widthMs / optimumWidthMs(curve, FINAL_MS, count))

/** Ascending, at least 15 s apart, the final poll last, and as wide as it says. */
function expectSound(curve: Curve, plan: PollPlan, polls: number, finalMs = FINAL_MS): void {
  expect(plan.offsetsMs).toHaveLength(polls)
  expect(plan.offsetsMs.at(-1)).toBe(finalMs)
  const gaps = plan.offsetsMs.map((offsetMs, i) => offsetMs - (plan.offsetsMs[i - 1] ?? 0))
  expect(Math.min(...gaps.slice(1))).toBeGreaterThanOrEqual(15 * SECOND_MS)
  expect(gaps[0]).toBeGreaterThan(0)
  expect(plan.widthMs).toBeCloseTo(bracketWidthMs(curve, plan.offsetsMs), 6)
}

describe.each(Object.entries(KNOWN_LAWS))('law: %s', (_name, curve) => {
  test('the plans are at most 3 % wider than the optimum', () => {
    const family = planFamily(curve, OPTIONS)
    expect(family).toHaveLength(64)
    for (const [i, plan] of family.entries()) expectSound(curve, plan, i + 1)
    for (const ratio of ratios(curve, family)) expect(ratio).toBeLessThan(1.021)
  })

  test('without any wish the plans are at most 1 % wider, and more polls are never worse', () => {
    const family = planFamily(curve, { ...OPTIONS, maxGapMs: null })
    for (const ratio of ratios(curve, family)) expect(ratio).toBeLessThan(1.01)
    for (const [i, { widthMs }] of family.slice(1).entries()) expect(widthMs).toBeLessThanOrEqual(planIn(family, i + 1).widthMs * 1.0001)
  })

  test('with report ages they are at most 6 % wider, and the same below 24 polls', () => {
    const family = planFamily(curve, WITH_AGES)
    for (const ratio of ratios(curve, family)) expect(ratio).toBeLessThan(1.06)
    const without = planFamily(curve, OPTIONS)
    for (const [i, { widthMs }] of family.slice(0, 23).entries())
      expect(widthMs).toBeLessThanOrEqual(planIn(without, i + 1).widthMs * 1.001)
  })
})

test('for any density the plans are near the optimum, with and without ages', () => {
  const polls = fc.integer({ min: 1, max: 64 })
  fc.assert(
    fc.property(someDensity, polls, (curve, count) => {
      const optimumMs = optimumWidthMs(curve, FINAL_MS, count)
      const planOf = (options: typeof OPTIONS): PollPlan => planIn(planFamily(curve, options), count)
      for (const options of [{ ...OPTIONS, maxGapMs: null }, OPTIONS, WITH_AGES]) expectSound(curve, planOf(options), count)
      expect(planOf({ ...OPTIONS, maxGapMs: null }).widthMs).toBeLessThan(optimumMs * 1.01)
      expect(planOf(OPTIONS).widthMs).toBeLessThan(optimumMs * 1.03)
      expect(planOf(WITH_AGES).widthMs).toBeLessThan(optimumMs * 1.06)
    }),
    { numRuns: runs(100) },
  )
})

test('a curve without readers has even plans', () => {
  const family = planFamily(density([0, 1_440], [0]), OPTIONS)
  const plan = planIn(family, 10)
  expect(plan.widthMs).toBeCloseTo(FINAL_MS / 10, -4)
  expect(longestGapMs(plan.offsetsMs)).toBeLessThan((FINAL_MS / 10) * 1.05)
})

test('polls that bring nothing are spread over the window', () => {
  const { offsetsMs } = planIn(planFamily(density([0, 2, 1_440], [1, 0]), OPTIONS), 24)
  expect(longestGapMs(offsetsMs)).toBeLessThan(2 * HOUR_MS)
})

test('there are as many plans as are asked for, and those of hundreds of polls are near the optimum too', () => {
  for (const curve of [
    density([0, 1_440], [1]),
    density([0, 600, 601, 1_440], [0, 1, 0]),
    KNOWN_LAWS['natural'] ?? density([0, 1_440], [1]),
  ]) {
    const family = planFamily(curve, { ...OPTIONS, max: 300 })
    expect(family).toHaveLength(300)
    for (const count of [100, 300]) expect(planIn(family, count).widthMs / optimumWidthMs(curve, FINAL_MS, count)).toBeLessThan(1.01)
  }
})

test('a peak of two minutes is polled each 15 seconds', () => {
  const { offsetsMs } = planIn(planFamily(density([0, 600, 602, 1_440], [0, 1, 0]), OPTIONS), 16)
  expect(offsetsMs.filter((offsetMs) => offsetMs >= 600 * MINUTE_MS && offsetMs <= 602 * MINUTE_MS)).toEqual(
    minutes(600, 600.25, 600.5, 600.75, 601, 601.25, 601.5, 601.75, 602),
  )
})

describe('report ages', () => {
  test('each has a poll 20 to 60 seconds after it', () => {
    for (const count of [24, 30, 64]) {
      const plan = planIn(planFamily(density([0, 1_440], [1]), WITH_AGES), count)
      expect(coveredAges(plan, AGES)).toEqual(AGES)
      for (const ageMs of AGES) {
        const first = plan.offsetsMs.find((offsetMs) => offsetMs >= ageMs)
        expect(first).toBeLessThanOrEqual(ageMs + MINUTE_MS)
      }
    }
  })

  test('one that costs more than 5 % is left out, and the others stay', () => {
    // Nobody reads before 08:00, so the first age wastes a poll; so would each other one.
    const plan = planIn(planFamily(density([0, 480, 1_440], [0, 1]), { ...OPTIONS, forcedAges: minutes(60, 120, 240, 600) }), 24)
    const covered = coveredAges(plan, minutes(60, 120, 240, 600))
    expect(covered).toContain(600 * MINUTE_MS)
    expect(covered.length).toBeLessThan(4)
  })

  test('ages before the first poll of a late task and after the final poll are ignored', () => {
    const forcedAges = minutes(30, 60, 240, 1_500)
    const plan = planIn(planFamily(density([0, 1_440], [1]), { ...OPTIONS, forcedAges, fromMs: 90 * MINUTE_MS }), 24)
    expect(coveredAges(plan, forcedAges)).toEqual(minutes(240))
    expect(plan.offsetsMs).toHaveLength(24)
  })

  test('ages without whole quarters of a minute are met too', () => {
    const forcedAges = [HOUR_MS + 7 * SECOND_MS, HOUR_MS + 9 * SECOND_MS, 2 * HOUR_MS + 44.5 * SECOND_MS]
    expect(coveredAges(planIn(planFamily(density([0, 1_440], [1]), { ...OPTIONS, forcedAges }), 32), forcedAges)).toEqual(forcedAges)
  })
})

describe('the longest gap', () => {
  const night = density([0, 20, 1_000, 1_440], [10, 0, 1])

  test('a soft one is kept where it costs little', () => {
    const gapOf = (curve: Curve, polls: number, maxGapMs = OPTIONS.maxGapMs) =>
      longestGapMs(planIn(planFamily(curve, { ...OPTIONS, maxGapMs }), polls).offsetsMs)
    const long = density([0, 60, 1_440], [30, 0.05])
    expect(gapOf(long, 24, null)).toBeGreaterThan(1.9 * HOUR_MS)
    expect(gapOf(long, 24, { ms: 1.85 * HOUR_MS, isHard: false })).toBeLessThanOrEqual(1.85 * HOUR_MS)
    // An empty stretch of 16 hours needs two more polls: they would cost more than 2 % of eight.
    expect(gapOf(night, 8)).toBeGreaterThan(12 * HOUR_MS)
  })

  test('a hard one is kept by every plan that has enough polls', () => {
    const limits = fc.integer({ min: 23, max: 1_500 }).map((each) => each * MINUTE_MS)
    fc.assert(
      fc.property(someDensity, limits, fc.integer({ min: 0, max: 1_000 }), fc.boolean(), (curve, ms, from, hasAges) => {
        const fromMs = from * MINUTE_MS
        const family = planFamily(curve, { ...(hasAges ? WITH_AGES : OPTIONS), maxGapMs: { ms, isHard: true }, fromMs })
        const first = from > 0 ? 1 : 0
        const least = Math.ceil((FINAL_MS - fromMs) / ms) + first
        const gaps = family
          .slice(Math.max(first, least - 1))
          .map(({ offsetsMs }) => longestGapMs(offsetsMs.slice(first).map((offsetMs) => offsetMs - fromMs)))
        expect(gaps.filter((gapMs) => gapMs > ms)).toEqual([])
      }),
      { numRuns: runs(60) },
    )
  })

  test('one that no plan can keep changes nothing', () => {
    expect(planFamily(night, { ...OPTIONS, maxGapMs: { ms: SECOND_MS, isHard: true }, max: 12 })).toEqual(
      planFamily(night, { ...OPTIONS, maxGapMs: null, max: 12 }),
    )
  })
})

describe('tracking that began late', () => {
  test('the first poll is at once, the rest is the best plan of what is left', () => {
    const curve = KNOWN_LAWS['natural'] ?? density([0, 1_440], [1])
    const fromMs = 100 * MINUTE_MS + 7_123
    const family = planFamily(curve, { ...OPTIONS, maxGapMs: null, fromMs })
    expect(planIn(family, 1).offsetsMs).toEqual([FINAL_MS])
    for (const [i, plan] of family.entries()) if (i > 0) expectSound(curve, plan, i + 1)
    for (const count of [2, 8, 24]) {
      const plan = planIn(family, count)
      expect(plan.offsetsMs[0]).toBe(fromMs)
      const total = shareBy(curve, FINAL_MS)
      const first = shareBy(curve, fromMs)
      const points = [0, ...Array.from({ length: 2_000 }, (_, k) => ((FINAL_MS - fromMs) * (k + 1)) / 2_000)]
      const rest: Curve = { offsetsMs: points, shares: points.map((offsetMs) => shareBy(curve, fromMs + offsetMs) - first) }
      const bestMs = (fromMs * first + optimumWidthMs(rest, FINAL_MS - fromMs, count - 1) * (total - first)) / total
      expect(plan.widthMs / bestMs).toBeLessThan(1.01)
    }
  })

  test('minutes before the final poll there are as many polls as have room', () => {
    const curve = density([0, 1_440], [1])
    const before = (ms: number) => planFamily(curve, { ...WITH_AGES, fromMs: FINAL_MS - ms })
    expect(before(MINUTE_MS).map(({ offsetsMs }) => offsetsMs.length)).toEqual([1, 2, 3, 4, 5])
    expect(before(MINUTE_MS).at(-1)?.offsetsMs).toEqual(minutes(1_430.5, 1_430.75, 1_431, 1_431.25, 1_431.5))
    expect(before(SECOND_MS)).toEqual([{ offsetsMs: [FINAL_MS], widthMs: FINAL_MS }])
    expect(before(-MINUTE_MS)).toEqual([{ offsetsMs: [FINAL_MS], widthMs: FINAL_MS }])
    expect(planFamily(curve, { ...OPTIONS, max: 1, fromMs: HOUR_MS })).toEqual([{ offsetsMs: [FINAL_MS], widthMs: FINAL_MS }])
  })

  test('nobody reads after the first poll: the rest is even', () => {
    const { offsetsMs } = planIn(planFamily(density([0, 60, 1_440], [1, 0]), { ...OPTIONS, fromMs: 2 * HOUR_MS }), 12)
    expect(longestGapMs(offsetsMs)).toBeLessThan(2.1 * HOUR_MS)
  })
})
