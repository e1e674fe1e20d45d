import type { StateKind } from '../../../domain/delivery.ts'
import { forbiddenReasonOf } from '../../../domain/problems.ts'
import type { CampaignRecipient, RateColumns, RecipientStatus } from '../../../report/rates.ts'
import { type PeoplePlace, pager, personLink, withQuery } from '../links.ts'
import type { Page } from '../page.ts'
import { formatPercent, stretched } from './axis.ts'
import { partOf, swatch } from './bar.ts'
import { type Html, html } from './html.ts'

export const STATES: readonly StateKind[] = ['unread', 'pending', 'read', 'forbidden', 'failed', 'invalid']

/** Which people a page shows. */
export interface PeopleFilter {
  /** Null: all states. */
  readonly state: StateKind | null
  readonly search: string
}

export interface PeopleList extends PeoplePlace {
  readonly filter: PeopleFilter
  readonly counts: RateColumns & { readonly namesRemovedAt: Date | null }
  readonly people: ReadonlyArray<RecipientStatus | CampaignRecipient>
  /** Where the page of the list begins; null: at its beginning. */
  readonly cursor: string | null
  readonly nextCursor: string | null
  /** The window in which reads are drawn; null where the people are of several tasks. */
  readonly window: { readonly sentAt: Date; readonly deadlineAt: Date } | null
}

/** Without a state in the query: unread. */
export function parsePeopleFilter(query: URLSearchParams): PeopleFilter {
  const given = query.get('state')
  return { state: given === 'all' ? null : (STATES.find((state) => state === given) ?? 'unread'), search: (query.get('q') ?? '').trim() }
}

/** The filter as a query; the default needs none. */
export function buildQuery(app: string, { state, search }: PeopleFilter): Record<string, string> {
  return { app, state: state ?? 'all', q: search }
}

export function peopleSection(page: Page, list: PeopleList): Html {
  const { messages } = page
  const { path, app, filter, cursor, nextCursor } = list
  const linkTo = (next: string | null): string => `${withQuery(path, { ...buildQuery(app, filter), cursor: next })}#people`
  const file = withQuery(`${path}/people.csv`, buildQuery(app, filter))
  return html`<section id="people" aria-labelledby="people-title">
<div class="heading"><h2 id="people-title">${messages.people.title}</h2>
<a class="button" href="${file}" download>${messages.people.csv}</a></div>
${stateTabs(page, list)}
<form class="search" method="get" action="${path}#people" role="search">
<input type="hidden" name="app" value="${app}"><input type="hidden" name="state" value="${filter.state ?? 'all'}">
<label for="people-search">${messages.people.searchLabel}</label>
<input id="people-search" type="search" name="q" value="${filter.search}" autocomplete="off" spellcheck="false" maxlength="128">
<button type="submit">${messages.search}</button>
${filter.search !== '' && html`<a href="${withQuery(path, buildQuery(app, { ...filter, search: '' }))}#people">${messages.showAll}</a>`}
</form>
${list.counts.namesRemovedAt !== null && html`<p class="note">${(list.window === null ? messages.people.namesRemovedInSome : messages.people.namesRemoved)(page.format.time(list.counts.namesRemovedAt))}</p>`}
<p class="quiet">${messages.people.meaning[filter.state ?? 'all']}</p>
${list.people.length === 0 ? html`<p class="empty">${messages.people.none}</p>` : peopleTable(page, list)}
${pager(page, messages.people.title, { first: cursor === null ? null : linkTo(null), next: nextCursor === null ? null : linkTo(nextCursor), printed: printedPart(page, list), file })}
</section>`
}

/** How many of the list are on paper. Null while a search leaves their number unknown. */
function printedPart({ messages, format }: Page, { filter, counts, people }: PeopleList): string | null {
  if (filter.search !== '') return null
  return messages.print.partOf(format.number(people.length), format.number(filter.state === null ? counts.targeted : counts[filter.state]))
}

