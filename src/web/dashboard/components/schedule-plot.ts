import { HOUR_MS, QUERY_WINDOW_MS } from '../../../domain/delivery.ts'
import type { GrowingComparison } from '../../../report/growing-comparison.ts'
import type { ScheduledHour, ScheduledPoll, ScheduleReport } from '../../../report/schedule.ts'
import type { Page } from '../page.ts'
import { formatPercent, shareOf, timeMarks } from './axis.ts'
import { SQUARE } from './curve-plot.ts'
import type { Stop } from './curve-stops.ts'
import { type Html, html } from './html.ts'
import { hits, readout } from './readout.ts'

/**
 * The expected read curve of the 24 hours with a mark for each poll, and below it how much recipients read in each hour.
 * @param growing what it is compared with; null: nothing
 */
export function schedulePlot(page: Page, report: ScheduleReport, growing: GrowingComparison | null, timeZone: string): Html {
  const { messages, format } = page
  const words = messages.schedule.plan
  const { polls, widthMs } = report
  const stops = computeStops(page, polls)
  const hasFreeHour = report.hours.some(({ isFreeDay }) => isFreeDay)
  return html`<figure class="curve schedule">
${readout(page, stops)}
<div class="stage" id="schedule-stage" data-label="${words.readout}">
<svg class="plot" role="img" aria-label="${words.summary(format.number(polls.length), format.duration(widthMs))}">
${yAxis()}${xAxis(page)}
<svg viewBox="0 0 ${SQUARE} ${SQUARE}" preserveAspectRatio="none" width="100%" height="100%">
<path class="bounds" d="${boundsPath(polls)}"/>
<path class="known" d="${curvePath(report)}"/>
</svg>
${growing?.offsetsMs.map((offsetMs) => html`<line class="growing" x1="${percentAt(offsetMs)}" x2="${percentAt(offsetMs)}" y1="96%" y2="100%"/>`)}
${polls.map(pollMark)}
<g class="cursor" visibility="hidden"><line x1="0" x2="0" y1="0" y2="100%"/><circle cx="0" cy="0" r="5"/></g>
${hits(stops)}
</svg></div>
<p class="quiet hours-title">${words.hours} (${timeZone})</p>
${hoursPlot(page, report, timeZone)}
<figcaption><ul class="legend">
<li>${key(html`<line class="known" x1="1" x2="21" y1="6" y2="6"/>`)} ${words.curve}</li>
<li>${key(html`<circle class="planned" cx="11" cy="6" r="4"/>`)} ${words.poll}</li>
<li>${key(html`<circle class="planned" cx="11" cy="6" r="5"/><circle class="planned" cx="11" cy="6" r="2"/>`)} ${words.final}</li>
<li>${key(html`<rect class="bounds" width="22" height="12"/>`)} ${words.bounds}</li>
${growing !== null && html`<li>${key(html`<line class="growing" x1="11" x2="11" y1="0" y2="12"/>`)} ${words.growing}</li>`}
<li>${key(html`<rect class="hour" width="22" height="12"/>`)} ${words.workHour}</li>
${hasFreeHour && html`<li>${key(html`<rect class="free-hour"${FREE_FILL} width="22" height="12"/>`)} ${words.freeHour}</li>`}
</ul></figcaption></figure>`
}

const percentAt = (offsetMs: number): string => formatPercent(shareOf(offsetMs, QUERY_WINDOW_MS))
const xOf = (offsetMs: number): number => Math.round(shareOf(offsetMs, QUERY_WINDOW_MS) * SQUARE)
const yOf = (share: number): number => Math.round((1 - share) * SQUARE)

function yAxis(): Html[] {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = formatPercent(1 - share)
    return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"/><text class="y" x="0" dx="-8" y="${y}" dy="4">${Math.round(share * 100)}%</text>`
  })
}

function xAxis({ messages, format }: Page): Html[] {
  return timeMarks(QUERY_WINDOW_MS, 8).map(
    (ms, i) =>
      html`<text class="x${i % 2 === 1 && ' spare'}" x="${percentAt(ms)}" y="100%" dy="20">${ms === 0 ? messages.plots.curve.sent : format.duration(ms)}</text>`,
  )
}

