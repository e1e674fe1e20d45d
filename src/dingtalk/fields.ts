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
