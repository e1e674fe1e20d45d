import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../../src/domain/delivery.ts'
import { chooseN, expectedCalls } from '../../../src/domain/schedule/calls.ts'
import { planFamily } from '../../../src/domain/schedule/plan-family.ts'
import {
  averageSteps,
  type CallSteps,
  callShareBy,
  callsAtPrice,
  expectedCallsBetween,
  type PricedPlan,
  type PriceQuestion,
  pollsAtPrice,
  priceOf,
  priceSteps,
} from '../../../src/domain/schedule/price.ts'
import { holds } from '../support.ts'

/** Plans whose bracket is a day divided by their polls. */
const HARMONIC: readonly PricedPlan[] = Array.from({ length: 64 }, (_, i) => ({ calls: i + 1, widthMs: (1_440 * MINUTE_MS) / (i + 1) }))
const CEILING = 64

/** What a task buys that minimises √people · width + price · calls itself. */
function cheapest(plans: readonly PricedPlan[], people: number, price: number): PricedPlan {
  const costOf = ({ calls, widthMs }: PricedPlan) => (Math.sqrt(people) * widthMs) / MINUTE_MS + price * calls
  return plans.reduce((best, plan) => (costOf(plan) < costOf(best) ? plan : best))
}

/** More polls cost more calls and give narrower brackets, with bumps. */
const anyPlans = fc
  .array(fc.record({ calls: fc.double({ min: 0, max: 1, noNaN: true }), widthMs: fc.double({ min: 0, max: HOUR_MS, noNaN: true }) }), {
    minLength: 1,
    maxLength: 20,
  })
  .map((rises) => {
    let [calls, widthMs] = [0, 24 * HOUR_MS]
    return rises.map((rise) => {
      calls += 0.01 + rise.calls
      widthMs -= rise.widthMs
      return { calls, widthMs }
    })
  })
const anyPeople = fc.integer({ min: 1, max: 100 })
const anyPrice = fc.double({ min: 1e-6, max: 1e5, noNaN: true })

test('at every price a task buys the calls of its cheapest plan', () => {
  holds(
    fc.property(anyPlans, anyPeople, anyPrice, (plans, people, price) => {
      const bought = callsAtPrice(priceSteps(plans, people), price)
      const costOf = (calls: number) => {
        const plan = plans.find((each) => each.calls === calls)
        return plan === undefined ? Number.NaN : (Math.sqrt(people) * plan.widthMs) / MINUTE_MS + price * calls
      }
      expect(costOf(bought)).toBeCloseTo(costOf(cheapest(plans, people, price).calls), 6)
    }),
  )
})

test('polls are chosen as from the curve', () => {
  const family = planFamily(curve, { finalOffsetMs: 23 * HOUR_MS, maxGapMs: null, forcedAges: [], max: 12 })
  holds(
    fc.property(anyPeople, fc.double({ min: 0, max: 1_000, noNaN: true }), (people, price) => {
      const plans = family.map((plan) => ({ calls: expectedCalls(curve, plan.offsetsMs, people), widthMs: plan.widthMs }))
      expect(pollsAtPrice(plans, people, price)).toBe(chooseN(family, { curve, people, price, ceiling: 12 }))
    }),
    200,
  )
})

test('of plans with equal calls the narrowest counts, and a wider one is never bought', () => {
  const plans = [
    { calls: 1, widthMs: 60 * MINUTE_MS },
    { calls: 1, widthMs: 40 * MINUTE_MS },
    { calls: 2, widthMs: 50 * MINUTE_MS },
    { calls: 3, widthMs: 20 * MINUTE_MS },
  ]
  expect(priceSteps(plans, 1)).toEqual([
    { price: Number.POSITIVE_INFINITY, calls: 1 },
    { price: 10, calls: 3 },
  ])
})

test('a free call is bought to the ceiling, and at any price one call is', () => {
  const steps = priceSteps(HARMONIC, 4)
  expect([callsAtPrice(steps, 0), callsAtPrice(steps, 1e9), callsAtPrice([], 1)]).toEqual([CEILING, 1, 0])
})

test('four times the people buy at twice the price', () => {
  const [few, many] = [priceSteps(HARMONIC, 25), priceSteps(HARMONIC, 100)]
  expect(many.map(({ price }) => price)).toEqual(few.map(({ price }) => 2 * price))
})

test('the average task buys the mean of what the tasks buy', () => {
  holds(
    fc.property(anyPlans, anyPlans, anyPeople, anyPrice, fc.integer({ min: 0, max: 5 }), (one, other, people, price, weight) => {
      const [a, b] = [priceSteps(one, people), priceSteps(other, 1)]
      const average = averageSteps([
        { steps: a, weight: 1 },
        { steps: b, weight },
      ])
      const mean = (callsAtPrice(a, price) + weight * callsAtPrice(b, price)) / (1 + weight)
      expect(callsAtPrice(average, price)).toBeCloseTo(mean, 9)
    }),
  )
})

