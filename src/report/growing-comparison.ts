import { QUERY_WINDOW_MS } from '../domain/delivery.ts'
import { bracketWidthMs } from '../domain/schedule/calls.ts'
import { buildComparedOffsets, longestGapMs } from '../domain/schedule/compare.ts'
import type { Curve } from '../domain/schedule/types.ts'
import type { ScheduleReport } from './schedule.ts'

/** A plan beside growing gaps, for the same message. Durations are milliseconds of the 24-hour window. */
export interface GrowingComparison {
  /** As many polls as the plan has, with growing gaps. */
  readonly offsetsMs: readonly number[]
  readonly widthMs: number
  readonly longestGapMs: number
  /** With so many polls growing gaps are about as narrow as the plan. Null: with no number that was tried. */
  readonly pollsForSameWidth: number | null
}

/** More polls than any setting plans in practice, and few enough to try. */
const MOST_TRIED = 200

/** What growing gaps would give instead of the plan. */
export function compareWithGrowing(report: ScheduleReport): GrowingComparison {
  const { polls, widthMs, growingWidthMs } = report
  const finalOffsetMs = polls.at(-1)?.offsetMs ?? QUERY_WINDOW_MS
  const { growing } = buildComparedOffsets(polls.length, finalOffsetMs)
  return {
    offsetsMs: growing,
    widthMs: growingWidthMs,
    longestGapMs: longestGapMs(growing),
    pollsForSameWidth: growingWidthMs <= widthMs ? polls.length : findPolls(report, finalOffsetMs),
  }
}

function findPolls(report: ScheduleReport, finalOffsetMs: number): number | null {
  const curve = curveOfReport(report)
  for (let polls = report.polls.length + 1; polls <= MOST_TRIED; polls++)
    if (bracketWidthMs(curve, buildComparedOffsets(polls, finalOffsetMs).growing) <= report.widthMs) return polls
  return null
}

/** Straight lines between the points that the report has. */
function curveOfReport({ curve, polls }: ScheduleReport): Curve {
  const points = [...curve, ...polls.map(({ offsetMs, readShare }) => ({ offsetMs, share: readShare }))].toSorted(
    (a, b) => a.offsetMs - b.offsetMs,
  )
  return { offsetsMs: points.map(({ offsetMs }) => offsetMs), shares: points.map(({ share }) => share) }
}
