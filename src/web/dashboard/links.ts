import type { StateKind } from '../../domain/delivery.ts'
import type { CampaignRef, TaskRef } from '../../report/rates.ts'
import { type Html, html } from './components/html.ts'
import type { View } from './view.ts'

/** Addresses of the pages. Names come from outside and may hold anything, so every part is encoded. */
export function campaignLink({ campaign, app }: CampaignRef): string {
  return withQuery(`/campaigns/${encodeURIComponent(campaign)}`, { app })
}

export function taskLink({ taskId, app }: TaskRef): string {
  return withQuery(`/tasks/${encodeURIComponent(taskId)}`, { app })
}

export function personLink({ taskId, app }: TaskRef, userId: string): string {
  return withQuery(`/tasks/${encodeURIComponent(taskId)}/people/${encodeURIComponent(userId)}`, { app })
}

/** The page that a list of people is in, without a query. */
export interface PeoplePlace {
  readonly path: string
  readonly app: string
}

/** Straight to the people in a state. */
export function peopleLink({ path, app }: PeoplePlace, state: StateKind): string {
  return `${withQuery(path, { app, state })}#people`
}

/** The way back up, from the overview on. */
export function trail({ words }: View, ...steps: readonly Html[]): Html {
  return html`<nav class="trail" aria-label="${words.trail}"><a href="/">${words.overview.title}</a>${steps.map((step) => html`<span aria-hidden="true">›</span>${step}`)}</nav>`
}

/** @param query what is empty is left out */
export function withQuery(path: string, query: Readonly<Record<string, string | null | undefined>>): string {
  const entries = Object.entries(query).filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '')
  return entries.length === 0 ? path : `${path}?${new URLSearchParams(entries).toString()}`
}

/** Stands for whatever origin the reader has: the server does not know its own behind a proxy. */
const HERE = 'http://here.invalid'

/** What the URL parser drops, or rewrites as a slash. The address of a page has none of it. */
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
