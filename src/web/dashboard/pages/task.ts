import type { Readable } from 'node:stream'
import { notAdmittedText } from '../../../domain/messages.ts'
import { parseTaskId, parseTrackRequest } from '../../../intake/track-request.ts'
import { correctAgentId, resumeTask } from '../../../polling/task-commands.ts'
import { peopleCsv } from '../../../report/columns.ts'
import { countDepartments } from '../../../report/department-tree.ts'
import type { Poll, RecipientFilter, RecipientStatus, TaskRates, TaskRef } from '../../../report/rates.ts'
import { sinceSendMs } from '../../../report/read-brackets.ts'
import { loadTaskReport, type TaskReport } from '../../../report/task-report.ts'
import { openPeopleFile } from '../../people-file.ts'
import { stoppedSection, taskActions } from '../components/actions.ts'
import { asWritten, delayReason, endReason, problemLines, problemOfTask } from '../components/causes.ts'
import { readCurve } from '../components/curve.ts'
import { type Html, html } from '../components/html.ts'
import { parseFileOptions, parsePeopleFilter, parseRecipientFilter, peopleSection } from '../components/people.ts'
import { planOfTask } from '../components/plan.ts'
import { statusBadge } from '../components/task-table.ts'
import { timeToReadSection } from '../components/time-to-read.ts'
import { timeline } from '../components/timeline.ts'
import { breadcrumbs, campaignLink, type PeoplePlace, taskLink } from '../links.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, IDLE_REFRESH_SECONDS, type Page, type PageRequest } from '../page.ts'
import { parseAppParameter } from '../request.ts'
import { forbiddenSection, headline, unreadFact } from './campaign.ts'

export async function taskPage({ page, options: { rates, schedules, pollsPerTask }, params, query }: PageRequest): Promise<Content> {
  const report = await loadTaskReport(rates, parseTaskRef(params, query), page.now, pollsPerTask)
  const { task, elapsedMs, scale } = report
  const filter = parsePeopleFilter(query)
  const [people, plan] = await Promise.all([listedPeople(rates, report, parseRecipientFilter(query)), schedules.scheduleOfTask(task)])
  const { messages } = page
  const place: PeoplePlace = { path: taskLink({ taskId: task.taskId }), app: task.app }
  const body = html`${taskHead(page, report, place)}
<section id="polls" aria-labelledby="polls-title"><h2 id="polls-title">${messages.timeline.title}</h2>
${timeline(page, report)}${planOfTask(page, plan, task.status === 'tracking')}${pollTable(page, report)}</section>
<section id="curve" aria-labelledby="curve-title"><h2 id="curve-title">${messages.curve.title}</h2>
${readCurve(page, { ...report, sentAt: task.sentAt, deadlineAt: task.deadlineAt, lastObservedAt: task.lastObservedAt, scale })}</section>
${peopleSection(page, { ...place, filter, counts: task, people, departments: countDepartments(report.people), cursor: null, nextCursor: null, window: task })}
${timeToReadSection(page, report.timeToRead, elapsedMs)}
${forbiddenSection(page, report.forbidden)}`
  const refreshSeconds = task.status === 'tracking' ? ACTIVE_REFRESH_SECONDS : IDLE_REFRESH_SECONDS
  return { title: messages.taskTitle(task.taskId), body, refreshSeconds }
}

/** The database compares the case of a search, so that all lists find the same. */
async function listedPeople(
  rates: PageRequest['options']['rates'],
  { task, people }: TaskReport,
  filter: RecipientFilter,
): Promise<readonly RecipientStatus[]> {
  const { state, search, department } = filter
  if (search !== undefined || department !== undefined) return rates.recipients(task, filter)
  return state === undefined ? people : people.filter((person) => person.state === state)
}

export async function taskCsv({ options: { rates }, params, query }: PageRequest): Promise<string> {
  return peopleCsv(await rates.recipients(parseTaskRef(params, query), parseRecipientFilter(query)))
}

export function taskXlsx({ page, options: { rates }, params, query }: PageRequest): Promise<Readable> {
  return openPeopleFile(rates, parseTaskRef(params, query), parseFileOptions(page, query))
}

/** Polls a task at once. Resolves with the page to show then. */
export async function resumeTaskAction({ options: { rates, tracking }, params, query }: PageRequest): Promise<string> {
  return taskLink(await resumeTask(rates, tracking.resuming, parseTaskRef(params, query)))
}

/** Polls a task at once with another agent id. Resolves with the page to show then. */
export async function correctAgentIdAction({ page, options: { rates, tracking }, params, query, form }: PageRequest): Promise<string> {
  const ref = parseTaskRef(params, query)
  const { agentId } = parseTrackRequest({ taskId: ref.taskId, agentId: form['agentId'] ?? '' }, page.now)
  return taskLink(await correctAgentId(rates, tracking, ref, agentId))
}

export function parseTaskRef(params: PageRequest['params'], query: URLSearchParams): TaskRef {
  return { taskId: parseTaskId(params['taskId']), app: parseAppParameter(query) }
}

