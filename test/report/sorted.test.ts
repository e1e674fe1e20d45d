import fc from 'fast-check'
import { expect, test } from 'vitest'
import { at, indexOfFirst, runningSum } from '../../src/report/sorted.ts'
import { holds } from '../domain/support.ts'

const numbers = (...values: number[]): Float64Array => Float64Array.from(values)

test('the value at an index', () => {
  expect(at(numbers(5, 6, Infinity), 1)).toBe(6)
  expect(at(numbers(5, 6, Infinity), 2)).toBe(Infinity)
})

test('where a sorted list gets beyond a value: as a linear search', () => {
  holds(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.integer({ min: -1, max: 21 }), (values, limit) => {
      const sorted = values.toSorted((a, b) => a - b)
      expect(indexOfFirst(numbers(...sorted), (value) => value > limit)).toBe(sorted.filter((value) => value <= limit).length)
      expect(indexOfFirst(numbers(...sorted), (value) => value >= limit)).toBe(sorted.filter((value) => value < limit).length)
    }),
  )
})

test('sums of all up to each', () => {
  expect(runningSum(numbers(1, 2, 0, 4))).toEqual(numbers(1, 3, 3, 7))
  expect(runningSum(numbers())).toEqual(numbers())
})
