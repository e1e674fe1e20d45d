import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MINUTE_MS, SECOND_MS } from '../../../src/domain/delivery.ts'
import { buildTiming } from '../../../src/domain/poll-times.ts'
import { bracketWidthMs } from '../../../src/domain/schedule/calls.ts'
import { buildComparedOffsets, longestGapMs, meanDelayMs, optimumWidthMs } from '../../../src/domain/schedule/compare.ts'
import { shareBy } from '../../../src/domain/schedule/curve.ts'
import type { Curve } from '../../../src/domain/schedule/types.ts'
import { runs } from '../../support/runs.ts'
import { density, FINAL_MS, KNOWN_LAWS, minutes, someDensity } from './laws.ts'

/** All pairs, all layers, in minutes: slow and plain. */
function bruteForce(curve: Curve, finalMs: number, polls: number): number {
  const times: number[] = []
  for (let ms = 0; ms < finalMs; ms += 15 * SECOND_MS) times.push(ms)
  times.push(finalMs)
  const shares = times.map((ms) => shareBy(curve, ms))
  let costs = times.map((_, i) => (i === 0 ? 0 : Number.POSITIVE_INFINITY))
  for (let poll = 0; poll < polls; poll++) {
    costs = times.map((ms, j) => {
      const here = times.slice(0, j).map((from, i) => (costs[i] ?? 0) + (ms - from) * ((shares[j] ?? 0) - (shares[i] ?? 0)))
      return Math.min(Number.POSITIVE_INFINITY, ...here)
    })
  }
  return (costs.at(-1) ?? 0) / (shares.at(-1) ?? 1)
}

describe('the optimum', () => {
  test('is that of a plain dynamic programme over all pairs of a grid of 15 seconds', () => {
    fc.assert(
      fc.property(someDensity, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 20, max: 160 }), (curve, polls, cells) => {
        const finalMs = cells * 15 * SECOND_MS
        fc.pre(shareBy(curve, finalMs) > 1e-6)
        expect(optimumWidthMs(curve, finalMs, polls) / bruteForce(curve, finalMs, polls)).toBeCloseTo(1, 6)
      }),
      { numRuns: runs(60) },
    )
  })

  test('of even reads is an even gap', () => {
    expect(optimumWidthMs(density([0, 1_440], [1]), 1_440 * MINUTE_MS, 24) / MINUTE_MS).toBeCloseTo(60)
    expect(optimumWidthMs(density([0, 1_440], [0]), 1_440 * MINUTE_MS, 24) / MINUTE_MS).toBeCloseTo(60)
  })

  test('with more polls than quarters of a minute is a quarter of a minute', () => {
    expect(optimumWidthMs(density([0, 1_440], [1]), 2 * MINUTE_MS, 24)).toBeCloseTo(15 * SECOND_MS)
  })
})

describe('the mean delay', () => {
  test('is the mean time from a read to the next poll', () => {
    fc.assert(
      fc.property(someDensity, fc.uniqueArray(fc.integer({ min: 1, max: 1_430 }), { maxLength: 9 }), (curve, early) => {
        const offsetsMs = minutes(...early.sort((a, b) => a - b), 1_431.5)
        const total = shareBy(curve, FINAL_MS)
        fc.pre(total > 0.01)
        let sum = 0
        const stepMs = 3 * SECOND_MS
        for (let ms = 0; ms < FINAL_MS; ms += stepMs) {
          const readers = shareBy(curve, ms + stepMs) - shareBy(curve, ms)
          const shownMs = offsetsMs.find((offsetMs) => offsetMs >= ms + stepMs) ?? 0
          sum += readers * (shownMs - ms - stepMs / 2)
        }
        expect(Math.abs(meanDelayMs(curve, offsetsMs) - sum / total)).toBeLessThan(4 * SECOND_MS)
      }),
      { numRuns: runs(25) },
    )
  })

  test('of even reads is half of the bracket, and 0 without a reader', () => {
    const offsetsMs = minutes(60, 300, 1_440)
    const even = density([0, 1_440], [1])
    expect(meanDelayMs(even, offsetsMs)).toBeCloseTo(bracketWidthMs(even, offsetsMs) / 2)
    expect(meanDelayMs(density([0, 1_440], [0]), offsetsMs)).toBe(0)
  })
})

test('the longest gap counts the time before the first poll', () => {
  expect(longestGapMs(minutes(70, 100, 160))).toBe(70 * MINUTE_MS)
  expect(longestGapMs(minutes(10, 100, 160))).toBe(90 * MINUTE_MS)
})

describe('compared schedules', () => {
  const compared = buildComparedOffsets(24, FINAL_MS)
  const natural = KNOWN_LAWS['natural'] ?? density([0, 1_440], [1])

  test('all end with the final poll, with the calls that they need', () => {
    for (const offsetsMs of Object.values(compared)) {
      expect(offsetsMs.at(-1)).toBe(FINAL_MS)
      expect(offsetsMs).toEqual([...new Set(offsetsMs)].sort((a, b) => a - b))
    }
    expect(Object.entries(compared).map(([name, { length }]) => [name, length])).toEqual([
      ['growing', 24],
      ['backOff', 17],
      ['hourly', 24],
      ['quarterHourly', 96],
    ])
  })

  test('are what their names say', () => {
    expect(compared.growing.slice(0, -1)).toEqual(buildTiming(24).offsetsMs)
    expect(compared.backOff.slice(0, 4)).toEqual(minutes(1, 2.5, 4.75, 8.125))
    expect(compared.hourly.slice(0, 3)).toEqual(minutes(60, 120, 180))
    expect(compared.quarterHourly.slice(-2)).toEqual(minutes(1_425, 1_431.5))
  })

  test('none is better than the optimum with as many calls', () => {
    for (const offsetsMs of Object.values(compared)) {
      const optimumMs = optimumWidthMs(natural, FINAL_MS, offsetsMs.length)
      expect(bracketWidthMs(natural, offsetsMs)).toBeGreaterThan(optimumMs)
    }
  })
})
