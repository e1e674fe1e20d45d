import type { CurvePoint } from '../../../report/rates.ts'
import type { Page } from '../page.ts'
import { formatPercent, shareOf, timeMarks } from './axis.ts'
import { type Curve, computeLevels, computePlot, type Level, type Plot, SQUARE, thinned } from './curve-plot.ts'
import { computeStops } from './curve-stops.ts'
import { type Html, html } from './html.ts'
import { hits, readout } from './readout.ts'

/** A campaign has a point for each poll of each task: too many for a table. */
const MAX_ROWS = 24
/** From so many people on, a rounded number at a mark is near enough. */
const MANY = 20
/** A narrower area is not seen, so it is not explained either. */
const VISIBLE = 4

/**
 * How many had read over the time since the send, with the bounds: DingTalk gives no read time. Until its last poll it is known of each person
 * when they read, or that they had not; what comes after that poll is hatched, since it could be anything up to all of them.
 */
export function readCurve(page: Page, curve: Curve): Html {
  const { messages, format } = page
  const last = curve.curve.at(-1)
  if (last === undefined) return html`<p class="quiet">${messages.curve.nothingYet}</p>`
  const plot = computePlot(curve, last, page.now)
  const summary = messages.curve.summary(format.number(last.read), format.number(last.delivered), format.percent(last.readRate))
  const levels = computeLevels(curve).filter(({ at }) => plot.x(at) <= plot.endX)
  const hasUnknown = curve.unknown.some(({ at }) => plot.endX - plot.x(at) >= VISIBLE)
  const stops = computeStops(page, curve, plot)
  return html`<figure class="curve">
${readout(page, stops)}
<div class="stage" id="curve-stage" data-label="${messages.plots.curve.readout}">
<svg class="plot" role="img" aria-label="${summary}">
<clipPath id="curve-unknown" clipPathUnits="objectBoundingBox"><path transform="scale(${1 / SQUARE})" d="${areaPath(levels, plot, 'knownMost', 'atMost')}"/></clipPath>
<rect class="unknown" fill="url(#pattern-unknown)" width="100%" height="100%" clip-path="url(#curve-unknown)"/>
${yAxis(page, plot)}${xAxis(page, plot, curve.scale)}
<svg viewBox="0 0 ${SQUARE} ${SQUARE}" preserveAspectRatio="none" width="100%" height="100%">
<path class="bounds" d="${areaPath(levels, plot, 'atLeast', 'knownMost')}"/>
<path class="delivered" d="${deliveredPath(curve.curve, plot)}"/>
<path class="later" d="M${plot.knownX} ${plot.y(last.read)}H${plot.endX}"/>
<path class="known" d="${knownPath(curve.curve, plot)}"/>
</svg>
${nowLine(page, plot)}
<g class="cursor" visibility="hidden"><line x1="0" x2="0" y1="0" y2="100%"/><circle cx="0" cy="0" r="5"/></g>
${hits(stops)}
</svg></div>
<figcaption><ul class="legend">
<li>${key(html`<line class="known" x1="1" x2="21" y1="6" y2="6"/>`)} ${messages.curve.known}</li>
<li>${key(html`<rect class="bounds" width="22" height="12"/>`)} ${messages.curve.bounds}</li>
${hasUnknown && html`<li>${key(html`<rect class="unknown" fill="url(#pattern-unknown)" width="22" height="12"/>`)} ${messages.plots.curve.unknown}</li>`}
<li>${key(html`<line class="delivered" x1="1" x2="21" y1="6" y2="6"/>`)} ${messages.curve.delivered}</li>
</ul></figcaption>
</figure>
<details id="curve-table"><summary>${messages.asTable}</summary>${curveTable(page, curve)}</details>`
}

