import type { StateKind } from '../../core/delivery.ts'
import type { CampaignRef, TaskRef } from '../../core/rates.ts'
import { type Html, html } from './html.ts'
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

/** Where to go back to: a path of this server and nothing else, whatever the query or form said. */
export function safePath(text: string | null): string {
  if (text === null || !text.startsWith('/') || /[\\\p{Cc}]/u.test(text)) return '/'
  const here = 'http://here.invalid'
  const url = URL.canParse(text, here) ? new URL(text, here) : null
  return url?.origin === here && !text.startsWith('//') ? `${url.pathname}${url.search}${url.hash}` : '/'
}
