import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ElapsedBracket } from '../../src/report/read-brackets.ts'
import { type Part, turnbullEstimate } from '../../src/report/turnbull.ts'
import { holds } from '../domain/support.ts'
import { endOf, someBrackets } from './brackets.ts'

interface Mass extends Part {
  readonly mass: number
}

const massesOf = (parts: readonly Part[]): Mass[] => parts.map((part, i) => ({ ...part, mass: part.upTo - (parts[i - 1]?.upTo ?? 0) }))
const isIn = (part: Part, bracket: ElapsedBracket): boolean => part.afterMs >= bracket.afterMs && endOf(part) <= endOf(bracket)

/** By the definition: of all that lies in the bracket. */
const probabilityOf = (bracket: ElapsedBracket, masses: readonly Mass[]): number =>
  masses.filter((part) => isIn(part, bracket)).reduce((sum, { mass }) => sum + mass, 0)

/** Mass lies within `ms`. */
const massWithin = (ms: number, parts: readonly Part[]): number => parts.findLast((part) => endOf(part) <= ms)?.upTo ?? 0

test('no other distribution is more likely: the condition of Karush, Kuhn and Tucker, counted anew from the brackets', () => {
  holds(
    fc.property(someBrackets, (people) => {
      const { parts, gap } = turnbullEstimate(people)
      const masses = massesOf(parts)
      const slopes = people.map((bracket) => 1 / probabilityOf(bracket, masses))
      // The mass that does most good lies right behind a lower end, so that no upper end is before it.
      const gains = people.map(({ afterMs }) => {
        const before = Math.min(...people.map(endOf).filter((end) => end > afterMs))
        return people.reduce((sum, bracket, i) => (bracket.afterMs <= afterMs && endOf(bracket) >= before ? sum + slopes[i]! : sum), 0)
      })
      expect(Math.max(...gains) / people.length - 1).toBeLessThanOrEqual(1.01e-10)
      expect(Math.max(...gains) / people.length - 1).toBeCloseTo(gap, 12)
    }),
  )
})

test('all mass is there, in innermost intervals, in order', () => {
  holds(
    fc.property(someBrackets, (people) => {
      const { parts } = turnbullEstimate(people)
      expect(parts.at(-1)?.upTo).toBe(1)
      const isInside = (part: Part) => (ms: number) => ms > part.afterMs && ms < endOf(part)
      for (const [i, part] of massesOf(parts).entries()) {
        expect(part.mass).toBeGreaterThan(0)
        expect(part.afterMs).toBeGreaterThanOrEqual(i === 0 ? 0 : endOf(parts[i - 1]!))
        expect(people.some(({ afterMs }) => afterMs === part.afterMs)).toBe(true)
        expect(people.some(({ beforeMs }) => beforeMs === part.beforeMs)).toBe(true)
        expect(people.flatMap((bracket) => [bracket.afterMs, endOf(bracket)]).filter(isInside(part))).toEqual([])
      }
    }),
  )
})

test('each bracket has at least the mass of one person', () => {
  holds(
    fc.property(someBrackets, (people) => {
      const masses = massesOf(turnbullEstimate(people).parts)
      for (const bracket of people) expect(probabilityOf(bracket, masses)).toBeGreaterThan((1 - 1e-6) / people.length)
    }),
  )
})

test('for brackets that do not overlap it is the empirical distribution', () => {
  const grid = fc.uniqueArray(fc.nat({ max: 1_000 }), { minLength: 2, maxLength: 12 }).map((ends) => ends.toSorted((a, b) => a - b))
  const apart = grid.chain((ends) =>
    fc
      .array(fc.nat({ max: ends.length - 1 }), { minLength: 1, maxLength: 40 })
      .map((indices) => indices.map((i): ElapsedBracket => ({ afterMs: ends[i]!, beforeMs: ends[i + 1] ?? null }))),
  )
  holds(
    fc.property(apart, (people) => {
      for (const part of turnbullEstimate(people).parts) {
        expect(part.upTo).toBeCloseTo(people.filter((bracket) => endOf(bracket) <= endOf(part)).length / people.length, 10)
      }
    }),
  )
})

