import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../../src/domain/delivery.ts'
import type { Backtest } from '../../src/domain/schedule/backtest.ts'
import { curveOf, shareBy } from '../../src/domain/schedule/curve.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import { buildScheduleReport, type ScheduleParts } from '../../src/report/schedule.ts'
import { certaintyOf } from '../../src/report/schedule-backtest.ts'
import { UTC } from '../domain/schedule/population.ts'

/** A Tuesday. */
const SENT = new Date('2026-11-24T09:30:00Z')
const curve = curveOf(PRIOR_LAW, SENT, UTC)
const { attention } = PRIOR_LAW
const PARTS: ScheduleParts = {
  ...{
    app: 'hr',
    sentAt: SENT,
    recipients: 40,
    recipientsFrom: 'given',
    placedBy: 'prior',
    price: null,
    curve,
    calendar: UTC,
    timeScale: 1,
  },
  law: { kind: 'prior', version: null, tasks: 0, people: 0, lastSentAt: null, learnedAt: null, attention },
  offsetsMs: [HOUR_MS, 4 * HOUR_MS, 1_431.5 * MINUTE_MS],
}

describe('a report of a schedule', () => {
  test('says when each poll is due, how long after the one before, and how many are expected to have read', () => {
    const { polls } = buildScheduleReport(PARTS)
    expect(polls.map(({ at }) => at.toISOString())).toEqual([
      '2026-11-24T10:30:00.000Z',
      '2026-11-24T13:30:00.000Z',
      '2026-11-25T09:21:30.000Z',
    ])
    expect(polls.map(({ gapMs, isFinal }) => [gapMs / MINUTE_MS, isFinal])).toEqual([
      [60, false],
      [180, false],
      [1_191.5, true],
    ])
    expect(polls.map(({ readShare }) => readShare)).toEqual(PARTS.offsetsMs.map((offsetMs) => shareBy(curve, offsetMs)))
    expect(polls.reduce((sum, { newShare }) => sum + newShare, 0)).toBeCloseTo(polls.at(-1)?.readShare ?? 0)
  })

  test('has the figures that compare it: calls, brackets, delay and the longest gap', () => {
    const { expectedCalls, widthMs, growingWidthMs, meanDelayMs, longestGapMs } = buildScheduleReport(PARTS)
    expect(expectedCalls).toBeCloseTo(3, 5)
    expect(longestGapMs).toBe(1_191.5 * MINUTE_MS)
    expect(meanDelayMs).toBeLessThan(widthMs)
    expect(growingWidthMs).toBeGreaterThan(0)
    // With one recipient the task ends with the poll that shows the read.
    expect(buildScheduleReport({ ...PARTS, recipients: 1 }).expectedCalls).toBeLessThan(2.5)
  })

  test('has the read curve of the whole window, which never falls', () => {
    const points = buildScheduleReport(PARTS).curve
    expect([points[0], points.length, points.at(-1)?.offsetMs]).toEqual([{ offsetMs: 0, share: 0 }, 97, QUERY_WINDOW_MS])
    expect(points.every(({ share }, i) => share >= (points[i - 1]?.share ?? 0))).toBe(true)
  })

  test('has the hours of the window with their attention, work days and free days', () => {
    const { hours } = buildScheduleReport({ ...PARTS, sentAt: new Date('2026-11-27T17:15:00Z') })
    expect(hours).toHaveLength(25)
    expect(hours[0]).toEqual({ hour: 17, offsetMs: -15 * MINUTE_MS, isFreeDay: false, attention: attention.work[17] })
    expect(hours[7]).toEqual({ hour: 0, offsetMs: 405 * MINUTE_MS, isFreeDay: true, attention: attention.free[0] })
    expect(buildScheduleReport({ ...PARTS, sentAt: new Date('2026-11-27T17:00:00Z') }).hours).toHaveLength(24)
  })

  test('under a time scale the polls are as much nearer to the send', () => {
    const { polls } = buildScheduleReport({ ...PARTS, timeScale: 60 })
    expect(polls[0]).toMatchObject({ offsetMs: HOUR_MS, at: new Date('2026-11-24T09:31:00Z') })
  })
})

describe('how sure a comparison is', () => {
  const RESULT: Backtest = {
    ...{ tasks: 40, reads: 1_000, storedCalls: 960, plannedCalls: 960, ratio: null },
    ...{ storedWidthMs: 100, plannedWidthMs: 70, plannedAtLeastMs: 50, plannedAtMostMs: 90 },
  }
  test.each([
    ['certain where the widest planned bracket is narrower', {}, 'certain'],
    ['certain where the narrowest planned bracket is wider', { storedWidthMs: 40 }, 'certain'],
    ['likely where the estimate is clear and the bounds are not', { plannedAtMostMs: 120 }, 'likely'],
    ['open where the difference is small', { plannedWidthMs: 95, plannedAtMostMs: 120 }, 'open'],
    ['open without a read', { storedWidthMs: null, plannedWidthMs: null, plannedAtLeastMs: null, plannedAtMostMs: null }, 'open'],
  ] as const)('%s', (_, fields, certainty) => {
    expect(certaintyOf({ ...RESULT, ...fields })).toBe(certainty)
  })
})
