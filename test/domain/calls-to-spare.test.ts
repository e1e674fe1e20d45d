import { expect, test } from 'vitest'
import { callsToSpare } from '../../src/domain/plan-finish.ts'
import { aTask, hoursLater, minutesLater, TIMING } from './support.ts'

test('a task that made its planned polls and no others has the calls beyond its plan to spare, but for those of the final poll', () => {
  const planned = TIMING.offsetsMs.length
  expect(callsToSpare(aTask(), minutesLater(0), TIMING)).toBe(TIMING.maxCalls - TIMING.finalCalls - planned - 1)
})

test('calls beyond the plan leave less, and never less than none', () => {
  const at = minutesLater(0)
  const free = callsToSpare(aTask(), at, TIMING)
  expect(callsToSpare(aTask({}, { calls: 2 }), at, TIMING)).toBe(free - 2)
  expect(callsToSpare(aTask({}, { calls: TIMING.maxCalls }), at, TIMING)).toBe(0)
})

test('the final poll has no call to spare', () => {
  expect(callsToSpare(aTask(), hoursLater(24), TIMING)).toBe(0)
})
