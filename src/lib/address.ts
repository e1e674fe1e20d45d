import { TrackerError } from '../domain/errors.ts'
import { describeKind, quote } from '../domain/quote.ts'
import { parseSeveralRedis, REDIS_SCHEMES } from './redis-address.ts'

const POSTGRES_SCHEMES = ['postgres://', 'postgresql://'] as const

/** Of a queue; BullMQ takes no colon in a name. Braces make a hash tag, which Redis Cluster needs. */
export const QUEUE_NAME = { pattern: /^[\w.-]{1,100}$/, accepted: '1 to 100 letters, digits, "_", "-" or "."' } as const
export const QUEUE_PREFIX = {
  pattern: /^[\w.:{}-]{1,64}$/,
  accepted: '1 to 64 letters, digits, "_", "-", ".", ":", "{" or "}"',
} as const

/** What begins a database's or a queue's address. Several servers of Redis have forms of their own: redis-address.ts. */
export const DATABASE_SCHEMES: readonly string[] = POSTGRES_SCHEMES
export const QUEUE_SCHEMES: readonly string[] = [...REDIS_SCHEMES, ...POSTGRES_SCHEMES]

/** Added to the schemes in messages. */
export const REDIS_RULES =
  'the path of a Redis URL is a database number; Sentinel is redis+sentinel://HOST,HOST/MASTER, a cluster redis+cluster://HOST,HOST'

/**
 * Is it a URL with one of these schemes? The path of a Redis URL is the number of a database:
 * with anything else there the client would go on in database 0.
 * @throws {Error} where it is meant to name sentinels or a cluster and does not; see `parseSeveralRedis`
 */
export function isAddress(text: string, schemes: readonly string[]): boolean {
  if (isSeveralRedis(text, schemes)) return true
  if (!schemes.some((scheme) => text.startsWith(scheme))) return false
  const authority = /^[a-z]+:\/\/([^/?#]*)(\/[^?#]*)?/i.exec(text)
  if (authority?.[1] === undefined || authority[1] === '') return false
  return !REDIS_SCHEMES.some((scheme) => text.startsWith(scheme)) || /^\/?\d*$/.test(authority[2] ?? '')
}

/**
 * Is it an address of sentinels or of a cluster, which the parser of URLs cannot read?
 * @throws {Error} as `isAddress`
 */
export function isSeveralRedis(text: string, schemes: readonly string[]): boolean {
  return schemes.includes('redis://') && parseSeveralRedis(text) !== null
}

/**
 * The value itself is not shown: it holds a password.
 * @param name what the caller calls it
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function assertAddress(name: string, value: unknown, schemes: readonly string[]): asserts value is string {
  try {
    if (typeof value === 'string' && (isSeveralRedis(value, schemes) || (URL.canParse(value) && isAddress(value, schemes)))) return
  } catch (error) {
    throw new TrackerError('INVALID_CONFIG', `${name} ${error instanceof Error ? error.message : String(error)}`)
  }
  const path = schemes.includes('redis://') ? `; ${REDIS_RULES}` : ''
  throw new TrackerError(
    'INVALID_CONFIG',
    `${name} must be a URL that begins with ${schemes.join(' or ')}${path}. What was given (${typeof value === 'string' ? `${value.length} characters` : describeKind(value)}) is none.`,
  )
}

/**
 * @param name what the caller calls it
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function assertName(name: string, value: unknown, { pattern, accepted }: typeof QUEUE_NAME | typeof QUEUE_PREFIX): void {
  if (typeof value === 'string' && pattern.test(value)) return
  throw new TrackerError('INVALID_CONFIG', `${name} ${quote(value)} is not accepted. Accepted: ${accepted}.`)
}
