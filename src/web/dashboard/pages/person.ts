import { parseUserId } from '../../../intake/track-request.ts'
import type { PersonHistory, PersonPoll } from '../../../report/rates.ts'
import { partOf, swatch } from '../components/bar.ts'
import { type Html, html } from '../components/html.ts'
import { known } from '../components/people.ts'
import { taskLink, trail } from '../links.ts'
import { type Content, type PageRequest, QUIET_SECONDS, type View } from '../view.ts'
import { campaignStep, outcomeText, refOf } from './task.ts'

/** Why we say what we say about one person: every poll, and what it told. */
export async function personPage({ view, options: { rates }, params, query }: PageRequest): Promise<Content> {
  const userId = parseUserId('userId', params['userId'])
  const history = await rates.explain(refOf(params, query), userId)
  return { title: userId, body: explained(view, history), refreshSeconds: QUIET_SECONDS }
}

function explained(view: View, { person, polls }: PersonHistory): Html {
  const { words } = view
  return html`${trail(view, ...campaignStep(person), html`<a href="${taskLink(person)}">${words.taskTitle(person.taskId)}</a>`)}
<div class="heading"><h1 class="name">${person.userId}</h1><span class="badge">${swatch(partOf(person.state))} ${words.states[person.state]}</span></div>
<p class="lead sentence">${known(view, person)}</p>
<p class="quiet">${person.named ? words.explain.named : words.explain.listed}</p>
<section id="polls" aria-labelledby="polls-title"><h2 id="polls-title">${words.explain.title}</h2>
${polls.length === 0 ? html`<p class="empty">${words.curve.nothingYet}</p>` : html`<ol class="story">${polls.map((poll) => step(view, poll))}</ol>`}</section>`
}

function step({ words, format }: View, poll: PersonPoll): Html {
  const good = poll.outcome === 'observed'
  return html`<li class="${!good ? 'failed' : poll.isChange ? 'change' : 'same'}" data-key="${poll.pollNo}">
<p class="when">${words.explain.poll(poll.pollNo)} · ${format.time(poll.requestedAt)}</p>
<p>${good ? words.explain.said[poll.state] : words.explain.failed(outcomeText(words, poll), words.states[poll.state])}${poll.isChange && html` <strong class="badge">${words.explain.change}</strong>`}</p></li>`
}
