import { HOUR_MS } from '../../../domain/delivery.ts'
import {
  pastShares,
  type ReadQuantile,
  reachedQuantiles,
  type ShareBounds,
  type ShareWithin,
  type TimeBounds,
  type TimeToRead,
} from '../../../report/time-to-read.ts'
import type { Page } from '../page.ts'
import { rangeBar } from './bar.ts'
import { type Html, html } from './html.ts'

/** When people read: the certain brackets, and the most likely value where there is an estimate. @param elapsedMs since the send */
export function timeToReadSection(page: Page, time: TimeToRead, elapsedMs: number): Html {
  const { messages, format } = page
  return html`<section id="time-to-read" aria-labelledby="time-to-read-title">
<h2 id="time-to-read-title">${messages.timeToRead.title}</h2>
${
  time.people === 0
    ? html`<p class="quiet">${messages.curve.nothingYet}</p>`
    : html`<p class="quiet">${messages.timeToRead.of(format.number(time.people), format.time(time.asOf))}</p>
<div class="columns">
<ul class="quantiles">${reachedQuantiles(time).map((quantile) => html`<li>${describeQuantile(page, quantile, time.method)}</li>`)}</ul>
${withinTable(page, time, elapsedMs)}
</div>
${time.assumedSendTimes > 0 && html`<p class="note">${messages.timeToRead.assumed(time.assumedSendTimes)}</p>`}
<p class="quiet">${messages.timeToRead.method}</p>
${time.method === 'turnbull' && html`<p class="quiet footnote"><small>${messages.plots.timeToRead.footnote}</small></p>`}`
}
</section>`
}

function describeQuantile({ messages, format }: Page, { share, certain, ...estimate }: ReadQuantile, method: TimeToRead['method']): string {
  const percent = Math.round(share * 100)
  const after = format.duration(certain.afterMs)
  if (certain.beforeMs === null) return messages.timeToRead.notReached(percent, after)
  const before = format.duration(certain.beforeMs)
  const likely = method === 'turnbull' && after !== before ? likelyTime(estimate) : null
  const aside = likely === null ? '' : messages.timeToRead.likely(format.duration(likely))
  if (certain.afterMs === 0) return messages.timeToRead.atMost(percent, before, aside)
  return after === before ? messages.timeToRead.about(percent, before) : messages.timeToRead.between(percent, after, before, aside)
}

/** The bounds of the estimate are no margin of error, so only its middle is shown. */
function likelyTime({ afterMs, beforeMs }: TimeBounds): number | null {
  return beforeMs === null ? null : (afterMs + beforeMs) / 2
}

function withinTable({ messages, format }: Page, time: TimeToRead, elapsedMs: number): Html | null {
  const past = pastShares(time, elapsedMs)
  if (past.length === 0) return null
  const row = ({ hours, certain, ...estimate }: ShareWithin): Html => {
    const text = describeShare(certain)
    const likely = time.method === 'turnbull' ? likelyShare(estimate) : null
    const label = likely === null ? text : `${text}${messages.timeToRead.likely(format.percent(likely))}`
    return html`<tr><th scope="row">${format.duration(hours * HOUR_MS)}</th><td>${rangeBar(label, certain, likely)}</td><td class="figure">${text}</td></tr>`
  }
  const describeShare = ({ atLeast, atMost }: ShareBounds): string => {
    const [least, most] = [format.percent(atLeast), format.percent(atMost)]
    if (least === most) return least
    return atMost === 1 ? messages.atLeast(least) : messages.range(least, most)
  }
  return html`<table class="within"><caption>${messages.timeToRead.within}</caption>
<thead class="unseen"><tr><th scope="col">${messages.timeToRead.after}</th><th scope="col">${messages.columns.share}</th><th scope="col">${messages.timeToRead.within}</th></tr></thead>
<tbody>${past.map(row)}</tbody></table>`
}

/** Null where it goes up to 100%: then it includes the unread people, and its middle means nothing. */
function likelyShare({ atLeast, atMost }: ShareBounds): number | null {
  return atMost > 1 - ROUNDING ? null : (atLeast + atMost) / 2
}

/** An estimate is a sum of floating point numbers. */
const ROUNDING = 1e-7
