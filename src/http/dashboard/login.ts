import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MINUTE_MS, SECOND_MS } from '../../core/delivery.ts'
import { safePath } from './links.ts'
import { type LoginProblem, loginPage } from './page-login.ts'
import { cameOverTls, HIDDEN, PREFERENCE, SESSION_COOKIE } from './request.ts'
import { createAttempts, SESSION_MS, type Sessions } from './session.ts'
import type { Content, Visit } from './view.ts'

interface LoginParts {
  readonly sessions: Sessions
  readonly now: () => Date
  readonly visitOf: (request: FastifyRequest) => Visit
  readonly send: (reply: FastifyReply, visit: Visit, content: Content, status: number) => FastifyReply
}

const MAX_ATTEMPTS = 5

/** Sign in with the API token, and out again. The cookie never holds the token. */
export function registerLogin(scope: FastifyInstance, { sessions, now, visitOf, send }: LoginParts): void {
  const attempts = createAttempts(MAX_ATTEMPTS, MINUTE_MS)
  const cookieOf = (request: FastifyRequest): { path: string; httpOnly: true; sameSite: 'strict'; secure: boolean } => ({
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: cameOverTls(request),
  })
  const show = (request: FastifyRequest, reply: FastifyReply, next: string, problem: LoginProblem, status: number): FastifyReply => {
    const visit = visitOf(request)
    return send(reply, visit, loginPage(visit.view, next, problem), status)
  }

  scope.get('/login', HIDDEN, async (request, reply) => {
    const visit = visitOf(request)
    const next = safePath(visit.query.get('next'))
    return visit.view.session ? reply.redirect(next, 303) : show(request, reply, next, null, 200)
  })

  scope.post('/login', HIDDEN, async (request, reply) => {
    const { token, next: wanted } = PREFERENCE.login.parse(request.body ?? {})
    const next = safePath(wanted ?? null)
    if (!attempts.mayTry(request.ip, now())) return show(request, reply, next, 'tooMany', 429)
    if (!sessions.isToken(token)) {
      attempts.failed(request.ip, now())
      return show(request, reply, next, 'wrong', 401)
    }
    const maxAge = SESSION_MS / SECOND_MS
    return reply.setCookie(SESSION_COOKIE, sessions.begin(now()), { ...cookieOf(request), maxAge }).redirect(next, 303)
  })

  scope.post('/logout', HIDDEN, async (request, reply) => reply.clearCookie(SESSION_COOKIE, cookieOf(request)).redirect('/login', 303))
}
