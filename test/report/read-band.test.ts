import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BandStep } from '../../src/report/rates.ts'
import { readBandOf } from '../../src/report/read-band.ts'
import type { SentBracket } from '../../src/report/read-bracket.ts'
import { after, holds, hoursLater, minutesLater, SENT } from '../domain/support.ts'
import { observedTasks } from './brackets.ts'

const WINDOW = { sentAt: SENT, deadlineAt: hoursLater(24) }
const between = (afterMinute: number, beforeMinute: number | null): SentBracket => ({
  ...WINDOW,
  afterAt: minutesLater(afterMinute),
  beforeAt: beforeMinute === null ? null : minutesLater(beforeMinute),
})
const step = (minute: number, atLeast: number, atMost: number): BandStep => ({ at: minutesLater(minute), atLeast, atMost })

test('of nobody there are no steps', () => {
  expect(readBandOf([])).toEqual([])
})

test('a person may have read from the lower end on, and has at the upper end', () => {
  expect(readBandOf([between(3, 9)])).toEqual([step(3, 0, 1), step(9, 1, 1)])
})

test('brackets that overlap: a step where a number changes, one for all that happens at once', () => {
  expect(readBandOf([between(3, 9), between(5, 15), between(0, 3), between(0, 3)])).toEqual([
    step(0, 0, 2),
    step(3, 2, 3),
    step(5, 2, 4),
    step(9, 3, 4),
    step(15, 4, 4),
  ])
})

test('whoever is unread may have read right after the final poll', () => {
  expect(readBandOf([between(3, 9), between(60, null)])).toEqual([step(3, 0, 1), step(9, 1, 1), step(60, 1, 2)])
})

test('a person without a lower end may have read since the enqueue, before which nothing is known', () => {
  expect(readBandOf([{ ...between(0, 9), sentAt: minutesLater(2), afterAt: null }])).toEqual([step(2, 0, 1), step(9, 1, 1)])
  expect(readBandOf([{ ...between(0, null), sentAt: minutesLater(2), afterAt: null }])).toEqual([step(2, 0, 1)])
})

test('a bracket that contradicts itself counts from its upper end on', () => {
  expect(readBandOf([between(9, 3)])).toEqual([step(3, 1, 1)])
})

test('the truth lies in the band at every time, and the band is where the people are told to be', () => {
  const someTimes = fc.array(fc.nat({ max: 31 * 3_600_000 }), { maxLength: 5 })
  holds(
    fc.property(observedTasks, someTimes, (people, times) => {
      const band = readBandOf(
        people.map(({ bracket: { afterMs, beforeMs } }) => ({
          ...WINDOW,
          afterAt: after(SENT, afterMs),
          beforeAt: beforeMs === null ? null : after(SENT, beforeMs),
        })),
      )
      const moments = [SENT, hoursLater(31), ...band.map(({ at }) => at), ...times.map((ms) => after(SENT, ms))]
      for (const at of moments) {
        const { atLeast, atMost } = bandAt(band, at)
        const read = people.filter(({ readMs }) => SENT.getTime() + readMs <= at.getTime()).length
        expect(read).toBeGreaterThanOrEqual(atLeast)
        expect(read).toBeLessThanOrEqual(atMost)
      }
    }),
  )
})

test('it only rises, with a change at every step, and ends at everybody', () => {
  holds(
    fc.property(observedTasks, (people) => {
      const band = readBandOf(people.map(({ bracket }) => between(bracket.afterMs, bracket.beforeMs)))
      for (const [i, { at, atLeast, atMost }] of band.entries()) {
        const previous = band[i - 1] ?? { at: new Date(-1), atLeast: 0, atMost: 0 }
        expect(at.getTime()).toBeGreaterThan(previous.at.getTime())
        expect(atLeast).toBeGreaterThanOrEqual(previous.atLeast)
        expect(atMost).toBeGreaterThanOrEqual(previous.atMost)
        expect(atLeast + atMost).toBeGreaterThan(previous.atLeast + previous.atMost)
        expect(atLeast).toBeLessThanOrEqual(atMost)
      }
      expect(band.at(-1)?.atMost ?? 0).toBe(people.length)
      expect(band.at(-1)?.atLeast ?? 0).toBe(people.filter(({ bracket }) => bracket.beforeMs !== null).length)
    }),
  )
})

function bandAt(band: readonly BandStep[], time: Date): Pick<BandStep, 'atLeast' | 'atMost'> {
  return band.findLast(({ at }) => at <= time) ?? { atLeast: 0, atMost: 0 }
}
