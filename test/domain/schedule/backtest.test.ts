import { expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../../src/domain/delivery.ts'
import { backtest } from '../../../src/domain/schedule/backtest.ts'
import { buildComparedOffsets } from '../../../src/domain/schedule/compare.ts'
import { curveOf } from '../../../src/domain/schedule/curve.ts'
import { learnLaw } from '../../../src/domain/schedule/learn.ts'
import { PRIOR_LAW } from '../../../src/domain/schedule/prior.ts'
import type { Law, ObservedTask } from '../../../src/domain/schedule/types.ts'
import { createRandom, drawReads, even, FINAL_MS, NIGHT, observe, planOf, sendAt, someSendTimes, UTC } from './population.ts'

const OPTIONS = { prior: PRIOR_LAW, calendar: UTC }
const POLLS = 12

/** Sixty tasks of people who read at night, polled by growing gaps, and when they really read. */
function pastTasks(seed: number): { readonly tasks: ObservedTask[]; readonly reads: readonly number[][] } {
  const random = createRandom(seed)
  const { growing } = buildComparedOffsets(POLLS, FINAL_MS)
  const sends = someSendTimes(60, random)
  const reads = sends.map((sentAt) => drawReads(NIGHT, sentAt, 50, random))
  return { reads, tasks: sends.map((sentAt, i) => observe(sentAt, reads[i] ?? [], growing)) }
}

/** The mean bracket of reads that were drawn. */
function trueWidthMs(reads: readonly number[][], offsetsOf: (task: number) => readonly number[]): number {
  const widths = reads.flatMap((times, task) => {
    const edges = [0, ...offsetsOf(task)]
    return times.flatMap((readMs) => {
      const next = edges.findIndex((edge) => edge >= readMs)
      return next < 0 ? [] : [(edges[next] ?? 0) - (edges[next - 1] ?? 0)]
    })
  })
  return widths.reduce((sum, width) => sum + width, 0) / widths.length
}

test('the stored width is that of the reads; the planned one is near the truth, and between its bounds', () => {
  const { tasks, reads } = pastTasks(1)
  const plans: (readonly number[])[] = []
  const result = backtest(
    tasks,
    (task, law) => {
      const plan = planOf(curveOf(law, task.sentAt, UTC), POLLS)
      plans.push(plan)
      return plan
    },
    OPTIONS,
  )
  const truth = trueWidthMs(reads.slice(12), (task) => plans[task] ?? [])
  const { growing } = buildComparedOffsets(POLLS, FINAL_MS)
  expect(result.tasks).toBe(48)
  expect(result.storedWidthMs).toBeCloseTo(
    trueWidthMs(reads.slice(12), () => growing),
    3,
  )
  expect(Math.abs((result.plannedWidthMs ?? 0) / truth - 1)).toBeLessThan(0.1)
  expect(result.plannedAtLeastMs).toBeLessThan(truth)
  expect(result.plannedAtMostMs).toBeGreaterThan(truth)
  expect(result.ratio).toBeCloseTo((result.plannedWidthMs ?? 0) / (result.storedWidthMs ?? 0), 10)
  expect(result.ratio).toBeLessThan(0.9)
  expect([result.storedCalls, result.plannedCalls]).toEqual([48 * POLLS, 48 * POLLS])
})

test('a plan comes from the tasks before it', () => {
  const { tasks } = pastTasks(2)
  const laws: Law[] = []
  backtest(
    tasks,
    (_, law) => {
      laws.push(law)
      return even(4)
    },
    OPTIONS,
  )
  expect([laws[0], laws[12], laws[47]]).toEqual([12, 24, 48].map((count) => learnLaw(tasks.slice(0, count), OPTIONS)))
})

test('the stored polls as a plan: nothing changes, and nothing is estimated', () => {
  const { tasks } = pastTasks(3)
  const { growing } = buildComparedOffsets(POLLS, FINAL_MS)
  const { storedWidthMs, plannedWidthMs, plannedAtLeastMs, plannedAtMostMs, ratio } = backtest(tasks, () => growing, OPTIONS)
  expect(ratio).toBeCloseTo(1, 10)
  for (const width of [plannedWidthMs, plannedAtLeastMs, plannedAtMostMs]) expect(width).toBeCloseTo(storedWidthMs ?? 0, 3)
})

/** The second task alone is compared. */
const two = (task: ObservedTask): ObservedTask[] => [{ ...task, sentAt: sendAt(0, 9) }, task]
const aTask = (people: number, ...polls: readonly (readonly [hours: number, reads: number])[]): ObservedTask => ({
  sentAt: sendAt(1, 9),
  people,
  polls: polls.map(([hours, newReads]) => ({ offsetMs: hours * HOUR_MS, newReads })),
})
const hours = (...values: readonly number[]): number[] => values.map((value) => value * HOUR_MS)

test('a read in a bracket of five hours: its planned bracket is one of those that meet it', () => {
  const result = backtest(two(aTask(9, [1, 0], [6, 3], [23, 0])), () => hours(2, 4, 20, 23), OPTIONS)
  expect(result).toMatchObject({
    tasks: 1,
    reads: 3,
    storedWidthMs: 5 * HOUR_MS,
    plannedAtLeastMs: 2 * HOUR_MS,
    plannedAtMostMs: 16 * HOUR_MS,
  })
  expect(result.plannedWidthMs).toBeGreaterThan(2 * HOUR_MS)
  expect(result.plannedWidthMs).toBeLessThan(16 * HOUR_MS)
})

test('a plan whose last poll is earlier than the stored one, or that has none, gets it at the stored one', () => {
  const task = aTask(9, [1, 0], [23, 3])
  expect(backtest(two(task), () => hours(1, 20), OPTIONS)).toMatchObject({ plannedWidthMs: 22 * HOUR_MS, plannedCalls: 2 })
  expect(backtest(two(task), () => [], OPTIONS)).toMatchObject({ plannedAtMostMs: 23 * HOUR_MS, ratio: 23 / 22 })
})

test('a task in which all have read ends early with the planned polls too', () => {
  const done = aTask(5, [1, 3], [6, 2])
  expect(backtest(two(done), () => hours(2, 4, 7, 20, 23), OPTIONS)).toMatchObject({ storedCalls: 2, plannedCalls: 3 })
  expect(backtest(two(done), () => hours(2, 4), OPTIONS).plannedCalls).toBe(2)
  expect(backtest(two({ ...done, people: 6 }), () => hours(2, 4, 7, 20, 23), OPTIONS).plannedCalls).toBe(5)
})

test('where the law knows of no read, it lies anywhere in its bracket', () => {
  const prior: Law = { attention: PRIOR_LAW.attention, hazard: { edges: [0, 1, 2], values: [0, 1, 1] } }
  const { plannedWidthMs } = backtest(two(aTask(9, [10, 0], [20, 1])), () => hours(10, 15, 20), { prior, calendar: UTC })
  expect(plannedWidthMs).toBeCloseTo(5 * HOUR_MS, 3)
})

test('without tasks, or without reads, there is nothing to compare', () => {
  const nothing = { reads: 0, storedWidthMs: null, plannedWidthMs: null, plannedAtLeastMs: null, plannedAtMostMs: null, ratio: null }
  expect(backtest([], () => even(4), OPTIONS)).toEqual({ ...nothing, tasks: 0, storedCalls: 0, plannedCalls: 0 })
  expect(backtest(two(aTask(3, [1, 0], [23, 0])), () => even(4), OPTIONS)).toEqual({
    ...nothing,
    tasks: 1,
    storedCalls: 2,
    plannedCalls: 4,
  })
  expect(backtest(two(aTask(0, [1, 0])), () => [MINUTE_MS], OPTIONS)).toMatchObject({ tasks: 1, plannedCalls: 1 })
})
