import { parseUserId } from '../../../intake/track-request.ts'
import type { PersonHistory, PersonPoll } from '../../../report/rates.ts'
import { partOf, swatch } from '../components/bar.ts'
import { type Html, html } from '../components/html.ts'
import { describeState } from '../components/people.ts'
import { personHeading } from '../components/person.ts'
import { breadcrumbs, everythingLink, taskLink } from '../links.ts'
import { type Content, IDLE_REFRESH_SECONDS, type Page, type PageRequest } from '../page.ts'
import { campaignStep, outcomeText, parseTaskRef } from './task.ts'

/** Every poll of the task, and the state of one person after it. */
export async function personPage({ page, options: { rates }, params, query }: PageRequest): Promise<Content> {
  const userId = parseUserId('userId', params['userId'])
  const history = await rates.explain(parseTaskRef(params, query), userId)
  return { title: history.person.name ?? userId, body: explained(page, history), refreshSeconds: IDLE_REFRESH_SECONDS }
}

function explained(page: Page, { person, polls }: PersonHistory): Html {
  const { messages } = page
  return html`${breadcrumbs(page, ...campaignStep(person), html`<a href="${taskLink(person)}">${messages.taskTitle(person.taskId)}</a>`)}
${personHeading(person, html`<span class="badge">${swatch(partOf(person.state))} ${messages.states[person.state]}</span>`)}
<p class="lead sentence">${describeState(page, person)}</p>
<p class="quiet">${person.named ? messages.explain.named : messages.explain.listed}${messages.gap}<a href="${everythingLink(person)}">${messages.directory.everythingLink}</a></p>
<section id="polls" aria-labelledby="polls-title"><h2 id="polls-title">${messages.explain.title}</h2>
${polls.length === 0 ? html`<p class="empty">${messages.curve.nothingYet}</p>` : html`<ol class="story">${foldPolls(polls).map((part) => (part.length < MIN_RUN ? part.map((poll) => step(page, poll)) : run(page, part)))}</ol>`}</section>`
}

/** So many polls in a row without a change are folded. */
const MIN_RUN = 3

/** The polls without a change in a row, and each change alone. */
function foldPolls(polls: readonly PersonPoll[]): PersonPoll[][] {
  const parts: PersonPoll[][] = []
  for (const poll of polls) {
    const current = parts.at(-1)
    if (poll.isChange || current === undefined || current[0]?.isChange === true) parts.push([poll])
    else current.push(poll)
  }
  return parts
}

/** Polls that changed nothing, in one line; each of them is behind it. */
function run(page: Page, polls: readonly PersonPoll[]): Html | null {
  const [first, last] = [polls[0], polls.at(-1)]
  if (first === undefined || last === undefined) return null
  const { messages, format } = page
  const words = messages.plots.story
  const failed = polls.filter(({ outcome }) => outcome !== 'observed').length
  return html`<li class="same run" data-key="from ${first.pollNo}"><p class="when">${words.until(format.time(first.requestedAt), format.time(last.requestedAt))}</p>
<details id="polls-from-${first.pollNo}"><summary>${words.run(format.number(polls.length), messages.states[last.state])}${failed > 0 && html` · ${words.failed(format.number(failed))}`}</summary>
<ol>${polls.map((poll) => html`<li data-key="${poll.pollNo}"><span class="when">${messages.explain.poll(poll.pollNo)} · ${format.time(poll.requestedAt)}</span> ${said(page, poll)}</li>`)}</ol></details></li>`
}

function said({ messages }: Page, poll: PersonPoll): Html | string {
  return poll.outcome === 'observed'
    ? messages.explain.said[poll.state]
    : messages.explain.failed(outcomeText(messages, poll), messages.states[poll.state])
}

function step(page: Page, poll: PersonPoll): Html {
  const { messages, format } = page
  const good = poll.outcome === 'observed'
  return html`<li class="${!good ? 'failed' : poll.isChange ? 'change' : 'same'}" data-key="${poll.pollNo}">
<p class="when">${messages.explain.poll(poll.pollNo)} · ${format.time(poll.requestedAt)}</p>
<p>${said(page, poll)}${poll.isChange && html` <strong class="badge">${messages.explain.change}</strong>`}</p></li>`
}
