import { problemCodeOf } from '../domain/problems.ts'

/** Fields that a JSON object may have; anything may be in them. */
export type Fields = Readonly<Record<string, unknown>>

export function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

/** Codes and ids come as text or as numbers. */
export function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  return typeof value === 'number' ? String(value) : null
}

/** The code of an error in the style of `api.dingtalk.com`: `{"code":"…","message":"…"}`. Null where there is none. */
export function newStyleCode(fields: Fields): string | null {
  const code = textOf(fields['code'])
  return code === '0' ? null : code
}

/**
 * A code that no table knows says less than an HTTP status that means something by itself: 401, 429 and all from 500 on. "ServiceUnavailable"
 * under HTTP 503 is an outage, and no sign that anybody's credentials are wrong.
 */
export function codeUnder(status: number, { code, message }: { readonly code: string; readonly message: string }) {
  const speaks = status === 401 || status === 429 || status >= 500
  if (!speaks || problemCodeOf(code, message) !== 'unknown_code') return { code, message }
  return { code: `HTTP_${status}`, message: `${code} ${message}`.trim() }
}
