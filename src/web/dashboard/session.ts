import { createHmac } from 'node:crypto'
import { HOUR_MS } from '../../domain/delivery.ts'
import { isSameSecret } from '../guard.ts'

export const SESSION_MS = 12 * HOUR_MS

/** Sessions without a store: the cookie has the end of the session, signed with a key derived from the token. A new token ends all sessions. */
export interface Sessions {
  isToken(given: string): boolean
  /** The value of the cookie of a session that begins now. */
  begin(now: Date): string
  isOpen(cookie: string | undefined, now: Date): boolean
}

export function createSessions(apiToken: string): Sessions {
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
