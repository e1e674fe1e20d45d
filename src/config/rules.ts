import { isIP } from 'node:net'
import { isAddress } from '../core/address.ts'
import { checkBaseUrl } from '../dingtalk/hosts.ts'

/** How the text of one variable becomes a value. */
export interface Rule<T> {
  /** What is accepted, as the end of the sentence "Accepted: …". */
  readonly accepted: string
  /** The value is never shown, only its length. */
  readonly secret?: boolean
  /** `undefined` where the text is not accepted. An Error thrown says more than `accepted` could. */
  readonly parse: (text: string) => T | undefined
}

export function wholeNumber(min: number, max: number): Rule<number> {
  return {
    accepted: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^\d{1,15}$/.test(text) ? within(Number(text), min, max) : undefined),
  }
}

/** Null: never. */
export const DAYS: Rule<number | null> = {
  accepted: 'a whole number of days from 1 to 36500, or never',
  parse: (text) => (text.toLowerCase() === 'never' ? null : wholeNumber(1, 36_500).parse(text)),
}

export function decimalNumber(min: number, max: number): Rule<number> {
  return {
    accepted: `a number from ${min} to ${max}`,
    parse: (text) => (/^\d{1,15}(\.\d{1,15})?$/.test(text) ? within(Number(text), min, max) : undefined),
  }
}

/** More than 0: half a call a second is a rate, none is not. */
export const CALLS_PER_SECOND: Rule<number> = {
  accepted: 'a number from 0.01 to 1000',
  parse: decimalNumber(0.01, 1000).parse,
}

export const MONTHLY_CALL_BUDGET = wholeNumber(1, 1_000_000_000)

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

/** Names or addresses in a private network, as they stand in a base URL. */
export const PRIVATE_HOSTS: Rule<readonly string[]> = {
  accepted: 'host names and IP addresses without ports, separated by commas, such as dingtalk-gateway.example.com,10.1.2.3',
  parse: (text) => {
    const hosts = text.split(',').map((host) =>
      host
        .trim()
        .toLowerCase()
        .replace(/^\[(.*)\]$/, '$1'),
    )
    return hosts.every((host) => isIP(host) !== 0 || HOST_NAME.test(host)) ? hosts.map(asInUrls) : undefined
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

function within(value: number, min: number, max: number): number | undefined {
  return value >= min && value <= max ? value : undefined
}
