import { isIP } from 'node:net'
import { checkBaseUrl } from '../../dingtalk/hosts.ts'
import { parseProxy } from '../../dingtalk/proxy.ts'
import { APP_PATTERN } from '../../domain/field-rules.ts'
import { addressFault, QUEUE_NAME, QUEUE_PREFIX, QUEUE_SCHEMES, REDIS_RULES } from '../../lib/address.ts'
import { DEFAULT_QUEUE_SCHEMA, QUEUE_SCHEMA_NAME, SCHEMA_NAME } from '../../lib/database-schema.ts'
import { MAX_QUEUE_SHARDS, splitServers } from '../../lib/queue-shards.ts'

/** What one setting accepts, wherever it is given: in the environment, in the apps file or by a program. */
export interface Value<T> {
  /** The end of the sentence "Accepted: …". */
  readonly accepted: string
  readonly type: 'text' | 'number' | 'digits' | 'amount'
  /** Messages show only the length of a secret. */
  readonly secret: boolean
  /** Returns undefined where the value is not accepted. The message of an error that it throws is the fault. Only values of type `number` get numbers. */
  readonly parse: (given: string | number) => T | undefined
}

/** A value with the default that holds where it is not given. */
export interface Setting<T, Fallback> extends Value<T> {
  readonly fallback: Fallback
}

export function setting<T, const Fallback>(value: Value<T>, fallback: Fallback): Setting<T, Fallback> {
  return { ...value, fallback }
}

export function text<T>(accepted: string, parse: (text: string) => T | undefined, secret = false): Value<T> {
  return { accepted, type: 'text', secret, parse: (given) => parse(String(given)) }
}

export function matching(pattern: RegExp, accepted: string): Value<string> {
  return text(accepted, (given) => (pattern.test(given) ? given : undefined))
}

export function oneOf<T extends string>(words: readonly T[]): Value<T> {
  return text(words.join(', '), (given) => words.find((word) => word === given))
}

export function wholeNumber(min: number, max: number): Value<number> {
  return number(
    `a whole number from ${min} to ${max}`,
    /^\d{1,15}$/,
    (value) => Number.isSafeInteger(value) && value >= min && value <= max,
  )
}

export function decimalNumber(min: number, max: number): Value<number> {
  return number(`a number from ${min} to ${max}`, /^\d{1,15}(\.\d{1,15})?$/, (value) => value >= min && value <= max)
}

function number(accepted: string, format: RegExp, accepts: (value: number) => boolean): Value<number> {
  return {
    ...{ accepted, type: 'number', secret: false },
    parse(given) {
      if (typeof given === 'string' && !format.test(given)) return undefined
      const value = Number(given)
      return accepts(value) ? value : undefined
    },
  }
}

export function listOf<T>(item: Value<T>, accepted: string): Value<readonly T[]> {
  return text(accepted, (given) => {
    const items = given.split(',').map((each) => item.parse(each.trim()))
    return items.every((each) => each !== undefined) ? items : undefined
  })
}

/** A connection address. It may hold a password. */
export function address(schemes: readonly string[]): Value<string> {
  const path = schemes.includes('redis://') ? `; ${REDIS_RULES}` : ''
  const accepted = `a URL that begins with ${schemes.join(' or ')}${path}`
  return text(
    accepted,
    (given) => {
      const fault = addressFault(given, schemes)
      if (fault === null) return given
      if (fault === '') return undefined
      throw new Error(`${fault}.`)
    },
    true,
  )
}

/** As {@link address}; several servers of Redis may stand in one text. */
export function queueAddress(): Value<string> {
  const one = address(QUEUE_SCHEMES)
  return {
    ...one,
    parse: (given) => (splitServers(String(given)).every((each) => one.parse(each) !== undefined) ? String(given) : undefined),
  }
}

/** @param privateHosts what DINGTALK_PRIVATE_HOSTS names */
export function baseUrl(privateHosts: readonly string[]): Value<string> {
  return text('an https URL, or an http URL on loopback', (given) => checkBaseUrl(given, privateHosts))
}

/** The address of an outgoing proxy. It may hold a password. */
export const PROXY = text('an http:// or https:// URL of a proxy, such as http://proxy.example.com:3128', parseProxy, true)

/** Entries that are not understood exempt no host: the variable belongs to the whole machine, and programs differ in what they understand. */
export const NO_PROXY = matching(
  /^[ -~]{0,8192}$/,
  'hosts, addresses and networks, separated by commas, such as .example.com,10.0.0.0/8; or *',
)

/** A space or a line end in a key or token is a copying mistake. */
export const SECRET = text(
  '1 to 2048 printable ASCII characters without spaces',
  (given) => (/^[!-~]{1,2048}$/.test(given) ? given : undefined),
  true,
)

/** Of a file that has a secret as its only line. */
export const SECRET_PATH = matching(/^\P{Cc}+$/u, 'the path of a file with the secret as its only line')

