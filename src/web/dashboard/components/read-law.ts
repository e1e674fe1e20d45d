import type { ScheduleLaw } from '../../../report/schedule.ts'
import type { Page } from '../page.ts'
import { formatPercent, shareOf } from './axis.ts'
import { type Html, html } from './html.ts'
import { FREE_FILL, formatHour } from './schedule-plot.ts'

/** From what it is known when people read, in one or two sentences. */
export function lawSource({ messages, format }: Page, { kind, tasks, people, lastSentAt, learnedAt }: ScheduleLaw): Html {
  const words = messages.schedule.law
  return html`${words.about[kind](format.number(tasks), format.number(people))}${kind === 'learned' && lastSentAt !== null && html`${messages.gap}${words.lastSent(format.time(lastSentAt))}`}${learnedAt !== null && html`${messages.gap}${words.learnedAt(format.time(learnedAt))}`}`
}

/** How much people read in each hour of work days and of days off, on one scale. */
export function lawSection(page: Page, law: ScheduleLaw): Html {
  const { messages } = page
  const words = messages.schedule.law
  const { work, free } = law.attention
  const most = Math.max(...work, ...free)
  const day = (name: string, values: readonly number[], isFree: boolean): Html =>
    html`<figure class="attention-day"><figcaption><h3>${name}</h3></figcaption>${dayPlot(page, name, values, { most, isFree })}</figure>`
  return html`<section id="law" aria-labelledby="law-title"><h2 id="law-title">${words.title}</h2>
<p>${lawSource(page, law)}</p>
<p class="quiet">${words.bars}</p>
<div class="columns">${day(words.work, work, false)}${day(words.free, free, true)}</div>
<details id="law-table"><summary>${words.table}</summary>${hourTable(page, law)}</details>
<p class="quiet">${words.privacy}</p></section>`
}

const HOURS = 24
const MARK_HOURS = 6

function dayPlot(
  { messages }: Page,
  name: string,
  values: readonly number[],
  { most, isFree }: { readonly most: number; readonly isFree: boolean },
): Html {
  const hourOf = (value: number): string => formatHour(values.indexOf(value))
  const summary = messages.schedule.law.summary(name, hourOf(Math.max(...values)), hourOf(Math.min(...values)))
  const average = formatPercent(1 - shareOf(1, most))
  const x = (hour: number): string => formatPercent(shareOf(hour, HOURS))
  return html`<svg class="plot hours" role="img" aria-label="${summary}">
${values.map((value, hour) => {
  const height = shareOf(value, most)
  return html`<rect class="${isFree ? 'free-hour' : 'hour'}"${isFree && FREE_FILL} x="${x(hour)}" width="${x(1)}" y="${formatPercent(1 - height)}" height="${formatPercent(height)}"/>`
})}
<line class="average" x1="0" x2="100%" y1="${average}" y2="${average}"/>
<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>
${Array.from({ length: HOURS / MARK_HOURS + 1 }, (_, i) => html`<text class="x" x="${x(i * MARK_HOURS)}" y="100%" dy="20">${i * MARK_HOURS}</text>`)}</svg>`
}

function hourTable({ messages }: Page, { attention: { work, free } }: ScheduleLaw): Html {
  const words = messages.schedule.law
  const value = (values: readonly number[], hour: number): string => (values[hour] ?? 0).toFixed(2)
  return html`<div class="table" role="group" aria-label="${words.title}" tabindex="0"><table>
<thead><tr><th scope="col">${words.hour}</th><th scope="col" class="figure">${words.work}</th><th scope="col" class="figure">${words.free}</th></tr></thead>
<tbody>${work.map((_, hour) => html`<tr><th scope="row">${formatHour(hour)}</th><td class="figure">${value(work, hour)}</td><td class="figure">${value(free, hour)}</td></tr>`)}</tbody></table></div>`
}
