import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../domain/delivery.ts'

/** Distances between two marks of a time axis. */
const STEPS_MS = [1, 2, 5, 10, 15, 30]
  .map((count) => count * SECOND_MS)
  .concat(
    [1, 2, 5, 10, 15, 30].map((count) => count * MINUTE_MS),
    [1, 2, 3, 4, 6, 12, 24, 48, 168, 720].map((count) => count * HOUR_MS),
  )

/** Marks from 0 to `spanMs`, about `count` of them. */
export function timeMarks(spanMs: number, count: number): number[] {
  const step = STEPS_MS.find((ms) => spanMs / ms <= count) ?? spanMs
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, i) => i * step)
}

/** Marks of an axis that is stretched at its beginning, see {@link stretched}: as shares of the span. */
export function stretchedMarks(spanMs: number): number[] {
  return [0, 1 / 96, 1 / 24, 1 / 8, 1 / 4, 1 / 2, 1].map((share) => share * spanMs)
}

/** Polls come close together at first and far apart later; this axis spreads them more evenly. */
export function stretched(ms: number, spanMs: number): number {
  return Math.sqrt(shareOf(ms, spanMs))
}

/** How far along the span, between 0 and 1. */
export function shareOf(ms: number, spanMs: number): number {
  return spanMs <= 0 ? 0 : Math.min(1, Math.max(0, ms / spanMs))
}

/** A percentage for an SVG attribute. */
export function formatPercent(share: number): string {
  return `${Math.round(share * 10_000) / 100}%`
}
