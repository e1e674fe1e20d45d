import type { StateKind } from '../../../domain/delivery.ts'
import { forbiddenReasonOf } from '../../../domain/problems.ts'
import type { DepartmentCounts } from '../../../report/department-tree.ts'
import type { CampaignRecipient, RateColumns, RecipientFilter, RecipientStatus } from '../../../report/rates.ts'
import { parseTimeZone } from '../../../report/zoned-time.ts'
import type { PeopleFileOptions } from '../../people-file.ts'
import { type PeoplePlace, pager, withQuery } from '../links.ts'
import type { Page } from '../page.ts'
import { commonTime, isSameMinute } from './as-of.ts'
import { formatPercent, stretched } from './axis.ts'
import { partOf, swatch } from './bar.ts'
import { countsIn, departmentSelect, hasDepartments, UNKNOWN_DEPARTMENT } from './departments.ts'
import { type Html, html } from './html.ts'
import { personName } from './person.ts'

export const STATES: readonly StateKind[] = ['unread', 'pending', 'read', 'forbidden', 'failed', 'invalid']

/** Which people a page shows. */
export interface PeopleFilter {
  /** Null: all states. */
  readonly state: StateKind | null
  readonly search: string
  /** A path, or {@link UNKNOWN_DEPARTMENT}; null: all people. */
  readonly department: string | null
}

export interface PeopleList extends PeoplePlace {
  readonly filter: PeopleFilter
  readonly counts: RateColumns & { readonly namesRemovedAt: Date | null }
  readonly people: ReadonlyArray<RecipientStatus | CampaignRecipient>
  /** Of all people of the task or campaign; empty where the reader may not see them. */
  readonly departments: readonly DepartmentCounts[]
  /** Where the page of the list begins; null: at its beginning. */
  readonly cursor: string | null
  readonly nextCursor: string | null
  /** The window in which reads are drawn; null where the people are of several tasks. */
  readonly window: { readonly sentAt: Date; readonly deadlineAt: Date } | null
}

/** Without a state in the query: unread. */
export function parsePeopleFilter(query: URLSearchParams): PeopleFilter {
  const given = query.get('state')
  return {
    state: given === 'all' ? null : (STATES.find((state) => state === given) ?? 'unread'),
    search: (query.get('q') ?? '').trim(),
    department: query.get('department') || null,
  }
}

/** The people whom a page with this query shows, as the reader takes it. */
export function parseRecipientFilter(query: URLSearchParams): RecipientFilter {
  const { state, search, department } = parsePeopleFilter(query)
  return {
    state: state ?? undefined,
    search: search === '' ? undefined : search,
    department: department === UNKNOWN_DEPARTMENT ? '' : (department ?? undefined),
  }
}

/** How a page's reader wants the file: with the people that the page shows, in its language, and in its zone where the script has named it. */
export function parseFileOptions({ language, now, callerName, canSeeNames }: Page, query: URLSearchParams): PeopleFileOptions {
  const zone = query.get('timeZone')
  const timeZone = zone === null ? undefined : parseTimeZone(zone, 'timeZone')
  return { filter: parseRecipientFilter(query), canSeeNames, language, timeZone, now, madeFor: callerName }
}

/** The filter as a query; the default needs none. */
export function buildQuery(app: string, { state, search, department }: PeopleFilter): Record<string, string> {
  return { app, state: state ?? 'all', q: search, department: department ?? '' }
}

export function peopleSection(page: Page, list: PeopleList): Html {
  const { messages } = page
  const { path, app, filter, departments, cursor, nextCursor } = list
  const hasNames = hasDepartments(departments) || list.people.some(({ name }) => name !== null)
  const isNarrow = filter.search !== '' || filter.department !== null
  const linkTo = (next: string | null): string => `${withQuery(path, { ...buildQuery(app, filter), cursor: next })}#people`
  const file = withQuery(`${path}/people.xlsx`, buildQuery(app, filter))
  return html`<section id="people" aria-labelledby="people-title">
<div class="heading"><h2 id="people-title">${messages.people.title}</h2>
${downloads(page, list)}</div>
${stateTabs(page, list)}
<form class="search" method="get" action="${path}#people" role="search">
<input type="hidden" name="app" value="${app}"><input type="hidden" name="state" value="${filter.state ?? 'all'}">
${departmentSelect(page, departments, filter.department)}
<label for="people-search">${hasNames ? messages.directory.searchLabel : messages.people.searchLabel}</label>
<input id="people-search" type="search" name="q" value="${filter.search}" autocomplete="off" spellcheck="false" maxlength="200">
<button type="submit">${messages.search}</button>
${isNarrow && html`<a href="${withQuery(path, buildQuery(app, { ...filter, search: '', department: null }))}#people">${messages.showAll}</a>`}
</form>
${list.counts.namesRemovedAt !== null && html`<p class="note">${(list.window === null ? messages.people.namesRemovedInSome : messages.people.namesRemoved)(page.format.time(list.counts.namesRemovedAt))}</p>`}
<p class="quiet">${describeList(page, list)}</p>
${list.people.length === 0 ? html`<p class="empty">${messages.people.none}</p>` : peopleTable(page, list)}
${pager(page, messages.people.title, { first: cursor === null ? null : linkTo(null), next: nextCursor === null ? null : linkTo(nextCursor), printed: printedPart(page, list), file })}
</section>`
}

