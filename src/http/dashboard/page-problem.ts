import { TrackerError } from '../../core/errors.ts'
import { asWritten } from './causes.ts'
import { html } from './html.ts'
import { campaignLink, taskLink } from './links.ts'
import type { Content, View, Visit } from './view.ts'

export type ProblemKind = 'notFound' | 'severalApps' | 'taskEnded' | 'badRequest' | 'unavailable' | 'outdated' | 'failed'

export const STATUS: Readonly<Record<ProblemKind, number>> = {
  notFound: 404,
  severalApps: 409,
  taskEnded: 409,
  badRequest: 400,
  unavailable: 503,
  outdated: 503,
  failed: 500,
}

export function problemOf(error: unknown): ProblemKind {
  if (!(error instanceof TrackerError)) return isRequestsFault(error) ? 'badRequest' : 'failed'
  switch (error.code) {
    case 'TASK_NOT_FOUND':
    case 'APP_NOT_FOUND':
    case 'CAMPAIGN_NOT_FOUND':
    case 'RECIPIENT_NOT_FOUND':
      return 'notFound'
    case 'SEVERAL_APPS':
      return 'severalApps'
    case 'TASK_ENDED':
      return 'taskEnded'
    case 'INVALID_INPUT':
      return 'badRequest'
    case 'SCHEMA_MISMATCH':
      return 'outdated'
    case 'DATABASE_UNAVAILABLE':
    case 'CLOSED':
      return 'unavailable'
    default:
      return 'failed'
  }
}

/** Fastify's own refusals, such as a body that is too large. */
function isRequestsFault(error: unknown): boolean {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  return status >= 400 && status < 500
}

/** @param detail text for people, such as the message of a {@link TrackerError}: it names the value and the remedy, never a secret */
export function problemPage({ words }: View, kind: ProblemKind, detail: string | null): Content {
  const { title, text } = words.problems[kind]
  return {
    title,
    refreshSeconds: null,
    body: html`<section class="problem-page"><p class="code" aria-hidden="true">${STATUS[kind]}</p><h1>${title}</h1><p>${text}</p>
${detail !== null && html`<p class="quiet">${asWritten(detail)}</p>`}
<p><a class="button" href="/">${words.problems.home}</a></p></section>`,
  }
}

/** The same name in several apps: a link to each. */
export async function severalAppsPage({ view, options: { rates }, params }: Visit): Promise<Content> {
  const { words } = view
  const { name, taskId } = params
  const found =
    taskId === undefined
      ? (await rates.campaigns({ campaign: name })).items.map(({ app }) => ({ app, link: campaignLink({ campaign: name ?? '', app }) }))
      : (await rates.tasks({ taskId })).items.map(({ app }) => ({ app, link: taskLink({ taskId, app }) }))
  const { title, text } = words.problems.severalApps
  return {
    title,
    refreshSeconds: null,
    body: html`<section class="problem-page"><h1>${title}</h1><p>${text}</p>
<ul class="choices">${found.map(({ app, link }) => html`<li><a class="button" href="${link}">${app}</a></li>`)}</ul>
<p><a href="/">${words.problems.home}</a></p></section>`,
  }
}
