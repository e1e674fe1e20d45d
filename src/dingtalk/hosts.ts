import { isLoopback, isUnnamedPrivate } from './private-hosts.ts'

/** The two hosts of one DingTalk region. Source: the API page (`.io`), and DingTalk's documentation for China (`.com`). */
export interface Hosts {
  /** Serves `/topapi/…` and the old `/gettoken`. */
  readonly oapiUrl: string
  /** Serves `/v1.0/…`, the new token endpoints among them. */
  readonly apiUrl: string
}

/** `intl` is the international edition, `cn` the Chinese one. An organisation lives in one of them; there is no failing over. */
export type Region = 'intl' | 'cn'

const HOSTS: Readonly<Record<Region, Hosts>> = {
  intl: { oapiUrl: 'https://oapi.dingtalk.io', apiUrl: 'https://api.dingtalk.io' },
  cn: { oapiUrl: 'https://oapi.dingtalk.com', apiUrl: 'https://api.dingtalk.com' },
}

/** The hosts of a region. */
export function hostsOf(region: Region): Hosts {
  return HOSTS[region]
}

/**
 * Checks a base URL and gives it back normalised, without a slash at its end: https anywhere, plain http on loopback only,
 * because tokens and secrets travel in the body. A path in front (a gateway's prefix) is kept.
 * @param privateHosts names and addresses in private networks that are meant, in lower case
 * @throws Error that says what is wrong. It never shows user info or a query: there may be a secret in them.
 */
export function checkBaseUrl(url: string, privateHosts: readonly string[] = []): string {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null) throw new Error('not a URL. Give an https URL such as "https://oapi.dingtalk.io".')
  const shown = `"${parsed.protocol}//${parsed.host}"`
  const fault = faultOf(parsed, url, privateHosts)
  if (fault !== null) throw new Error(`${shown} ${fault}`)
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
}

function faultOf(parsed: URL, url: string, privateHosts: readonly string[]): string | null {
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')
    return 'is not an https URL. Give one such as "https://oapi.dingtalk.io".'
  if (parsed.username !== '' || parsed.password !== '') return 'has a user name or password in it. Leave them out: DingTalk takes none.'
  if (/[?#]/.test(url)) return 'has a query or a fragment in it. Give the base address only.'
  if (parsed.protocol === 'http:' && !isLoopback(parsed.hostname)) {
    return 'sends secrets unencrypted. Use https; plain http is accepted on loopback (127.0.0.1, ::1, localhost) only.'
  }
  if (isUnnamedPrivate(parsed.hostname, privateHosts)) {
    return 'is a private address, where DingTalk is not. If it is a gateway of your own, set DINGTALK_PRIVATE_HOSTS to it.'
  }
  return null
}
