import { type LookupAddress, lookup as lookUp } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * Networks that are nobody's on the internet: a request there reaches a machine beside this one, or the metadata service of a cloud, and
 * never DingTalk. Source: IANA's special-purpose address registries.
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
/** IPv6 addresses with an IPv4 address at their end: translated (NAT64) and mapped. */
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

/** A link-local address may end with the name of its network card. */
const isIn = (list: BlockList, address: string): boolean => {
  const [plain = ''] = address.split('%', 1)
  return list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4')
}

/** The URL parser has already turned every spelling of an IPv4 address (`127.1`, `0x7f000001`) into four decimal numbers. */
export function isLoopback(hostname: string): boolean {
  const host = withoutBrackets(hostname)
  return host === 'localhost' || (isIP(host) !== 0 && isIn(LOOPBACK, host))
}

/**
 * Is it an address, as it stands in a URL, of a private network that nobody named? Loopback is named by being written.
 * @param privateHosts names and addresses that are meant, in lower case
 */
export function isUnnamedPrivate(hostname: string, privateHosts: readonly string[]): boolean {
  const host = withoutBrackets(hostname)
  return isIP(host) !== 0 && isIn(PRIVATE, host) && !isLoopback(host) && !privateHosts.includes(host)
}

function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

/** A name leads to a private address, and neither is named. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
}

/**
 * Resolves a name for a connection that is about to be made, so there is no second answer that could be another. One private address among
 * several refuses them all: which one is taken is chance.
 * @param privateHosts names and addresses that are meant, in lower case
 */
export function guardedLookup(privateHosts: readonly string[], resolve: LookupFunction = lookUp): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, options, (error, found, family) => {
      const refused = error === null ? refusedOf(hostname.toLowerCase(), addressesOf(found), privateHosts) : undefined
      if (refused === undefined) callback(error, found, family)
      else callback(new PrivateAddressError(`${hostname} is the private address ${refused}`), [])
    })
  }
}

function addressesOf(found: string | readonly LookupAddress[]): readonly string[] {
  return typeof found === 'string' ? [found] : found.map(({ address }) => address)
}

function refusedOf(name: string, addresses: readonly string[], privateHosts: readonly string[]): string | undefined {
  if (privateHosts.includes(name)) return undefined
  return addresses.find(
    (address) => isIn(PRIVATE, address) && !privateHosts.includes(address) && !(isLoopback(name) && isLoopback(address)),
  )
}
