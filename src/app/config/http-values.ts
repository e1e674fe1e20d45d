import { isIPv4, isIPv6 } from 'node:net'
import { type ApiToken, ROLES } from '../../web/access.ts'
import { OWN_PATHS, parseBasePath } from '../../web/proxies.ts'
import { API_TOKEN, listOf, text, type Value } from './values.ts'

/** What the settings of the HTTP API and the dashboard accept. */

/** What begins an entry of a list of tokens. A token of 0.1.0 may have commas and colons, so nothing else makes a list. */
const ROLE_SIGN = new RegExp(`(?:^|[\\s,])(?:${ROLES.map((role) => role.replace('+', '\\+')).join('|')}):`, 'i')
const TOKEN_NAME = /^[\w-]{1,32}$/
/** The other faults are found when these are mended; one line should hold them. */
const MAX_FAULTS = 2

const LIST = 'a list of read:TOKEN, write:TOKEN, read+names:TOKEN and write+names:TOKEN (with a name: ROLE:NAME:TOKEN)'

/** One token, which may do everything, or a list of tokens with a role each. */
export const API_TOKENS: Value<readonly ApiToken[]> = text(
  `${API_TOKEN.accepted}; or ${LIST}, separated by commas`,
  (given) => {
    if (ROLE_SIGN.test(given)) return parseTokenList(given)
    const token = API_TOKEN.parse(given)
    return token === undefined ? undefined : [{ role: 'write+names', name: null, token }]
  },
  true,
)

/** @throws {Error} naming the entries that are wrong by position and role; of a token it tells the length at most */
function parseTokenList(given: string): readonly ApiToken[] {
  const entries = given.split(/[\s,]+/).filter((entry) => entry !== '')
  const tokens: ApiToken[] = []
  const faults: string[] = []
  for (const [i, entry] of entries.entries()) {
    const place = `entry ${i + 1}`
    const parsed = parseEntry(entry, place)
    if (typeof parsed === 'string') faults.push(parsed)
    else {
      const same = tokens.findIndex(({ token }) => token === parsed.token)
      if (same >= 0) faults.push(`${place} (${parsed.role}) has the same token as another entry (${tokens[same]?.role}).`)
      if (parsed.name !== null && tokens.some(({ name }) => name === parsed.name))
        faults.push(`${place} (${parsed.role}) has the name of another entry.`)
      tokens.push(parsed)
    }
  }
  if (faults.length === 0) return tokens
  const more = faults.length > MAX_FAULTS ? ` ${faults.length - MAX_FAULTS} more are wrong.` : ''
  throw new Error(`${faults.slice(0, MAX_FAULTS).join(' ')}${more} Accepted: ${LIST}.`)
}

/** @returns a sentence where the entry is wrong */
function parseEntry(entry: string, place: string): ApiToken | string {
  const [first = '', ...rest] = entry.split(':')
  const role = ROLES.find((each) => each === first)
  // A part of a token may stand where a role should, so it is not shown.
  if (role === undefined || rest.length === 0)
    return `${place} has no role: it must begin with ${ROLES.map((each) => `${each}:`).join(' or ')}.`
  if (rest.length > 2) return `${place} (${role}) has more than two colons: in a list a token has none.`
  const [token = '', name = null] = rest.toReversed()
  if (name !== null && !TOKEN_NAME.test(name)) return `${place} (${role}) has a name that is not 1 to 32 letters, digits, "_" or "-".`
  if (API_TOKEN.parse(token) === undefined)
    return `${place} (${role}) has a token of ${token.length} characters: it must have 16 to 2048, printable ASCII without spaces.`
  return { role, name, token }
}

/** A network of no bits has all addresses, so every peer would be a trusted proxy. The dotted form of IPv6 is refused, because its network is one of IPv4. */
const PROXY = text('', (given) => {
  const [address = '', bits, ...more] = given.split('/')
  const most = isIPv4(address) ? 32 : isIPv6(address) && !/[%.]/.test(address) ? 128 : 0
  if (most === 0 || more.length > 0) return undefined
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most) ? given.toLowerCase() : undefined
})

export const TRUSTED_PROXIES = listOf(
  PROXY,
  'IP addresses and networks with 1 or more bits, separated by commas, such as 127.0.0.1,10.0.0.0/8,fd00::/8',
)

export const BASE_PATH = text(
  `a path such as /dingtalk, of letters, digits and "-._~", that does not begin with a path of the server itself (${OWN_PATHS.join(', ')})`,
  (given) => parseBasePath(given) ?? undefined,
)

/** Headers that a browser or any proxy sends with every request: with one of them every reader would be signed in. */
const COMMON_HEADER =
  /^(?:accept|cache-|connection$|content-|cookie|date$|dnt$|expect$|forwarded$|from$|host$|if-|keep-alive$|origin$|pragma$|priority$|proxy-|range$|referer$|sec-|te$|trailer|transfer-|upgrade|user-agent$|via$|authorization$|x-forwarded-(?:for|host|port|prefix|proto|scheme|server|ssl)$|x-real-ip$|x-request-|x-correlation-|x-original-|traceparent$|tracestate$)/

/** In lower case, as Node has the names of headers. */
export const AUTH_HEADER = text(
  'the name of a header that only the proxy sets, such as X-Forwarded-User or X-Auth-Request-Email',
  (given) => {
    const name = given.toLowerCase()
    return /^[a-z][a-z0-9-]{0,63}$/.test(name) && !COMMON_HEADER.test(name) ? name : undefined
  },
)
