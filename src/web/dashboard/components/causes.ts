import {
  answerQuote,
  type Detail,
  delayParts,
  endReasonParts,
  problemOfDelay,
  problemRemedy,
  problemText,
  type Stored,
  scopeText,
  type Text,
} from '../../../domain/messages.ts'
import type { TaskRates } from '../../../report/rates.ts'
import { withQuery } from '../links.ts'
import type { Page } from '../page.ts'
import { type Html, html } from './html.ts'

/** Why a task ended, with what DingTalk answered where it refused; nothing while it is tracked. */
export function endReason(page: Page, { reasonCode, reasonDetail }: Pick<TaskRates, 'reasonCode' | 'reasonDetail'>): Html | null {
  if (reasonCode === null) return null
  const stored = { code: reasonCode, detail: reasonDetail }
  if (isEarlierText(stored)) return asWritten(plain(endReasonParts(stored, 'en')))
  const quote = answerQuote(stored, page.language)
  return html`${timed(page, endReasonParts(stored, page.language))}${quote !== null && html`${page.messages.gap}${quote.introduction}${asWritten(quote.answer)}`}`
}

/** Why the next poll is later than planned; nothing where it is not. */
export function delayReason(page: Page, { delayCode, delayDetail }: Pick<TaskRates, 'delayCode' | 'delayDetail'>): Html | null {
  if (delayCode === null) return null
  const stored = { code: delayCode, detail: delayDetail }
  return isEarlierText(stored) ? asWritten(plain(delayParts(stored, 'en'))) : timed(page, delayParts(stored, page.language))
}

/** What is wrong and what to do about it, since when, and what DingTalk answered. */
export function problemLines({ messages, format, language, now }: Page, problem: Stored, since: Date | null): Html {
  const quote = answerQuote(problem, language)
  const scope = problem.detail?.['scope']
  return html`<p><strong>${problemText(problem, language)}</strong></p>
<p class="remedy">${problemRemedy(problem, language)}</p>
${quote !== null && html`<p class="quiet">${quote.introduction}${asWritten(quote.answer)}</p>`}
<p class="quiet sentence">${typeof scope === 'string' && html`${messages.problem.concerns(scopeText(scope, language))}${since !== null && html` · `}`}${since !== null && messages.problem.since(format.time(since), format.distance(since, now))}</p>`
}

/** The problem of a task; that of the pause around it where it has none of its own; null: neither. */
export function problemOfTask(task: TaskRates): Stored | null {
  if (task.problemCode !== null) return { code: task.problemCode, detail: task.problemDetail }
  return task.delayCode === null ? null : problemOfDelay({ code: task.delayCode, detail: task.delayDetail })
}

/** A form, since it changes something: it works without a script. Nothing for a reader who may only read. @param path what is resumed: a task, or an app */
export function resumeButton({ messages, canWrite }: Page, path: string, app: string | null): Html | null {
  if (!canWrite) return null
  return html`<form method="post" action="${withQuery(`${path}/resume`, { app })}"><button type="submit" class="button">${messages.problem.resume}</button></form>`
}

/** Text of DingTalk or of an earlier version: shown as it is, whatever the page's language. */
export function asWritten(text: string): Html {
  return html`<q lang="en" class="said">${text}</q>`
}

function timed({ format }: Page, text: Text): Html {
  return html`${text.map((part) => (part instanceof Date ? format.time(part) : part))}`
}

function isEarlierText({ detail }: { readonly detail: Detail | null }): boolean {
  return typeof detail?.['text'] === 'string'
}

/** An earlier version stored one text, without times of its own. */
function plain(text: Text): string {
  return text.map(String).join('')
}
