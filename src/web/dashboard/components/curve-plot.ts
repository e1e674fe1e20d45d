import type { BoundsStep, CurvePoint, UnknownStep } from '../../../report/rates.ts'
import { shareOf } from './axis.ts'

export interface Curve {
  readonly curve: readonly CurvePoint[]
  readonly bounds: readonly BoundsStep[]
  /** The part of the bounds that no poll stands behind. */
  readonly unknown: readonly UnknownStep[]
  /** The latest successful poll; null: none so far. */
  readonly lastObservedAt: Date | null
  readonly sentAt: Date
  readonly deadlineAt: Date
  /** Milliseconds of the 24-hour window in one real one: 1, except in demos. */
  readonly scale: number
}

/** The scales of one plot. */
export interface Plot {
  readonly spanMs: number
  /** At 100 %. */
  readonly most: number
  /** Null: past. */
  readonly nowX: number | null
  /** The latest successful poll. */
  readonly knownX: number
  /** The end of what is drawn: now, or the deadline. */
  readonly endX: number
  readonly x: (at: Date) => number
  readonly y: (people: number) => number
}

/** Paths are drawn in a square of this size and stretched to the plot, so the plot fits every screen. */
export const SQUARE = 1_000
/** While a task is open, this much of the plot lies ahead of now. */
const AHEAD = 0.15
export function computePlot({ bounds, sentAt, deadlineAt, lastObservedAt }: Curve, last: CurvePoint, now: Date): Plot {
  const windowMs = Math.max(1, deadlineAt.getTime() - sentAt.getTime())
  const isOpen = now < deadlineAt
  const elapsedMs = Math.max(1, now.getTime() - sentAt.getTime())
  const spanMs = isOpen ? Math.min(windowMs, elapsedMs / (1 - AHEAD)) : windowMs
  const most = Math.max(1, last.delivered, ...bounds.slice(-1).map(({ atMost }) => atMost))
  const x = (at: Date): number => Math.round(shareOf(at.getTime() - sentAt.getTime(), spanMs) * SQUARE)
  const y = (people: number): number => Math.round((1 - people / most) * SQUARE)
  const endX = x(isOpen ? now : deadlineAt)
  const knownX = Math.min(endX, Math.max(x(last.at), x(lastObservedAt ?? last.at)))
  return { spanMs, most, x, y, nowX: isOpen ? x(now) : null, knownX, endX }
}

/** A step of the bounds, without those of whom nothing is known any more. */
export interface Level extends BoundsStep {
  readonly knownMost: number
}

export function computeLevels({ bounds, unknown }: Pick<Curve, 'bounds' | 'unknown'>): Level[] {
  let next = 0
  return bounds.map((step) => {
    while (next < unknown.length && (unknown[next]?.at ?? step.at) <= step.at) next++
    return { ...step, knownMost: step.atMost - (unknown[next - 1]?.people ?? 0) }
  })
}

/** First and last always, and evenly between. */
export function thinned(points: readonly CurvePoint[], most: number): CurvePoint[] {
  const every = (points.length - 1) / (most - 1)
  return points.length <= most
    ? [...points]
    : Array.from({ length: most }, (_, i) => points[Math.round(i * every)]).filter((point) => point !== undefined)
}
