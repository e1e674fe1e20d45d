import { MINUTE_MS } from '../../../domain/delivery.ts'
import type { CampaignComparison, ComparedPoint } from '../../../report/compare.ts'
import { type ReadQuantile, reachedQuantiles } from '../../../report/time-to-read.ts'
import { campaignLink } from '../links.ts'
import type { Page } from '../page.ts'
import { formatPercent, shareOf, timeMarks } from './axis.ts'
import { type Html, html } from './html.ts'

/** A campaign with the letter that stands for it in plot and tables, since a name may be long. */
interface Compared extends CampaignComparison {
  readonly letter: string
}

const LETTERS = 'ABCDEF'

/** Campaigns side by side: figures, read curves, and the time to read in words. */
export function comparison(page: Page, campaigns: readonly CampaignComparison[]): Html {
  const compared = campaigns.map((each, i) => ({ ...each, letter: LETTERS.charAt(i) }))
  const { compare } = page.messages
  return html`<section id="figures" aria-labelledby="figures-title"><h2 id="figures-title">${compare.figures}</h2>${figures(page, compared)}</section>
<section id="curves" aria-labelledby="curves-title"><h2 id="curves-title">${compare.curves}</h2>${curves(page, compared)}</section>
<section id="time-to-read" aria-labelledby="time-to-read-title"><h2 id="time-to-read-title">${compare.timeToRead}</h2>
<ul class="cards">${compared.map((each) => timeToRead(page, each))}</ul><p class="quiet">${compare.bounds}</p></section>`
}

function figures(page: Page, compared: readonly Compared[]): Html {
  const { messages, format } = page
  const { columns, states } = messages
  const severalApps = new Set(compared.map(({ campaign }) => campaign.app)).size > 1
  return html`<div class="table" role="group" aria-labelledby="figures-title" tabindex="0"><table class="compared">
<thead><tr><th scope="col">${columns.campaign}</th><th scope="col" class="figure">${columns.readRate}</th><th scope="col" class="figure">${states.read}</th>
<th scope="col" class="figure">${messages.delivered}</th><th scope="col" class="figure">${columns.people}</th><th scope="col" class="spare">${columns.sent}</th><th scope="col" class="spare">${columns.asOf}</th></tr></thead>
<tbody>${compared.map(
    ({
      campaign,
      letter,
    }) => html`<tr data-key="${campaign.app} ${campaign.campaign}"><th scope="row" class="name">${lineKey(letter)} <a href="${campaignLink(campaign)}">${campaign.campaign}</a>${severalApps && html` <span class="quiet">${campaign.app}</span>`}</th>
<td class="figure">${format.percent(campaign.readRate)}</td><td class="figure">${format.number(campaign.read)}</td><td class="figure">${format.number(campaign.delivered)}</td>
<td class="figure">${format.number(campaign.targeted)}</td><td class="spare">${format.time(campaign.firstSentAt)}</td><td class="spare">${format.time(campaign.lastObservedAt)}</td></tr>`,
  )}</tbody></table></div>`
}

/** A sample of a campaign's line with its letter. */
function lineKey(letter: string): Html {
  return html`<span class="line-key"><svg class="key" width="28" height="12" aria-hidden="true" focusable="false"><line class="compared-line line-${letter}" x1="1" x2="27" y1="6" y2="6"/></svg> <b>${letter}</b></span>`
}

/** Paths are drawn in a square of this size and stretched to the plot. */
const SQUARE = 1_000
/** Letters at the ends of lines keep this distance, as a share of the plot's height. */
const LETTER_HEIGHT = 0.09

function curves(page: Page, compared: readonly Compared[]): Html {
  const { compare, asTable } = page.messages
  const spanMs = Math.max(1, ...compared.map(({ points }) => (points.at(-1)?.minutes ?? 0) * MINUTE_MS))
  const drawn = compared.filter(({ points }) => points.length > 0)
  if (drawn.length === 0) return html`<p class="quiet">${compare.none}</p>`
  const ends = drawn.map(({ letter, campaign }) => `${letter} ${page.format.percent(campaign.readRate)}`).join(', ')
  return html`<figure class="curve"><svg class="plot" role="img" aria-label="${compare.curvesSummary(ends)}">
${yAxis()}${xAxis(page, spanMs)}
<svg viewBox="0 0 ${SQUARE} ${SQUARE}" preserveAspectRatio="none" width="100%" height="100%">
${drawn.map(({ letter, points }) => html`<path class="compared-line line-${letter}" d="${linePath(points, spanMs)}"/>`)}</svg>
${endLetters(drawn, spanMs)}</svg>
<figcaption><ul class="legend">${compared.map(({ letter, campaign }) => html`<li class="name">${lineKey(letter)} ${campaign.campaign}</li>`)}</ul></figcaption></figure>
<details id="curves-table"><summary>${asTable}</summary>${curveTable(page, compared, spanMs)}</details>`
}

