import type { CallForecast } from '../../../domain/schedule/call-forecast.ts'
import type { AppUsage } from '../../../report/rates.ts'
import type { Page } from '../page.ts'
import { budgetBar } from './bar.ts'
import { resumeButton } from './causes.ts'
import { type Html, html } from './html.ts'

/** What a whole organisation has on the standard edition. Source: DingTalk's price list of 2025-11. */
const STANDARD_CALLS = 5_000

/**
 * What threatens an app's polls this month. Null: nothing.
 * @param name of the app; null: it is the only one
 */
export function budgetAlert(
  page: Page,
  { app, pauseKind }: Pick<AppUsage, 'app' | 'pauseKind'>,
  forecast: CallForecast | undefined,
  name: string | null,
): Html | null {
  const { messages, format } = page
  // DingTalk's own quota is used up: its pause says so.
  if (forecast === undefined || forecast.warning === null || pauseKind === 'quota') return null
  const { used, budget, month, warning } = forecast
  return html`<li data-key="budget ${app}"><h3>${messages.callForecast.alert[warning](name, format.number(forecast.tasksRefused))}</h3>
<p>${messages.calls.usedOf(format.number(used), format.number(budget), format.month(month))}${messages.gap}${describeForecast(page, forecast)}</p>
<p>${messages.callForecast.remedy[warning]}</p></li>`
}

/** Until when the calls last, and for how many tasks. */
function describeForecast({ messages, format }: Page, { usedUpAt, tasksAdmittable, tasksExpected }: CallForecast): Html {
  const words = messages.callForecast
  return html`${usedUpAt === null ? words.last : words.lastUntil(format.time(usedUpAt))}${messages.gap}${words.tasks(format.number(tasksAdmittable), format.number(tasksExpected))}`
}

export function callsSection(page: Page, apps: readonly AppUsage[], forecasts: ReadonlyMap<string, CallForecast>): Html | null {
  if (apps.length === 0) return null
  const { messages } = page
  return html`<section id="calls" aria-labelledby="calls-title"><h2 id="calls-title">${messages.calls.title}</h2>
<ul class="cards">${apps.map((app) => appCalls(page, app, forecasts.get(app.app)))}</ul>
<p><a href="/schedule">${messages.schedule.link}</a></p></section>`
}

/** `resume` would change something. */
function isHeldBack({ pauseCode, pairs, workerProblems: problems, tasksWithProblem, tasksDelayed }: AppUsage): boolean {
  return pauseCode !== null || pairs.some((pair) => pair.pauseCode !== null) || problems.length + tasksWithProblem + tasksDelayed > 0
}

function appCalls(page: Page, usage: AppUsage, forecast: CallForecast | undefined): Html {
  const { messages, format } = page
  const { app, openTasks, tasksWithProblem } = usage
  // Both from one place, so that they fit together.
  const { used: callsUsed, month, budget } = forecast ?? { used: usage.callsUsed, month: usage.month, budget: STANDARD_CALLS }
  const [used, of] = [format.number(callsUsed), format.number(budget)]
  return html`<li data-key="${app}">${page.severalApps && html`<h3>${app}</h3>`}
<p class="headline">${used}${forecast !== undefined && html` <small>/ ${of}</small>`}</p>
${budgetBar(messages.calls.usedOf(used, of, format.month(month)), callsUsed, budget)}
<p>${messages.calls.used(format.month(month))}${messages.gap}${forecast === undefined ? messages.calls.noBudget(of) : messages.calls.left(format.number(forecast.left))}</p>
${forecast !== undefined && html`<p class="sentence">${describeForecast(page, forecast)}${forecast.tasksRefused > 0 && html`${messages.gap}${messages.callForecast.refused(format.number(forecast.tasksRefused))}`}</p>`}
<p class="quiet">${messages.calls.openTasks(openTasks)}${tasksWithProblem > 0 && html`${messages.gap}${messages.calls.withProblem(tasksWithProblem)}`}</p>
${isHeldBack(usage) && resumeButton(page, `/apps/${encodeURIComponent(app)}`, null)}</li>`
}