/** The page's script adds the reader's zone to the address of the file for people: it has the times that the page shows. */
function downloads({ messages }: Page, { path, app, filter }: PeopleList): Html {
  const query = buildQuery(app, filter)
  return html`<span class="downloads"><a class="button" href="${withQuery(`${path}/people.xlsx`, query)}" data-in-zone download>${messages.file.xlsx}</a>
<a class="button" href="${withQuery(`${path}/people.csv`, query)}" download>${messages.file.csv}</a></span>`
}

/** The figures of the people whom the list could have: with a department, of its people. */
function countsOf({ filter, departments, counts }: PeopleList): RateColumns {
  return filter.department === null ? counts : (countsIn(departments, filter.department) ?? NO_PEOPLE)
}

/** How many of the list are on paper. Null while a search leaves their number unknown. */
function printedPart({ messages, format }: Page, list: PeopleList): string | null {
  const { filter, people } = list
  if (filter.search !== '') return null
  const counts = countsOf(list)
  return messages.print.partOf(format.number(people.length), format.number(filter.state === null ? counts.targeted : counts[filter.state]))
}

function stateTabs({ messages, format }: Page, list: PeopleList): Html {
  const { path, app, filter } = list
  const counts = countsOf(list)
  const tab = (state: StateKind | null, name: string, people: number): Html =>
    html`<li><a href="${withQuery(path, buildQuery(app, { ...filter, state }))}#people"${filter.state === state && html` aria-current="true"`}>${name} <span>${format.number(people)}</span></a></li>`
  const shown = STATES.filter((state) => counts[state] > 0 || state === 'unread' || state === filter.state)
  return html`<ul class="tabs" aria-label="${messages.people.byState}">${shown.map((state) => tab(state, messages.states[state], counts[state]))}${tab(null, messages.people.all, counts.targeted)}</ul>`
}

/** The times that stand above the list instead of in its rows; null: in the rows. */
interface Common {
  readonly unread: Date | null
  readonly pending: Date | null
}

function commonTimes(people: PeopleList['people']): Common {
  const timesOf = (state: StateKind, of: (person: RecipientStatus) => Date | null): Date[] =>
    people.filter((person) => person.state === state).flatMap((person) => of(person) ?? [])
  return {
    unread: commonTime(timesOf('unread', ({ lastUnreadAt }) => lastUnreadAt)),
    pending: commonTime(timesOf('pending', ({ asOf }) => asOf)),
  }
}

/** What the people of the list have in common, with the time once. */
function describeList({ messages, format }: Page, { people, filter }: PeopleList): Html {
  const { asOf } = messages.plots
  const common = commonTimes(people)
  const isOther = (person: RecipientStatus): boolean => saysTime(person) && !isCommon(person, common)
  const others = (common.unread !== null || common.pending !== null) && people.some(isOther) && html`${messages.gap}${asOf.others}`
  const { gap } = messages
  if (filter.state === 'unread' && common.unread !== null) return html`${asOf.unread(format.time(common.unread))}${others}`
  const meaning = messages.people.meaning[filter.state ?? 'all']
  return html`${meaning}${filter.state === null && common.unread !== null && html`${gap}${asOf.unreadShort(format.time(common.unread))}`}${
    common.pending !== null && html`${gap}${(filter.state === null ? asOf.pendingShort : asOf.pending)(format.time(common.pending))}`
  }${others}`
}

function saysTime({ state }: RecipientStatus): boolean {
  return state === 'unread' || state === 'pending'
}

/** The person's time is the one above the list. */
function isCommon({ state, lastUnreadAt, asOf }: RecipientStatus, common: Common): boolean {
  const [own, above] = state === 'unread' ? [lastUnreadAt, common.unread] : state === 'pending' ? [asOf, common.pending] : [null, null]
  return own !== null && above !== null && isSameMinute(own, above)
}

