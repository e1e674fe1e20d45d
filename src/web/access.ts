import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { HOUR_MS } from '../domain/delivery.ts'

/**
 * What a caller may do. `read`: the dashboard, rates, metrics, with user ids. `write`: the same, and to enqueue, cancel and resume. Either with
 * `+names` also sees names and departments.
 */
export const ROLES = ['read', 'write', 'read+names', 'write+names'] as const
export type Role = (typeof ROLES)[number]

/** What a route needs. `open`: nothing, and it shows no data of anybody. `names`: it shows names. `write+names`: it changes them. */
export type Right = 'open' | 'read' | 'write' | 'names' | 'write+names'

export interface ApiToken {
  readonly role: Role
  /** What the log calls its holder; null: nothing. */
  readonly name: string | null
  readonly token: string
}

/** Who sent a request, as far as it matters. */
export interface Caller {
  readonly role: Role
  /** Of a token with a name. */
  readonly name: string | null
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route has one: `requireRights` refuses a route without. */
    right?: Right
  }
  interface FastifyRequest {
    /** Set by the guards. Undefined: nothing had to be shown, or nothing was. */
    caller?: Caller
  }
}

/** The holder of a server that needs no token, which is allowed on loopback only. */
export const ANYBODY: Caller = { role: 'write+names', name: null }

export function mayDo(role: Role, right: Right): boolean {
  if (right === 'open' || right === 'read') return true
  const parts = new Set(role.split('+'))
  return right.split('+').every((part) => parts.has(part))
}

/** @param caller undefined: nothing had to be shown, see {@link ANYBODY} */
export function seesNames(caller: Caller | undefined): boolean {
  return mayDo((caller ?? ANYBODY).role, 'names')
}

/** How long a sign-in lasts. */
export const SESSION_MS = 12 * HOUR_MS

/**
 * The tokens of the server, and the sessions that begin with them. Sessions need no store: the cookie has the end of the session, signed with a
 * key derived from the token. So a session has the role of its token, and ends with it.
 */
export interface Tokens {
  /** Null: none of them is this. */
  find(given: string): ApiToken | null
  /** The value of the cookie of a session that begins now. */
  beginSession(token: ApiToken, now: Date): string
  /** The token whose session the cookie is; null: it is none, or it has ended. */
  findSession(cookie: string | undefined, now: Date): ApiToken | null
}

export function createTokens(tokens: readonly ApiToken[]): Tokens {
  const holders = tokens.map((token) => ({
    token,
    key: createHmac('sha256', token.token).update('dashboard session, version 1').digest(),
  }))
  const sign = (key: Buffer, endsAt: string): string => `${endsAt}.${createHmac('sha256', key).update(endsAt).digest('base64url')}`
  return {
    find: (given) => pick(holders, ({ token }) => isSameSecret(given, token.token)),
    beginSession(token, now) {
      const key = holders.find((holder) => holder.token === token)?.key
      if (key === undefined) throw new TypeError('this token is of another server')
      return sign(key, String(now.getTime() + SESSION_MS))
    },
    findSession(cookie = '', now) {
      const endsAt = cookie.slice(0, Math.max(0, cookie.indexOf('.')))
      const found = pick(holders, ({ key }) => isSameSecret(cookie, sign(key, endsAt)))
      return now.getTime() < Number(endsAt) ? found : null
    },
  }
}

/** Compares with all of them, so that the time does not tell which one it was. */
function pick<Holder extends { readonly token: ApiToken }>(holders: readonly Holder[], isIt: (holder: Holder) => boolean): ApiToken | null {
  let found: ApiToken | null = null
  for (const holder of holders) if (isIt(holder)) found = holder.token
  return found
}

/** Takes the same time for every wrong guess. The digests have one length, so the time does not depend on the length of the secret either. */
export function isSameSecret(given: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(right))
}
