import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../../../src/domain/delivery.ts'
import { bracketWidthMs } from '../../../src/domain/schedule/calls.ts'
import { curveOf, shareBy } from '../../../src/domain/schedule/curve.ts'
import { learnLaw } from '../../../src/domain/schedule/learn.ts'
import { PRIOR_LAW } from '../../../src/domain/schedule/prior.ts'
import type { Law, ObservedTask } from '../../../src/domain/schedule/types.ts'
import { runs } from '../../support/runs.ts'
import {
  aLaw,
  createRandom,
  drawReads,
  even,
  expectedTask,
  FINAL_MS,
  NIGHT,
  OFFICE,
  observe,
  planOf,
  SEND_TIMES,
  sendAt,
  someSendTimes,
  UTC,
} from './population.ts'

const OPTIONS = { prior: PRIOR_LAW, calendar: UTC }
const learn = (tasks: readonly ObservedTask[]): Law => learnLaw(tasks, OPTIONS)
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Four tasks a day over `days` days, sent at hours that move on. */
const sendTimes = (days: number): Date[] => Array.from({ length: days * 4 }, (_, i) => sendAt(Math.floor(i / 4), (i * 6.7) % 24))
const NIGHT_TASKS = sendTimes(28).map((sentAt) => expectedTask(NIGHT, sentAt, even(96)))

/** The largest difference of two laws in the share that has read, over six send times. */
function distance(a: Law, b: Law): number {
  const offsets = even(200)
  const apart = SEND_TIMES.map((sentAt) => {
    const [left, right] = [curveOf(a, sentAt, UTC), curveOf(b, sentAt, UTC)]
    return Math.max(...offsets.map((offsetMs) => Math.abs(shareBy(left, offsetMs) - shareBy(right, offsetMs))))
  })
  return Math.max(...apart)
}

/** How likely the polls are under a law: the logarithm, of each read and each recipient who has not read. */
function logLikelihood(law: Law, tasks: readonly ObservedTask[]): number {
  return tasks.reduce((sum, { sentAt, people, polls }) => {
    const curve = curveOf(law, sentAt, UTC)
    const shares = [0, ...polls.map(({ offsetMs }) => shareBy(curve, offsetMs))]
    const reads = polls.map(({ newReads }, i) => newReads * Math.log(Math.max(1e-12, (shares[i + 1] ?? 0) - (shares[i] ?? 0))))
    const unread = people - polls.reduce((total, { newReads }) => total + newReads, 0)
    return sum + reads.reduce((total, value) => total + value, 0) + unread * Math.log(1 - (shares.at(-1) ?? 0))
  }, 0)
}

function expectValid({ attention, hazard }: Law): void {
  const cells = [...attention.work, ...attention.free]
  expect(cells.length).toBe(48)
  expect(cells.every((value) => Number.isFinite(value) && value > 0)).toBe(true)
  expect(mean(attention.work)).toBeCloseTo(1, 8)
  expect(hazard.edges).toEqual(PRIOR_LAW.hazard.edges)
  expect(hazard.values[0]).toBe(0)
  expect(hazard.values.every((value, i) => Number.isFinite(value) && (i === 0 || value > (hazard.values[i - 1] ?? 0)))).toBe(true)
}

describe('what is learned is a law', () => {
  const aPoll = fc.record({ offsetMs: fc.integer({ min: 0, max: QUERY_WINDOW_MS }), newReads: fc.nat(100) })
  const aTask = fc.record({
    sentAt: fc.date({ min: sendAt(0, 0), max: sendAt(300, 0), noInvalidDate: true }),
    people: fc.nat(100),
    polls: fc.array(aPoll, { maxLength: 30 }).map((polls) => polls.sort((a, b) => a.offsetMs - b.offsetMs)),
  })

  test('whatever the polls say, and the same for the same tasks', () => {
    fc.assert(
      fc.property(fc.array(aTask, { maxLength: 40 }), (tasks) => {
        const law = learn(tasks)
        expectValid(law)
        expect(learn(structuredClone(tasks))).toEqual(law)
      }),
      { numRuns: runs(50) },
    )
  })

  test.each([
    ['no task', []],
    ['nobody was delivered to', [{ sentAt: sendAt(0, 9), people: 0, polls: [{ offsetMs: HOUR_MS, newReads: 0 }] }]],
    ['no poll succeeded', [{ sentAt: sendAt(0, 9), people: 50, polls: [] }]],
  ])('%s: the law without data', (_, tasks) => {
    expectValid(learn(tasks))
    expect(distance(learn(tasks), PRIOR_LAW)).toBeLessThan(1e-3)
  })

  test('one task moves it a little', () => {
    const law = learn(NIGHT_TASKS.slice(0, 1))
    expect(distance(law, PRIOR_LAW)).toBeGreaterThan(0.01)
    expect(distance(law, PRIOR_LAW)).toBeLessThan(distance(learn(NIGHT_TASKS), PRIOR_LAW))
  })

  test('all read by the first poll, each time: soon the law says so', () => {
    const law = learn(
      someSendTimes(60, createRandom(1)).map((sentAt) => ({ sentAt, people: 50, polls: [{ offsetMs: 5 * MINUTE_MS, newReads: 50 }] })),
    )
    expectValid(law)
    expect(shareBy(curveOf(law, sendAt(1, 10), UTC), 10 * MINUTE_MS)).toBeGreaterThan(0.9)
  })

  test('nobody ever reads: soon the law says so', () => {
    const unread = even(24).map((offsetMs) => ({ offsetMs, newReads: 0 }))
    const law = learn(someSendTimes(60, createRandom(1)).map((sentAt) => ({ sentAt, people: 50, polls: unread })))
    expectValid(law)
    expect(shareBy(curveOf(law, sendAt(1, 10), UTC), FINAL_MS)).toBeLessThan(0.1)
  })

  test('where the prior excludes a read, the learned law does too', () => {
    const prior: Law = { attention: NIGHT.attention, hazard: { edges: [0, 30, 60], values: [0, 0, 1] } }
    const law = learnLaw([{ sentAt: sendAt(0, 22), people: 9, polls: [{ offsetMs: MINUTE_MS, newReads: 3 }] }], { prior, calendar: UTC })
    expect(law.hazard.values.slice(0, 2)).toEqual([0, 0])
    expect([...law.hazard.values, ...law.attention.work, ...law.attention.free].every(Number.isFinite)).toBe(true)
  })
})

