import { parseTaskId } from '../../../intake/track-request.ts'
import type { Poll, TaskRates, TaskRef } from '../../../report/rates.ts'
import { scaleOf } from '../components/axis.ts'
import { asWritten, delayReason, endReason, problemLines, problemOfTask, resumeButton } from '../components/causes.ts'
import { readCurve } from '../components/curve.ts'
import { type Html, html } from '../components/html.ts'
import { peopleFilterOf, peopleSection } from '../components/people.ts'
import { statusBadge } from '../components/task-table.ts'
import { timeToReadSection } from '../components/time-to-read.ts'
import { pollsAhead, sinceSend, timeline } from '../components/timeline.ts'
import { campaignLink, type PeoplePlace, taskLink, trail } from '../links.ts'
import { peopleCsv } from '../people-csv.ts'
import { appOf } from '../request.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, type PageRequest, QUIET_SECONDS, type View } from '../view.ts'
import { forbiddenSection, type Headed, headline, unreadFact } from './campaign.ts'

export async function taskPage({ view, options: { rates, pollsPerTask }, params, query }: PageRequest): Promise<Content> {
  const task = await rates.task(refOf(params, query))
  const filter = peopleFilterOf(query)
  const [polls, points, { band, timeToRead: time }, forbidden, people, unreadAsOf] = await Promise.all([
    rates.polls(task),
    rates.curve(task),
    rates.readTimes(task),
    rates.forbidden(task),
    rates.recipients(task, { state: filter.state ?? undefined, search: filter.search }),
    rates.unreadAsOf(task),
  ])
  const { words } = view
  const place: PeoplePlace = { path: taskLink({ taskId: task.taskId }), app: task.app }
  const elapsedMs = sinceSend(task, view.now < task.deadlineAt ? view.now : task.deadlineAt)
  const body = html`${taskHead(view, task, { ...place, unreadAsOf })}
<section id="polls" aria-labelledby="polls-title"><h2 id="polls-title">${words.timeline.title}</h2>
${timeline(view, task, polls, pollsPerTask)}${pollTable(view, task, polls, pollsPerTask)}</section>
<section id="curve" aria-labelledby="curve-title"><h2 id="curve-title">${words.curve.title}</h2>
${readCurve(view, { points, band, sentAt: task.sentAt, deadlineAt: task.deadlineAt, scale: scaleOf(task) })}</section>
${peopleSection(view, { ...place, filter, counts: task, people, cursor: null, nextCursor: null, window: task })}
${timeToReadSection(view, time, elapsedMs)}
${forbiddenSection(view, forbidden)}`
  return { title: words.taskTitle(task.taskId), body, refreshSeconds: task.status === 'tracking' ? ACTIVE_REFRESH_SECONDS : QUIET_SECONDS }
}

export async function taskCsv({ options: { rates }, params, query }: PageRequest): Promise<string> {
  const { state, search } = peopleFilterOf(query)
  return peopleCsv(await rates.recipients(refOf(params, query), { state: state ?? undefined, search }))
}

export function refOf(params: PageRequest['params'], query: URLSearchParams): TaskRef {
  return { taskId: parseTaskId(params['taskId']), app: appOf(query) }
}

function taskHead(view: View, task: TaskRates, place: PeoplePlace & Headed): Html {
  const { words, format, now } = view
  return html`${trail(view, ...campaignStep(task))}
<div class="heading"><h1>${words.taskTitle(task.taskId)}</h1>${statusBadge(view, task.status)}</div>
<p class="lead">${words.statusMeaning[task.status]}${task.reasonCode !== null && html`${words.gap}${endReason(view, task)}`}</p>
${problemSection(view, task, place.path)}
${headline(view, task, place)}
<dl class="facts">
<div><dt>${words.facts.sent}</dt><dd>${format.time(task.sentAt)}${!task.sentAtGiven && html` <span class="quiet">${words.sentAtAssumed}</span>`}</dd></div>
<div><dt>${words.facts.deadline}</dt><dd>${format.time(task.deadlineAt)} <span class="quiet">${format.distance(task.deadlineAt, now)}</span></dd></div>
${task.nextPollAt !== null && html`<div><dt>${words.facts.next}</dt><dd>${format.time(task.nextPollAt)} <span class="quiet">${format.distance(task.nextPollAt, now)}</span></dd></div>`}
<div><dt>${words.facts.polls}</dt><dd>${words.goodOf(format.number(task.goodPolls), format.number(task.polls))} <span class="quiet">${words.calls.made(task.calls)}</span></dd></div>
${unreadFact(view, place)}<div><dt>${words.facts.app}</dt><dd>${task.app}</dd></div>
<div><dt>${words.facts.recipients}</dt><dd>${task.recipientsKnown ? words.recipientsNamed : words.recipientsListed}</dd></div>
</dl>`
}

