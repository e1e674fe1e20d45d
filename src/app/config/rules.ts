import { isIP } from 'node:net'
import { checkBaseUrl } from '../../dingtalk/hosts.ts'
import { APP_PATTERN } from '../../domain/field-rules.ts'
import { isAddress } from '../../lib/address.ts'

/** How the text of one variable becomes a value. */
export interface Rule<T> {
  /** What is accepted, as the end of the sentence "Accepted: …". */
  readonly accepted: string
  /** The value is never shown, only its length. */
  readonly secret?: boolean
  /** `undefined` where the text is not accepted. An Error thrown says more than `accepted` could. */
  readonly parse: (text: string) => T | undefined
}

/** A value that a program or JSON may also give as a number. */
export interface NumberRule extends Rule<number> {
  /** `undefined` where the number is not accepted, NaN and the infinities among them. */
  readonly parseNumber: (value: number) => number | undefined
}

export function wholeNumber(min: number, max: number): NumberRule {
  return {
    accepted: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^\d{1,15}$/.test(text) ? within(Number(text), min, max) : undefined),
    parseNumber: (value) => (Number.isSafeInteger(value) ? within(value, min, max) : undefined),
  }
}

/** Of a century at most. */
export const WHOLE_DAYS = wholeNumber(1, 36_500)

/** Null: never. */
export const DAYS: Rule<number | null> = {
  accepted: 'a whole number of days from 1 to 36500, or never',
  parse: (text) => (text.toLowerCase() === 'never' ? null : WHOLE_DAYS.parse(text)),
}

function decimalNumber(min: number, max: number): NumberRule {
  return {
    accepted: `a number from ${min} to ${max}`,
    parse: (text) => (/^\d{1,15}(\.\d{1,15})?$/.test(text) ? within(Number(text), min, max) : undefined),
    parseNumber: (value) => within(value, min, max),
  }
}

/** More than 0: half a call a second is a rate, none is not. */
export const CALLS_PER_SECOND = decimalNumber(0.01, 1000)
export const DEFAULT_CALLS_PER_SECOND = 15

export const MONTHLY_CALL_BUDGET = wholeNumber(1, 1_000_000_000)

/** What a worker is set up with, from the environment or by a program; each with what holds where it is left out. */
export const WORKER_SETTINGS = {
  pollsPerTask: { rule: wholeNumber(1, 500), fallback: 24 },
  timeScale: { rule: decimalNumber(1, 100_000), fallback: 1 },
  concurrency: { rule: wholeNumber(1, 10_000), fallback: 50 },
  /** In seconds. */
  shutdownGrace: { rule: decimalNumber(0, 3600), fallback: 25 },
} as const
/** Null: never. */
export const RETENTION_DAYS = { details: 90, totals: null } as const
export const DEFAULT_QUEUE = { name: 'dingtalk-delivery', prefix: 'bull' } as const

export function oneOf<T extends string>(words: readonly T[]): Rule<T> {
  return { accepted: words.join(', '), parse: (text) => words.find((word) => word === text) }
}

export function matching(pattern: RegExp, accepted: string): Rule<string> {
  return { accepted, parse: (text) => (pattern.test(text) ? text : undefined) }
}

/** Keys and tokens are printable and have no spaces; a space or a line end is a copying mistake. */
export const SECRET: Rule<string> = {
  accepted: '1 to 2048 printable ASCII characters without spaces',
  secret: true,
  parse: (text) => (/^[!-~]{1,2048}$/.test(text) ? text : undefined),
}

/** It can be guessed at from afar, so it must be long: 16 letters and digits at random are 95 bits. */
export const API_TOKEN: Rule<string> = {
  accepted: '16 to 2048 printable ASCII characters without spaces, such as the output of: openssl rand -hex 32',
  secret: true,
  parse: (text) => (text.length >= 16 ? SECRET.parse(text) : undefined),
}

