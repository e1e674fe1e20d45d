import type { PersonHistory, PersonLook } from '../../../report/rates.ts'
import { parseUserId } from '../../../intake/track-request.ts'
import { partOf, swatch } from '../components/bar.ts'
import { type Html, html } from '../components/html.ts'
import { taskLink, trail } from '../links.ts'
import { campaignStep, outcomeText, refOf } from './task.ts'
import { known } from '../components/people.ts'
import { type Content, QUIET_SECONDS, type View, type Visit } from '../view.ts'

/** Why we say what we say about one person: every look, and what it told. */
export async function personPage({ view, options: { rates }, params, query }: Visit): Promise<Content> {
  const userId = parseUserId('userId', params['userId'])
  const history = await rates.explain(refOf(params, query), userId)
  return { title: userId, body: explained(view, history), refreshSeconds: QUIET_SECONDS }
}

function explained(view: View, { person, looks }: PersonHistory): Html {
  const { words } = view
  return html`${trail(view, ...campaignStep(person), html`<a href="${taskLink(person)}">${words.taskTitle(person.taskId)}</a>`)}
<div class="heading"><h1 class="name">${person.userId}</h1><span class="badge">${swatch(partOf(person.state))} ${words.states[person.state]}</span></div>
<p class="lead sentence">${known(view, person)}</p>
<p class="quiet">${person.named ? words.explain.named : words.explain.listed}</p>
<section id="looks" aria-labelledby="looks-title"><h2 id="looks-title">${words.explain.title}</h2>
${looks.length === 0 ? html`<p class="empty">${words.curve.nothingYet}</p>` : html`<ol class="story">${looks.map((look) => step(view, look))}</ol>`}</section>`
}

function step({ words, format }: View, look: PersonLook): Html {
  const good = look.outcome === 'observed'
  return html`<li class="${!good ? 'failed' : look.isChange ? 'change' : 'same'}" data-key="${look.pollNo}">
<p class="when">${words.explain.look(look.pollNo)} · ${format.time(look.requestedAt)}</p>
<p>${good ? words.explain.said[look.state] : words.explain.failed(outcomeText(words, look), words.states[look.state])}${look.isChange && html` <strong class="badge">${words.explain.change}</strong>`}</p></li>`
}
