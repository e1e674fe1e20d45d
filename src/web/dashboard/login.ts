import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MINUTE_MS, SECOND_MS } from '../../domain/delivery.ts'
import { safePath } from './links.ts'
import { type LoginProblem, loginPage } from './pages/login.ts'
import { cameOverTls, HIDDEN, PREFERENCE, SESSION_COOKIE } from './request.ts'
import { countWrongAttempts, SESSION_MS, type Sessions } from './session.ts'
import type { Content, PageRequest } from './view.ts'

interface LoginParts {
  readonly sessions: Sessions
  readonly now: () => Date
  readonly pageRequestOf: (request: FastifyRequest) => PageRequest
  readonly send: (reply: FastifyReply, visit: PageRequest, content: Content, status: number) => FastifyReply
}

/** Of one address in a minute. Behind a proxy all readers have the proxy's address. */
const MAX_WRONG_ATTEMPTS = 5
/** How long the answer to a wrong attempt over {@link MAX_WRONG_ATTEMPTS} is held: a program that guesses waits this long for each guess. */
const HOLD_MS = 1_000
/** Held answers at once. What is over it is refused without a delay, so that guesses cannot use up the connections of the server. */
const MAX_HELD = 100

/**
 * Sign in with the API token, and out again. The cookie never holds the token.
 * The right token always signs in: only wrong ones are counted, because one address may be that of all readers behind a proxy.
 */
export function registerLogin(scope: FastifyInstance, { sessions, now, pageRequestOf, send }: LoginParts): void {
  const wrongAttempts = countWrongAttempts(MAX_WRONG_ATTEMPTS, MINUTE_MS)
  const hold = createHold(HOLD_MS, MAX_HELD)
  const cookieOf = (request: FastifyRequest): { path: string; httpOnly: true; sameSite: 'strict'; secure: boolean } => ({
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: cameOverTls(request),
  })
  const show = (request: FastifyRequest, reply: FastifyReply, next: string, problem: LoginProblem, status: number): FastifyReply => {
    const visit = pageRequestOf(request)
    return send(reply, visit, loginPage(visit.view, next, problem), status)
  }

  scope.get('/login', HIDDEN, async (request, reply) => {
    const visit = pageRequestOf(request)
    const next = safePath(visit.query.get('next'))
    return visit.view.session ? reply.redirect(next, 303) : show(request, reply, next, null, 200)
  })

  scope.post('/login', HIDDEN, async (request, reply) => {
    const { token, next: wanted } = PREFERENCE.login.parse(request.body ?? {})
    const next = safePath(wanted ?? null)
    if (!sessions.isToken(token)) {
      if (wrongAttempts.count(request.ip, now())) return show(request, reply, next, 'wrong', 401)
      await hold()
      void reply.header('retry-after', MINUTE_MS / SECOND_MS)
      return show(request, reply, next, 'tooMany', 429)
    }
    const maxAge = SESSION_MS / SECOND_MS
    return reply.setCookie(SESSION_COOKIE, sessions.begin(now()), { ...cookieOf(request), maxAge }).redirect(next, 303)
  })

  scope.post('/logout', HIDDEN, async (request, reply) => reply.clearCookie(SESSION_COOKIE, cookieOf(request)).redirect('/login', 303))
}

/** @param max calls that wait at once; those over it return at once */
function createHold(ms: number, max: number): () => Promise<void> {
  let held = 0
  return async () => {
    if (held >= max) return
    held += 1
    try {
      await delay(ms)
    } finally {
      held -= 1
    }
  }
}