describe('it comes near the true law', () => {
  const before = distance(PRIOR_LAW, NIGHT)

  test('a known law is found again, within 4 % of the recipients at every time', () => {
    expect(before).toBeGreaterThan(0.25)
    expect(distance(learn(NIGHT_TASKS), NIGHT)).toBeLessThan(0.04)
  })

  test('few polls, other ones in each task, the first one late: reads are spread over what lies between', () => {
    const tasks = sendTimes(28).map((sentAt, i) =>
      expectedTask(
        NIGHT,
        sentAt,
        even(96).filter((_offset, k) => k === 95 || (k > 5 && (k * 7 + i) % 16 === 0)),
      ),
    )
    expect(Math.max(...tasks.map(({ polls }) => polls.length))).toBeLessThan(8)
    expect(distance(learn(tasks), NIGHT)).toBeLessThan(before / 2)
  })

  test('the polls are more likely under it, those of the next week too', () => {
    const next = sendTimes(7).map((sentAt) => expectedTask(NIGHT, new Date(sentAt.getTime() + 28 * 24 * HOUR_MS), even(24)))
    const law = learn(NIGHT_TASKS)
    for (const tasks of [NIGHT_TASKS, next]) {
      expect(logLikelihood(law, tasks)).toBeGreaterThan(logLikelihood(PRIOR_LAW, tasks))
    }
  })

  test('free days have their own hours', () => {
    const weekend = aLaw((hour, isFree) => (hour >= 12 === isFree ? 2 : 0.1), 60)
    const { attention } = learn(sendTimes(28).map((sentAt) => expectedTask(weekend, sentAt, even(96))))
    const [work, free] = [attention.work, attention.free].map((hours) => mean(hours.slice(14, 22)) / mean(hours.slice(2, 10)))
    expect(work).toBeLessThan(0.3)
    expect(free).toBeGreaterThan(3)
  })

  test('newer tasks count more: after a change of habits the old law is gone', () => {
    const changed = [...NIGHT_TASKS, ...sendTimes(25).map((sentAt) => expectedTask(OFFICE, sentAt, even(48)))]
    const law = learn(changed)
    expect(distance(law, OFFICE)).toBeLessThan(0.1)
    expect(distance(law, NIGHT)).toBeGreaterThan(distance(law, OFFICE) * 3)
  })

  test('a task of one recipient lets less be forgotten than one of fifty', () => {
    const tasks = (law: Law, people: number): ObservedTask[] => sendTimes(25).map((sentAt) => expectedTask(law, sentAt, even(24), people))
    const after = (people: number): Law => learn([...NIGHT_TASKS, ...tasks(OFFICE, people)])
    expect(distance(after(1), NIGHT)).toBeLessThan(0.2)
    expect(distance(after(50), NIGHT)).toBeGreaterThan(0.3)
  })

  test('the oldest of many tasks are not read', () => {
    const oldest = sendTimes(25).map((sentAt) => expectedTask(OFFICE, sentAt, even(24)))
    const newest = [...NIGHT_TASKS, ...NIGHT_TASKS, ...NIGHT_TASKS]
    expect(learn([...oldest, ...newest])).toEqual(learn(newest))
    const ones = Array.from({ length: 2_000 }, (_, i) => expectedTask(NIGHT, sendAt(0, i), even(4), 1))
    expect(learn([...oldest, ...ones])).toEqual(learn(ones))
  })
})

/** The mean bracket of the plan from a law, divided by that of the best plan, at six send times. */
function ratios(law: Law, truth: Law, polls: number): number[] {
  return SEND_TIMES.map((sentAt) => {
    const curve = curveOf(truth, sentAt, UTC)
    return bracketWidthMs(curve, planOf(curveOf(law, sentAt, UTC), polls)) / bracketWidthMs(curve, planOf(curve, polls))
  })
}

/** The whole table, with messages that are faster and slower than others: bench/calls/learning.mjs. */
test.each([
  ['at night', NIGHT, 8],
  ['at night', NIGHT, 24],
  ['in offices', OFFICE, 24],
])('50 tasks polled by its own plans: people who read %s are polled as well as if their law were known', (_, truth, polls) => {
  const found = [1, 2, 3].flatMap((seed) => {
    const random = createRandom(seed)
    const tasks: ObservedTask[] = []
    let law = PRIOR_LAW
    for (const sentAt of someSendTimes(50, random)) {
      if (tasks.length % 10 === 0) law = learn(tasks)
      tasks.push(observe(sentAt, drawReads(truth, sentAt, 50, random), planOf(curveOf(law, sentAt, UTC), polls)))
    }
    return ratios(learn(tasks), truth, polls)
  })
  expect(mean(found)).toBeLessThan(1.12)
  expect(Math.max(...found)).toBeLessThan(1.25)
})