function taskHead(page: Page, { task, unreadAsOf }: TaskReport, place: PeoplePlace): Html {
  const { messages, format, now } = page
  return html`${breadcrumbs(page, ...campaignStep(task))}
<div class="heading"><h1>${messages.taskTitle(task.taskId)}</h1>${statusBadge(page, task.status)}</div>
<p class="lead">${messages.statusMeaning[task.status]}${task.reasonCode !== null && html`${messages.gap}${endReason(page, task)}`}</p>
${problemSection(page, task, place.path)}${stoppedSection(page, task)}
${headline(page, task, place)}
<dl class="facts">
<div><dt>${messages.facts.sent}</dt><dd>${format.time(task.sentAt)}${!task.sentAtGiven && html` <span class="quiet">${messages.sentAtAssumed}</span>`}</dd></div>
<div><dt>${messages.facts.deadline}</dt><dd>${format.time(task.deadlineAt)} <span class="quiet">${format.distance(task.deadlineAt, now)}</span></dd></div>
${task.nextPollAt !== null && html`<div><dt>${messages.facts.next}</dt><dd>${format.time(task.nextPollAt)} <span class="quiet">${format.distance(task.nextPollAt, now)}</span></dd></div>`}
<div><dt>${messages.facts.polls}</dt><dd>${messages.goodOf(format.number(task.goodPolls), format.number(task.polls))} <span class="quiet">${messages.calls.made(task.calls)}</span></dd></div>
${unreadFact(page, unreadAsOf)}${page.severalApps && html`<div><dt>${messages.facts.app}</dt><dd>${task.app}</dd></div>`}
<div><dt>${messages.facts.recipients}</dt><dd>${task.recipientsKnown ? messages.recipientsNamed : messages.recipientsListed}</dd></div>
</dl>`
}

/** Why an open task cannot be polled now, or is polled later than planned. */
function problemSection(page: Page, task: TaskRates, path: string): Html | null {
  const { messages, format, now } = page
  const problem = problemOfTask(task)
  const delay = delayReason(page, task)
  if (task.status !== 'tracking' || (problem === null && delay === null && task.admitted)) return null
  return html`<section id="problem" class="attention" aria-labelledby="problem-title"><h2 id="problem-title">${messages.problem.title}</h2>
${problem !== null && problemLines(page, problem, task.problemSince)}
${delay !== null && html`<p>${messages.problem.delayed(delay)}</p>`}
${!task.admitted && html`<p>${notAdmittedText(page.language)}</p>`}
${task.nextPollAt !== null && html`<p class="quiet sentence">${messages.problem.next(format.time(task.nextPollAt), format.distance(task.nextPollAt, now))}</p>`}
${taskActions(page, task, path)}</section>`
}

/** The campaign of a task in the breadcrumbs. */
export function campaignStep({ campaign, app }: Pick<TaskRates, 'campaign' | 'app'>): Html[] {
  return campaign === null ? [] : [html`<a class="name" href="${campaignLink({ campaign, app })}">${campaign}</a>`]
}

function pollTable(page: Page, { task, polls, ahead }: TaskReport): Html {
  const { messages, format } = page
  return html`<details id="polls-table"><summary>${messages.asTable}</summary>
<div class="table" role="group" aria-labelledby="polls-title" tabindex="0"><table>
<thead><tr><th scope="col" class="figure">${messages.columns.poll}</th><th scope="col" class="spare">${messages.columns.at}</th><th scope="col" class="figure">${messages.columns.sinceSend}</th>
<th scope="col" class="prose">${messages.columns.outcome}</th><th scope="col" class="figure">${messages.columns.readOfDelivered}</th><th scope="col" class="figure">${messages.columns.changed}</th></tr></thead>
<tbody>${polls.map((poll) => pollRow(page, task, poll))}
${ahead.map(({ at, last }) => html`<tr class="quiet"><td class="figure">–</td><td class="spare">${format.time(at)}</td><td class="figure">${format.duration(sinceSendMs(at, task))}</td><td>${last ? messages.timeline.last : messages.timeline.planned}</td><td class="figure">–</td><td class="figure">–</td></tr>`)}
</tbody></table></div></details>`
}

function pollRow({ messages, format }: Page, task: TaskRates, poll: Poll): Html {
  const delivered = poll.read === null || poll.unread === null ? null : poll.read + poll.unread
  return html`<tr><td class="figure">${poll.pollNo}</td><td class="spare">${format.time(poll.requestedAt)}</td><td class="figure">${format.duration(sinceSendMs(poll.requestedAt, task))}</td>
<td>${outcomeText(messages, poll)}</td>
<td class="figure">${delivered === null || poll.read === null ? '–' : messages.outOf(format.number(poll.read), format.number(delivered))}</td><td class="figure">${format.number(poll.changed)}</td></tr>`
}

/** The outcome of a poll, with DingTalk's text after a failure. */
export function outcomeText(messages: Page['messages'], poll: Pick<Poll, 'outcome' | 'code' | 'message'>): Html {
  const failure =
    poll.outcome !== 'observed' && html` <code>${poll.code}</code>${poll.message !== null && html` ${asWritten(poll.message)}`}`
  return html`${messages.outcomes[poll.outcome]}${failure}`
}