function yAxis({ format }: Page, { most }: Plot): Html[] {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = formatPercent(1 - share)
    const people = share * most
    // Of three people a quarter is no number of people.
    const isShown = most >= MANY || Number.isInteger(people)
    return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"/>
<text class="y" x="0" dx="-8" y="${y}" dy="4">${Math.round(share * 100)}%</text>
${isShown && html`<text class="y-people" x="100%" dx="8" y="${y}" dy="4">${format.number(Math.round(people))}</text>`}`
  })
}

function xAxis({ messages, format }: Page, { spanMs }: Plot, scale: number): Html[] {
  return timeMarks(spanMs * scale, 8).map((ms, i) => {
    const x = formatPercent(shareOf(ms, spanMs * scale))
    return html`<text class="x${i % 2 === 1 && ' spare'}" x="${x}" y="100%" dy="20">${ms === 0 ? messages.plots.curve.sent : format.duration(ms)}</text>`
  })
}

function nowLine({ messages }: Page, { nowX }: Plot): Html | null {
  if (nowX === null) return null
  const x = formatPercent(nowX / SQUARE)
  return html`<line class="now" x1="${x}" x2="${x}" y1="0" y2="100%"/><text class="now" x="${x}" y="0" dy="-6">${messages.now}</text>`
}

/** At the send none had read. After the latest successful poll another path goes on. */
function knownPath(points: readonly CurvePoint[], { x, y, knownX }: Plot): string {
  return `M0 ${y(0)}${stepsTo(points.map((point) => ({ x: x(point.at), y: y(point.read) })))}H${knownX}`
}

/** A message is delivered soon after the send, so who the first poll lists counts from there on. */
function deliveredPath(points: readonly CurvePoint[], { x, y, endX }: Plot): string {
  const corners = points.map((point) => ({ x: x(point.at), y: y(point.delivered) }))
  return `M0 ${corners[0]?.y ?? 0}${stepsTo(corners)}H${endX}`
}

function stepsTo(corners: readonly Corner[]): string {
  return visible(corners)
    .map((corner) => `H${corner.x}V${corner.y}`)
    .join('')
}

/** Along the upper edge to the end, and back along the lower edge. */
function areaPath(levels: readonly Level[], { x, y, endX }: Plot, lower: 'atLeast' | 'knownMost', upper: 'knownMost' | 'atMost'): string {
  const edge = (side: typeof lower | typeof upper): Corner[] => visible(levels.map((level) => ({ x: x(level.at), y: y(level[side]) })))
  const there = edge(upper).map((corner, i) => (i === 0 ? `M${corner.x} ${corner.y}` : `H${corner.x}V${corner.y}`))
  const back = edge(lower)
    .toReversed()
    .map((corner) => `V${corner.y}H${corner.x}`)
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

function curveTable({ messages, format }: Page, curve: Curve): Html {
  const levels = computeLevels(curve)
  const { sentAt, scale } = curve
  const rows = thinned(curve.curve, MAX_ROWS).map(
    (
      point,
    ) => html`<tr><td>${format.time(point.at)}</td><td class="figure">${format.duration((point.at.getTime() - sentAt.getTime()) * scale)}</td>
<td class="figure">${format.number(point.delivered)}</td><td class="figure">${format.number(point.read)}</td>
<td class="figure">${format.number(atMostAt(levels, point))}</td><td class="figure">${format.percent(point.readRate)}</td></tr>`,
  )
  return html`<div class="table" role="group" aria-label="${messages.curve.title}" tabindex="0"><table>
<thead><tr><th scope="col">${messages.columns.at}</th><th scope="col" class="figure">${messages.columns.sinceSend}</th>
<th scope="col" class="figure">${messages.delivered}</th><th scope="col" class="figure">${messages.columns.atLeast}</th>
<th scope="col" class="figure">${messages.columns.atMost}</th><th scope="col" class="figure">${messages.columns.readRate}</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

/** Before the next poll so many may have read; after the last one only those are counted who had. */
function atMostAt(levels: readonly Level[], { at, read }: CurvePoint): number {
  return Math.max(read, levels.findLast((level) => level.at <= at)?.knownMost ?? read)
}
