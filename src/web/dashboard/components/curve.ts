import type { BoundsStep, CurvePoint } from '../../../report/rates.ts'
import type { Page } from '../page.ts'
import { formatPercent, shareOf, timeMarks } from './axis.ts'
import { type Html, html } from './html.ts'

export interface Curve {
  readonly curve: readonly CurvePoint[]
  readonly bounds: readonly BoundsStep[]
  readonly sentAt: Date
  readonly deadlineAt: Date
  /** Milliseconds of the 24-hour window in one real one: 1, except in demos. */
  readonly scale: number
}

/** The scales of one plot. */
interface Plot {
  readonly spanMs: number
  /** At 100 %. */
  readonly most: number
  /** Null: past. */
  readonly nowX: number | null
  /** The end of what is known. */
  readonly endX: number
  readonly x: (at: Date) => number
  readonly y: (people: number) => number
}

/** Paths are drawn in a square of this size and stretched to the plot, so the plot fits every screen. */
const SQUARE = 1_000
/** While a task is open, this much of the plot lies ahead of now. */
const AHEAD = 0.15
/** A campaign has a point for each poll of each task: too many for a table. */
const MAX_ROWS = 24

/** How many had read over the time since the send, with the bounds: DingTalk gives no read time. */
export function readCurve(page: Page, curve: Curve): Html {
  const { messages, format } = page
  const last = curve.curve.at(-1)
  if (last === undefined) return html`<p class="quiet">${messages.curve.nothingYet}</p>`
  const plot = computePlot(curve, last, page.now)
  const summary = messages.curve.summary(format.number(last.read), format.number(last.delivered), format.percent(last.readRate))
  return html`<figure class="curve">
<svg class="plot" role="img" aria-label="${summary}">
${yAxis(page, plot)}${xAxis(page, plot, curve.scale)}
<svg viewBox="0 0 ${SQUARE} ${SQUARE}" preserveAspectRatio="none" width="100%" height="100%">
<path class="bounds" d="${boundsPath(curve.bounds, plot)}"/>
<path class="delivered" d="${stepPath(curve.curve, plot, ({ delivered }) => delivered)}"/>
<path class="known" d="${stepPath(curve.curve, plot, ({ read }) => read)}"/>
</svg>
${nowLine(page, plot)}
</svg>
<figcaption><ul class="legend">
<li>${key(html`<line class="known" x1="1" x2="21" y1="6" y2="6"/>`)} ${messages.curve.known}</li>
<li>${key(html`<rect class="bounds" width="22" height="12"/>`)} ${messages.curve.bounds}</li>
<li>${key(html`<line class="delivered" x1="1" x2="21" y1="6" y2="6"/>`)} ${messages.curve.delivered}</li>
</ul></figcaption>
</figure>
<details id="curve-table"><summary>${messages.asTable}</summary>${curveTable(page, curve)}</details>`
}

function computePlot({ bounds, sentAt, deadlineAt }: Curve, last: CurvePoint, now: Date): Plot {
  const windowMs = Math.max(1, deadlineAt.getTime() - sentAt.getTime())
  const isOpen = now < deadlineAt
  const elapsedMs = Math.max(1, now.getTime() - sentAt.getTime())
  const spanMs = isOpen ? Math.min(windowMs, elapsedMs / (1 - AHEAD)) : windowMs
  const most = Math.max(1, last.delivered, ...bounds.slice(-1).map(({ atMost }) => atMost))
  const x = (at: Date): number => Math.round(shareOf(at.getTime() - sentAt.getTime(), spanMs) * SQUARE)
  const y = (people: number): number => Math.round((1 - people / most) * SQUARE)
  return { spanMs, most, x, y, nowX: isOpen ? x(now) : null, endX: x(isOpen ? now : deadlineAt) }
}

