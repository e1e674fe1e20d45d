import { createHmac } from 'node:crypto'
import { HOUR_MS } from '../../domain/delivery.ts'
import { isSameSecret } from '../secret.ts'

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
    isToken: (given) => isSameSecret(given, apiToken),
    begin: (now) => signed(String(now.getTime() + SESSION_MS)),
    isOpen: (cookie = '', now) => {
      const endsAt = cookie.slice(0, Math.max(0, cookie.indexOf('.')))
      return isSameSecret(cookie, signed(endsAt)) && now.getTime() < Number(endsAt)
    },
  }
}

/** Wrong attempts of one window. A right token is never counted or refused. */
export interface WrongAttempts {
  /** Counts a wrong attempt. False: this address, or all addresses together, made too many in the window. */
  count(address: string, now: Date): boolean
}

/**
 * Holds at most `10 * max` attempts, however many are made.
 * @param max wrong attempts in `windowMs` of one address; all together may make ten times as many
 */
export function countWrongAttempts(max: number, windowMs: number): WrongAttempts {
  let counted: ReadonlyArray<{ readonly address: string; readonly at: number }> = []
  return {
    count(address, now) {
      counted = counted.filter(({ at }) => at > now.getTime() - windowMs)
      if (counted.length >= max * 10 || counted.filter((attempt) => attempt.address === address).length >= max) return false
      counted = [...counted, { address, at: now.getTime() }]
      return true
    },
  }
}
