const MAX_SHOWN = 80

/** A value for an error message: short, on one line, and text that every store can hold. Total: any value has a text. */
export function quote(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing'
    case 'object':
      return quoteObject(value)
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

function quoteObject(value: object | null): string {
  if (value === null) return 'null'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid date' : value.toISOString()
  return Array.isArray(value) ? 'a list' : 'an object'
}

/** The kind of a value, without its content. */
export function describeKind(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing'
    case 'string':
      return value === '' ? 'an empty text' : 'a text'
    case 'object':
      return value instanceof Date ? 'a date' : quote(value)
    default:
      return typeof value === 'boolean' ? String(value) : `a ${typeof value}`
  }
}

function shortened(text: string): string {
  return text.length > MAX_SHOWN ? `${truncate(text, MAX_SHOWN - 3)}…` : text
}

/**
 * At most so many UTF-16 code units, without half of a surrogate pair at the end: PostgreSQL refuses that in JSON, so a job whose message has it
 * could never be marked as failed.
 */
export function truncate(text: string, length: number): string {
  return text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')
}
