import { isIPv4, isIPv6 } from 'node:net'
import { TrackerError } from '../domain/errors.ts'
import type { ApiToken } from './access.ts'

/**
 * Without a token, every program that reaches the address can read and write, so it must be an address of this machine alone.
 * @param proof what a caller has to show: the tokens, or the header of a proxy that signs users in; null: nothing
 * @throws {TrackerError} `INVALID_CONFIG` where other machines reach it
 */
export function assertGuarded(host: string, proof: readonly ApiToken[] | string | null): void {
  if (proof !== null || isLoopback(host)) return
  throw new TrackerError(
    'INVALID_CONFIG',
    `HOST is ${host}, which other machines reach, and API_TOKEN is not set: anyone there could see who has read what. Set API_TOKEN to a long random text, or HOST to 127.0.0.1.`,
  )
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  if (isIPv4(name)) return name.startsWith('127.')
  return name === '::1' || name === 'localhost' || name.endsWith('.localhost')
}

/**
 * Whether a Host header names this server. A foreign page can make its own name resolve to this machine's address ("DNS rebinding"), and then
 * read what a browser here may read; its name is in the header. An address is not resolved, so every address is accepted.
 * @param header the Host header: a name or an address, with or without a port
 */
export function isOurHost(header: string | undefined, { host, allowedHosts }: OwnNames): boolean {
  const name = nameIn(header ?? '')
  if (isIPv4(name) || isIPv6(name)) return true
  return isLoopback(name) || name === host.toLowerCase() || allowedHosts.includes(name)
}

export interface OwnNames {
  /** What the server is bound to. */
  readonly host: string
  /** In lower case. */
  readonly allowedHosts: readonly string[]
}

/** Without port, brackets and the dot that a full name may end with. */
function nameIn(header: string): string {
  const [, address, name = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header.toLowerCase()) ?? []
  return address ?? name.replace(/\.$/, '')
}

/** The headers by which a browser describes the page that sent a request. */
export interface Sender {
  /** The Origin header, which every browser sends with a request that changes something. */
  readonly origin: string | undefined
  /** The Host header: the address that the browser requested, or what a proxy replaced it by. */
  readonly host: string | undefined
  /** The Sec-Fetch-Site header: how the page's origin relates to the requested address. Browsers send it over https and to loopback; pages cannot set it. */
  readonly fetchSite: string | undefined
  /** Of the browser's connection, where a trusted proxy says it; null or left out: unknown. */
  readonly protocol?: 'http' | 'https' | null
}

/**
 * Whether a request that changes something comes from a page of this server, or from no page at all.
 *
 * The page's origin must be the requested host, or a name of this server in the configuration. The second is for proxies that put the
 * upstream's name into the Host header, as nginx does by default. A name has no port, so Sec-Fetch-Site decides there, where it is sent: another
 * port of the same name is `same-site`. Where the protocol of the browser's connection is known, the page's must be the same.
 */
export function isOwnOrigin({ origin, host = '', fetchSite = 'none', protocol = null }: Sender, names: OwnNames): boolean {
  // Only a browser sends Sec-Fetch-Site, so a request without an origin that has it is of a page whose origin was left out.
  if (origin === undefined) return NO_OTHER_SITE.has(fetchSite)
  // `null` is the origin of files and sandboxed frames.
  if (!URL.canParse(origin)) return false
  const page = new URL(origin)
  if (protocol !== null && page.protocol !== `${protocol}:`) return false
  const own = `${page.protocol}//${host}`
  if (URL.canParse(own) && new URL(own).host === page.host) return true
  return NO_OTHER_SITE.has(fetchSite) && isNamed(nameIn(page.host), names)
}

/** `none`: the user sent the request, for example by a reload. */
const NO_OTHER_SITE: ReadonlySet<string> = new Set(['same-origin', 'none'])

/** The address that the server is bound to is no name: other servers of the same machine have it too. */
function isNamed(name: string, { host, allowedHosts }: OwnNames): boolean {
  const isAddress = isIPv4(name) || isIPv6(name) || isLoopback(name)
  return allowedHosts.includes(name) || (name === host.toLowerCase() && !isAddress)
}
