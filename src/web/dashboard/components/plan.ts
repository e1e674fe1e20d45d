import type { ScheduleReport } from '../../../report/schedule.ts'
import { withQuery } from '../links.ts'
import type { Page } from '../page.ts'
import { type Html, html } from './html.ts'
import { lawSource } from './read-law.ts'

/** The figures of a plan. */
export function planFacts({ messages, format }: Page, report: ScheduleReport): Html {
  const words = messages.schedule.facts
  const { polls, expectedCalls, widthMs, meanDelayMs, longestGapMs, recipients, recipientsFrom, price } = report
  return html`<dl class="facts">
<div><dt>${words.width}</dt><dd>${format.duration(widthMs)} <span class="quiet">${words.onAverage}</span></dd></div>
<div><dt>${words.delay}</dt><dd>${format.duration(meanDelayMs)} <span class="quiet">${words.onAverage}</span></dd></div>
<div><dt>${words.gap}</dt><dd>${format.duration(longestGapMs)}</dd></div>
<div><dt>${words.polls}</dt><dd>${format.number(polls.length)}</dd></div>
<div><dt>${words.calls}</dt><dd>${formatCalls(report)}${Math.round(expectedCalls) < polls.length && html` <small class="quiet">${words.callsWhy}</small>`}</dd></div>
<div><dt>${words.recipients}</dt><dd>${format.number(recipients)}${recipientsFrom === 'median' && html` <span class="quiet">${words.median}</span>`}${recipientsFrom === 'assumed' && html` <span class="quiet">${words.assumed}</span>`}</dd></div>
${price !== null && html`<div><dt>${words.price}</dt><dd>${price.toFixed(1)} <small class="quiet">${words.priceMeaning}</small></dd></div>`}
</dl>`
}

/** Whole calls: an expected tenth of one says nothing. */
export function formatCalls({ expectedCalls }: Pick<ScheduleReport, 'expectedCalls'>): string {
  return String(Math.round(expectedCalls))
}

/** Why the polls of a task are where they are. Null: an earlier version planned it, or no worker has yet. */
export function planOfTask(page: Page, report: ScheduleReport | null, isOpen: boolean): Html | null {
  if (report === null) return null
  const { messages, format } = page
  const words = messages.schedule
  const { app, sentAt, placedBy, widthMs, law } = report
  const width = isOpen ? words.width(format.duration(widthMs)) : words.widthThen(format.duration(widthMs))
  // The law of a plan that was placed before there was one is not that of the plan.
  const usesLaw = placedBy === 'learned' && law.kind !== 'prior'
  return html`<p class="why">${words.why[placedBy]}${usesLaw && html`${messages.gap}${words.law.about[law.kind](format.number(law.tasks), format.number(law.people))}`}${placedBy !== 'not_admitted' && html`${messages.gap}${width}`}</p>
<details id="plan"><summary>${words.plan.more}</summary>${planFacts(page, report)}
${usesLaw && html`<p class="quiet">${lawSource(page, law)}</p>`}
<p><a href="${withQuery('/schedule', { app, sentAt: sentAt.toISOString() })}">${words.ofTask.link}</a></p></details>`
}
