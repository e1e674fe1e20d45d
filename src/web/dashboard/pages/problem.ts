import { ERRORS, type ErrorStatus, messageFor, TrackerError, type TrackerErrorCode } from '../../../domain/errors.ts'
import type { Right } from '../../access.ts'
import { Forbidden } from '../../guard.ts'
import { asWritten } from '../components/causes.ts'
import { html } from '../components/html.ts'
import { campaignLink, taskLink } from '../links.ts'
import type { Messages } from '../locales/en.ts'
import type { Content, Page, PageRequest } from '../page.ts'

type ProblemKind = Exclude<keyof Messages['problems'], 'home' | 'original'>

/** What is shown instead of a page. */
export interface Problem {
  readonly kind: ProblemKind
  readonly status: number
  /** The message for callers: it has the value and the remedy, never a secret. Null where only the server's log has details. */
  readonly detail: string | null
}

export const NOT_FOUND: Problem = { kind: 'notFound', status: 404, detail: null }

/** The page for a status, where its code has none. */
const KINDS = {
  400: 'badRequest',
  404: 'notFound',
  409: 'conflict',
  500: 'failed',
  503: 'unavailable',
} as const satisfies Readonly<Record<ErrorStatus, ProblemKind>>

/** Codes with a page of their own. */
const KINDS_BY_CODE: Readonly<Partial<Record<TrackerErrorCode, ProblemKind>>> = {
  SEVERAL_APPS: 'severalApps',
  TASK_ENDED: 'taskEnded',
  SCHEMA_MISMATCH: 'outdated',
  NOT_PERMITTED: 'notPermitted',
}

export function toPageProblem(error: unknown): Problem {
  if (!(error instanceof TrackerError)) return toRequestProblem(error) ?? { kind: 'failed', status: 500, detail: null }
  const { status } = ERRORS[error.code]
  return { kind: KINDS_BY_CODE[error.code] ?? KINDS[status], status, detail: status === 500 ? null : messageFor(error, 'http') }
}

/** By the status of a refusal that has no code of its own; everything else is a bad request. */
const REQUEST_KINDS: ReadonlyMap<number, ProblemKind> = new Map([
  [401, 'proxySignIn'],
  [403, 'readOnly'],
  [404, 'notFound'],
])

/** What the visitor would need a right for that reading is not. */
const KINDS_BY_RIGHT: Readonly<Partial<Record<Right, ProblemKind>>> = { names: 'namesHidden', 'write+names': 'namesFixed' }

/** The guards' refusals, and Fastify's own, such as a body that is too large. */
function toRequestProblem(error: unknown): Problem | null {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (!(error instanceof Error) || !(status >= 400 && status < 500)) return null
  const kind = error instanceof Forbidden ? KINDS_BY_RIGHT[error.right] : undefined
  // The page itself says which role it takes.
  if (kind !== undefined) return { kind, status, detail: null }
  return { kind: REQUEST_KINDS.get(status) ?? 'badRequest', status, detail: error.message }
}

export function problemPage({ messages, language }: Page, { kind, status, detail }: Problem): Content {
  const { title, text } = messages.problems[kind]
  return {
    title,
    refreshSeconds: null,
    body: html`<section class="problem-page"><p class="code" aria-hidden="true">${status}</p><h1>${title}</h1><p>${text}</p>
${detail !== null && (language === 'en' ? html`<p class="quiet">${asWritten(detail)}</p>` : html`<details class="quiet"><summary>${messages.problems.original}</summary><p>${asWritten(detail)}</p></details>`)}
<p><a class="button" href="/">${messages.problems.home}</a></p></section>`,
  }
}

/** The same name in several apps: a link to each. */
export async function severalAppsPage({ page, options: { rates }, params }: PageRequest): Promise<Content> {
  const { messages } = page
  const { name, taskId } = params
  const found =
    taskId === undefined
      ? (await rates.campaigns({ campaign: name })).items.map(({ app }) => ({ app, link: campaignLink({ campaign: name ?? '', app }) }))
      : (await rates.tasks({ taskId })).items.map(({ app }) => ({ app, link: taskLink({ taskId, app }) }))
  const { title, text } = messages.problems.severalApps
  return {
    title,
    refreshSeconds: null,
    body: html`<section class="problem-page"><h1>${title}</h1><p>${text}</p>
<ul class="choices">${found.map(({ app, link }) => html`<li><a class="button" href="${link}">${app}</a></li>`)}</ul>
<p><a href="/">${messages.problems.home}</a></p></section>`,
  }
}
