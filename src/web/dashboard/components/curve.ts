import type { BandStep, CurvePoint } from '../../../report/rates.ts'
import type { View } from '../view.ts'
import { percentOf, shareOf, timeMarks } from './axis.ts'
import { type Html, html } from './html.ts'

export interface Curve {
  readonly points: readonly CurvePoint[]
  readonly band: readonly BandStep[]
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
  /** Nothing can be said beyond. */
  readonly endX: number
  readonly x: (at: Date) => number
  readonly y: (people: number) => number
}

/** Paths are drawn in a square of this size and stretched to the plot, so the plot fits every screen. */
const SQUARE = 1_000
/** While a task is open, this much of the plot lies ahead of now. */
const AHEAD = 0.15
/** More rows than anybody reads; a campaign has a point for each poll of each task. */
const MAX_ROWS = 24

/** How many had read, over the time since the send. The band is what cannot be known: DingTalk gives no read time. */
export function readCurve(view: View, curve: Curve): Html {
  const { words, format } = view
  const last = curve.points.at(-1)
  if (last === undefined) return html`<p class="quiet">${words.curve.nothingYet}</p>`
  const plot = plotOf(curve, last, view.now)
  const summary = words.curve.summary(format.number(last.read), format.number(last.delivered), format.percent(last.readRate))
  return html`<figure class="curve">
<svg class="plot" role="img" aria-label="${summary}">
${yAxis(view, plot)}${xAxis(view, plot, curve.scale)}
<svg viewBox="0 0 ${SQUARE} ${SQUARE}" preserveAspectRatio="none" width="100%" height="100%">
<path class="band" d="${bandPath(curve.band, plot)}"/>
<path class="delivered" d="${stepPath(curve.points, plot, ({ delivered }) => delivered)}"/>
<path class="known" d="${stepPath(curve.points, plot, ({ read }) => read)}"/>
</svg>
${nowLine(view, plot)}
</svg>
<figcaption><ul class="legend">
<li>${key(html`<line class="known" x1="1" x2="21" y1="6" y2="6"/>`)} ${words.curve.known}</li>
<li>${key(html`<rect class="band" width="22" height="12"/>`)} ${words.curve.band}</li>
<li>${key(html`<line class="delivered" x1="1" x2="21" y1="6" y2="6"/>`)} ${words.curve.delivered}</li>
</ul></figcaption>
</figure>
<details id="curve-table"><summary>${words.asTable}</summary>${curveTable(view, curve)}</details>`
}

function plotOf({ band, sentAt, deadlineAt }: Curve, last: CurvePoint, now: Date): Plot {
  const windowMs = Math.max(1, deadlineAt.getTime() - sentAt.getTime())
  const isOpen = now < deadlineAt
  const elapsedMs = Math.max(1, now.getTime() - sentAt.getTime())
  const spanMs = isOpen ? Math.min(windowMs, elapsedMs / (1 - AHEAD)) : windowMs
  const most = Math.max(1, last.delivered, ...band.slice(-1).map(({ atMost }) => atMost))
  const x = (at: Date): number => Math.round(shareOf(at.getTime() - sentAt.getTime(), spanMs) * SQUARE)
  const y = (people: number): number => Math.round((1 - people / most) * SQUARE)
  return { spanMs, most, x, y, nowX: isOpen ? x(now) : null, endX: x(isOpen ? now : deadlineAt) }
}

