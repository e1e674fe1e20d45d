import { HOUR_MS } from '../../core/delivery.ts'
import type { ReadQuantile, TimeToRead } from '../../core/time-to-read.ts'
import { rangeBar } from './bar.ts'
import { type Html, html } from './html.ts'
import type { View } from './view.ts'

/** How long people took: brackets, never points. */
export function timeToReadSection(view: View, time: TimeToRead): Html {
  const { words, format } = view
  return html`<section id="time-to-read" aria-labelledby="time-to-read-title">
<h2 id="time-to-read-title">${words.timeToRead.title}</h2>
${
  time.people === 0
    ? html`<p class="quiet">${words.curve.nothingYet}</p>`
    : html`<p class="quiet">${words.timeToRead.of(format.number(time.people), format.time(time.asOf))}</p>
<div class="columns">
<ul class="quantiles">${told(time.quantiles).map((quantile) => html`<li>${inWords(view, quantile)}</li>`)}</ul>
<table class="within"><caption>${words.timeToRead.within}</caption>
<thead class="unseen"><tr><th scope="col">${words.timeToRead.after}</th><th scope="col">${words.columns.share}</th><th scope="col">${words.timeToRead.within}</th></tr></thead>
<tbody>${time.within.map((share) => withinRow(view, share))}</tbody></table>
</div>
<p class="quiet">${words.timeToRead.method[time.method]}</p>`
}
</section>`
}

/** What is not reached is told once: the higher shares are not reached either. */
function told(quantiles: readonly ReadQuantile[]): readonly ReadQuantile[] {
  const first = quantiles.findIndex(({ beforeMs }) => beforeMs === null)
  return first === -1 ? quantiles : quantiles.slice(0, first + 1)
}

function inWords({ words, format }: View, { share, afterMs, beforeMs }: ReadQuantile): string {
  const percent = Math.round(share * 100)
  const after = format.duration(afterMs)
  if (beforeMs === null) return words.timeToRead.notReached(percent, after)
  const before = format.duration(beforeMs)
  if (afterMs === 0) return words.timeToRead.atMost(percent, before)
  return after === before ? words.timeToRead.about(percent, before) : words.timeToRead.between(percent, after, before)
}

function withinRow({ words, format }: View, { hours, atLeast, atMost }: TimeToRead['within'][number]): Html {
  const text =
    format.percent(atLeast) === format.percent(atMost)
      ? format.percent(atLeast)
      : words.range(format.percent(atLeast), format.percent(atMost))
  return html`<tr><th scope="row">${format.duration(hours * HOUR_MS)}</th><td>${rangeBar(text, atLeast, atMost)}</td><td class="figure">${text}</td></tr>`
}
