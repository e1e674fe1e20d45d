import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR_MS } from '../../src/domain/delivery.ts'
import type { ElapsedBracket } from '../../src/report/read-brackets.ts'
import {
  pastShares,
  type ReadQuantile,
  reachedQuantiles,
  type ShareBounds,
  type TimeBounds,
  type TimeToRead,
  timeToReadOfTask,
  timeToReadPooled,
} from '../../src/report/time-to-read.ts'
import { holds, hoursLater } from '../domain/support.ts'
import { endOf, type Observed, observedTask, observedTasks, someBrackets } from './brackets.ts'

const METHODS = [
  ['polls', timeToReadOfTask],
  ['turnbull', timeToReadPooled],
] as const

const hours = (afterHour: number, beforeHour: number | null): ElapsedBracket => ({
  afterMs: afterHour * HOUR_MS,
  beforeMs: beforeHour === null ? null : beforeHour * HOUR_MS,
})
const times = (count: number, of: ElapsedBracket): ElapsedBracket[] => Array.from({ length: count }, () => of)

// ---- by hand

test.each(METHODS)('%s: without people there is no figure', (method, timeToRead) => {
  expect(timeToRead([], null)).toEqual({ people: 0, read: 0, method, asOf: null, assumedSendTimes: 0, quantiles: [], within: [] })
})

test.each(METHODS)('%s: four people, one poll after the other', (method, timeToRead) => {
  const people = [hours(0, 1), hours(1, 4), hours(5, 8), hours(23, null)]
  const quantile = (share: number, bounds: TimeBounds) => ({ share, ...bounds, certain: bounds })
  const within = (hour: number, bounds: ShareBounds) => ({ hours: hour, ...bounds, certain: bounds })
  expect(timeToRead(people, hoursLater(23))).toEqual({
    people: 4,
    read: 3,
    method,
    asOf: hoursLater(23),
    assumedSendTimes: 0,
    quantiles: [quantile(0.25, hours(0, 1)), quantile(0.5, hours(1, 4)), quantile(0.75, hours(5, 8)), quantile(0.9, hours(23, null))],
    within: [
      within(1, { atLeast: 0.25, atMost: 0.25 }),
      within(4, { atLeast: 0.5, atMost: 0.5 }),
      within(8, { atLeast: 0.75, atMost: 0.75 }),
      within(24, { atLeast: 0.75, atMost: 1 }),
    ],
  })
})

test.each(METHODS)('%s: no person read, so no share is reached', (_, timeToRead) => {
  const { read, quantiles, within } = timeToRead(times(3, hours(20, null)), hoursLater(20))
  expect(read).toBe(0)
  expect(quantiles.map(({ afterMs, beforeMs }) => ({ afterMs, beforeMs }))).toEqual(times(4, hours(20, null)))
  expect(within.map(({ atLeast, atMost }) => [atLeast, atMost])).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 1],
  ])
})

test.each(METHODS)('%s: all people read by the first poll', (_, timeToRead) => {
  const { read, quantiles, within } = timeToRead(times(3, hours(0, 2)), hoursLater(2))
  expect(read).toBe(3)
  expect(quantiles.map(({ afterMs, beforeMs }) => ({ afterMs, beforeMs }))).toEqual(times(4, hours(0, 2)))
  expect(within.map(({ atLeast, atMost }) => [atLeast, atMost])).toEqual([
    [0, 1],
    [1, 1],
    [1, 1],
    [1, 1],
  ])
})

test.each(METHODS)('%s: half read and half unread: half had read when the last of the readers had', (_, timeToRead) => {
  const half = timeToRead([hours(0, 1), hours(1, 4), ...times(2, hours(23, null))], hoursLater(23)).quantiles[1]
  expect(half).toEqual({ share: 0.5, ...hours(1, 4), certain: hours(1, 4) })
})

test.each(METHODS)('%s: a read is after its lower end, and at its upper end at the latest', (_, timeToRead) => {
  const [inOne, inFour] = timeToRead([hours(1, 4)], hoursLater(4)).within
  expect(inOne).toMatchObject({ hours: 1, atLeast: 0, atMost: 0 })
  expect(inFour).toMatchObject({ hours: 4, atLeast: 1, atMost: 1 })
})

test('two tasks with other polls: what is certain is wide, what is most likely is where the brackets agree', () => {
  const { quantiles, within } = timeToReadPooled([hours(0, 3), hours(2, 5), hours(6, 9), hours(7, 20)], hoursLater(20))
  expect(quantiles[1]).toEqual({ share: 0.5, ...hours(2, 3), certain: hours(2, 5) })
  expect(within[2]).toMatchObject({ hours: 8, certain: { atLeast: 0.5, atMost: 1 } })
  expect(within[2]?.atLeast).toBeCloseTo(0.5, 9)
  expect(within[2]?.atMost).toBe(1)
})

// ---- for all reads and all polls

