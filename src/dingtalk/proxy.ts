import { BlockList, isIP } from 'node:net'
import type { PROXY_CODES } from '../domain/problems.ts'
import { isLoopback, withoutBrackets } from './hosts.ts'

/** The outgoing proxies of a company's network, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY name them. */
export interface Proxies {
  /** For https addresses, as {@link parseProxy} returns it. Null: `http`, as undici's EnvHttpProxyAgent has it. */
  readonly https: string | null
  /** For http addresses, which are on loopback, and for https ones where `https` is null. */
  readonly http: string | null
  /** Hosts that are reached directly, in the notation of NO_PROXY; empty: none. */
  readonly no: string
}

export const NO_PROXIES: Proxies = { https: null, http: null, no: '' }

/**
 * Checks the address of a proxy. `host:port` alone is http, as curl and Go read it.
 * @returns the URL with its user info
 * @throws {Error} with what is wrong, without user info
 */
export function parseProxy(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(withScheme) ? new URL(withScheme) : null
  if (url === null || url.hostname === '' || /[\s\p{Cc}]/u.test(text))
    throw new Error('is not the address of a proxy. Give one such as "http://proxy.example.com:3128".')
  // Behind an unescaped "/" or "?" in a password the parser finds a host that is none.
  const shown = url.href.slice(url.origin.length).includes('@') && url.username === '' ? 'the value' : `"${url.protocol}//${url.host}"`
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`${shown} is not an http or https proxy. Give one such as "http://proxy.example.com:3128"; SOCKS is not supported.`)
  if (url.pathname.length > 1 || /[?#]/.test(withScheme))
    throw new Error(
      `${shown} has a path, a query or a fragment behind it. Give the address of the proxy only; "@", "/" and "?" in a password are written %40, %2F and %3F.`,
    )
  if (readLogin(url) === undefined)
    throw new Error(`${shown} has a user name or password with a "%" that begins no escape. Write "%" in it as %25.`)
  return url.href
}

/** `user:password` of a proxy in plain text; null: none is given. Undefined: it is not escaped as in a URL. */
export function readLogin({ username, password }: URL): string | null | undefined {
  if (username === '' && password === '') return null
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  } catch {
    return undefined
  }
}

/** The address of a proxy without user info. */
export function showProxy(proxy: string): string {
  return new URL(proxy).origin
}

/**
 * The proxy that a request goes through; null: none. An address on loopback goes through a proxy on loopback only: another machine's loopback
 * is not meant, and plain http would take secrets there.
 * Library considered: undici's EnvHttpProxyAgent decides the same for what it understands, but tells no one which way a request goes, which the
 * private-address guard and every message need; it also takes "::1" in NO_PROXY for a port, and has no networks.
 */
export function chooseProxy(address: string, { https, http, no }: Proxies): string | null {
  const url = new URL(address)
  const proxy = url.protocol === 'https:' ? (https ?? http) : http
  if (proxy === null || isExempt(url, no)) return null
  return isLoopback(url.hostname) && !isLoopback(new URL(proxy).hostname) ? null : proxy
}

/** NO_PROXY: `*`, names with all names below them, addresses and networks, each with a port where it is meant for one; between commas or spaces. */
function isExempt(url: URL, no: string): boolean {
  const host = withoutBrackets(url.hostname)
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return no.split(/[,\s]+/).some((entry) => entry === '*' || matches(entry.toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  const [name, onlyPort] = splitPort(entry)
  if (name === '' || (onlyPort !== null && onlyPort !== port)) return false
  if (isIP(host) !== 0) return isIn(name, host)
  const plain = name.replace(/^\*?\./, '')
  return host === plain || host.endsWith(`.${plain}`)
}

/** An IPv6 address has a port only where it is in brackets. */
function splitPort(entry: string): readonly [name: string, port: string | null] {
  const [, bracketed, after] = /^\[(.*)\](?::(\d+))?$/.exec(entry) ?? []
  if (bracketed !== undefined) return [bracketed, after ?? null]
  const [, name, port] = /^([^:]+):(\d+)$/.exec(entry) ?? []
  return name === undefined ? [entry, null] : [name, port ?? null]
}

/** @param name an address, or a network such as `10.0.0.0/8` */
function isIn(name: string, host: string): boolean {
  const [network = '', prefix] = name.split('/')
  const family = isIP(network)
  if (family === 0 || family !== isIP(host)) return false
  const [kind, bits] = family === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
  if (length < 0 || length > bits) return false
  const list = new BlockList()
  list.addSubnet(network, length, kind)
  return list.check(host, kind)
}

/** The proxy gave no tunnel, so nothing was sent to DingTalk. The message has the proxy's address and what it said. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly code: string

  constructor(code: (typeof PROXY_CODES)[keyof typeof PROXY_CODES], message: string) {
    super(message)
    this.code = code
  }
}
