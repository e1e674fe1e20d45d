const MAX_SHOWN = 80

/** A value as an error message may show it: short, on one line, and text that every store can hold. Total: it shows any value. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing'
    case 'object':
      return showObject(value)
    case 'string':
      return shortened(JSON.stringify(value))
    case 'function':
    case 'symbol':
      return typeof value
    default:
      // JSON has no NaN and no bigint.
      return shortened(String(value))
  }
}

function showObject(value: object | null): string {
  if (value === null) return 'null'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid date' : value.toISOString()
  return Array.isArray(value) ? 'a list' : 'an object'
}

/** What a value is, without what it holds. */
export function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing'
    case 'string':
      return value === '' ? 'an empty text' : 'a text'
    case 'object':
      return value instanceof Date ? 'a date' : show(value)
    default:
      return typeof value === 'boolean' ? String(value) : `a ${typeof value}`
  }
}

function shortened(text: string): string {
  return text.length > MAX_SHOWN ? `${beginningOf(text, MAX_SHOWN - 3)}…` : text
}

/**
 * At most so many UTF-16 code units, and no half of a surrogate pair at the end: as JSON that is no text to PostgreSQL, and a job whose
 * message has it could never be marked as failed.
 */
export function beginningOf(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')
}
