import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nonDecreasing } from '../../src/report/turnbull-maximum.ts'
import { holds } from '../domain/support.ts'

const fit = (values: readonly number[], weights: readonly number[] = values.map(() => 1)): number[] => [
  ...nonDecreasing(Float64Array.from(values), Float64Array.from(weights)),
]

test.each([
  ['nothing', [], []],
  ['what is in order', [1, 2, 2, 5], [1, 2, 2, 5]],
  ['what falls: one mean', [3, 2, 1], [2, 2, 2]],
  ['a pool that pulls down the one before', [1, 4, 3, 2, 9], [1, 3, 3, 3, 9]],
  ['a pool after a pool', [2, 1, 5, 4], [1.5, 1.5, 4.5, 4.5]],
])('%s', (_, values, fitted) => {
  expect(fit(values)).toEqual(fitted)
})

test('the mean of a pool is weighted', () => {
  expect(fit([4, 1], [1, 2])).toEqual([2, 2])
})

interface Weighted {
  readonly value: number
  readonly weight: number
}

const someWeighted = fc.array(
  fc.record({
    value: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -10, max: 10, noNaN: true })),
    weight: fc.double({ min: 0.01, max: 100, noNaN: true }),
  }),
  { maxLength: 25 },
)

/** The mean of the values from one index to another, that one too. */
function meanOf(all: readonly Weighted[], from: number, to: number): number {
  const pool = all.slice(from, to + 1)
  return pool.reduce((sum, { value, weight }) => sum + value * weight, 0) / pool.reduce((sum, { weight }) => sum + weight, 0)
}

test('each is the greatest, over where a pool may begin, of its least mean, over where it may end', () => {
  holds(
    fc.property(someWeighted, (all) => {
      const fitted = fit(
        all.map(({ value }) => value),
        all.map(({ weight }) => weight),
      )
      expect(fitted).toHaveLength(all.length)
      for (const [i, value] of fitted.entries()) {
        const leastFrom = (from: number) => Math.min(...all.slice(i).map((_, more) => meanOf(all, from, i + more)))
        expect(value).toBeCloseTo(Math.max(...all.slice(0, i + 1).map((_, from) => leastFrom(from))), 9)
      }
    }),
  )
})

test('it never falls, not by rounding either', () => {
  holds(
    fc.property(someWeighted, (all) => {
      const fitted = fit(
        all.map(({ value }) => value),
        all.map(({ weight }) => weight),
      )
      expect(fitted).toEqual(fitted.toSorted((a, b) => a - b))
    }),
  )
})