/** What `track` calls an app. */
export const APP_NAME: Rule<string> = {
  accepted: '1 to 64 letters, digits, "_" or "-", beginning with a letter or digit',
  parse: (text) => (APP.test(text) ? text : undefined),
}
const APP = new RegExp(APP_PATTERN, 'u')

export const TOKEN_ENDPOINT: Rule<'new' | 'old'> = {
  accepted: '"new" (/v1.0/oauth2/accessToken) or "old" (/gettoken)',
  parse: (text) => (text === 'new' || text === 'old' ? text : undefined),
}

/** A positive Java Long in canonical digits. */
export const AGENT_ID: Rule<string> = {
  accepted: 'a whole number from 1 to 9223372036854775807 in digits, without leading zeros',
  parse: (text) => (/^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= 9_223_372_036_854_775_807n ? text : undefined),
}

const HOST_NAME = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/

/** What a browser or a probe calls the server, without a port. */
export const HOST_NAMES: Rule<readonly string[]> = {
  accepted: 'host names without ports, separated by commas, such as delivery.example.com,delivery',
  parse: (text) => {
    const names = text.split(',').map((name) => name.trim().toLowerCase())
    return names.every((name) => HOST_NAME.test(name)) ? names : undefined
  },
}

export const REGION = oneOf(['intl', 'cn'])

/** @param privateHosts what DINGTALK_PRIVATE_HOSTS names */
export function baseUrl(privateHosts: readonly string[]): Rule<string> {
  return { accepted: 'an https URL, or an http URL on loopback', parse: (text) => checkBaseUrl(text, privateHosts) }
}

/** A name or an address in a private network, as it stands in a base URL. */
export const PRIVATE_HOST: Rule<string> = {
  accepted: 'a host name or an IP address without a port, such as dingtalk-gateway.example.com or 10.1.2.3',
  parse: (text) => {
    const host = text
      .trim()
      .toLowerCase()
      .replace(/^\[(.*)\]$/, '$1')
    return isIP(host) !== 0 || HOST_NAME.test(host) ? asInUrls(host) : undefined
  },
}

export const PRIVATE_HOSTS: Rule<readonly string[]> = {
  accepted: 'host names and IP addresses without ports, separated by commas, such as dingtalk-gateway.example.com,10.1.2.3',
  parse: (text) => {
    const hosts = text.split(',').map((host) => PRIVATE_HOST.parse(host))
    return hosts.every((host) => host !== undefined) ? hosts : undefined
  },
}

/** One address has many spellings; a URL has one. */
function asInUrls(host: string): string {
  return isIP(host) === 6 ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host
}

export const SWITCH: Rule<boolean | 'auto'> = {
  accepted: 'true, false or auto',
  parse: (text) => SWITCH_WORDS.get(text.toLowerCase()),
}

const SWITCH_WORDS: ReadonlyMap<string, boolean | 'auto'> = new Map<string, boolean | 'auto'>([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
  ['auto', 'auto'],
])

/** A connection address. It may hold a password, so at most its scheme is ever shown. */
export function address(schemes: readonly string[]): Rule<string> {
  return {
    accepted: `a URL that begins with ${schemes.join(' or ')}${schemes.some((scheme) => scheme.startsWith('redis')) ? '; the path of a Redis URL is a database number' : ''}`,
    secret: true,
    parse: (text) => (URL.canParse(text) && isAddress(text, schemes) ? text : undefined),
  }
}

/** That details do not outlive their totals; null where it is right. */
export function retentionFault(
  details: { readonly name: string; readonly days: number | null },
  totals: { readonly name: string; readonly days: number | null },
): string | null {
  if ((totals.days ?? Infinity) >= (details.days ?? Infinity)) return null
  return `${totals.name} (${totals.days}) is less than ${details.name} (${details.days ?? 'never'}). Names go first, then totals: give it as many days or more, or never.`
}

function within(value: number, min: number, max: number): number | undefined {
  return value >= min && value <= max ? value : undefined
}
