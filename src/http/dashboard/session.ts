import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { HOUR_MS } from '../../core/delivery.ts'

export const SESSION_MS = 12 * HOUR_MS

/** Sessions without a store: the cookie holds when it ends, signed with a key made from the token. A new token ends them all. */
export interface Sessions {
  isToken(given: string): boolean
  /** The value of the cookie of a session that begins now. */
  begin(now: Date): string
  isOpen(cookie: string | undefined, now: Date): boolean
}

export function sessionsOf(apiToken: string): Sessions {
  const key = createHmac('sha256', apiToken).update('dashboard session, version 1').digest()
  const signed = (endsAt: string): string => `${endsAt}.${createHmac('sha256', key).update(endsAt).digest('base64url')}`
  return {
    isToken: (given) => isSame(given, apiToken),
    begin: (now) => signed(String(now.getTime() + SESSION_MS)),
    isOpen: (cookie = '', now) => {
      const endsAt = cookie.slice(0, Math.max(0, cookie.indexOf('.')))
      return isSame(cookie, signed(endsAt)) && now.getTime() < Number(endsAt)
    },
  }
}

/** Takes as long for a near miss as for a wild guess; hashed first, so that it also tells nothing about the length. */
function isSame(given: string, right: string): boolean {
  return timingSafeEqual(digest(given), digest(right))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

export interface Attempts {
  /** False: too many wrong ones lately, so this one is not looked at. */
  mayTry(who: string, now: Date): boolean
  failed(who: string, now: Date): void
}

/** @param max wrong attempts in `windowMs`: of one address, and ten times as many of all together */
export function createAttempts(max: number, windowMs: number): Attempts {
  let failures: readonly { readonly who: string; readonly at: number }[] = []
  return {
    mayTry: (who, now) => {
      failures = failures.filter(({ at }) => at > now.getTime() - windowMs)
      return failures.length < max * 10 && failures.filter((failure) => failure.who === who).length < max
    },
    failed: (who, now) => {
      failures = [...failures, { who, at: now.getTime() }]
    },
  }
}
