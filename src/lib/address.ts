import { TrackerError } from '../domain/errors.ts'
import { describeKind, quote } from '../domain/quote.ts'

const POSTGRES_SCHEMES = ['postgres://', 'postgresql://'] as const
const REDIS_SCHEMES = ['redis://', 'rediss://'] as const

/** Of a queue; BullMQ takes no colon in a name. Braces make a hash tag, which Redis Cluster needs. */
export const QUEUE_NAME = { pattern: /^[\w.-]{1,100}$/, accepted: '1 to 100 letters, digits, "_", "-" or "."' } as const
export const QUEUE_PREFIX = {
  pattern: /^[\w.:{}-]{1,64}$/,
  accepted: '1 to 64 letters, digits, "_", "-", ".", ":", "{" or "}"',
} as const

/** What begins a database's or a queue's address. */
export const DATABASE_SCHEMES: readonly string[] = POSTGRES_SCHEMES
export const QUEUE_SCHEMES: readonly string[] = [...REDIS_SCHEMES, ...POSTGRES_SCHEMES]

/**
 * Is it a URL with one of these schemes? The path of a Redis URL is the number of a database:
 * with anything else there the client would go on in database 0.
 */
export function isAddress(text: string, schemes: readonly string[]): boolean {
  if (!schemes.some((scheme) => text.startsWith(scheme))) return false
  const authority = /^[a-z]+:\/\/([^/?#]*)(\/[^?#]*)?/i.exec(text)
  if (authority?.[1] === undefined || authority[1] === '') return false
  return !REDIS_SCHEMES.some((scheme) => text.startsWith(scheme)) || /^\/?\d*$/.test(authority[2] ?? '')
}

/**
 * The value itself is not shown: it holds a password.
 * @param name what the caller calls it
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function assertAddress(name: string, value: unknown, schemes: readonly string[]): asserts value is string {
  if (typeof value === 'string' && URL.canParse(value) && isAddress(value, schemes)) return
  const path = schemes.includes('redis://') ? '; the path of a Redis URL is a database number' : ''
  throw new TrackerError(
    'INVALID_CONFIG',
    `${name} must be a URL that begins with ${schemes.join(' or ')}${path}. What was given (${typeof value === 'string' ? `${value.length} characters` : describeKind(value)}) is none.`,
  )
}

/**
 * @param name what the caller calls it
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function assertName(
  name: string,
  value: unknown,
  { pattern, accepted }: { readonly pattern: RegExp; readonly accepted: string },
): void {
  if (typeof value === 'string' && pattern.test(value)) return
  throw new TrackerError('INVALID_CONFIG', `${name} ${quote(value)} is not accepted. Accepted: ${accepted}.`)
}
