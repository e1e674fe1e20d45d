import { parseAnswer } from '../domain/answer.ts'
import type { Answer, Refusal } from '../domain/delivery.ts'
import { toProblemCode } from '../domain/problems.ts'
import type { HttpOutcome } from './http.ts'
import type { Redactor } from './redact.ts'

/** The shapes of DingTalk's answers and errors. `domain/answer.ts` reads the lists and the errcodes of `oapi`. */

/** Fields that a JSON object may have, with values of any type. */
export type Fields = Readonly<Record<string, unknown>>

export function toFields(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

/** Codes and ids come as text or as numbers. */
export function toText(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  return typeof value === 'number' ? String(value) : null
}

export interface ErrorCode {
  readonly code: string
  readonly message: string
}

/** The error of an answer without an errcode: `{"code","message"}` as `api.dingtalk.com` writes it, or a failed HTTP status. Null: no error. */
export function errorWithoutErrcode(status: number, fields: Fields): ErrorCode | null {
  const code = toText(fields['code'])
  if (code !== null && code !== '0') return preferStatus(status, { code, message: readMessage(fields) })
  return status === 200 ? null : { code: `HTTP_${status}`, message: 'an HTTP error without a code of DingTalk' }
}

/**
 * An HTTP status with a meaning of its own (401, 429, 500 and above) says more than a code that no table has: "ServiceUnavailable" under
 * HTTP 503 is an outage, not a refusal of the credentials.
 */
function preferStatus(status: number, error: ErrorCode): ErrorCode {
  const hasMeaning = status === 401 || status === 429 || status >= 500
  if (!hasMeaning || toProblemCode(error.code, error.message) !== 'unknown_code') return error
  return { code: `HTTP_${status}`, message: `${error.code} ${error.message}`.trim() }
}

export function readMessage(fields: Fields): string {
  return ['errmsg', 'sub_msg', 'message'].flatMap((name) => toText(fields[name]) ?? []).join(' ')
}

/** The meaning of one exchange with getsendresult. Every outcome gives an answer that can be stored and shown as it is. */
export function toAnswer(outcome: HttpOutcome, requestedAt: Date, respondedAt: Date, redactor: Redactor): Answer {
  if (outcome.kind === 'failed') {
    const message = redactor.redact(outcome.message)
    return buildRefusal({ code: outcome.code, message, requestedAt, respondedAt: outcome.arrived ? respondedAt : null })
  }
  const fields = toFields(outcome.body)
  const body = fields === null ? outcome.body : redacted(fields, redactor)
  return foreignRefusal(outcome.status, body, requestedAt, respondedAt) ?? parseAnswer(body, { requestedAt, respondedAt })
}

/** A refusal with texts that can be stored and shown. */
export function buildRefusal(refusal: Omit<Refusal, 'kind' | 'requestId'> & { readonly requestId?: string | null }): Refusal {
  return {
    kind: 'refused',
    ...refusal,
    code: short(refusal.code, 64),
    message: short(refusal.message, 300),
    requestId: typeof refusal.requestId === 'string' ? short(refusal.requestId, 64) : null,
  }
}

/** Redacts before texts are cut: half a secret would not be found. User ids are deeper in the body and stay as they are. */
function redacted(fields: Fields, redactor: Redactor): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? redactor.redact(value) : value]),
  )
}

/**
 * An error that is not in the form of getsendresult. oapi answers HTTP 200 also for errors, so a success under another status comes from
 * another server and is no result.
 */
function foreignRefusal(status: number, body: unknown, requestedAt: Date, respondedAt: Date): Refusal | null {
  const fields = toFields(body) ?? {}
  const errcode = toText(fields['errcode'])
  if (errcode !== null && (status === 200 || errcode !== '0')) return null
  const error = errorWithoutErrcode(status, errcode === null ? fields : {})
  return error && buildRefusal({ ...error, requestId: toText(fields['requestid']), requestedAt, respondedAt })
}

/** One line, without what PostgreSQL's `text` cannot hold. */
function short(text: string, length: number): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, length)
    .toWellFormed()
}