test('one task: the true quantiles and shares lie in the brackets', () => {
  holds(fc.property(observedTask(), (people) => expectTruth(people, timeToReadOfTask(bracketsOf(people), null))))
})

test('several tasks: what is called certain contains the truth', () => {
  holds(fc.property(observedTasks, (people) => expectTruth(people, timeToReadPooled(bracketsOf(people), null))))
})

test('the estimate stays inside what is certain', () => {
  const anyPeople = fc.oneof(someBrackets, observedTasks.map(bracketsOf))
  holds(
    fc.property(anyPeople, (people) => {
      const { quantiles, within } = timeToReadPooled(people, null)
      for (const { certain, ...likely } of quantiles) {
        expect(likely.afterMs).toBeGreaterThanOrEqual(certain.afterMs)
        expect(endOf(likely)).toBeLessThanOrEqual(endOf(certain))
      }
      for (const { certain, ...likely } of within) {
        expect(likely.atLeast).toBeGreaterThanOrEqual(certain.atLeast - 1e-4)
        expect(likely.atMost).toBeLessThanOrEqual(certain.atMost + 1e-4)
      }
    }),
  )
})

test('one task whose answers take no time: both methods say the same', () => {
  holds(
    fc.property(observedTask(fc.constant(0)), (people) => {
      const [polls, pooled] = [timeToReadOfTask(bracketsOf(people), null), timeToReadPooled(bracketsOf(people), null)]
      expect(pooled.quantiles).toEqual(polls.quantiles)
      for (const [i, { atLeast, atMost }] of polls.within.entries()) {
        expect(pooled.within[i]?.atLeast).toBeCloseTo(atLeast, 9)
        expect(pooled.within[i]?.atMost).toBeCloseTo(atMost, 9)
      }
    }),
  )
})

test.each(METHODS)('%s: later quantiles and longer times are never less', (_, timeToRead) => {
  holds(
    fc.property(observedTasks.map(bracketsOf), (people) => {
      const { quantiles, within } = timeToRead(people, null)
      for (const [i, { afterMs, ...bounds }] of quantiles.slice(1).entries()) {
        expect(afterMs).toBeGreaterThanOrEqual(quantiles[i]!.afterMs)
        expect(endOf(bounds)).toBeGreaterThanOrEqual(endOf(quantiles[i]!))
      }
      for (const [i, { atLeast, atMost }] of within.entries()) {
        expect(atLeast).toBeGreaterThanOrEqual(within[i - 1]?.atLeast ?? 0)
        expect(atMost).toBeGreaterThanOrEqual(Math.max(atLeast, within[i - 1]?.atMost ?? 0))
        expect(atMost).toBeLessThanOrEqual(1)
      }
    }),
  )
})

const bracketsOf = (people: readonly Observed[]): ElapsedBracket[] => people.map(({ bracket }) => bracket)

function expectTruth(people: readonly Observed[], { quantiles, within }: TimeToRead): void {
  const readMs = people.map((person) => person.readMs).toSorted((a, b) => a - b)
  for (const { certain, ...quantile } of quantiles) expectHolds(certain, trueQuantile(quantile, readMs))
  for (const { hours: hour, certain } of within) {
    const share = readMs.filter((ms) => ms <= hour * HOUR_MS).length / readMs.length
    expect(share).toBeGreaterThanOrEqual(certain.atLeast)
    expect(share).toBeLessThanOrEqual(certain.atMost)
  }
}

/** The first time by which the share had read. In whole per cent, so that nothing is rounded. */
function trueQuantile({ share }: Pick<ReadQuantile, 'share'>, readMs: readonly number[]): number {
  return readMs.find((_, i) => (i + 1) * 100 >= Math.round(share * 100) * readMs.length)!
}

/** A person who never reads has read after any time. */
function expectHolds(bounds: TimeBounds, ms: number): void {
  // A read at the send counts in the first millisecond.
  expect(Math.max(ms, 1)).toBeGreaterThan(bounds.afterMs)
  expect(ms).toBeLessThanOrEqual(endOf(bounds))
}

test('the first quantile that is not reached is the last one that is shown', () => {
  const bounds = (beforeMs: number | null) => ({ afterMs: 0, beforeMs })
  const quantile = (share: number, beforeMs: number | null) => ({ share, ...bounds(beforeMs), certain: bounds(beforeMs) })
  const time = timeToReadOfTask([], null)
  const reached = [quantile(0.25, 9), quantile(0.5, 20)]
  const all = [...reached, quantile(0.75, null), quantile(0.9, null)]
  expect(reachedQuantiles({ ...time, quantiles: all })).toEqual(all.slice(0, 3))
  expect(reachedQuantiles({ ...time, quantiles: reached })).toEqual(reached)
})

test('shares are of hours that are over', () => {
  const time = timeToReadOfTask([{ afterMs: 0, beforeMs: 1 }], null)
  expect(pastShares(time, 4 * HOUR_MS).map((each) => each.hours)).toEqual([1, 4])
})
