import type { Page } from '../page.ts'
import { formatPercent } from './axis.ts'
import { SQUARE } from './curve-plot.ts'
import type { Stop } from './curve-stops.ts'
import { type Html, html } from './html.ts'

/** The values at one moment, at first of the stop that rests. The page's script shows those under the pointer, or of the arrow keys. */
export function readout({ messages, format }: Page, stops: readonly Stop[]): Html | null {
  const rest = stops.find(({ isRest }) => isRest)
  if (rest === undefined) return null
  return html`<p class="readout"><b>${format.time(rest.at)}</b> <span>${rest.text}</span></p><p class="hint quiet">${messages.plots.curve.hint}</p>`
}

/** The plot in columns, one for each moment. A browser shows the title of the one under the pointer. */
export function hits(stops: readonly Stop[]): Html {
  return html`<g class="hits">${stops.map((stop, i) => {
    const from = i === 0 ? 0 : (stop.x + (stops[i - 1]?.x ?? 0)) / 2
    const to = ((stops[i + 1]?.x ?? 2 * SQUARE - stop.x) + stop.x) / 2
    return html`<rect class="hit${stop.isRest && ' rest'}" data-key="${stop.key}" data-at="${stop.at.toISOString()}" data-x="${formatPercent(stop.x / SQUARE)}" data-y="${formatPercent(stop.y / SQUARE)}" x="${formatPercent(from / SQUARE)}" width="${formatPercent((to - from) / SQUARE)}" y="0" height="100%"><title>${stop.text}</title></rect>`
  })}</g>`
}
