import { problemRemedy, type Stored } from '../../../domain/messages.ts'
import type { TaskRates } from '../../../report/rates.ts'
import { withQuery } from '../links.ts'
import type { Page } from '../page.ts'
import { problemOfTask, resumeButton } from './causes.ts'
import { type Html, html } from './html.ts'

/** Problems that another agent id of the task may solve. */
const OF_AGENT_ID: ReadonlySet<string> = new Set(['agent_id', 'no_agent_id', 'parameters'])

/** What can be done about an open task that is not polled as planned: at once by a reader who may, else by those who are to be asked. */
export function taskActions(page: Page, task: TaskRates, path: string): Html {
  if (!page.canWrite) return askHint(page)
  return html`${resumeButton(page, path, task.app)}${task.delayCode === 'call_budget' && html`<p class="quiet">${page.messages.problem.budgetStays}</p>`}${agentIdForm(page, task, path)}`
}

/** A reader without the right is told where to go. */
export function askHint({ messages }: Page): Html {
  return html`<p class="quiet ask">${messages.plots.actions.ask}</p>`
}

/** Only until its first successful poll a task takes another agent id: after it the agent id was right. */
function agentIdForm({ messages }: Page, task: TaskRates, path: string): Html | null {
  const problem = problemOfTask(task)
  if (task.goodPolls > 0 || problem === null || !OF_AGENT_ID.has(problem.code)) return null
  const words = messages.plots.actions
  return html`<form class="correct" method="post" action="${withQuery(`${path}/agent-id`, { app: task.app })}" aria-label="${words.agentId}">
<h3>${words.agentId}</h3>
<p><label for="agent-id">${words.agentIdLabel}</label> <input id="agent-id" type="text" name="agentId" value="${task.agentId}" inputmode="numeric" autocomplete="off" maxlength="19" required pattern="[1-9][0-9]*"> <button type="submit">${words.agentIdSubmit}</button></p>
<p class="quiet">${words.agentIdForAll}</p></form>`
}

/** A task that DingTalk refused until its end cannot be polled again; the next one can. */
export function stoppedSection(page: Page, task: TaskRates): Html | null {
  if (task.status !== 'stopped' || task.reasonCode === null) return null
  const stored: Stored = { code: task.reasonCode, detail: task.reasonDetail }
  const remedy = problemRemedy(stored, page.language)
  const { actions } = page.messages.plots
  return html`<section id="problem" class="attention" aria-labelledby="problem-title"><h2 id="problem-title">${actions.title}</h2>
<p>${actions.over}</p>
${remedy !== '' && html`<p class="remedy">${remedy}</p>`}
${!page.canWrite && askHint(page)}</section>`
}
