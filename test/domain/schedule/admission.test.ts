import fc from 'fast-check'
import { expect, test } from 'vitest'
import { admitTasks } from '../../../src/domain/schedule/admission.ts'
import { holds } from '../support.ts'

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
