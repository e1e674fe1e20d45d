import fc from 'fast-check'
import { expect, test } from 'vitest'
import { computeOffset, corrected, mostCertain } from '../../src/lib/clock-offset.ts'

test('the other clock was read in the middle, half of the round trip aside at most', () => {
  expect(computeOffset({ askedMs: 100, answeredMs: 104, shownMs: 1_102 })).toEqual({ offsetMs: 1_000, uncertaintyMs: 2 })
})

test('whenever the other clock was read, the truth lies within the uncertainty', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(10_000), fc.integer({ min: -1e9, max: 1e9 }), (before, after, trueOffset) => {
      const askedMs = 5_000
      const measured = computeOffset({ askedMs, answeredMs: askedMs + before + after, shownMs: askedMs + before + trueOffset })
      expect(Math.abs(measured.offsetMs - trueOffset)).toBeLessThanOrEqual(measured.uncertaintyMs)
    }),
  )
})

test('the quickest answer counts', () => {
  const [slow, quick] = [
    { offsetMs: 1, uncertaintyMs: 9 },
    { offsetMs: 2, uncertaintyMs: 3 },
  ]
  expect(mostCertain(slow)).toBe(slow)
  expect(mostCertain(slow, quick)).toBe(quick)
  expect(mostCertain(quick, slow)).toBe(quick)
})

test('the first measurement counts as it is', () => {
  expect(corrected(null, { offsetMs: 7, uncertaintyMs: 3 })).toEqual({ offsetMs: 7, uncertaintyMs: 3 })
})

test.each([
  ['within the uncertainty: nothing', 12, { offsetMs: 12, uncertaintyMs: 7 }],
  ['ahead by more: no further back than it must', 99, { offsetMs: 15, uncertaintyMs: 10 }],
  ['behind by more: no further than it must', -99, { offsetMs: 5, uncertaintyMs: 10 }],
])('a correction %s', (_, knownMs, expected) => {
  const known = { offsetMs: knownMs, uncertaintyMs: 1 }
  expect(corrected(known, { offsetMs: 10, uncertaintyMs: 5 })).toEqual(expected)
})

test('after any correction the truth lies within the uncertainty', () => {
  const someMs = fc.integer({ min: -1_000, max: 1_000 })
  fc.assert(
    fc.property(someMs, someMs, fc.nat(100), fc.nat(100), (trueOffset, knownMs, before, after) => {
      const measured = computeOffset({ askedMs: 0, answeredMs: before + after, shownMs: before + trueOffset })
      const { offsetMs, uncertaintyMs } = corrected({ offsetMs: knownMs, uncertaintyMs: 0 }, measured)
      expect(Math.abs(offsetMs - trueOffset)).toBeLessThanOrEqual(uncertaintyMs)
    }),
  )
})

test('whatever is measured of a clock that stands still, what is known comes to the truth and stays there', () => {
  const measured = fc.record({ error: fc.double({ min: -1, max: 1, noNaN: true }), uncertaintyMs: fc.nat(50) })
  fc.assert(
    fc.property(fc.array(measured, { minLength: 1 }), (all) => {
      let known = null
      let best = Number.POSITIVE_INFINITY
      for (const { error, uncertaintyMs } of all) {
        known = corrected(known, { offsetMs: 1_000 + error * uncertaintyMs, uncertaintyMs })
        best = Math.min(best, uncertaintyMs)
        expect(Math.abs(known.offsetMs - 1_000)).toBeLessThanOrEqual(2 * best + 1e-6)
      }
    }),
  )
})
