import type { CurvePoint } from '../../../report/rates.ts'
import type { Page } from '../page.ts'
import { type Curve, type Plot, thinned } from './curve-plot.ts'

/** One moment of the read curve whose values can be read. */
export interface Stop {
  /** Stays the same while the page is open. */
  readonly key: string
  readonly at: Date
  readonly text: string
  readonly x: number
  readonly y: number
  /** Shown while no other is chosen. */
  readonly isRest: boolean
}

/** More of them are too close together for a pointer. */
const MAX_STOPS = 60

/** The send, each poll, and the time after the last one. */
export function computeStops({ messages, format, now }: Page, curve: Curve, plot: Plot): Stop[] {
  const { sentAt, deadlineAt, scale, lastObservedAt } = curve
  const words = messages.plots.curve
  const points = withLatest(curve.curve, lastObservedAt)
  const polls = thinned(points, MAX_STOPS).map(({ at, read, delivered, readRate }, i, all): Stop => {
    const when = format.duration(Math.max(0, (at.getTime() - sentAt.getTime()) * scale))
    const text = words.at(when, format.number(read), format.number(delivered), format.percent(readRate))
    return { key: at.toISOString(), at, text, x: plot.x(at), y: plot.y(read), isRest: i === all.length - 1 }
  })
  const send: Stop = { key: 'send', at: sentAt, text: words.atSend, x: 0, y: plot.y(0), isRest: false }
  const last = points.at(-1)
  const isOpenEnd = last !== undefined && last.read < last.delivered && plot.endX > plot.knownX
  const end: Stop[] = isOpenEnd
    ? [
        {
          key: 'end',
          at: now < deadlineAt ? now : deadlineAt,
          text: words.later(format.number(last.read), format.number(last.delivered)),
          x: plot.endX,
          y: plot.y(last.read),
          isRest: false,
        },
      ]
    : []
  // Of two on one pixel the poll wins.
  return [send, ...polls, ...end].filter((stop, i, all) => stop.isRest || stop.x !== all[i + 1]?.x)
}

/** A campaign has points only where a number changed, so its latest poll may have none. */
function withLatest(points: readonly CurvePoint[], lastObservedAt: Date | null): CurvePoint[] {
  const last = points.at(-1)
  return last === undefined || lastObservedAt === null || lastObservedAt <= last.at
    ? [...points]
    : [...points, { ...last, at: lastObservedAt }]
}
