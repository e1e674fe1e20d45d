import { TrackerError } from '../../../domain/errors.ts'
import { parseUserId } from '../../../intake/track-request.ts'
import type { Page as Paged, Person, PersonRef, PersonTask, RateReader } from '../../../report/rates.ts'
import { partOf, swatch } from '../components/bar.ts'
import { type Html, html } from '../components/html.ts'
import { describeState } from '../components/people.ts'
import { personHeading, personSearch } from '../components/person.ts'
import { breadcrumbs, campaignLink, everythingLink, pager, personLink, withQuery } from '../links.ts'
import { type Content, IDLE_REFRESH_SECONDS, type Page, type PageRequest } from '../page.ts'
import { parseAppParameter } from '../request.ts'

const FOUND = 25
/** Beside campaigns and tasks. */
const FOUND_BESIDE = 5
const SENT = 25

/** People over all campaigns. Resolves with the address of a person where only that one is found. */
export async function peopleSearchPage({ page, options: { rates }, query }: PageRequest): Promise<Content | string> {
  const search = (query.get('q') ?? '').trim()
  const cursor = query.get('cursor')
  const found = search === '' ? NO_PEOPLE : await findPeople(rates, page, search, cursor)
  const [only, another] = found.items
  if (cursor === null && found.nextCursor === null && only !== undefined && another === undefined) return everythingLink(only)
  const { directory } = page.messages
  return {
    title: directory.find,
    body: html`${breadcrumbs(page)}
<h1>${directory.find}</h1>
${personSearch(page, search)}
${search !== '' && results(page, search, cursor, found)}`,
    refreshSeconds: null,
  }
}

const NO_PEOPLE: Paged<Person> = { items: [], nextCursor: null }

/** By name or user id where names may be seen; in any case the person with exactly this user id, also where only tasks have it. */
async function findPeople(rates: RateReader, { canSeeNames }: Page, search: string, cursor: string | null): Promise<Paged<Person>> {
  const filter = { search, limit: FOUND, cursor: cursor ?? undefined }
  const named = canSeeNames ? await rates.people(filter) : NO_PEOPLE
  if (cursor !== null || named.items.some(({ userId }) => userId === search)) return named
  const exact = await findExactly(rates, { userId: search })
  return { ...named, items: [...exact, ...named.items] }
}

/**
 * People for a search of everything. The exact user id, which would be looked for in every task, is asked for where nothing else was found.
 * @param isAlone no campaign and no task was found
 */
export async function findBeside(rates: RateReader, page: Page, search: string, isAlone: boolean): Promise<Paged<Person>> {
  const named = page.canSeeNames ? await rates.people({ search, limit: FOUND_BESIDE }) : NO_PEOPLE
  if (named.items.length > 0 || !isAlone) return named
  return { ...NO_PEOPLE, items: await findExactly(rates, { userId: search }) }
}

/** The people that {@link findBeside} found; nothing where there are none. */
export function foundBeside(page: Page, search: string, found: Paged<Person>): Html | null {
  return found.items.length === 0 ? null : results(page, search, null, found)
}

/** A text that no user id can be finds no one, as an unknown one does. */
async function findExactly(rates: RateReader, { userId, app }: PersonRef): Promise<Person[]> {
  try {
    return await rates.person({ userId: parseUserId('q', userId), app })
  } catch (error) {
    if (error instanceof TrackerError && (error.code === 'RECIPIENT_NOT_FOUND' || error.code === 'INVALID_INPUT')) return []
    throw error
  }
}

function results(page: Page, search: string, cursor: string | null, { items, nextCursor }: Paged<Person>): Html {
  const { directory, columns, facts } = page.messages
  const severalApps = new Set(items.map(({ app }) => app)).size > 1
  const linkTo = (next: string | null): string => withQuery('/people', { q: search, cursor: next })
  return html`<section id="found" aria-labelledby="found-title"><h2 id="found-title">${directory.results(search)}</h2>
${
  items.length === 0
    ? html`<p class="empty">${directory.noPerson(search)}</p>${!page.canSeeNames && html`<p class="quiet">${directory.wholeId}</p>`}`
    : html`<div class="table" role="group" aria-labelledby="found-title" tabindex="0"><table class="people">
<thead><tr><th scope="col">${columns.person}</th><th scope="col">${directory.userId}</th><th scope="col" class="spare">${directory.department}</th>${severalApps && html`<th scope="col">${facts.app}</th>`}</tr></thead>
<tbody>${items.map((person) => foundRow(person, severalApps))}</tbody></table></div>`
}
${pager(page, directory.results(search), { first: cursor === null ? null : linkTo(null), next: nextCursor === null ? null : linkTo(nextCursor) })}</section>`
}

