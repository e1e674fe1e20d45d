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
${polls.length === 0 ? html`<p class="empty">${messages.curve.nothingYet}</p>` : html`<ol class="story">${polls.map((poll) => step(page, poll))}</ol>`}</section>`
}

function step({ messages, format }: Page, poll: PersonPoll): Html {
  const good = poll.outcome === 'observed'
  return html`<li class="${!good ? 'failed' : poll.isChange ? 'change' : 'same'}" data-key="${poll.pollNo}">
<p class="when">${messages.explain.poll(poll.pollNo)} · ${format.time(poll.requestedAt)}</p>
<p>${good ? messages.explain.said[poll.state] : messages.explain.failed(outcomeText(messages, poll), messages.states[poll.state])}${poll.isChange && html` <strong class="badge">${messages.explain.change}</strong>`}</p></li>`
}