function yAxis({ format }: Page, { most }: Plot): Html[] {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = formatPercent(1 - share)
    return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"/>
<text class="y" x="0" dx="-8" y="${y}" dy="4">${Math.round(share * 100)}%</text>
<text class="y-people" x="100%" dx="8" y="${y}" dy="4">${format.number(Math.round(share * most))}</text>`
  })
}

function xAxis({ format }: Page, { spanMs }: Plot, scale: number): Html[] {
  return timeMarks(spanMs * scale, 8).map((ms, i) => {
    const x = formatPercent(shareOf(ms, spanMs * scale))
    return html`<text class="x${i % 2 === 1 && ' spare'}" x="${x}" y="100%" dy="20">${ms === 0 ? '0' : format.duration(ms)}</text>`
  })
}

function nowLine({ messages }: Page, { nowX }: Plot): Html | null {
  if (nowX === null) return null
  const x = formatPercent(nowX / SQUARE)
  return html`<line class="now" x1="${x}" x2="${x}" y1="0" y2="100%"/><text class="now" x="${x}" y="0" dy="-6">${messages.now}</text>`
}

/** Begins at the first poll: the number before it is not known, so it is not 0. */
function stepPath(points: readonly CurvePoint[], { x, y, endX }: Plot, of: (point: CurvePoint) => number): string {
  const corners = visible(points.map((point) => ({ x: x(point.at), y: y(of(point)) })))
  return `${corners.map((corner, i) => (i === 0 ? `M${corner.x} ${corner.y}` : `H${corner.x}V${corner.y}`)).join('')}H${endX}`
}

/** Along the upper edge to the end, and back along the lower edge. */
function boundsPath(bounds: readonly BoundsStep[], { x, y, endX }: Plot): string {
  const edge = (of: (step: BoundsStep) => number): Corner[] =>
    visible(bounds.map((step) => ({ x: x(step.at), y: y(of(step)) })).filter((corner) => corner.x <= endX))
  const [upper, lower] = [edge(({ atMost }) => atMost), edge(({ atLeast }) => atLeast)]
  const there = upper.map((corner, i) => (i === 0 ? `M${corner.x} ${corner.y}` : `H${corner.x}V${corner.y}`))
  const back = lower.toReversed().map((corner) => `V${corner.y}H${corner.x}`)
  return there.length === 0 ? '' : `${there.join('')}H${endX}${back.join('')}Z`
}

interface Corner {
  readonly x: number
  readonly y: number
}

/** Of the steps on one pixel only the last: a campaign has thousands. */
function visible(corners: readonly Corner[]): Corner[] {
  return corners.filter((corner, i) => corner.x !== corners[i + 1]?.x)
}

function key(shape: Html): Html {
  return html`<svg class="key" width="22" height="12" aria-hidden="true" focusable="false">${shape}</svg>`
}

function curveTable({ messages, format }: Page, { curve, bounds, sentAt, scale }: Curve): Html {
  const rows = thinned(curve).map(
    (
      point,
    ) => html`<tr><td>${format.time(point.at)}</td><td class="figure">${format.duration((point.at.getTime() - sentAt.getTime()) * scale)}</td>
<td class="figure">${format.number(point.delivered)}</td><td class="figure">${format.number(point.read)}</td>
<td class="figure">${format.number(atMostAt(bounds, point.at) ?? point.read)}</td><td class="figure">${format.percent(point.readRate)}</td></tr>`,
  )
  return html`<div class="table" role="group" aria-label="${messages.curve.title}" tabindex="0"><table>
<thead><tr><th scope="col">${messages.columns.at}</th><th scope="col" class="figure">${messages.columns.sinceSend}</th>
<th scope="col" class="figure">${messages.delivered}</th><th scope="col" class="figure">${messages.columns.atLeast}</th>
<th scope="col" class="figure">${messages.columns.atMost}</th><th scope="col" class="figure">${messages.columns.readRate}</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

/** The step that holds at a time. */
function atMostAt(bounds: readonly BoundsStep[], at: Date): number | null {
  return bounds.findLast((step) => step.at <= at)?.atMost ?? null
}

/** First and last always, and evenly between. */
function thinned(points: readonly CurvePoint[]): CurvePoint[] {
  const every = (points.length - 1) / (MAX_ROWS - 1)
  return points.length <= MAX_ROWS
    ? [...points]
    : Array.from({ length: MAX_ROWS }, (_, i) => points[Math.round(i * every)]).filter((point) => point !== undefined)
}
