import { TrackerError } from '../domain/errors.ts'
import { describeKind, quote } from '../domain/quote.ts'
import { libpqEnvironment } from './libpq-environment.ts'
import { parsePostgresAddress } from './postgres-address.ts'
import { AddressFault } from './postgres-parameters.ts'
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
 * What is wrong with an address, as the end of a sentence about it, without any secret; '' where it is no URL with one of these schemes. Null: it
 * can be used. The path of a Redis URL is the number of a database: with anything else there the client would go on in database 0.
 */
export function addressFault(text: string, schemes: readonly string[]): string | null {
  try {
    if (schemes.includes('redis://') && parseSeveralRedis(text) !== null) return null
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '')
  }
  if (!schemes.some((scheme) => text.startsWith(scheme))) return ''
  if (POSTGRES_SCHEMES.some((scheme) => text.startsWith(scheme))) return postgresFault(text)
  const [, authority = '', path = ''] = /^[a-z]+:\/\/([^/?#]*)(\/[^?#]*)?/i.exec(text) ?? []
  return URL.canParse(text) && authority !== '' && /^\/?\d*$/.test(path) ? null : ''
}

function postgresFault(text: string): string | null {
  try {
    parsePostgresAddress(text, libpqEnvironment())
    return null
  } catch (error) {
    if (error instanceof AddressFault) return error.message
    throw error
  }
}

/**
 * The value itself is not shown: it holds a password.
 * @param name what the caller calls it
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function assertAddress(name: string, value: unknown, schemes: readonly string[]): asserts value is string {
  const fault = typeof value === 'string' ? addressFault(value, schemes) : ''
  if (fault === null) return
  if (fault !== '') throw new TrackerError('INVALID_CONFIG', `${name} ${fault}.`)
  const path = schemes.includes('redis://') ? `; ${REDIS_RULES}` : ''
  throw new TrackerError(
    'INVALID_CONFIG',
    `${name} must be a URL that begins with ${schemes.join(' or ')}${path}. What was given (${typeof value === 'string' ? `${value.length} characters` : describeKind(value)}) is none.`,
  )
}

const MAX_CONNECTIONS = 1_000

/** @throws {TrackerError} `INVALID_CONFIG` where the option `connections` is given and is no size of a pool */
export function assertConnections(value: unknown): void {
  if (value === undefined || (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_CONNECTIONS)) return
  throw new TrackerError(
    'INVALID_CONFIG',
    `connections ${quote(value)} is not accepted. Accepted: a whole number from 1 to ${MAX_CONNECTIONS}, as a number.`,
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