/** Why an open task cannot be polled now, or is polled later than planned. */
function problemSection(view: View, task: TaskRates, path: string): Html | null {
  const { words, format, now } = view
  const problem = problemOfTask(task)
  const delay = delayReason(view, task)
  if (task.status !== 'tracking' || (problem === null && delay === null)) return null
  return html`<section id="problem" class="attention" aria-labelledby="problem-title"><h2 id="problem-title">${words.problem.title}</h2>
${problem !== null && problemLines(view, problem, task.problemSince)}
${delay !== null && html`<p>${words.problem.delayed(delay)}</p>`}
${task.nextPollAt !== null && html`<p class="quiet sentence">${words.problem.next(format.time(task.nextPollAt), format.distance(task.nextPollAt, now))}</p>`}
${resumeButton(view, path, task.app)}${task.delayCode === 'call_budget' && html`<p class="quiet">${words.problem.budgetStays}</p>`}</section>`
}

/** The campaign of a task in the way back up, if it has one. */
export function campaignStep({ campaign, app }: Pick<TaskRates, 'campaign' | 'app'>): Html[] {
  return campaign === null ? [] : [html`<a class="name" href="${campaignLink({ campaign, app })}">${campaign}</a>`]
}

function pollTable(view: View, task: TaskRates, polls: readonly Poll[], pollsPerTask: number): Html {
  const { words, format } = view
  const ahead = pollsAhead(task, view.now, pollsPerTask)
  return html`<details id="polls-table"><summary>${words.asTable}</summary>
<div class="table" role="group" aria-labelledby="polls-title" tabindex="0"><table>
<thead><tr><th scope="col" class="figure">${words.columns.poll}</th><th scope="col" class="spare">${words.columns.at}</th><th scope="col" class="figure">${words.columns.sinceSend}</th>
<th scope="col" class="prose">${words.columns.outcome}</th><th scope="col" class="figure">${words.columns.readOfDelivered}</th><th scope="col" class="figure">${words.columns.changed}</th></tr></thead>
<tbody>${polls.map((poll) => pollRow(view, task, poll))}
${ahead.map(({ at, last }) => html`<tr class="quiet"><td class="figure">–</td><td class="spare">${format.time(at)}</td><td class="figure">${format.duration(sinceSend(task, at))}</td><td>${last ? words.timeline.last : words.timeline.planned}</td><td class="figure">–</td><td class="figure">–</td></tr>`)}
</tbody></table></div></details>`
}

function pollRow({ words, format }: View, task: TaskRates, poll: Poll): Html {
  const delivered = poll.read === null || poll.unread === null ? null : poll.read + poll.unread
  return html`<tr><td class="figure">${poll.pollNo}</td><td class="spare">${format.time(poll.requestedAt)}</td><td class="figure">${format.duration(sinceSend(task, poll.requestedAt))}</td>
<td>${outcomeText(words, poll)}</td>
<td class="figure">${delivered === null || poll.read === null ? '–' : words.outOf(format.number(poll.read), format.number(delivered))}</td><td class="figure">${format.number(poll.changed)}</td></tr>`
}

/** What a poll brought; DingTalk's own words behind a failure. */
export function outcomeText(words: View['words'], poll: Pick<Poll, 'outcome' | 'code' | 'message'>): Html {
  const failure =
    poll.outcome !== 'observed' && html` <code>${poll.code}</code>${poll.message !== null && html` ${asWritten(poll.message)}`}`
  return html`${words.outcomes[poll.outcome]}${failure}`
}
