import { isIPv4, isIPv6 } from 'node:net'
import { TrackerError } from '../core/errors.ts'

/**
 * Who may look without a token is whoever can reach the address, so that must be this machine alone.
 * @throws {TrackerError} `INVALID_CONFIG` where others could reach it
 */
export function assertGuarded(host: string, apiToken: string | null): void {
  if (apiToken !== null || isLoopback(host)) return
  throw new TrackerError(
    'INVALID_CONFIG',
    `HOST is ${host}, which other machines reach, and API_TOKEN is not set: anybody there could see who has read what. Set API_TOKEN to a long random text, or HOST to 127.0.0.1.`,
  )
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  if (isIPv4(name)) return name.startsWith('127.')
  return name === '::1' || name === 'localhost' || name.endsWith('.localhost')
}

/**
 * Names by which this server may be asked. A page of a stranger can have its own name resolve to this machine's address ("DNS
 * rebinding"), and then read what a browser here may read; its name is in the request. What is an address needs no name to resolve.
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

/**
 * Whether a request that changes something comes from a page of this server, or from no page at all.
 * @param origin the Origin header, which every browser sends with such requests
 */
export function isOwnOrigin(origin: string | undefined, hostHeader: string | undefined): boolean {
  if (origin === undefined) return true
  // `null` is the origin of files and sandboxed frames.
  if (!URL.canParse(origin)) return false
  const { protocol, host } = new URL(origin)
  const own = `${protocol}//${hostHeader ?? ''}`
  return URL.canParse(own) && new URL(own).host === host
}
