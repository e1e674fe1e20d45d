import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MINUTE_MS } from '../../../src/domain/delivery.ts'
import { bracketWidthMs, chooseN, expectedCalls, leastNFor } from '../../../src/domain/schedule/calls.ts'
import { planFamily } from '../../../src/domain/schedule/plan-family.ts'
import { runs } from '../../support/runs.ts'
import { density, KNOWN_LAWS, minutes, OPTIONS } from './laws.ts'

const UNIFORM = density([0, 1_440], [1])
const NATURAL = KNOWN_LAWS['natural'] ?? UNIFORM
const FAMILY = planFamily(NATURAL, OPTIONS)

describe('the mean bracket', () => {
  test('weighs each gap with those who read in it', () => {
    const curve = density([0, 60, 120], [3, 1])
    expect(bracketWidthMs(curve, minutes(60, 120)) / MINUTE_MS).toBeCloseTo(60)
    expect(bracketWidthMs(curve, minutes(20, 120)) / MINUTE_MS).toBeCloseTo(0.25 * 20 + 0.75 * 100)
  })

  test('counts only those who read before the last poll', () => {
    expect(bracketWidthMs(UNIFORM, minutes(10, 30)) / MINUTE_MS).toBeCloseTo((10 * 10 + 20 * 20) / 30)
  })

  test('is that of an even curve where nobody reads', () => {
    expect(bracketWidthMs(density([0, 1_440], [0]), minutes(10, 30))).toBeCloseTo(bracketWidthMs(UNIFORM, minutes(10, 30)))
  })
})

describe('expected calls', () => {
  test('are all polls where one never reads, and fewer the smaller the task', () => {
    const offsetsMs = minutes(60, 120, 1_431.5)
    expect(expectedCalls(density([0, 1_440], [0]), offsetsMs, 1)).toBe(3)
    const one = expectedCalls(NATURAL, offsetsMs, 1)
    expect(one).toBeLessThan(expectedCalls(NATURAL, offsetsMs, 2))
    expect(expectedCalls(NATURAL, offsetsMs, 100)).toBeCloseTo(3, 5)
  })

  test('are what tasks with independent readers make in the mean', () => {
    const offsetsMs = minutes(100, 300, 700, 1_200)
    let seed = 1
    const chance = (): number => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed / 2_147_483_647
    }
    const calls = Array.from({ length: 20_000 }, () => {
      // 85 % read, at a uniform minute.
      const reads = Array.from({ length: 3 }, () => (chance() < 0.85 ? chance() * 1_440 : Number.POSITIVE_INFINITY))
      const all = Math.max(...reads) * MINUTE_MS
      const end = offsetsMs.findIndex((offsetMs) => offsetMs >= all)
      return end === -1 ? offsetsMs.length : end + 1
    })
    const mean = calls.reduce((sum, each) => sum + each, 0) / calls.length
    expect(Math.abs(expectedCalls(UNIFORM, offsetsMs, 3) - mean)).toBeLessThan(0.03)
  })
})

describe('the number of polls', () => {
  const choose = (people: number, price: number, ceiling = 64): number => chooseN(FAMILY, { curve: NATURAL, people, price, ceiling })

  test('minimises √people · width in minutes + price · expected calls', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 300, noNaN: true }),
        fc.integer({ min: 1, max: 64 }),
        (people, price, ceiling) => {
          const costs = FAMILY.slice(0, ceiling).map(
            ({ offsetsMs, widthMs }) => (Math.sqrt(people) * widthMs) / MINUTE_MS + price * expectedCalls(NATURAL, offsetsMs, people),
          )
          expect(costs[choose(people, price, ceiling) - 1]).toBeCloseTo(Math.min(...costs), 9)
        },
      ),
      { numRuns: runs(200) },
    )
  })

  test('falls with the price, grows with the people, and is the ceiling where calls cost nothing', () => {
    const byPrice = [0, 0.1, 1, 10, 100, 10_000].map((price) => choose(50, price))
    expect(byPrice).toEqual([...byPrice].sort((a, b) => b - a))
    expect([byPrice[0], byPrice.at(-1), choose(50, 0, 24), choose(50, 0, 0)]).toEqual([64, 1, 24, 1])
    expect(choose(100, 5)).toBeGreaterThan(choose(1, 5))
  })

  test('for a target is the least that reaches it, else the most', () => {
    const count = leastNFor(FAMILY, 15 * MINUTE_MS)
    expect(FAMILY[count - 1]?.widthMs).toBeLessThanOrEqual(15 * MINUTE_MS)
    expect(FAMILY[count - 2]?.widthMs).toBeGreaterThan(15 * MINUTE_MS)
    expect([leastNFor(FAMILY, 1), leastNFor(FAMILY, 1_440 * MINUTE_MS)]).toEqual([64, 1])
  })
})