function foundRow(person: Person, severalApps: boolean): Html {
  const { app, userId, name, departments } = person
  return html`<tr data-key="${app} ${userId}"><th scope="row" class="name"><a href="${everythingLink(person)}">${name ?? userId}</a></th><td class="user-id">${userId}</td>
<td class="spare name">${departments.length === 0 ? '–' : departments.join('; ')}</td>${severalApps && html`<td>${app}</td>`}</tr>`
}

/** Everything that was sent to one person, latest sent first. */
export async function everythingSentPage({ page, options: { rates }, params, query }: PageRequest): Promise<Content> {
  const ref: PersonRef = { userId: parseUserId('userId', params['userId']), app: parseAppParameter(query) }
  const cursor = query.get('cursor')
  const [people, tasks] = await Promise.all([rates.person(ref), rates.personTasks(ref, { limit: SENT, cursor: cursor ?? undefined })])
  const managers = await Promise.all(people.map((person) => findManager(rates, person)))
  const names = new Set(people.map(({ name }) => name))
  const [name = null] = names.size === 1 ? names : []
  return {
    title: name ?? ref.userId,
    body: html`${breadcrumbs(page, html`<a href="/people">${page.messages.directory.find}</a>`)}
${personHeading({ userId: ref.userId, name }, null)}
${people.map((person, i) => personFacts(page, person, managers[i] ?? null, people.length > 1))}
${sentSection(page, ref, cursor, tasks)}`,
    refreshSeconds: IDLE_REFRESH_SECONDS,
  }
}

/** The manager with a name, or with the user id alone; null: none is known. */
async function findManager(rates: RateReader, { app, managerUserId }: Person): Promise<Pick<Person, 'app' | 'userId' | 'name'> | null> {
  if (managerUserId === null) return null
  const [known] = await findExactly(rates, { userId: managerUserId, app })
  return known ?? { app, userId: managerUserId, name: null }
}

/** What is known of a person besides their messages. @param severalApps then each may have another name for the user id */
function personFacts(
  { messages: { directory, facts } }: Page,
  { app, name, departments }: Person,
  manager: Pick<Person, 'app' | 'userId' | 'name'> | null,
  severalApps: boolean,
): Html | null {
  if (departments.length === 0 && manager === null && !severalApps) return null
  return html`<dl class="facts" data-key="${app}">
${severalApps && html`<div><dt>${facts.app}</dt><dd>${app}</dd></div><div><dt>${directory.person}</dt><dd class="name">${name ?? '–'}</dd></div>`}
${departments.length > 0 && html`<div><dt>${directory.department}</dt><dd><ul>${departments.map((path) => html`<li class="name">${path}</li>`)}</ul></dd></div>`}
${manager !== null && html`<div><dt>${directory.manager}</dt><dd class="name"><a href="${everythingLink(manager)}">${manager.name ?? manager.userId}</a></dd></div>`}</dl>`
}

function sentSection(page: Page, ref: PersonRef, cursor: string | null, { items, nextCursor }: Paged<PersonTask>): Html {
  const { directory, columns } = page.messages
  const linkTo = (next: string | null): string => withQuery(everythingLink(ref), { cursor: next })
  return html`<section id="sent" aria-labelledby="sent-title"><h2 id="sent-title">${directory.everythingSent}</h2>
${
  items.length === 0
    ? html`<p class="empty">${directory.nothingSent}</p>`
    : html`<div class="table" role="group" aria-labelledby="sent-title" tabindex="0"><table class="people mixed sent">
<thead><tr><th scope="col">${columns.campaign}</th><th scope="col" class="spare">${columns.sent}</th><th scope="col">${columns.state}</th>
<th scope="col">${columns.known}</th><th scope="col">${directory.polls}</th></tr></thead>
<tbody>${items.map((task) => sentRow(page, task))}</tbody></table></div>`
}
${pager(page, directory.everythingSent, { first: cursor === null ? null : linkTo(null), next: nextCursor === null ? null : linkTo(nextCursor) })}</section>`
}

function sentRow(page: Page, task: PersonTask): Html {
  const { messages, format } = page
  const { app, taskId, campaign, userId, state } = task
  return html`<tr data-key="${app} ${taskId}"><th scope="row" class="name">${campaign === null ? html`<span class="quiet">${messages.directory.noCampaign}</span>` : html`<a href="${campaignLink({ campaign, app })}">${campaign}</a>`}</th>
<td class="spare">${format.time(task.sentAt)}</td><td class="state">${swatch(partOf(state))} ${messages.states[state]}</td><td>${describeState(page, task)}</td>
<td><a href="${personLink(task, userId)}" aria-label="${messages.directory.pollsOf(taskId)}">${messages.directory.showPolls}</a></td></tr>`
}
