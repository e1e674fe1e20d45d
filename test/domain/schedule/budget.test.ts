import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR_MS } from '../../../src/domain/delivery.ts'
import { countServable, isAdmitted, reservedCalls, usedUpAt } from '../../../src/domain/schedule/budget.ts'
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
