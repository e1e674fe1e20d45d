import { parseAnswer } from '../domain/answer.ts'
import type { Answer, Refusal } from '../domain/delivery.ts'
import { codeUnder, type Fields, fieldsOf, newStyleCode, textOf } from './fields.ts'
import type { HttpOutcome } from './http.ts'
import type { Redactor } from './redact.ts'

/** What one exchange with getsendresult says. Total: every outcome gives an answer that can be stored and shown as it is. */
export function answerOf(outcome: HttpOutcome, requestedAt: Date, respondedAt: Date, redactor: Redactor): Answer {
  if (outcome.kind === 'failed') {
    return refusalOf({
      code: outcome.code,
      message: redactor.redact(outcome.message),
      requestedAt,
      respondedAt: outcome.arrived ? respondedAt : null,
    })
  }
  const fields = fieldsOf(outcome.body)
  const body = fields === null ? outcome.body : redacted(fields, redactor)
  return foreignRefusal(outcome.status, body, requestedAt, respondedAt) ?? parseAnswer(body, { requestedAt, respondedAt })
}

/** A refusal with texts that can be stored and shown. */
export function refusalOf(refusal: Omit<Refusal, 'kind' | 'requestId'> & { readonly requestId?: string | null }): Refusal {
  return {
    kind: 'refused',
    ...refusal,
    code: short(refusal.code, 64),
    message: short(refusal.message, 300),
    requestId: typeof refusal.requestId === 'string' ? short(refusal.requestId, 64) : null,
  }
}

/** Before anything is cut to length: half a secret would no longer be recognised. User ids are deeper down and stay as they are. */
function redacted(fields: Fields, redactor: Redactor): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? redactor.redact(value) : value]),
  )
}

/**
 * An error that is not in getsendresult's own form: `{"code","message"}` without an errcode, or a failed HTTP status.
 * oapi answers 200 even for errors, so a success under another status is somebody else's and no result.
 */
function foreignRefusal(status: number, body: unknown, requestedAt: Date, respondedAt: Date): Refusal | null {
  const fields = fieldsOf(body) ?? {}
  const errcode = textOf(fields['errcode'])
  if (errcode !== null && (status === 200 || errcode !== '0')) return null
  const code = errcode === null ? newStyleCode(fields) : null
  if (code !== null) {
    const said = codeUnder(status, { code, message: textOf(fields['message']) ?? '' })
    return refusalOf({ ...said, requestId: textOf(fields['requestid']), requestedAt, respondedAt })
  }
  return status === 200
    ? null
    : refusalOf({ code: `HTTP_${status}`, message: 'an HTTP error without a code of DingTalk', requestedAt, respondedAt })
}

/** On one line, and without what PostgreSQL's `text` cannot hold. */
function short(text: string, length: number): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, length)
    .toWellFormed()
}