/** What a row says besides what is above the list. */
function describeRow(page: Page, person: RecipientStatus, common: Common, mixed: boolean): Html | string | null {
  if (isCommon(person, common)) return null
  if (!mixed && (person.state === 'failed' || person.state === 'invalid')) return null
  return describeState(page, person)
}

/** Reads are drawn where they differ: the same line in each row says nothing. */
function hasDifferentReads(people: PeopleList['people']): boolean {
  const brackets = people
    .filter(({ state }) => state === 'read')
    .map(({ readAfter, readBefore }) => `${readAfter?.getTime()} ${readBefore?.getTime()}`)
  return new Set(brackets).size > 1
}

const NO_PEOPLE: RateColumns = {
  ...{ targeted: 0, delivered: 0, read: 0, unread: 0, pending: 0, failed: 0, forbidden: 0, invalid: 0 },
  ...{ readRate: null, readRateOfTargeted: null },
}

/** A column stands only where its rows differ: the state, what is known, and when a read was; the department only where one is known. */
function peopleTable(page: Page, { people, window: drawn, filter, departments }: PeopleList): Html {
  const { messages } = page
  const inDepartments = hasDepartments(departments)
  const mixed = filter.state === null
  const window = hasDifferentReads(people) ? drawn : null
  const common = commonTimes(people)
  const known = people.map((person) => ({ person, text: describeRow(page, person, common, mixed), tasks: inTasks(page, person) }))
  const says = known.some(({ text, tasks }) => text !== null || tasks !== null)
  return html`<div class="table" role="group" aria-labelledby="people-title" tabindex="0"><table class="people${mixed && ' mixed'}">
<thead><tr><th scope="col">${messages.columns.person}</th>${inDepartments && html`<th scope="col" class="spare department">${messages.directory.department}</th>`}${mixed && html`<th scope="col">${messages.columns.state}</th>`}${says && html`<th scope="col">${messages.columns.known}</th>`}
${window !== null && html`<th scope="col" class="spare">${messages.columns.bracket}</th>`}</tr></thead>
<tbody>${known.map(
    ({
      person,
      text,
      tasks,
    }) => html`<tr data-key="${person.userId}"><th scope="row">${personName(person)}</th>${inDepartments && html`<td class="spare department name${person.department === null && ' none'}">${person.department ?? '–'}</td>`}
${mixed && html`<td class="state">${swatch(partOf(person.state))} ${messages.states[person.state]}</td>`}
${says && html`<td>${text}${tasks}</td>`}
${window !== null && html`<td class="spare">${bracket(person, window)}</td>`}</tr>`,
  )}</tbody></table></div>`
}

/** The state of a person with its times. Unread is always as of a time. */
export function describeState({ messages, format }: Page, person: RecipientStatus): Html | string {
  switch (person.state) {
    case 'read':
      return person.lastUnreadAt === null
        ? messages.people.readBefore(format.time(person.readBefore))
        : readBetween({ messages, format }, person)
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

/** Within one minute with seconds: "between 23:35 and 23:35" says nothing. */
function readBetween({ messages, format }: Pick<Page, 'messages' | 'format'>, { readAfter, readBefore }: RecipientStatus): Html {
  const isShort = readAfter !== null && readBefore !== null && isSameMinute(readAfter, readBefore)
  const show = isShort ? format.exactTime : format.time
  return messages.people.readBetween(show(readAfter), show(readBefore))
}

function inTasks({ messages }: Page, person: RecipientStatus | CampaignRecipient): Html | null {
  return 'tasks' in person && person.tasks > 1 ? html` <span class="quiet">${messages.people.inTasks(person.tasks)}</span>` : null
}

/** The bracket of a read in the window. Another column has it as text. */
function bracket(person: RecipientStatus, { sentAt, deadlineAt }: { readonly sentAt: Date; readonly deadlineAt: Date }): Html | null {
  const x = (at: Date | null): string =>
    formatPercent(stretched((at ?? sentAt).getTime() - sentAt.getTime(), deadlineAt.getTime() - sentAt.getTime()))
  if (person.state !== 'read') return null
  return html`<svg class="bracket" height="14" aria-hidden="true" focusable="false"><line class="axis" x1="0" x2="100%" y1="7" y2="7"/><line class="read" x1="${x(person.readAfter)}" x2="${x(person.readBefore)}" y1="7" y2="7"/></svg>`
}
