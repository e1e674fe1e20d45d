import { expect, test } from 'vitest'
import type { ElapsedBracket } from '../../src/report/read-brackets.ts'
import { turnbullEstimate } from '../../src/report/turnbull.ts'
import { together } from '../../src/report/turnbull-maximum.ts'
import { runs } from '../support/runs.ts'
import { EXAMPLES } from './turnbull-data.ts'

const bracket = (afterMs: number, beforeMs: number | null): ElapsedBracket => ({ afterMs, beforeMs })
const times = (count: number, of: ElapsedBracket): ElapsedBracket[] => Array.from({ length: count }, () => of)

// ---- numbers of others

test.each(EXAMPLES)("R's estimate: %s", (_, { people, rises }) => {
  const { parts, gap } = turnbullEstimate(people)
  expect(gap).toBeLessThanOrEqual(1e-10)
  expect(parts.map(({ afterMs, beforeMs }) => [afterMs, beforeMs])).toEqual(rises.map(([after, before]) => [after, before]))
  for (const [i, [, , upTo]] of rises.entries()) expect(parts[i]?.upTo).toBeCloseTo(upTo, 9)
})

// ---- small enough for pencil and paper

test('without brackets there is no distribution', () => {
  expect(turnbullEstimate([])).toEqual({ parts: [], gap: 0 })
})

test('one person is the whole distribution', () => {
  expect(turnbullEstimate([bracket(3, 9)])).toEqual({ parts: [{ afterMs: 3, beforeMs: 9, upTo: 1 }], gap: 0 })
})

test('no person read: all mass lies after the last of the final polls', () => {
  const people = [bracket(80, null), bracket(86, null), bracket(82, null)]
  expect(turnbullEstimate(people).parts).toEqual([{ afterMs: 86, beforeMs: null, upTo: 1 }])
})

test('all read at the first polls: in what the first polls have in common', () => {
  const people = [...times(7, bracket(0, 5)), ...times(2, bracket(0, 3))]
  expect(turnbullEstimate(people).parts).toEqual([{ afterMs: 0, beforeMs: 3, upTo: 1 }])
})

test('brackets that only touch share nothing: they are open on the left', () => {
  const { parts } = turnbullEstimate([bracket(1, 2), ...times(3, bracket(2, 3))])
  expect(parts).toEqual([
    { afterMs: 1, beforeMs: 2, upTo: 0.25 },
    { afterMs: 2, beforeMs: 3, upTo: 1 },
  ])
})

test('a bracket that covers others is divided among them as they are', () => {
  const { parts } = turnbullEstimate([bracket(0, 10), bracket(1, 2), ...times(2, bracket(6, 7))])
  expect(parts.map(({ beforeMs }) => beforeMs)).toEqual([2, 7])
  expect(parts[0]?.upTo).toBeCloseTo(1 / 3, 9)
})

test('(1, 2] of (1, 3], (2, null] and both halves: log p + 2 log (1 − p) is greatest at a third', () => {
  const { parts } = turnbullEstimate([bracket(1, 2), bracket(2, 3), bracket(1, 3), bracket(2, null)])
  expect(parts.map(({ afterMs, beforeMs }) => [afterMs, beforeMs])).toEqual([
    [1, 2],
    [2, 3],
  ])
  expect(parts[0]?.upTo).toBeCloseTo(1 / 3, 9)
})

test('an innermost interval without mass at which the likelihood is flat', () => {
  // 2 log p + 3 log (p + q) + 2 log (q + r) + 3 log r, for the masses of (1, 2], (2, 3] and (3, 4]. EM alone crawls here.
  const people = [...times(2, bracket(0, 2)), ...times(3, bracket(1, 3)), ...times(2, bracket(2, 4)), ...times(3, bracket(3, 5))]
  const { parts, gap } = turnbullEstimate(people)
  expect(gap).toBeLessThanOrEqual(1e-10)
  expect(parts.find(({ beforeMs }) => beforeMs === 2)?.upTo).toBeCloseTo(0.5, 6)
  expect(parts.findLast(({ beforeMs }) => beforeMs !== 4)?.upTo).toBeCloseTo(0.5, 6)
})

test('groups that cover the same parts are one, with the weight of all', () => {
  const groups = together(
    [
      { first: 0, end: 2, weight: 1 },
      { first: 1, end: 2, weight: 1 },
      { first: 0, end: 2, weight: 3 },
    ],
    3,
  )
  expect(groups).toEqual([
    { first: 0, end: 2, weight: 4 },
    { first: 1, end: 2, weight: 1 },
  ])
})

// ---- large

// In the way that tests run here both are many times slower than in the program.
const PATIENCE_MS = 300_000

test(
  'a chain of brackets, each of which overlaps just the next: near enough, and it says how near',
  () => {
    const chain = Array.from({ length: runs(250) }, (_, i) => bracket(i, i + 2))
    const { parts, gap } = turnbullEstimate(chain)
    expect(gap).toBeLessThan(1e-6)
    expect(parts.at(-1)?.upTo).toBe(1)
  },
  PATIENCE_MS,
)

test(
  'many people, nearly all with a bracket of their own',
  () => {
    const { parts, gap } = turnbullEstimate(manyBrackets(runs(100_000)))
    expect(gap).toBeLessThanOrEqual(1e-10)
    expect(parts.length).toBeGreaterThan(100)
  },
  PATIENCE_MS,
)

/** Spread over the day by the golden ratio: as uneven as chance, and always the same. */
function manyBrackets(count: number): ElapsedBracket[] {
  return Array.from({ length: count }, (_, i) => {
    const afterMs = Math.floor(((i * 0.618_033_988_75) % 1) * 80_000_000)
    const lengthMs = 1 + Math.floor(((i * 0.754_877_666_25) % 1) * 4_000_000)
    return bracket(afterMs, i % 10 === 0 ? null : afterMs + lengthMs)
  })
}
