import type { Detail, Fields, Language, Message, Messages, Stored, Text } from './message-parts.ts'
import { en } from './messages-en.ts'
import { zh } from './messages-zh.ts'
import { isOwnCode, PROBLEM_CODES } from './problems.ts'

export { type Detail, LANGUAGES, type Language, type Stored, type Text } from './message-parts.ts'

/**
 * The texts of all codes with details: problems, ends, delays, scopes. There is one table for each language, and no other place has such a
 * text. A code without a text in each language does not compile.
 */

const MESSAGES: Readonly<Record<Language, Messages>> = { en, zh }

export const END_CODES: readonly string[] = [...Object.keys(en.ends), ...PROBLEM_CODES]
export const DELAY_CODES: readonly string[] = Object.keys(en.delays)

/** Formats a time; the default is UTC to the minute. */
export type ShowTime = (at: Date) => string

/** What is wrong, one sentence. For a code of a newer version the text has the code itself. */
export function problemText(problem: Stored, language: Language): string {
  return joined(problemParts(problem, language))
}

/** What to do about a problem. Empty for a code of a newer version. */
export function problemRemedy(problem: Stored, language: Language): string {
  const { problems } = MESSAGES[language]
  return isKey(problems, problem.code) ? joined(problems[problem.code].remedy(createFields(problem.detail, language))) : ''
}

/** The code and the message of the failed poll. Null where none are stored. */
export function answerText(problem: Stored, language: Language): string | null {
  const quote = answerQuote(problem, language)
  return quote === null ? null : `${quote.introduction}${quote.answer}`
}

/** {@link answerText} in two parts: the introduction, and the answer in its own language. */
export function answerQuote({ detail }: Stored, language: Language): { readonly introduction: string; readonly answer: string } | null {
  const fields = createFields(detail, language)
  const said = fields.text('said')
  if (said === null) return null
  const answer = `${said} ${fields.text('message') ?? ''}`.trim()
  return { introduction: isOwnCode(said) ? MESSAGES[language].happened : MESSAGES[language].answered, answer }
}

/** Why a task ended. */
export function endReasonText(reason: Stored, language: Language, showTime?: ShowTime): string {
  return joined(endReasonParts(reason, language), showTime)
}

/** {@link endReasonText} with unformatted times. */
export function endReasonParts(reason: Stored, language: Language): Text {
  const { ends, problems, refused } = MESSAGES[language]
  const isRefusal = isKey(problems, reason.code) && textOf(reason.detail, 'text') === null
  if (isRefusal) return refused(problemParts(reason, language))
  return renderMessage(isKey(ends, reason.code) ? ends[reason.code] : null, reason, language)
}

/** Why the next poll is later than planned. */
export function delayText(delay: Stored, language: Language, showTime?: ShowTime): string {
  return joined(delayParts(delay, language), showTime)
}

/** {@link delayText} with unformatted times. */
export function delayParts(delay: Stored, language: Language): Text {
  const { delays } = MESSAGES[language]
  return renderMessage(isKey(delays, delay.code) ? delays[delay.code] : null, delay, language)
}

/** What it means for an open task that the month's budget had no call for its final poll. */
export function notAdmittedText(language: Language): string {
  return MESSAGES[language].notAdmitted
}

/** The problem that a delay by a pause is about, or null. */
export function problemOfDelay(delay: Stored): Stored | null {
  const code = delay.code === 'paused' ? textOf(delay.detail, 'problem') : null
  return code === null ? null : { code, detail: delay.detail }
}

/** What a problem concerns, such as "this task". A scope of a newer version is returned as it is. */
export function scopeText(scope: string, language: Language): string {
  const { scopes } = MESSAGES[language]
  return isKey(scopes, scope) ? scopes[scope] : scope
}

function problemParts(problem: Stored, language: Language): Text {
  const { problems } = MESSAGES[language]
  return renderMessage(isKey(problems, problem.code) ? problems[problem.code].title : null, problem, language)
}

/** The text that 0.1.0 stored, if there is one; else the message of the code; else (null: a code of a newer version) the code itself. */
function renderMessage(message: Message | null, { code, detail }: Stored, language: Language): Text {
  const earlier = textOf(detail, 'text')
  if (earlier !== null) return [earlier]
  return message === null ? [MESSAGES[language].unknown(code)] : message(createFields(detail, language))
}

function createFields(detail: Detail | null, language: Language): Fields {
  return {
    text: (name) => textOf(detail, name),
    number: (name) => numberOf(detail, name),
    time: (name) => parseStoredTime(textOf(detail, name)),
    because: () => becauseParts(detail, language),
    problem() {
      const code = textOf(detail, 'problem')
      return code === null ? null : problemParts({ code, detail }, language)
    },
  }
}

const BECAUSE = ['problem', 'delay'] as const

function becauseParts(detail: Detail | null, language: Language): Text | null {
  const because = objectIn(detail?.['because'])
  for (const kind of BECAUSE) {
    const stored = storedIn(because?.[kind])
    if (stored !== null) return kind === 'problem' ? problemParts(stored, language) : delayParts(stored, language)
  }
  return null
}

function storedIn(value: unknown): Stored | null {
  const object = objectIn(value)
  const code = textOf(object, 'code')
  return code === null ? null : { code, detail: objectIn(object?.['detail']) }
}

function objectIn(value: unknown): Detail | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

function textOf(detail: Detail | null, name: string): string | null {
  const value = detail?.[name]
  return typeof value === 'string' && value !== '' ? value : null
}

function numberOf(detail: Detail | null, name: string): number | null {
  const value = detail?.[name]
  return typeof value === 'number' ? value : null
}

function parseStoredTime(text: string | null): Date | null {
  const time = text === null ? null : new Date(text)
  return time === null || Number.isNaN(time.getTime()) ? null : time
}

function isKey<Key extends string>(record: Readonly<Record<Key, unknown>>, key: string): key is Key {
  return Object.hasOwn(record, key)
}

function joined(text: Text, showTime: ShowTime = inUtc): string {
  return text.map((part) => (part instanceof Date ? showTime(part) : part)).join('')
}

function inUtc(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