const steps = priceSteps(HARMONIC, 10)
const question = (over: Partial<PriceQuestion> = {}): PriceQuestion => ({
  ...{ budget: 4_000, left: 2_000, committed: 100, finalPolls: 10, endsInMs: 240 * HOUR_MS, typical: steps, own: steps },
  demand: { tasks: 150, pricedTasks: 150, monthTasks: 300 },
  ...over,
})
const demandOf = (pricedTasks: number): PriceQuestion['demand'] => ({ tasks: pricedTasks, pricedTasks, monthTasks: 300 })

test('this task and those to come buy what is left at the price, and no more', () => {
  const price = priceOf(question())
  const bought = (at: number) => 151 * callsAtPrice(steps, at)
  const free = 2_000 - 100 - 1
  expect(bought(price)).toBeLessThanOrEqual(free)
  expect(bought(price * 0.999)).toBeGreaterThan(free)
})

test('the price never rises when more is left, and never falls when more is committed or expected', () => {
  const amount = fc.integer({ min: 0, max: 5_000 })
  holds(
    fc.property(
      amount,
      amount,
      amount,
      fc.integer({ min: 0, max: 1_000 }),
      fc.integer({ min: 0, max: 48 }),
      (left, committed, more, tasks, hours) => {
        const given = { left, committed, endsInMs: hours * HOUR_MS, demand: demandOf(tasks) }
        const price = priceOf(question(given))
        expect(priceOf(question({ ...given, left: left + more }))).toBeLessThanOrEqual(price)
        expect(priceOf(question({ ...given, committed: committed + more }))).toBeGreaterThanOrEqual(price)
        expect(priceOf(question({ ...given, finalPolls: 10 + more }))).toBeGreaterThanOrEqual(price)
        expect(priceOf(question({ ...given, demand: demandOf(tasks + more) }))).toBeGreaterThanOrEqual(price)
      },
    ),
  )
})

test('without demand calls cost nothing: a task gets its ceiling', () => {
  const price = priceOf(question({ demand: demandOf(0) }))
  expect([price, callsAtPrice(steps, price)]).toEqual([0, CEILING])
})

test('where not one call a task is left, a task gets its final poll', () => {
  for (const left of [0, 100, 250]) {
    const price = priceOf(question({ left }))
    expect([callsAtPrice(steps, price), Number.isFinite(price)]).toEqual([1, true])
  }
})

test('tasks that can make one poll only have no price', () => {
  const single: CallSteps = priceSteps(HARMONIC.slice(0, 1), 10)
  expect(priceOf(question({ typical: single, own: single, left: 0 }))).toBe(0)
})

test('calls that fall in the next month are bought at its price', () => {
  const spare = question({ endsInMs: 1 * HOUR_MS, demand: demandOf(0) })
  const nextMonth = priceOf(question({ left: 4_000, committed: 0, finalPolls: 0, demand: demandOf(299) }))
  // 3 calls in 10 of a task are made in its first hour: those cost nothing.
  expect(priceOf(spare) / nextMonth).toBeCloseTo(0.7, 1)
  expect(priceOf({ ...spare, endsInMs: 24 * HOUR_MS })).toBe(0)
})

test('calls are made early: three tenths in the first hour, half by three hours, all in a day', () => {
  expect([-1, 0, 1, 2, 3, 24, 700].map((hours) => callShareBy(hours * HOUR_MS))).toEqual([0, 0, 0.3, 0.4, 0.5, 1, 1])
})

/** Everybody reads in the first ten hours, evenly. */
const curve = { offsetsMs: [0, 10 * HOUR_MS, 24 * HOUR_MS], shares: [0, 1, 1] }
const offsetsMs = [1, 5, 9, 12, 23].map((hours) => hours * HOUR_MS)

test('a task that was just sent is expected to make the calls of its plan', () => {
  const calls = expectedCallsBetween({ curve, offsetsMs, unread: 3 }, 0, Number.POSITIVE_INFINITY)
  expect(calls).toBeCloseTo(expectedCalls(curve, offsetsMs, 3), 9)
})

test('of an open task the later polls count that are made before the month ends, if somebody is still unread', () => {
  const expected = (fromHours: number, untilHours: number, unread = 1) =>
    expectedCallsBetween({ curve, offsetsMs, unread }, fromHours * HOUR_MS, untilHours * HOUR_MS)
  // The poll at 5 h is made for sure; that at 9 h if the one unread has not read in 5 of the 9 hours that are left to read in: 4 h of 9.
  expect(expected(1, 9)).toBeCloseTo(1, 9)
  expect(expected(1, 10)).toBeCloseTo(1 + 5 / 9, 9)
  expect(expected(1, 10, 2)).toBeCloseTo(1 + 1 - (4 / 9) ** 2, 9)
  expect(expected(23, 100)).toBe(0)
})

test('when all should have read, the next poll is expected and no more', () => {
  expect(expectedCallsBetween({ curve, offsetsMs, unread: 1 }, 11 * HOUR_MS, 24 * HOUR_MS)).toBe(1)
})
