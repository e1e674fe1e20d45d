import { HOUR_MS } from '../../../domain/delivery.ts'
import type { ReadQuantile, ShareBounds, ShareWithin, TimeBounds, TimeToRead } from '../../../report/time-to-read.ts'
import type { View } from '../view.ts'
import { rangeBar } from './bar.ts'
import { type Html, html } from './html.ts'

/** How long people took: what is certain, as brackets; and beside it what is most likely, where that is an estimate. @param elapsedMs since the send */
export function timeToReadSection(view: View, time: TimeToRead, elapsedMs: number): Html {
  const { words, format } = view
  return html`<section id="time-to-read" aria-labelledby="time-to-read-title">
<h2 id="time-to-read-title">${words.timeToRead.title}</h2>
${
  time.people === 0
    ? html`<p class="quiet">${words.curve.nothingYet}</p>`
    : html`<p class="quiet">${words.timeToRead.of(format.number(time.people), format.time(time.asOf))}</p>
<div class="columns">
<ul class="quantiles">${told(time.quantiles).map((quantile) => html`<li>${inWords(view, quantile, time.method)}</li>`)}</ul>
${withinTable(view, time, elapsedMs)}
</div>
${time.assumedSendTimes > 0 && html`<p class="note">${words.timeToRead.assumed(time.assumedSendTimes)}</p>`}
<p class="quiet">${words.timeToRead.method[time.method]}</p>`
}
</section>`
}

/** What is not reached is told once: the higher shares are not reached either. */
function told(quantiles: readonly ReadQuantile[]): readonly ReadQuantile[] {
  const first = quantiles.findIndex(({ certain }) => certain.beforeMs === null)
  return first === -1 ? quantiles : quantiles.slice(0, first + 1)
}

function inWords({ words, format }: View, { share, certain, ...estimate }: ReadQuantile, method: TimeToRead['method']): string {
  const percent = Math.round(share * 100)
  const after = format.duration(certain.afterMs)
  if (certain.beforeMs === null) return words.timeToRead.notReached(percent, after)
  const before = format.duration(certain.beforeMs)
  const likely = method === 'turnbull' && after !== before ? likelyTime(estimate) : null
  const aside = likely === null ? '' : words.timeToRead.likely(format.duration(likely))
  if (certain.afterMs === 0) return words.timeToRead.atMost(percent, before, aside)
  return after === before ? words.timeToRead.about(percent, before) : words.timeToRead.between(percent, after, before, aside)
}

/** The estimate's own bounds are no margin of error, so only its middle is told. */
function likelyTime({ afterMs, beforeMs }: TimeBounds): number | null {
  return beforeMs === null ? null : (afterMs + beforeMs) / 2
}

/** Of hours that are over. */
function withinTable({ words, format }: View, { within, method }: TimeToRead, elapsedMs: number): Html | null {
  const past = within.filter(({ hours }) => hours * HOUR_MS <= elapsedMs)
  if (past.length === 0) return null
  const row = ({ hours, certain, ...estimate }: ShareWithin): Html => {
    const text = inPercent(certain)
    const likely = method === 'turnbull' ? likelyShare(estimate) : null
    const label = likely === null ? text : `${text}${words.timeToRead.likely(format.percent(likely))}`
    return html`<tr><th scope="row">${format.duration(hours * HOUR_MS)}</th><td>${rangeBar(label, certain, likely)}</td><td class="figure">${text}</td></tr>`
  }
  const inPercent = ({ atLeast, atMost }: ShareBounds): string => {
    const [least, most] = [format.percent(atLeast), format.percent(atMost)]
    if (least === most) return least
    return atMost === 1 ? words.atLeast(least) : words.range(least, most)
  }
  return html`<table class="within"><caption>${words.timeToRead.within}</caption>
<thead class="unseen"><tr><th scope="col">${words.timeToRead.after}</th><th scope="col">${words.columns.share}</th><th scope="col">${words.timeToRead.within}</th></tr></thead>
<tbody>${past.map(row)}</tbody></table>`
}

/** Where it goes up to everybody, it holds those who had not read as far as is known, and its middle tells nothing. */
function likelyShare({ atLeast, atMost }: ShareBounds): number | null {
  return atMost > 1 - ROUNDING ? null : (atLeast + atMost) / 2
}

/** An estimate is a sum of floating point numbers. */
const ROUNDING = 1e-7
