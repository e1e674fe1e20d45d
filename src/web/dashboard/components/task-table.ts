import type { TaskRates } from '../../../report/rates.ts'
import { campaignLink, taskLink } from '../links.ts'
import type { Page } from '../page.ts'
import { sharedTime } from './as-of.ts'
import { stateBar } from './bar.ts'
import { type Html, html } from './html.ts'

/** Tasks with a bar each. @param label the id of the heading above; @param campaigns with a column for the campaign */
export function taskTable(page: Page, tasks: readonly TaskRates[], label: string, campaigns: boolean): Html {
  const { messages, format } = page
  const severalApps = new Set(tasks.map(({ app }) => app)).size > 1
  const common = sharedTime(tasks.map(({ lastObservedAt }) => lastObservedAt))
  return html`${common !== null && html`<p class="quiet">${messages.plots.asOf.figures(format.time(common), format.distance(common, page.now))}</p>`}<div class="table" role="group" aria-labelledby="${label}" tabindex="0"><table class="tasks">
<thead><tr><th scope="col">${messages.columns.task}</th>${campaigns && html`<th scope="col" class="spare">${messages.columns.campaign}</th>`}
<th scope="col" class="spare">${messages.columns.sent}</th><th scope="col">${messages.columns.status}</th>
<th scope="col" class="wide">${messages.columns.people}</th><th scope="col" class="figure">${messages.columns.readOfDelivered}</th>
<th scope="col" class="figure">${messages.columns.readRate}</th>${common === null && html`<th scope="col" class="spare">${messages.columns.asOf}</th>`}</tr></thead>
<tbody>${tasks.map(
    (
      task,
    ) => html`<tr data-key="${task.app} ${task.taskId}"><th scope="row"><a href="${taskLink(task)}">${task.taskId}</a>${severalApps && html`<p class="quiet name">${task.app}</p>`}</th>
${campaigns && html`<td class="spare name">${task.campaign === null ? '–' : html`<a class="clamped" href="${campaignLink({ campaign: task.campaign, app: task.app })}">${task.campaign}</a>`}</td>`}
<td class="spare">${format.time(task.sentAt)}</td><td>${statusBadge(page, task.status)}${task.status === 'tracking' && task.problemCode !== null && html` <span class="badge problem">${messages.problem.badge}</span>`}</td>
<td class="wide">${stateBar(page, task)}</td><td class="figure">${messages.outOf(format.number(task.read), format.number(task.delivered))}</td>
<td class="figure">${format.percent(task.readRate)}</td>${common === null && html`<td class="spare">${format.time(task.lastObservedAt)}</td>`}</tr>`,
  )}</tbody></table></div>`
}

export function statusBadge({ messages }: Page, status: TaskRates['status']): Html {
  return html`<span class="badge ${status}">${messages.statuses[status]}</span>`
}