/** It can be guessed over the network, so it must be long: 16 random letters and digits are 95 bits. */
export const API_TOKEN = text(
  '16 to 2048 printable ASCII characters without spaces, such as the output of: openssl rand -hex 32',
  (given) => (given.length >= 16 ? SECRET.parse(given) : undefined),
  true,
)

export const APP_NAME = matching(new RegExp(APP_PATTERN, 'u'), '1 to 64 letters, digits, "_" or "-", beginning with a letter or digit')

export const TOKEN_ENDPOINT: Value<'new' | 'old'> = {
  ...oneOf(['new', 'old']),
  accepted: '"new" (/v1.0/oauth2/accessToken) or "old" (/gettoken)',
}

/** A positive Java Long in canonical digits. */
export const AGENT_ID: Value<string> = {
  ...text('a whole number from 1 to 9223372036854775807 in digits, without leading zeros', (given) =>
    /^[1-9]\d{0,18}$/.test(given) && BigInt(given) <= 9_223_372_036_854_775_807n ? given : undefined,
  ),
  type: 'digits',
}

const HOST_NAME = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/

/** The names of this server in Host headers, without a port. */
export const HOST_NAMES = listOf(
  text('', (given) => (HOST_NAME.test(given.toLowerCase()) ? given.toLowerCase() : undefined)),
  'host names without ports, separated by commas, such as delivery.example.com,delivery',
)

/** A name or an address in a private network, in the form that it has in a base URL: an IPv6 address has many spellings. */
export const PRIVATE_HOST = text(
  'a host name or an IP address without a port, such as dingtalk-gateway.example.com or 10.1.2.3',
  (given) => {
    const host = given
      .trim()
      .toLowerCase()
      .replace(/^\[(.*)\]$/, '$1')
    if (isIP(host) === 6) return new URL(`http://[${host}]`).hostname.slice(1, -1)
    return isIP(host) === 4 || HOST_NAME.test(host) ? host : undefined
  },
)

export const PRIVATE_HOSTS = listOf(
  PRIVATE_HOST,
  'host names and IP addresses without ports, separated by commas, such as dingtalk-gateway.example.com,10.1.2.3',
)

const SWITCH_WORDS: ReadonlyMap<string, boolean | 'auto'> = new Map<string, boolean | 'auto'>([
  ...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
  ['auto', 'auto'],
])
export const SWITCH = text('true, false or auto', (given) => SWITCH_WORDS.get(given.toLowerCase()))

/** A century at most. */
export const WHOLE_DAYS = wholeNumber(1, 36_500)
/** Null: never. */
export const DAYS_OR_NEVER = text<number | null>('a whole number of days from 1 to 36500, or never', (given) =>
  given.toLowerCase() === 'never' ? null : WHOLE_DAYS.parse(given),
)
export const RETENTION_DAYS = { details: 90, totals: null } as const

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export const DATABASE_SCHEMA = matching(SCHEMA_NAME.pattern, SCHEMA_NAME.accepted)

export const REGION = oneOf(['intl', 'cn'])
/** Assumed where none is given. */
export const DEFAULT_REGION = 'intl'
export const MONTHLY_CALL_BUDGET = wholeNumber(1, 1_000_000_000)
/** A date of the calendar. */
export const DAY = text('a day as YYYY-MM-DD, such as 2027-02-08', (given) =>
  /^\d{4}-\d\d-\d\d$/.test(given) && new Date(`${given}T00:00Z`).toJSON()?.slice(0, 10) === given ? given : undefined,
)
/** The lower bound is not 0: an app without calls would wait for ever. */
export const CALLS_PER_SECOND = setting(decimalNumber(0.01, 1000), 15)

/** The size of a pool. */
const CONNECTIONS = wholeNumber(1, 1_000)

/** Settings of a worker that have the same meaning and default in the environment and in `createWorker`. */
export const WORKER_SETTINGS = {
  queueName: setting(matching(QUEUE_NAME.pattern, QUEUE_NAME.accepted), 'dingtalk-delivery'),
  queueShards: setting(wholeNumber(1, MAX_QUEUE_SHARDS), 1),
  queuePrefix: setting(matching(QUEUE_PREFIX.pattern, QUEUE_PREFIX.accepted), 'bull'),
  queueSchema: setting(matching(QUEUE_SCHEMA_NAME.pattern, QUEUE_SCHEMA_NAME.accepted), DEFAULT_QUEUE_SCHEMA),
  timeScale: setting(decimalNumber(1, 100_000), 1),
  concurrency: setting(wholeNumber(1, 10_000), 200),
  databaseConnections: setting(CONNECTIONS, null),
  queueConnections: setting(wholeNumber(3, 1_000), null),
  shutdownGraceSeconds: setting(decimalNumber(0, 3600), 25),
} as const
