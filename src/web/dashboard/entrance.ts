import type { FastifyRequest } from 'fastify'
import { ANYBODY, type Caller, mayDo, type Tokens } from '../access.ts'
import { Failure } from '../failure.ts'
import { forbidden } from '../guard.ts'
import type { Proxies } from '../proxies.ts'
import type { DashboardOptions } from './page.ts'

export const SESSION_COOKIE = 'delivery_session'

/** Who is in front of the dashboard. */
export interface Visitor {
  /** Null: not signed in. */
  readonly caller: Caller | null
  /** Signed in with a token, which signing out ends. */
  readonly hasSession: boolean
  /** A trusted proxy sent its header in a form that proves nothing. */
  readonly isRefused: boolean
}

interface EntranceOptions extends Pick<DashboardOptions, 'apiToken' | 'authHeader' | 'authHeaderRole' | 'now'> {
  readonly tokens: Tokens
  readonly proxies: Proxies
}

/** A session comes before the header of a proxy: a reader may sign in with a token that writes. A header that proves nothing is never passed over. */
export function createEntrance(options: EntranceOptions): (request: FastifyRequest) => Visitor {
  const { apiToken, authHeader = null, authHeaderRole = 'read', now, tokens, proxies } = options
  const isOpen = apiToken === null && authHeader === null
  return ({ cookies, raw }) => {
    if (isOpen) return { caller: ANYBODY, hasSession: false, isRefused: false }
    const signIn = proxies.signInOf(raw)
    if (signIn === 'refused') return { caller: null, hasSession: false, isRefused: true }
    const session = tokens.findSession(cookies[SESSION_COOKIE], now())
    const user: Caller | null = signIn === 'user' ? { role: authHeaderRole, name: null } : null
    return { caller: session ?? user, hasSession: session !== null, isRefused: false }
  }
}

/**
 * Lets a request to a route in, and records who sent it.
 * @returns false where the visitor can sign in first
 * @throws {Failure} 401 where no sign-in of this server helps, 403 where the visitor may only read
 */
export function admit(request: FastifyRequest, { caller, isRefused }: Visitor, { apiToken, authHeader }: DashboardOptions): boolean {
  const { right = 'write' } = request.routeOptions.config
  if (isRefused) throw new Failure(401, 'UNAUTHORIZED', refusal(authHeader ?? ''))
  if (caller === null && apiToken === null) throw new Failure(401, 'UNAUTHORIZED', absence(authHeader ?? ''))
  if (caller === null) return false
  if (!mayDo(caller.role, right)) throw forbidden(right)
  request.caller = caller
  return true
}

function refusal(header: string): string {
  return `The proxy must send ${header} once, with one user name of 1 to 256 bytes and no comma. Let it replace what the browser sends.`
}

function absence(header: string): string {
  return `The request has no header ${header} of a proxy in TRUSTED_PROXIES, and there is no API_TOKEN to sign in with.`
}
