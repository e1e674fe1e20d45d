import type { LookupFunction } from 'node:net'
import type { Clock } from '../polling/ports.ts'
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './http.ts'
import { guardedLookup } from './private-hosts.ts'

export type Endpoint = 'getsendresult' | 'accessToken' | 'gettoken' | 'corpAccessToken'

/** One HTTP exchange. `code` is the effective code, `0` for success; it comes from outside, so bound what it may become in a metric. */
export type CallHook = (call: {
  readonly app: string
  readonly endpoint: Endpoint
  readonly code: string
  readonly seconds: number
}) => void

/** When tokens are fetched. All in milliseconds; a compressed day divides them all. */
export interface TokenTiming {
  /** A token is fetched anew this long before it expires, but not before three quarters of its life are over. */
  readonly refreshEarlyMs: number
  /** No second early fetch this long after one that failed: the token at hand still works. */
  readonly earlyRetryMs: number
  /** No fetch this long after one that an outage spoiled; who asks meanwhile gets the same failure. */
  readonly outageRetryMs: number
  /** As `outageRetryMs`, after one that DingTalk refused: wrong credentials do not come right by themselves. */
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
   * How far `now` may be from the truth, in milliseconds. A call is stamped as sent no later, and as answered no earlier, than it was: a read in
   * between lies inside the bracket. Default: 0.
   */
  readonly uncertaintyMs?: () => number
  /** For durations: never steps back. Default: `performance.now`. */
  readonly monotonicMs?: () => number
  readonly http?: Partial<HttpLimits>
  /** Names and addresses in private networks that base URLs may lead to, in lower case. Default: none but loopback that is written as such. */
  readonly privateHosts?: readonly string[]
  /** How names become addresses. Default: the system's resolver. */
  readonly lookup?: LookupFunction
  readonly tokens?: Partial<TokenTiming>
  /** After each attempt to get a token, `ok` or not. Must not throw. */
  readonly onTokenRefresh?: (app: string, ok: boolean) => void
  /** After each HTTP exchange. Must not throw. */
  readonly onCall?: CallHook
}

/** The options with every default filled in. */
export interface Settings {
  readonly now: Clock
  readonly uncertaintyMs: () => number
  readonly monotonicMs: () => number
  readonly http: HttpLimits
  readonly privateHosts: readonly string[]
  readonly lookup: LookupFunction
  readonly tokens: TokenTiming
  readonly onTokenRefresh: (app: string, ok: boolean) => void
  readonly onCall: CallHook
}

export function settingsOf(options: DingTalkApiOptions): Settings {
  const { privateHosts = [] } = options
  return {
    now: options.now ?? (() => new Date()),
    uncertaintyMs: options.uncertaintyMs ?? (() => 0),
    monotonicMs: options.monotonicMs ?? (() => performance.now()),
    http: { ...DEFAULT_HTTP_LIMITS, ...options.http },
    privateHosts,
    lookup: guardedLookup(privateHosts, options.lookup),
    tokens: { ...DEFAULT_TOKEN_TIMING, ...options.tokens },
    onTokenRefresh: options.onTokenRefresh ?? (() => {}),
    onCall: options.onCall ?? (() => {}),
  }
}
