import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatRate, rateOf } from '../../src/report/rate.ts'
import { holds } from '../domain/support.ts'

test('a rate with the denominator 0 is null, and is shown as a dash', () => {
  expect([rateOf(0, 0), rateOf(3, 4), formatRate(null)]).toEqual([null, 0.75, '–'])
})

test.each([
  [0, '0.0%'],
  [1 / 10_000, '<0.1%'],
  [0.000_49, '<0.1%'],
  [0.000_51, '0.1%'],
  [30 / 78, '38.5%'],
  [0.9994, '99.9%'],
  [0.9996, '>99.9%'],
  [9_999 / 10_000, '>99.9%'],
  [1, '100.0%'],
])('the rate %d is %s', (rate, text) => {
  expect(formatRate(rate)).toBe(text)
})

test('only 0 is 0.0%, and only 1 is 100.0%', () => {
  const someCounts = fc.tuple(fc.nat({ max: 100_000 }), fc.nat({ max: 100_000 })).filter(([part, whole]) => part > 0 && part < whole)
  holds(
    fc.property(someCounts, ([part, whole]) => {
      expect(['0.0%', '100.0%', '–']).not.toContain(formatRate(rateOf(part, whole)))
    }),
  )
})