test("for times that are known or right-censored it is Kaplan's and Meier's", () => {
  const aTime = fc.record({ time: fc.integer({ min: 1, max: 15 }), isKnown: fc.boolean() })
  holds(
    fc.property(fc.array(aTime, { minLength: 1, maxLength: 30 }), (people) => {
      const { parts } = turnbullEstimate(
        people.map(({ time, isKnown }) => (isKnown ? { afterMs: time - 1, beforeMs: time } : { afterMs: time, beforeMs: null })),
      )
      let survival = 1
      for (let now = 1; now <= 15; now++) {
        const atRisk = people.filter(({ time }) => time >= now).length
        const deaths = people.filter(({ time, isKnown }) => isKnown && time === now).length
        if (atRisk > 0) survival *= 1 - deaths / atRisk
        expect(massWithin(now, parts)).toBeCloseTo(1 - survival, 7)
      }
    }),
  )
})

test('for people with one poll each it is the isotonic regression of who had read', () => {
  // M. Ayer and others, Ann. Math. Statist. 26, 1955, 641–647: the greatest, over where to begin, of the least mean, over where to end.
  const aPollResult = fc.record({ at: fc.integer({ min: 1, max: 10 }), hadRead: fc.boolean() })
  holds(
    fc.property(fc.array(aPollResult, { minLength: 1, maxLength: 30 }), (polls) => {
      const { parts } = turnbullEstimate(
        polls.map(({ at, hadRead }) => (hadRead ? { afterMs: 0, beforeMs: at } : { afterMs: at, beforeMs: null })),
      )
      const atTimes = [...new Set(polls.map(({ at }) => at))].toSorted((a, b) => a - b)
      const meanOf = (from: number, to: number): number => {
        const between = polls.filter(({ at }) => at >= from && at <= to)
        return between.filter(({ hadRead }) => hadRead).length / between.length
      }
      for (const now of atTimes) {
        const least = (from: number) => Math.min(...atTimes.filter((to) => to >= now).map((to) => meanOf(from, to)))
        const isotonic = Math.max(...atTimes.filter((from) => from <= now).map(least))
        expect(massWithin(now, parts)).toBeCloseTo(isotonic, 4)
      }
    }),
  )
})

test('the order of the people does not matter', () => {
  const shuffled = someBrackets.chain((people) =>
    fc.tuple(fc.constant(people), fc.shuffledSubarray(people, { minLength: people.length, maxLength: people.length })),
  )
  holds(fc.property(shuffled, ([people, other]) => expectSame(turnbullEstimate(other).parts, turnbullEstimate(people).parts, people)))
})

test('all people twice or five times is the same distribution', () => {
  holds(
    fc.property(someBrackets, fc.constantFrom(2, 5), (people, times) => {
      const all = Array.from({ length: times }, () => people).flat()
      expectSame(turnbullEstimate(all).parts, turnbullEstimate(people).parts, people)
    }),
  )
})

test('in another unit of time it is the same distribution', () => {
  holds(
    fc.property(someBrackets, (people) => {
      const inSeconds = people.map(({ afterMs, beforeMs }) => ({
        afterMs: afterMs / 1_024,
        beforeMs: beforeMs === null ? null : beforeMs / 1_024,
      }))
      const { parts } = turnbullEstimate(inSeconds)
      const again = parts.map((part) => ({
        ...part,
        afterMs: part.afterMs * 1_024,
        beforeMs: part.beforeMs === null ? null : part.beforeMs * 1_024,
      }))
      expectSame(again, turnbullEstimate(people).parts, people)
    }),
  )
})

/** The probabilities of the brackets are what is strictly concave; a gap of 1e-10 leaves them this near. */
function expectSame(some: readonly Part[], others: readonly Part[], people: readonly ElapsedBracket[]): void {
  const [masses, otherMasses] = [massesOf(some), massesOf(others)]
  for (const bracket of people) expect(probabilityOf(bracket, masses)).toBeCloseTo(probabilityOf(bracket, otherMasses), 4)
}
