import type { CampaignRef, TaskRef } from '../../core/rates.ts'

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
