import type { RecipientStatus } from '../../../report/rates.ts'
import { everythingLink, personLink } from '../links.ts'
import type { Page } from '../page.ts'
import { type Html, html } from './html.ts'

type Named = Pick<RecipientStatus, 'app' | 'taskId' | 'userId' | 'name'>

/** A person in a list. The name leads to everything that was sent to them; without a name the user id leads to the polls of the task. */
export function personName(person: Named): Html {
  const { userId, name } = person
  return name === null
    ? html`<a href="${personLink(person, userId)}">${userId}</a>`
    : html`<a class="name" href="${everythingLink(person)}">${name}</a> <span class="user-id">${userId}</span>`
}

/** The heading of a page about a person. @param beside what stands beside it */
export function personHeading({ userId, name }: { readonly userId: string; readonly name: string | null }, beside: Html | null): Html {
  return html`<div class="heading"><h1 class="name">${name ?? userId}</h1>${name !== null && html`<span class="user-id">${userId}</span>`}${beside}</div>`
}

/** Finds people over all campaigns. @param search what was searched for */
export function personSearch({ messages: { directory }, canSeeNames }: Page, search = ''): Html {
  return html`<form class="search find-person" method="get" action="/people" role="search" aria-label="${directory.find}">
<label for="find-person">${canSeeNames ? directory.findByName : directory.findById}</label>
<input id="find-person" type="search" name="q" value="${search}" autocomplete="off" spellcheck="false" maxlength="200" required>
<button type="submit">${directory.findButton}</button></form>`
}
