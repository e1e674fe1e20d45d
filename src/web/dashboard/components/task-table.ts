import type { TaskRates } from '../../../report/rates.ts'
import { campaignLink, taskLink } from '../links.ts'
import type { View } from '../view.ts'
import { stateBar } from './bar.ts'
import { type Html, html } from './html.ts'

/** Tasks with a bar each. @param label the id of the heading above; @param campaigns with a column for the campaign */
export function taskTable(view: View, tasks: readonly TaskRates[], label: string, campaigns: boolean): Html {
  const { words, format } = view
  const severalApps = new Set(tasks.map(({ app }) => app)).size > 1
  return html`<div class="table" role="group" aria-labelledby="${label}" tabindex="0"><table class="tasks">
<thead><tr><th scope="col">${words.columns.task}</th>${campaigns && html`<th scope="col" class="spare">${words.columns.campaign}</th>`}
<th scope="col" class="spare">${words.columns.sent}</th><th scope="col">${words.columns.status}</th>
<th scope="col" class="wide">${words.columns.people}</th><th scope="col" class="figure">${words.columns.readOfDelivered}</th>
<th scope="col" class="figure">${words.columns.readRate}</th><th scope="col" class="spare">${words.columns.asOf}</th></tr></thead>
<tbody>${tasks.map(
    (
      task,
    ) => html`<tr data-key="${task.app} ${task.taskId}"><th scope="row"><a href="${taskLink(task)}">${task.taskId}</a>${severalApps && html`<p class="quiet name">${task.app}</p>`}</th>
${campaigns && html`<td class="spare name">${task.campaign === null ? '–' : html`<a class="clamped" href="${campaignLink({ campaign: task.campaign, app: task.app })}">${task.campaign}</a>`}</td>`}
<td class="spare">${format.time(task.sentAt)}</td><td>${statusBadge(view, task.status)}${task.status === 'tracking' && task.problemCode !== null && html` <span class="badge problem">${words.problem.badge}</span>`}</td>
<td class="wide">${stateBar(view, task)}</td><td class="figure">${words.outOf(format.number(task.read), format.number(task.delivered))}</td>
<td class="figure">${format.percent(task.readRate)}</td><td class="spare">${format.time(task.lastObservedAt)}</td></tr>`,
  )}</tbody></table></div>`
}

export function statusBadge({ words }: View, status: TaskRates['status']): Html {
  return html`<span class="badge ${status}">${words.statuses[status]}</span>`
}
