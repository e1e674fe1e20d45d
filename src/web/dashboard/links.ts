import type { StateKind } from '../../domain/delivery.ts'
import type { CampaignRef, PersonRef, TaskRef } from '../../report/rates.ts'
import { type Html, html } from './components/html.ts'
import type { Page } from './page.ts'

/** Addresses of the pages. Names may hold any character, so every part is encoded. */
export function campaignLink({ campaign, app }: CampaignRef): string {
  return withQuery(`/campaigns/${encodeURIComponent(campaign)}`, { app })
}

export function taskLink({ taskId, app }: TaskRef): string {
  return withQuery(`/tasks/${encodeURIComponent(taskId)}`, { app })
}

export function personLink({ taskId, app }: TaskRef, userId: string): string {
  return withQuery(`/tasks/${encodeURIComponent(taskId)}/people/${encodeURIComponent(userId)}`, { app })
}

/** The page on which these campaigns stand side by side; with one, or none, others are chosen there. */
export function compareLink(campaigns: readonly CampaignRef[], more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams()
  const apps = new Set(campaigns.map(({ app }) => app))
  for (const { app, campaign } of campaigns) query.append(apps.size > 1 ? campaignField(app) : 'campaign', campaign)
  const [app] = apps
  if (apps.size === 1 && app !== undefined) query.append('app', app)
  for (const [field, value] of Object.entries(more)) query.append(field, value)
  return query.size === 0 ? '/compare' : `/compare?${query.toString()}`
}

/** Where campaigns are of several apps, each is named with its app. An app has no dot in its name. */
export function campaignField(app: string | undefined): string {
  return app === undefined ? 'campaign' : `campaign.${app}`
}

/** The page of a person over all campaigns. */
export function everythingLink({ userId, app }: PersonRef): string {
  return withQuery(`/people/${encodeURIComponent(userId)}`, { app })
}

/** The page that a list of people is in, without a query. */
export interface PeoplePlace {
  readonly path: string
  readonly app: string
}

export function peopleLink({ path, app }: PeoplePlace, state: StateKind, department: string | null = null): string {
  return `${withQuery(path, { app, state, department })}#people`
}

export function breadcrumbs({ messages }: Page, ...steps: readonly Html[]): Html {
  return html`<nav class="breadcrumbs" aria-label="${messages.breadcrumbs}"><a href="/">${messages.overview.title}</a>${steps.map((step) => html`<span aria-hidden="true">›</span>${step}`)}</nav>`
}

interface Pages {
  /** Null: this is the first one. */
  readonly first: string | null
  /** Null: this is the last one. */
  readonly next: string | null
  /** On paper: how much of the list is there. Default: that it is a part. */
  readonly printed?: string | null
  /** On paper: where the whole list is. Default: nowhere. */
  readonly file?: string | null
}

/** Forward only: a cursor has no page before it. The browser's history has. */
export function pager({ messages, prefix }: Page, label: string, { first, next, printed = null, file = null }: Pages): Html | null {
  if (first === null && next === null) return null
  // On paper an address is read, not followed.
  const whole = file === null ? null : messages.print.file(html`<a href="${file}">${prefix}${decodeURI(file)}</a>`)
  return html`<p class="printed note">${printed ?? messages.print.part}${whole !== null && html`${messages.gap}${whole}`}</p>
<nav class="pager" aria-label="${label}">${first !== null && html`<a href="${first}">${messages.firstPage}</a>`}${next !== null && html`<a href="${next}" rel="next">${messages.nextPage}</a>`}</nav>`
}

/** @param query empty values are left out */
export function withQuery(path: string, query: Readonly<Record<string, string | null | undefined>>): string {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '')
  return entries.length === 0 ? path : `${path}?${new URLSearchParams(entries).toString()}`
}

/** Stands for the origin: behind a proxy the server does not have it. */
const HERE = 'http://here.invalid'

/** Characters that the URL parser drops or rewrites as a slash. The address of a page has none of them. */
const NO_ADDRESS = /[\\\p{Cc}]/u

/**
 * The path, query and fragment to go back to, as a browser would resolve the text on a page of this server. `/` for everything that leads, or could be
 * read to lead, to another origin. Only the result of the URL parser decides, so every spelling that it normalises is covered.
 */
export function safePath(text: string | null): string {
  const url = text === null || NO_ADDRESS.test(text) ? null : urlHere(text)
  if (url === null) return '/'
  // A proxy may decode a path once before it passes the redirect on.
  return urlHere(decoded(url.pathname)) === null ? '/' : pathIn(url)
}

/** Null for another origin, and for what would be another URL when the browser resolves the serialised path again: `/.//host` becomes `//host`. */
function urlHere(text: string): URL | null {
  if (!text.startsWith('/') || !URL.canParse(text, HERE)) return null
  const url = new URL(text, HERE)
  const path = pathIn(url)
  return URL.canParse(path, HERE) && new URL(path, HERE).href === url.href ? url : null
}

function pathIn({ pathname, search, hash }: URL): string {
  return `${pathname}${search}${hash}`
}

/** Empty where it is not percent-encoded UTF-8, which no page's path is. */
function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return ''
  }
}
