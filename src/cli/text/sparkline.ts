import { QUERY_WINDOW_MS } from '../../domain/delivery.ts'
import type { BandStep, CurvePoint, TaskRates } from '../../report/rates.ts'

/** Eighths of a line's height. */
export const EIGHTHS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/** The time that a plot shows, and the moment up to which anything can be known. */
export interface Span {
  readonly from: Date
  readonly until: Date
  readonly now: Date
}

/** A span whose durations are told. */
export interface ToldSpan extends Span {
  /** Milliseconds of the day that is told in one real one: 1, except where a demo has a day in a minute. */
  readonly scale: number
  /** The names of both ends. */
  readonly ends: { readonly from: string; readonly until: string }
}

/** How many times faster than in life the window of a task passes. */
export function scaleOf({ sentAt, deadlineAt }: Pick<TaskRates, 'sentAt' | 'deadlineAt'>): number {
  return QUERY_WINDOW_MS / Math.max(1, deadlineAt.getTime() - sentAt.getTime())
}

/** The moment at the right edge of column `i` of `width`, or `now` where that is in it; null where the column lies ahead. */
export function momentOf({ from, until, now }: Span, i: number, width: number): number | null {
  const columnMs = (until.getTime() - from.getTime()) / width
  const begin = from.getTime() + i * columnMs
  if (i > 0 && begin >= now.getTime()) return null
  return Math.min(begin + columnMs, Math.max(now.getTime(), from.getTime()))
}

/** The step that holds at a moment; null before the first. Steps are oldest first. */
export function stepAt<Step extends Pick<BandStep | CurvePoint, 'at'>>(steps: readonly Step[], moment: number): Step | null {
  return steps.findLast(({ at }) => at.getTime() <= moment) ?? null
}

/** How many of `people` had read, as far as the polls showed, in one line: `▁▃▅▆▇▇▇·····`. Dots lie ahead. */
export function sparkline(points: readonly CurvePoint[], people: number, span: Span, width: number): string {
  return Array.from({ length: width }, (_, i) => {
    const moment = momentOf(span, i, width)
    if (moment === null) return '·'
    const read = stepAt(points, moment)?.read ?? 0
    return read === 0 || people === 0 ? ' ' : eighthsOf(read / people)
  }).join('')
}

/** Full only when everybody has read. */
function eighthsOf(rate: number): string {
  const filled = rate >= 1 ? 8 : Math.min(7, Math.max(1, Math.round(rate * 8)))
  return EIGHTHS[filled - 1] ?? ''
}
