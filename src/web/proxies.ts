import type { IncomingMessage } from 'node:http'
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** The proxies in front of the server, and what it takes from their headers. */
export interface ProxySettings {
  /** Addresses and networks, such as `127.0.0.1` or `10.0.0.0/8`, whose `X-Forwarded-…` headers are read. */
  readonly trustedProxies?: readonly string[]
  /** Where browsers find the dashboard: `/dingtalk`. Empty: at the root. */
  readonly basePath?: string
  /** In lower case. The header in which a trusted proxy names the user whom it has signed in. Null: none. */
  readonly authHeader?: string | null
}

/** A request as it came in, or the part of it that is needed here. */
export type RawRequest = Pick<IncomingMessage, 'rawHeaders' | 'url'> & {
  readonly socket: { readonly remoteAddress?: string | undefined }
}

export interface Proxies {
  /** Whether a peer is one of the trusted proxies. Only the address of the connection counts, never a header. */
  isTrusted(address: string | undefined): boolean
  /** The path before every address of this server, as the browser sees it: empty, or such as `/dingtalk`. */
  prefixOf(request: RawRequest): string
  /** Path and query as the routes know them, whether or not a proxy has removed the prefix. */
  pathOf(request: RawRequest): string
  /** Of the connection of the browser. Null: no trusted proxy said it. */
  protocolOf(request: RawRequest): 'http' | 'https' | null
  /**
   * Whether a trusted proxy has signed the user in. The name of the user is not kept. `refused`: the header is empty, there several times, or a
   * list: a proxy that lets a header of the browser through proves nothing. Null: no trusted proxy sent it.
   */
  signInOf(request: RawRequest): 'user' | 'refused' | null
}

export function createProxies({ trustedProxies = [], basePath = '', authHeader = null }: ProxySettings): Proxies {
  const trusted = createBlockList(trustedProxies)
  const isTrusted = (address = ''): boolean => {
    // A link-local address comes with its interface: fe80::1%eth0.
    const [plain = ''] = address.split('%')
    return isIPv4(plain) ? trusted.check(plain) : isIPv6(plain) && trusted.check(plain, 'ipv6')
  }
  /** Each header of this name by itself; none of a peer that is not trusted. */
  const trustedValues = ({ rawHeaders, socket }: RawRequest, wanted: string): string[] =>
    isTrusted(socket.remoteAddress)
      ? rawHeaders.flatMap((name, i) => (i % 2 === 0 && name.toLowerCase() === wanted ? [rawHeaders[i + 1]?.trim() ?? ''] : []))
      : []
  const forwardedPrefix = (request: RawRequest): string | null => {
    const [prefix, ...more] = trustedValues(request, 'x-forwarded-prefix')
    return prefix === undefined || more.length > 0 ? null : parseBasePath(prefix)
  }
  return {
    isTrusted,
    prefixOf: (request) => forwardedPrefix(request) ?? basePath,
    pathOf(request) {
      const { url = '/' } = request
      const prefixes = [forwardedPrefix(request) ?? '', basePath]
      const found = prefixes.find((prefix) => prefix !== '' && url.startsWith(prefix) && ['', '/', '?'].includes(url.charAt(prefix.length)))
      if (found === undefined) return url
      const rest = url.slice(found.length)
      return rest.startsWith('/') ? rest : `/${rest}`
    },
    protocolOf(request) {
      // Of several proxies in a row, the last one has the connection to this server. `request.host` is taken in the same way.
      const last = trustedValues(request, 'x-forwarded-proto').join(',').split(',').at(-1)?.trim().toLowerCase()
      return last === 'http' || last === 'https' ? last : null
    },
    signInOf(request) {
      const [user, ...more] = authHeader === null ? [] : trustedValues(request, authHeader)
      if (user === undefined) return null
      return more.length === 0 && isUserName(user) ? 'user' : 'refused'
    },
  }
}

/** A comma makes a list of a header: what a browser sent, and what a proxy added. Node has a character for each byte, and refuses control characters. */
function isUserName(text: string): boolean {
  return /^[^,]{1,256}$/.test(text)
}

function createBlockList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

const SEGMENT = '[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}'
const BASE_PATH = new RegExp(`^(?:/${SEGMENT}){1,8}$`)

/** First parts of paths that the server has itself. With one of them as the prefix, `/tasks/1` could be a path with the prefix or without. */
export const OWN_PATHS: readonly string[] = [
  ...[
    'apps',
    'assets',
    'campaigns',
    'compare',
    'livez',
    'login',
    'logout',
    'metrics',
    'people',
    'preferences',
    'readyz',
    'schedule',
    'tasks',
    'v1',
  ],
]

/**
 * A path such as `/dingtalk` or `/tools/dingtalk`: letters, digits and `-._~` alone, so that it leads to no other server and ends no header.
 * @returns without the slash at its end, empty for `/`; null for everything else
 */
export function parseBasePath(text: string): string | null {
  const path = text.replace(/\/$/, '')
  if (path === '') return text === '/' ? '' : null
  return BASE_PATH.test(path) && !OWN_PATHS.includes(path.split('/')[1] ?? '') ? path : null
}
