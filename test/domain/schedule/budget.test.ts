import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR_MS } from '../../../src/domain/delivery.ts'
import { admitTasks, countServable, isAdmitted, reservedCalls, usedUpAt } from '../../../src/domain/schedule/budget.ts'
import { holds } from '../support.ts'

test('a tenth more than one call is reserved for each final poll', () => {
  expect([0, 1, 10, 11, 100].map(reservedCalls)).toEqual([0, 2, 11, 13, 110])
})

test('as many tasks are admitted one after the other as were announced', () => {
  const amount = fc.integer({ min: 0, max: 3_000 })
  holds(
    fc.property(amount, amount, (left, finalPolls) => {
      let admitted = 0
      while (isAdmitted({ left, finalPolls: finalPolls + admitted })) admitted++
      expect(countServable({ left, finalPolls })).toBe(admitted)
    }),
  )
})

test('admitted tasks have a call for each final poll', () => {
  holds(
    fc.property(fc.integer({ min: 0, max: 100_000 }), (left) => {
      expect(countServable({ left, finalPolls: 0 })).toBeLessThanOrEqual(left)
    }),
  )
})

const NOW = Date.UTC(2026, 10, 10)
const spending = { left: 1_000, calls: 700, overMs: 7 * 24 * HOUR_MS, nowMs: NOW, monthEndMs: Date.UTC(2026, 11, 1) }

test('calls that go on as before are used up at a time, or last until the month ends', () => {
  expect(usedUpAt(spending)).toBe(Date.UTC(2026, 10, 20))
  expect(usedUpAt({ ...spending, calls: 300 })).toBeNull()
  expect(usedUpAt({ ...spending, calls: 0 })).toBeNull()
  expect(usedUpAt({ ...spending, left: 0, calls: 0 })).toBe(NOW)
})

const thisMonth = (count: number): boolean[] => Array.from({ length: count }, () => false)

test('tasks are admitted while more calls are left than are reserved', () => {
  expect(admitTasks({ budget: 5, callsLeft: 5, reserved: 0, reservedNext: 0 }, thisMonth(6))).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ])
  expect(admitTasks({ budget: 5, callsLeft: 0, reserved: 0, reservedNext: 0 }, thisMonth(1))).toEqual([false])
})

test('a task whose final poll falls in the next month needs a call of that month', () => {
  const given = { budget: 4, callsLeft: 0, reserved: 0, reservedNext: 2 }
  expect(admitTasks(given, [true, false, true, true])).toEqual([true, false, false, false])
})

const reserves = fc.record({ budget: fc.nat(50), callsLeft: fc.nat(50), reserved: fc.nat(50), reservedNext: fc.nat(50) })

test('each admitted task has a call of its own', () => {
  holds(
    fc.property(reserves, fc.array(fc.boolean(), { maxLength: 60 }), (given, isNext) => {
      const admitted = admitTasks(given, isNext)
      const count = (next: boolean): number => admitted.filter((is, i) => is && isNext[i] === next).length
      expect(count(false)).toBeLessThanOrEqual(Math.max(0, given.callsLeft - given.reserved))
      expect(count(true)).toBeLessThanOrEqual(Math.max(0, given.budget - given.reservedNext))
    }),
  )
})
