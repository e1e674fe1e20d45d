import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BoundsStep } from '../../src/report/rates.ts'
import { readBounds, readsUnknown, type SentBracket } from '../../src/report/read-brackets.ts'
import { after, holds, hoursLater, minutesLater, SENT } from '../domain/support.ts'
import { observedTasks } from './brackets.ts'

const WINDOW = { sentAt: SENT, deadlineAt: hoursLater(24) }
const between = (afterMinute: number, beforeMinute: number | null): SentBracket => ({
  ...WINDOW,
  afterAt: minutesLater(afterMinute),
  beforeAt: beforeMinute === null ? null : minutesLater(beforeMinute),
})
const step = (minute: number, atLeast: number, atMost: number): BoundsStep => ({ at: minutesLater(minute), atLeast, atMost })

test('without people there are no steps', () => {
  expect(readBounds([])).toEqual([])
})

test('a person may have read from the lower end on, and has at the upper end', () => {
  expect(readBounds([between(3, 9)])).toEqual([step(3, 0, 1), step(9, 1, 1)])
})

test('brackets that overlap: a step where a number changes, one for all that happens at once', () => {
  expect(readBounds([between(3, 9), between(5, 15), between(0, 3), between(0, 3)])).toEqual([
    step(0, 0, 2),
    step(3, 2, 3),
    step(5, 2, 4),
    step(9, 3, 4),
    step(15, 4, 4),
  ])
})

test('an unread person may have read right after the final poll', () => {
  expect(readBounds([between(3, 9), between(60, null)])).toEqual([step(3, 0, 1), step(9, 1, 1), step(60, 1, 2)])
})

test('a person without a lower end may have read since the enqueue, before which nothing is known', () => {
  expect(readBounds([{ ...between(0, 9), sentAt: minutesLater(2), afterAt: null }])).toEqual([step(2, 0, 1), step(9, 1, 1)])
  expect(readBounds([{ ...between(0, null), sentAt: minutesLater(2), afterAt: null }])).toEqual([step(2, 0, 1)])
})

test('a bracket that contradicts itself counts from its upper end on', () => {
  expect(readBounds([between(9, 3)])).toEqual([step(3, 1, 1)])
})

test('the truth lies in the bounds at every time', () => {
  const someTimes = fc.array(fc.nat({ max: 31 * 3_600_000 }), { maxLength: 5 })
  holds(
    fc.property(observedTasks, someTimes, (people, times) => {
      const bounds = readBounds(
        people.map(({ bracket: { afterMs, beforeMs } }) => ({
          ...WINDOW,
          afterAt: after(SENT, afterMs),
          beforeAt: beforeMs === null ? null : after(SENT, beforeMs),
        })),
      )
      const moments = [SENT, hoursLater(31), ...bounds.map(({ at }) => at), ...times.map((ms) => after(SENT, ms))]
      for (const at of moments) {
        const { atLeast, atMost } = boundsAt(bounds, at)
        const read = people.filter(({ readMs }) => SENT.getTime() + readMs <= at.getTime()).length
        expect(read).toBeGreaterThanOrEqual(atLeast)
        expect(read).toBeLessThanOrEqual(atMost)
      }
    }),
  )
})

test('it only rises, with a change at every step, and ends at all people', () => {
  holds(
    fc.property(observedTasks, (people) => {
      const bounds = readBounds(people.map(({ bracket }) => between(bracket.afterMs, bracket.beforeMs)))
      for (const [i, { at, atLeast, atMost }] of bounds.entries()) {
        const previous = bounds[i - 1] ?? { at: new Date(-1), atLeast: 0, atMost: 0 }
        expect(at.getTime()).toBeGreaterThan(previous.at.getTime())
        expect(atLeast).toBeGreaterThanOrEqual(previous.atLeast)
        expect(atMost).toBeGreaterThanOrEqual(previous.atMost)
        expect(atLeast + atMost).toBeGreaterThan(previous.atLeast + previous.atMost)
        expect(atLeast).toBeLessThanOrEqual(atMost)
      }
      expect(bounds.at(-1)?.atMost ?? 0).toBe(people.length)
      expect(bounds.at(-1)?.atLeast ?? 0).toBe(people.filter(({ bracket }) => bracket.beforeMs !== null).length)
    }),
  )
})

function boundsAt(bounds: readonly BoundsStep[], time: Date): Pick<BoundsStep, 'atLeast' | 'atMost'> {
  return bounds.findLast(({ at }) => at <= time) ?? { atLeast: 0, atMost: 0 }
}

test('of an unread person nothing is known after their last poll, and of a person who has read nothing is unknown', () => {
  expect(readsUnknown([])).toEqual([])
  expect(readsUnknown([between(3, 9), between(0, 3)])).toEqual([])
  expect(readsUnknown([between(60, null), between(3, 9), between(40, null), between(60, null)])).toEqual([
    { at: minutesLater(40), people: 1 },
    { at: minutesLater(60), people: 3 },
  ])
  expect(readsUnknown([{ ...between(0, null), sentAt: minutesLater(2), afterAt: null }])).toEqual([{ at: minutesLater(2), people: 1 }])
})

test('without what is unknown, the bounds end at the people who are known to have read', () => {
  const brackets = [between(3, 9), between(5, 15), between(60, null), between(70, null)]
  const last = readBounds(brackets).at(-1)
  expect((last?.atMost ?? 0) - (readsUnknown(brackets).at(-1)?.people ?? 0)).toBe(2)
})
