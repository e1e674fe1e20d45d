import { type LookupAddress, lookup as lookUp } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** The two hosts of one DingTalk region. Source: the API page (`.io`), and DingTalk's documentation for China (`.com`). */
export interface Hosts {
  /** Serves `/topapi/…` and the old `/gettoken`. */
  readonly oapiUrl: string
  /** Serves `/v1.0/…`, the new token endpoints among them. */
  readonly apiUrl: string
}

/** `intl` is the international edition, `cn` the Chinese one. An organisation is in one of them; there is no failover. */
export type Region = 'intl' | 'cn'

const HOSTS: Readonly<Record<Region, Hosts>> = {
  intl: { oapiUrl: 'https://oapi.dingtalk.io', apiUrl: 'https://api.dingtalk.io' },
  cn: { oapiUrl: 'https://oapi.dingtalk.com', apiUrl: 'https://api.dingtalk.com' },
}

export function hostsOf(region: Region): Hosts {
  return HOSTS[region]
}

/**
 * Checks a base URL and returns it without a slash at its end: https anywhere, plain http on loopback only, because the body has tokens and
 * secrets. A path (a gateway's prefix) is kept.
 * @param privateHosts names and addresses in private networks that are allowed, in lower case
 * @throws {Error} with what is wrong, without user info and query, which may hold a secret
 */
export function checkBaseUrl(url: string, privateHosts: readonly string[] = []): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null) throw new Error('not a URL. Give an https URL such as "https://oapi.dingtalk.io".')
  const shown = `"${parsed.protocol}//${parsed.host}"`
  const fault = findFault(parsed, url, privateHosts)
  if (fault !== null) throw new Error(`${shown} ${fault}`)
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
}

function findFault(parsed: URL, url: string, privateHosts: readonly string[]): string | null {
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')
    return 'is not an https URL. Give one such as "https://oapi.dingtalk.io".'
  if (parsed.username !== '' || parsed.password !== '') return 'has a user name or password in it. Leave them out: DingTalk takes none.'
  if (/[?#]/.test(url)) return 'has a query or a fragment in it. Give the base address only.'
  if (parsed.protocol === 'http:' && !isLoopback(parsed.hostname)) {
    return 'sends secrets unencrypted. Use https; plain http is accepted on loopback (127.0.0.1, ::1, localhost) only.'
  }
  if (isRefusedAddress(parsed.hostname, privateHosts)) {
    return 'is a private address, where DingTalk is not. If it is a gateway of your own, set DINGTALK_PRIVATE_HOSTS to it.'
  }
  return null
}

/**
 * Networks that are not on the internet: a request there reaches a neighbour of this machine or the metadata service of a cloud, never DingTalk.
 * Source: IANA's special-purpose address registries. Libraries considered: request-filtering-agent and ssrf-req-filter filter agents of
 * `node:http`, not undici's connections; ipaddr.js parses, which BlockList of Node does too.
 */
const PRIVATE_IPV4: ReadonlyArray<readonly [network: string, prefix: number]> = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
]
const PRIVATE_IPV6: ReadonlyArray<readonly [network: string, prefix: number]> = [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
]
/** Prefixes of IPv6 addresses that end with an IPv4 address: translated (NAT64) and mapped. */
const WITH_IPV4_INSIDE = ['64:ff9b::', '::ffff:'] as const

const PRIVATE = new BlockList()
for (const [network, prefix] of PRIVATE_IPV4) {
  PRIVATE.addSubnet(network, prefix, 'ipv4')
  for (const before of WITH_IPV4_INSIDE) PRIVATE.addSubnet(`${before}${network}`, 96 + prefix, 'ipv6')
}
for (const [network, prefix] of PRIVATE_IPV6) PRIVATE.addSubnet(network, prefix, 'ipv6')

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** A link-local address may end with `%` and the name of its network card. */
const isIn = (list: BlockList, address: string): boolean => {
  const [plain = ''] = address.split('%', 1)
  return list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4')
}

/** The URL parser has already turned every spelling of an IPv4 address (`127.1`, `0x7f000001`) into four decimal numbers. */
export function isLoopback(hostname: string): boolean {
  const host = withoutBrackets(hostname)
  return host === 'localhost' || (isIP(host) !== 0 && isIn(LOOPBACK, host))
}

/** True for a private address in a URL that is not allowed. A loopback address is allowed where the URL has it. */
function isRefusedAddress(hostname: string, privateHosts: readonly string[]): boolean {
  const host = withoutBrackets(hostname)
  return isIP(host) !== 0 && isIn(PRIVATE, host) && !isLoopback(host) && !privateHosts.includes(host)
}

export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

/** A name resolves to a private address, and neither is allowed. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
}

/**
 * Names that are never on the internet: of one label, and below the domains that are reserved for private networks. Source: IANA's special-use
 * domain names, and ICANN's reservation of `internal`, where clouds have their metadata services.
 */
const PRIVATE_NAME = /^[^.]+\.?$|\.(?:localhost|local|internal|home\.arpa|lan|intranet|corp|home)\.?$/

/**
 * What can be checked of a request through a proxy, which resolves the name: an address, and a name that is never on the internet.
 * @param privateHosts names and addresses that are allowed, in lower case
 * @throws {PrivateAddressError}
 */
export function checkProxiedHost(hostname: string, privateHosts: readonly string[]): void {
  const host = withoutBrackets(hostname.toLowerCase())
  if (isLoopback(host) || privateHosts.includes(host)) return
  if (isIP(host) === 0 ? PRIVATE_NAME.test(host) : isIn(PRIVATE, host))
    throw new PrivateAddressError(
      `${host} is ${isIP(host) === 0 ? 'a name of a private network' : 'a private address'}, and would be reached through the proxy`,
    )
}

/**
 * Resolves the name for each new connection and checks the addresses that the connection then uses. One private address among several refuses
 * them all, since which one is used is random.
 * @param privateHosts names and addresses that are allowed, in lower case
 */
export function guardedLookup(privateHosts: readonly string[], resolve: LookupFunction = lookUp): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, options, (error, found, family) => {
      const refused = error === null ? findRefused(hostname.toLowerCase(), listAddresses(found), privateHosts) : undefined
      if (refused === undefined) callback(error, found, family)
      else callback(new PrivateAddressError(`${hostname} is the private address ${refused}`), [])
    })
  }
}

function listAddresses(found: string | readonly LookupAddress[]): readonly string[] {
  return typeof found === 'string' ? [found] : found.map(({ address }) => address)
}

function findRefused(name: string, addresses: readonly string[], privateHosts: readonly string[]): string | undefined {
  if (privateHosts.includes(name)) return undefined
  return addresses.find(
    (address) => isIn(PRIVATE, address) && !privateHosts.includes(address) && !(isLoopback(name) && isLoopback(address)),
  )
}