/** The curve's own points and those at the polls. */
function curvePath({ curve, polls }: ScheduleReport): string {
  const points = [...curve, ...polls.map(({ offsetMs, readShare }) => ({ offsetMs, share: readShare }))]
  return points
    .toSorted((a, b) => a.offsetMs - b.offsetMs)
    .map(({ offsetMs, share }, i) => `${i === 0 ? 'M' : 'L'}${xOf(offsetMs)} ${yOf(share)}`)
    .join('')
}

/** A box from poll to poll: what is read in between is known only to lie in it. The boxes together are the mean bracket. */
function boundsPath(polls: readonly ScheduledPoll[]): string {
  return polls
    .map(({ offsetMs, gapMs, readShare, newShare }) => {
      const [left, right] = [xOf(offsetMs - gapMs), xOf(offsetMs)]
      return `M${left} ${yOf(readShare - newShare)}V${yOf(readShare)}H${right}V${yOf(readShare - newShare)}Z`
    })
    .join('')
}

function pollMark({ offsetMs, readShare, isFinal }: ScheduledPoll): Html {
  const [x, y] = [percentAt(offsetMs), formatPercent(1 - readShare)]
  return html`<line class="drop" x1="${x}" x2="${x}" y1="${y}" y2="100%"/><circle class="planned" cx="${x}" cy="${y}" r="${isFinal ? 5 : 4}"/>${isFinal && html`<circle class="planned" cx="${x}" cy="${y}" r="2"/>`}`
}

/** Each poll; at rest the final one. */
function computeStops({ messages, format }: Page, polls: readonly ScheduledPoll[]): Stop[] {
  return polls.map(({ offsetMs, at, readShare, newShare, isFinal }) => ({
    key: String(offsetMs),
    at,
    text: messages.schedule.plan.at(format.duration(offsetMs), format.percent(readShare), format.percent(newShare)),
    x: xOf(offsetMs),
    y: yOf(readShare),
    isRest: isFinal,
  }))
}

/** A bar for each hour of the window, below its part of the curve. */
function hoursPlot({ messages }: Page, { hours, law: { attention } }: ScheduleReport, timeZone: string): Html {
  const most = Math.max(...attention.work, ...attention.free)
  return html`<svg class="plot hours" role="img" aria-label="${messages.schedule.plan.hoursSummary(timeZone)}">
${hours.map((hour) => hourBar(hour, most))}
<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>
${hours.map(hourMark)}</svg>`
}

function hourBar({ offsetMs, isFreeDay, attention }: ScheduledHour, most: number): Html {
  const [from, to] = [shareOf(offsetMs, QUERY_WINDOW_MS), shareOf(offsetMs + HOUR_MS, QUERY_WINDOW_MS)]
  const height = shareOf(attention, most)
  return html`<rect class="${isFreeDay ? 'free-hour' : 'hour'}"${isFreeDay && FREE_FILL} x="${formatPercent(from)}" width="${formatPercent(to - from)}" y="${formatPercent(1 - height)}" height="${formatPercent(height)}"/>`
}

const MARK_HOURS = 3

/** On a narrow screen every second one is left out. */
function hourMark({ hour, offsetMs }: ScheduledHour): Html | null {
  if (hour % MARK_HOURS !== 0 || offsetMs < 0 || offsetMs > QUERY_WINDOW_MS) return null
  return html`<text class="x${hour % (2 * MARK_HOURS) !== 0 && ' spare'}" x="${percentAt(offsetMs)}" y="100%" dy="20">${formatHour(hour)}</text>`
}

/** Days off are hatched: colour is never the only sign. */
export const FREE_FILL = html` fill="url(#pattern-unknown)"`

/** `09:00`. */
export function formatHour(hour: number): string {
  return `${String(hour).padStart(2, '0')}:00`
}

function key(shape: Html): Html {
  return html`<svg class="key" width="22" height="12" aria-hidden="true" focusable="false">${shape}</svg>`
}
