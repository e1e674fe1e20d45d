import { TOKEN_REFUSED_CODE, toProblemCode } from '../domain/problems.ts'
import { unlessAborted } from '../lib/abort.ts'
import { singleFlight } from '../lib/single-flight.ts'
import type { TokenTiming } from './options.ts'
import type { Fetched, FetchedToken, TokenFailure } from './token-call.ts'

/** A token from one fetch. Compared by identity: a second fetch inside two hours returns the same text with a new lifetime. */
export interface Lease {
  readonly kind: 'lease'
  readonly token: string
}

/**
 * One app's token: cached, fetched once for all simultaneous calls, fetched again before it expires, and not fetched for a while after a failure.
 * Libraries considered: lru-cache (`fetchMethod`) and p-memoize. Neither refreshes early while the current value is served, nor keeps a failure.
 */
export interface TokenSource {
  /** False: there is no other token when DingTalk refuses this one. */
  readonly renewable: boolean
  /** Rejects only with the reason of an aborted `signal`; the fetch goes on for other calls. */
  get(signal: AbortSignal): Promise<Lease | TokenFailure>
  /** DingTalk refused this token. A newer one that was fetched meanwhile is kept. */
  drop(lease: Lease): void
  /** DingTalk refused a token that was fetched because it had refused the one before: no fetch for a while. */
  giveUp(lease: Lease, failure: TokenFailure): void
}

export interface TokenSourceDeps {
  readonly fetch: (signal: AbortSignal) => Promise<Fetched>
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal
  readonly timing: TokenTiming
  readonly monotonicMs: () => number
  readonly onRefresh: (outcome: Fetched) => void
}

/** For a token without a lifetime. */
const DEFAULT_LIFETIME_SECONDS = 60

interface TimedLease extends Lease {
  readonly refreshAtMs: number
  readonly endsAtMs: number
}

interface TimedFailure {
  readonly failure: TokenFailure
  readonly atMs: number
}

export function fixedTokenSource(token: string): TokenSource {
  const lease: Lease = { kind: 'lease', token }
  return { renewable: false, get: async () => lease, drop: () => {}, giveUp: () => {} }
}

export function createTokenSource({ fetch, closing, timing, monotonicMs, onRefresh }: TokenSourceDeps): TokenSource {
  let current: TimedLease | null = null
  let failed: TimedFailure | null = null

  const refresh = singleFlight(async (): Promise<Lease | TokenFailure> => {
    const startedMs = monotonicMs()
    const outcome = await fetch(closing).catch((error: unknown) => toTokenFailure(error, closing))
    onRefresh(outcome)
    if (outcome.kind === 'token') {
      failed = null
      current = buildLease(outcome, startedMs, timing)
      return current
    }
    failed = { failure: outcome, atMs: monotonicMs() }
    return outcome
  })

  const failedWithin = (ms: number): boolean => failed !== null && monotonicMs() - failed.atMs < ms

  return {
    renewable: true,
    async get(signal) {
      signal.throwIfAborted()
      const nowMs = monotonicMs()
      if (current !== null && nowMs < current.endsAtMs) {
        // The call does not wait for an early fetch: the current token still works.
        if (nowMs >= current.refreshAtMs && !failedWithin(timing.earlyRetryMs)) void refresh()
        return current
      }
      if (failed !== null && failedWithin(chooseRetryMs(failed.failure, timing))) return failed.failure
      return unlessAborted(refresh(), signal)
    },
    drop(lease) {
      if (current === lease) current = null
    },
    giveUp(lease, failure) {
      if (current !== lease) return
      current = null
      failed = { failure, atMs: monotonicMs() }
    },
  }
}

/** The lifetime counts from before the request: the server cannot have issued the token earlier. */
function buildLease({ token, lifetimeSeconds }: FetchedToken, startedMs: number, timing: TokenTiming): TimedLease {
  const lifetimeMs = (lifetimeSeconds ?? DEFAULT_LIFETIME_SECONDS) * 1_000
  const endsAtMs = startedMs + lifetimeMs
  return { kind: 'lease', token, endsAtMs, refreshAtMs: endsAtMs - Math.min(timing.refreshEarlyMs, lifetimeMs / 4) }
}

function chooseRetryMs({ code, message }: TokenFailure, timing: TokenTiming): number {
  return toProblemCode(code, message) === 'outage' ? timing.outageRetryMs : timing.refusalRetryMs
}

/** A fetch rejects when the client is closed meanwhile. Returned, not thrown: there may be no call that waits for it. */
function toTokenFailure(error: unknown, closing: AbortSignal): TokenFailure {
  if (closing.aborted) return { kind: 'failed', code: 'CLOSED', message: 'the client was closed before it had a token' }
  return {
    kind: 'failed',
    code: 'TOKEN_FETCH_FAILED',
    message: `getting a token threw ${error instanceof Error ? error.name : typeof error}`,
  }
}

/** The failure of a poll whose token was refused, where another one was refused too or cannot be fetched. */
export function tokenRefused(code: string, message: string, renewable: boolean): TokenFailure {
  const what = renewable
    ? 'DingTalk refused a fresh access token'
    : 'DingTalk refused the fixed access token, and there is no key and secret to get another'
  return { kind: 'failed', code: TOKEN_REFUSED_CODE, message: `${what} (${code}: ${message})` }
}
