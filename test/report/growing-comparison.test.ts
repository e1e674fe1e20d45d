import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { bracketWidthMs } from '../../src/domain/schedule/calls.ts'
import { buildComparedOffsets, longestGapMs } from '../../src/domain/schedule/compare.ts'
import { curveOf } from '../../src/domain/schedule/curve.ts'
import { planFamily } from '../../src/domain/schedule/plan-family.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import type { Calendar } from '../../src/domain/schedule/types.ts'
import { compareWithGrowing } from '../../src/report/growing-comparison.ts'
import { buildScheduleReport, type ScheduleReport } from '../../src/report/schedule.ts'

const CALENDAR: Calendar = { localAt: (at) => at.getTime() + 8 * HOUR_MS, isFreeDay: () => false }
const FINAL_MS = 1_431.5 * MINUTE_MS
/** A Tuesday in Shanghai. */
const NIGHT = new Date('2026-11-24T01:00:00+08:00')
const curve = curveOf(PRIOR_LAW, NIGHT, CALENDAR)

function reportWith(offsetsMs: readonly number[]): ScheduleReport {
  const law = {
    kind: 'prior',
    version: null,
    tasks: 0,
    people: 0,
    lastSentAt: null,
    learnedAt: null,
    attention: PRIOR_LAW.attention,
  } as const
  return buildScheduleReport({
    ...{ app: null, sentAt: NIGHT, recipients: 50, recipientsFrom: 'given', placedBy: 'prior', law, price: null },
    ...{ curve, offsetsMs, calendar: CALENDAR, timeScale: 1 },
  })
}

const learned = (polls: number): readonly number[] =>
  planFamily(curve, { finalOffsetMs: FINAL_MS, maxGapMs: { ms: 6 * HOUR_MS, isHard: false }, forcedAges: [], max: polls })[polls - 1]
    ?.offsetsMs ?? []

const growingWidth = (polls: number): number => bracketWidthMs(curve, buildComparedOffsets(polls, FINAL_MS).growing)

describe('growing gaps beside a plan', () => {
  test('have as many polls, and the width and the gap of these', () => {
    const report = reportWith(learned(12))
    const compared = compareWithGrowing(report)
    expect(compared.offsetsMs).toHaveLength(12)
    expect(compared.offsetsMs.at(-1)).toBe(FINAL_MS)
    expect(compared.widthMs).toBeCloseTo(growingWidth(12), 3)
    expect(compared.longestGapMs).toBe(longestGapMs(compared.offsetsMs))
    expect(compared.widthMs).toBeGreaterThan(report.widthMs)
  })

  test('need more polls for the same width, and one poll fewer is wider', () => {
    const report = reportWith(learned(12))
    const needed = compareWithGrowing(report).pollsForSameWidth ?? 0
    expect(needed).toBeGreaterThan(12)
    // The report has a point of the curve each quarter of an hour, which is near enough for whole polls.
    expect(growingWidth(needed + 1)).toBeLessThanOrEqual(report.widthMs)
    expect(growingWidth(needed - 2)).toBeGreaterThan(report.widthMs)
  })

  test('are no wider than themselves', () => {
    const growing = buildComparedOffsets(12, FINAL_MS).growing
    expect(compareWithGrowing(reportWith(growing)).pollsForSameWidth).toBe(12)
  })

  test('reach the width of a plan with very many polls with no number that is tried', () => {
    const narrow = { ...reportWith(learned(12)), widthMs: 1 }
    expect(compareWithGrowing(narrow).pollsForSameWidth).toBeNull()
  })

  test('of a plan without a poll end with the window', () => {
    expect(compareWithGrowing({ ...reportWith(learned(4)), polls: [] }).offsetsMs.at(-1)).toBe(24 * HOUR_MS)
  })
})