function yAxis(): Html[] {
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = formatPercent(1 - share)
    return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"/><text class="y" x="0" dx="-8" y="${y}" dy="4">${Math.round(share * 100)}%</text>`
  })
}

function xAxis({ format }: Page, spanMs: number): Html[] {
  return timeMarks(spanMs, 8).map((ms, i) => {
    const x = formatPercent(shareOf(ms, spanMs))
    return html`<text class="x${i % 2 === 1 && ' spare'}" x="${x}" y="100%" dy="20">${ms === 0 ? '0' : format.duration(ms)}</text>`
  })
}

/** Of the steps on one pixel only the last: a campaign has thousands. */
function linePath(points: readonly ComparedPoint[], spanMs: number): string {
  const corners = points.map(({ minutes, readRate }) => ({
    x: Math.round(shareOf(minutes * MINUTE_MS, spanMs) * SQUARE),
    y: Math.round((1 - (readRate ?? 0)) * SQUARE),
  }))
  const visible = corners.filter(({ x }, i) => i === 0 || x !== corners[i + 1]?.x)
  return visible.map(({ x, y }, i) => (i === 0 ? `M${x} ${y}` : `H${x}V${y}`)).join('')
}

/** Each letter at the end of its line, or as near to it as the others permit. */
function endLetters(drawn: readonly Compared[], spanMs: number): Html[] {
  const ends = drawn
    .map(({ letter, points }) => ({
      letter,
      x: shareOf(Number(points.at(-1)?.minutes) * MINUTE_MS, spanMs),
      y: 1 - (points.at(-1)?.readRate ?? 0),
    }))
    .sort((a, b) => a.y - b.y)
  const room = 1 - LETTER_HEIGHT * (ends.length - 1)
  let least = 0
  return ends.map(({ letter, x, y }, i) => {
    const at = Math.max(least, Math.min(y, room + LETTER_HEIGHT * i))
    least = at + LETTER_HEIGHT
    return html`<text class="line-letter" x="${formatPercent(x)}" dx="6" y="${formatPercent(at)}" dy="4">${letter}</text>`
  })
}

/** At the marks of the time axis: the last observation until then. */
function curveTable({ messages, format }: Page, compared: readonly Compared[], spanMs: number): Html {
  const { compare, columns } = messages
  const rateAt = ({ points }: Compared, ms: number): string => {
    const isKnown = ms <= Number(points.at(-1)?.minutes) * MINUTE_MS
    return isKnown ? format.percent(points.findLast(({ minutes }) => minutes * MINUTE_MS <= ms)?.readRate ?? null) : '–'
  }
  const rows = timeMarks(spanMs, 12).map(
    (ms) =>
      html`<tr><th scope="row">${ms === 0 ? '0' : format.duration(ms)}</th>${compared.map((each) => html`<td class="figure">${rateAt(each, ms)}</td>`)}</tr>`,
  )
  return html`<div class="table" role="group" aria-label="${compare.atTime}" tabindex="0"><table><caption>${compare.atTime}</caption>
<thead><tr><th scope="col">${columns.sinceSend}</th>${compared.map(({ letter }) => html`<th scope="col" class="figure">${letter}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`
}

function timeToRead(page: Page, { campaign, letter, timeToRead: time }: Compared): Html {
  return html`<li data-key="${campaign.app} ${campaign.campaign}"><h3 class="name">${lineKey(letter)} ${campaign.campaign}</h3>
${time.people === 0 ? html`<p class="quiet">${page.messages.compare.none}</p>` : html`<ul class="quantiles">${reachedQuantiles(time).map((quantile) => html`<li>${describeQuantile(page, quantile)}</li>`)}</ul>`}</li>`
}

function describeQuantile({ messages: { compare }, format }: Page, { share, certain }: ReadQuantile): string {
  const percent = Math.round(share * 100)
  const after = format.duration(certain.afterMs)
  if (certain.beforeMs === null) return compare.notReached(percent, after)
  const before = format.duration(certain.beforeMs)
  if (certain.afterMs === 0) return compare.atMost(compare.share(percent), before)
  return after === before ? compare.about(compare.share(percent), before) : compare.between(compare.share(percent), after, before)
}