function yAxis({ format }: View, { most }: Plot): Html[] {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = percentOf(1 - share)
    return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"/>
<text class="y" x="0" dx="-8" y="${y}" dy="4">${Math.round(share * 100)}%</text>
<text class="y-people" x="100%" dx="8" y="${y}" dy="4">${format.number(Math.round(share * most))}</text>`
  })
}

function xAxis({ format }: View, { spanMs }: Plot, scale: number): Html[] {
  return timeMarks(spanMs * scale, 8).map((ms, i) => {
    const x = percentOf(shareOf(ms, spanMs * scale))
    return html`<text class="x${i % 2 === 1 && ' spare'}" x="${x}" y="100%" dy="20">${ms === 0 ? '0' : format.duration(ms)}</text>`
  })
}

function nowLine({ words }: View, { nowX }: Plot): Html | null {
  if (nowX === null) return null
  const x = percentOf(nowX / SQUARE)
  return html`<line class="now" x1="${x}" x2="${x}" y1="0" y2="100%"/><text class="now" x="${x}" y="0" dy="-6">${words.now}</text>`
}

/** Begins at the first poll: what was before it is not known, and not 0. What is known stays known. */
function stepPath(points: readonly CurvePoint[], { x, y, endX }: Plot, of: (point: CurvePoint) => number): string {
  const corners = visible(points.map((point) => ({ x: x(point.at), y: y(of(point)) })))
  return `${corners.map((corner, i) => (i === 0 ? `M${corner.x} ${corner.y}` : `H${corner.x}V${corner.y}`)).join('')}H${endX}`
}

/** Along the upper edge to the end of what can be said, and back along the lower one. */
function bandPath(band: readonly BandStep[], { x, y, endX }: Plot): string {
  const edge = (of: (step: BandStep) => number): Corner[] =>
    visible(band.map((step) => ({ x: x(step.at), y: y(of(step)) })).filter((corner) => corner.x <= endX))
  const [upper, lower] = [edge(({ atMost }) => atMost), edge(({ atLeast }) => atLeast)]
  const there = upper.map((corner, i) => (i === 0 ? `M${corner.x} ${corner.y}` : `H${corner.x}V${corner.y}`))
  const back = lower.toReversed().map((corner) => `V${corner.y}H${corner.x}`)
  return there.length === 0 ? '' : `${there.join('')}H${endX}${back.join('')}Z`
}

interface Corner {
  readonly x: number
  readonly y: number
}

/** Of the steps that fall on one place only the last: a campaign has thousands, a screen has not. */
function visible(corners: readonly Corner[]): Corner[] {
  return corners.filter((corner, i) => corner.x !== corners[i + 1]?.x)
}

function key(shape: Html): Html {
  return html`<svg class="key" width="22" height="12" aria-hidden="true" focusable="false">${shape}</svg>`
}

function curveTable({ words, format }: View, { points, band, sentAt, scale }: Curve): Html {
  const rows = thinned(points).map(
    (
      point,
    ) => html`<tr><td>${format.time(point.at)}</td><td class="figure">${format.duration((point.at.getTime() - sentAt.getTime()) * scale)}</td>
<td class="figure">${format.number(point.delivered)}</td><td class="figure">${format.number(point.read)}</td>
<td class="figure">${format.number(atMostAt(band, point.at) ?? point.read)}</td><td class="figure">${format.percent(point.readRate)}</td></tr>`,
  )
  return html`<div class="table" role="group" aria-label="${words.curve.title}" tabindex="0"><table>
<thead><tr><th scope="col">${words.columns.at}</th><th scope="col" class="figure">${words.columns.sinceSend}</th>
<th scope="col" class="figure">${words.delivered}</th><th scope="col" class="figure">${words.columns.atLeast}</th>
<th scope="col" class="figure">${words.columns.atMost}</th><th scope="col" class="figure">${words.columns.readRate}</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

/** The step that holds at a time. */
function atMostAt(band: readonly BandStep[], at: Date): number | null {
  return band.findLast((step) => step.at <= at)?.atMost ?? null
}

/** First and last always, and evenly between. */
function thinned(points: readonly CurvePoint[]): CurvePoint[] {
  const every = (points.length - 1) / (MAX_ROWS - 1)
  return points.length <= MAX_ROWS
    ? [...points]
    : Array.from({ length: MAX_ROWS }, (_, i) => points[Math.round(i * every)]).filter((point) => point !== undefined)
}
