import type { LookupFunction } from 'node:net'
import type { Clock } from '../polling/ports.ts'
import { guardedLookup } from './hosts.ts'
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './http.ts'
import { NO_PROXIES, type Proxies } from './proxy.ts'

export type Endpoint = 'getsendresult' | 'accessToken' | 'gettoken' | 'corpAccessToken' | ContactEndpoint
export type ContactEndpoint = 'department/listsub' | 'department/get' | 'user/listsimple'

/** One HTTP exchange. `code` is the effective code, `0` for success. It comes from outside: bound its values in a metric. */
export type CallHook = (call: {
  readonly app: string
  readonly endpoint: Endpoint
  readonly code: string
  readonly seconds: number
}) => void

/** When tokens are fetched. All in milliseconds; TIME_SCALE divides them all. */
export interface TokenTiming {
  /** A token is fetched again this long before it expires, but not before three quarters of its life have passed. */
  readonly refreshEarlyMs: number
  /** No second early fetch this long after one that failed: the current token still works. */
  readonly earlyRetryMs: number
  /** No fetch this long after one that failed in an outage; calls meanwhile get the same failure. */
  readonly outageRetryMs: number
  /** As `outageRetryMs`, after one that DingTalk refused: wrong credentials stay wrong. */
  readonly refusalRetryMs: number
}

const DEFAULT_TOKEN_TIMING: TokenTiming = {
  refreshEarlyMs: 5 * 60_000,
  earlyRetryMs: 30_000,
  outageRetryMs: 1_000,
  refusalRetryMs: 5_000,
}

export interface DingTalkApiOptions {
  /** Stamps `requestedAt` and `respondedAt`. Default: the system's clock. */
  readonly now?: Clock
  /**
   * Error bound of `now`, in milliseconds. `requestedAt` is that much earlier and `respondedAt` that much later, so that a read in between lies
   * inside the bracket. Default: 0.
   */
  readonly uncertaintyMs?: () => number
  /** For durations: never steps back. Default: `performance.now`. */
  readonly monotonicMs?: () => number
  readonly http?: Partial<HttpLimits>
  /** Names and addresses in private networks that base URLs may use, in lower case. Default: none but a loopback address in the URL. */
  readonly privateHosts?: readonly string[]
  /** Outgoing proxies. Default: none. */
  readonly proxies?: Proxies
  /** How names become addresses, where no proxy resolves them. Default: the system's resolver. */
  readonly lookup?: LookupFunction
  readonly tokens?: Partial<TokenTiming>
  /** After each attempt to get a token, `ok` or not. Must not throw. */
  readonly onTokenRefresh?: (app: string, ok: boolean) => void
  /** After each HTTP exchange. Must not throw. */
  readonly onCall?: CallHook
}

/** The options with their defaults. */
export type Settings = Required<Omit<DingTalkApiOptions, 'http' | 'tokens'>> & { readonly http: HttpLimits; readonly tokens: TokenTiming }

export function buildSettings(options: DingTalkApiOptions): Settings {
  const { privateHosts = [] } = options
  return {
    now: () => new Date(),
    uncertaintyMs: () => 0,
    monotonicMs: () => performance.now(),
    onTokenRefresh: () => {},
    onCall: () => {},
    ...options,
    privateHosts,
    proxies: options.proxies ?? NO_PROXIES,
    lookup: guardedLookup(privateHosts, options.lookup),
    http: { ...DEFAULT_HTTP_LIMITS, ...options.http },
    tokens: { ...DEFAULT_TOKEN_TIMING, ...options.tokens },
  }
}