function stateTabs({ messages, format }: Page, { path, app, filter, counts }: PeopleList): Html {
  const tab = (state: StateKind | null, name: string, people: number): Html =>
    html`<li><a href="${withQuery(path, buildQuery(app, { ...filter, state }))}#people"${filter.state === state && html` aria-current="true"`}>${name} <span>${format.number(people)}</span></a></li>`
  const shown = STATES.filter((state) => counts[state] > 0 || state === 'unread' || state === filter.state)
  return html`<ul class="tabs" aria-label="${messages.people.byState}">${shown.map((state) => tab(state, messages.states[state], counts[state]))}${tab(null, messages.people.all, counts.targeted)}</ul>`
}

/** The state has a column only where it differs. */
function peopleTable(page: Page, { people, window, filter }: PeopleList): Html {
  const { messages } = page
  const mixed = filter.state === null
  return html`<div class="table" role="group" aria-labelledby="people-title" tabindex="0"><table class="people${mixed && ' mixed'}">
<thead><tr><th scope="col">${messages.columns.person}</th>${mixed && html`<th scope="col">${messages.columns.state}</th>`}<th scope="col">${messages.columns.known}</th>
${window !== null && html`<th scope="col" class="spare">${messages.columns.bracket}</th>`}</tr></thead>
<tbody>${people.map(
    (
      person,
    ) => html`<tr data-key="${person.userId}"><th scope="row"><a href="${personLink(person, person.userId)}">${person.userId}</a></th>
${mixed && html`<td class="state">${swatch(partOf(person.state))} ${messages.states[person.state]}</td>`}
<td>${describeState(page, person)}${inTasks(page, person)}</td>
${window !== null && html`<td class="spare">${bracket(person, window)}</td>`}</tr>`,
  )}</tbody></table></div>`
}

/** The state of a person with its times. Unread is always as of a time. */
export function describeState({ messages, format }: Page, person: RecipientStatus): Html | string {
  switch (person.state) {
    case 'read':
      return person.lastUnreadAt === null
        ? messages.people.readBefore(format.time(person.readBefore))
        : messages.people.readBetween(format.time(person.readAfter), format.time(person.readBefore))
    case 'unread':
      return messages.people.unreadAsOf(format.time(person.lastUnreadAt))
    case 'pending':
      return person.asOf === null ? messages.people.neverAsked : messages.people.pendingAsOf(format.time(person.asOf))
    case 'forbidden':
      return html`${messages.forbidden.reasons[forbiddenReasonOf(person.forbiddenCode)].name}${person.forbiddenCode !== null && html` <code>${person.forbiddenCode}</code>`}${person.forbiddenCount !== null && html` (${messages.forbidden.limit(person.forbiddenCount)})`}`
    case 'failed':
      return messages.stateMeaning.failed
    case 'invalid':
      return messages.stateMeaning.invalid
  }
}

function inTasks({ messages }: Page, person: RecipientStatus | CampaignRecipient): Html | null {
  return 'tasks' in person && person.tasks > 1 ? html` <span class="quiet">${messages.people.inTasks(person.tasks)}</span>` : null
}

/** The bracket of a read in the window; of an unread person, the time until which it was not read. Another column has it as text. */
function bracket(person: RecipientStatus, { sentAt, deadlineAt }: { readonly sentAt: Date; readonly deadlineAt: Date }): Html | null {
  const x = (at: Date | null): string =>
    formatPercent(stretched((at ?? sentAt).getTime() - sentAt.getTime(), deadlineAt.getTime() - sentAt.getTime()))
  if (person.state !== 'read' && person.state !== 'unread') return null
  const piece =
    person.state === 'read'
      ? html`<line class="read" x1="${x(person.readAfter)}" x2="${x(person.readBefore)}" y1="7" y2="7"/>`
      : html`<line class="unread" x1="0" x2="${x(person.lastUnreadAt)}" y1="7" y2="7"/>`
  return html`<svg class="bracket" height="14" aria-hidden="true" focusable="false"><line class="axis" x1="0" x2="100%" y1="7" y2="7"/>${piece}</svg>`
}
