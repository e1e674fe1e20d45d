import { problemCodeOf, TOKEN_REFUSED_CODE } from '../domain/problems.ts'
import { unlessAborted } from '../lib/abort.ts'
import type { TokenTiming } from './options.ts'
import type { Fetched, FetchedToken, TokenFailure } from './token-call.ts'

/** A token from one fetch. Told apart by identity: fetching again inside two hours returns the same text with a new life. */
export interface Lease {
  readonly kind: 'lease'
  readonly token: string
}

/** One app's token: cached, fetched once however many ask, fetched early, and not fetched in a hurry after a failure. */
export interface TokenSource {
  /** False: a refused token cannot be replaced. */
  readonly renewable: boolean
  /** Rejects only with the reason of an aborted `signal`; the fetch goes on for the others. */
  get(signal: AbortSignal): Promise<Lease | TokenFailure>
  /** DingTalk refused this token. A newer one that somebody else has fetched meanwhile is kept. */
  drop(lease: Lease): void
  /** DingTalk refused a token that was fetched because it had refused the one before: for a while nobody asks again. */
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

/** A token that does not say how long it lives is used for a minute. */
const UNSAID_LIFETIME_SECONDS = 60

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
  let fetching: Promise<Lease | TokenFailure> | null = null

  const refresh = (): Promise<Lease | TokenFailure> => {
    fetching ??= fetchOnce().finally(() => {
      fetching = null
    })
    return fetching
  }

  const fetchOnce = async (): Promise<Lease | TokenFailure> => {
    const startedMs = monotonicMs()
    const outcome = await fetch(closing).catch((error: unknown) => failureOf(error, closing))
    onRefresh(outcome)
    if (outcome.kind === 'token') {
      failed = null
      current = leaseOf(outcome, startedMs, timing)
      return current
    }
    failed = { failure: outcome, atMs: monotonicMs() }
    return outcome
  }

  const isQuiet = (forMs: number): boolean => failed !== null && monotonicMs() - failed.atMs < forMs

  return {
    renewable: true,
    async get(signal) {
      signal.throwIfAborted()
      const nowMs = monotonicMs()
      if (current !== null && nowMs < current.endsAtMs) {
        // Nobody waits for an early fetch, and if it fails the token at hand still works.
        if (nowMs >= current.refreshAtMs && !isQuiet(timing.earlyRetryMs)) void refresh()
        return current
      }
      if (failed !== null && isQuiet(retryMsOf(failed.failure, timing))) return failed.failure
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

/** Counted from before the request: the server's clock for this token cannot have started earlier. */
function leaseOf({ token, lifetimeSeconds }: FetchedToken, startedMs: number, timing: TokenTiming): TimedLease {
  const lifetimeMs = (lifetimeSeconds ?? UNSAID_LIFETIME_SECONDS) * 1_000
  const endsAtMs = startedMs + lifetimeMs
  return { kind: 'lease', token, endsAtMs, refreshAtMs: endsAtMs - Math.min(timing.refreshEarlyMs, lifetimeMs / 4) }
}

function retryMsOf({ code, message }: TokenFailure, timing: TokenTiming): number {
  return problemCodeOf(code, message) === 'outage' ? timing.outageRetryMs : timing.refusalRetryMs
}

/** A fetch rejects when the client is closed while it runs. Told, not thrown: nobody may be waiting. */
function failureOf(error: unknown, closing: AbortSignal): TokenFailure {
  if (closing.aborted) return { kind: 'failed', code: 'CLOSED', message: 'the client was closed before a token was at hand' }
  return {
    kind: 'failed',
    code: 'TOKEN_FETCH_FAILED',
    message: `getting a token threw ${error instanceof Error ? error.name : typeof error}`,
  }
}

/** What a poll reports when a token was refused and another one does not help, or cannot be had. */
export function tokenRefused(code: string, message: string, renewable: boolean): TokenFailure {
  const what = renewable
    ? 'DingTalk refused a fresh access token'
    : 'DingTalk refused the fixed access token, and there is no key and secret to get another'
  return { kind: 'failed', code: TOKEN_REFUSED_CODE, message: `${what} (${code}: ${message})` }
}
