import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MINUTE_MS, SECOND_MS } from '../../domain/delivery.ts'
import { SESSION_MS, type Tokens } from '../access.ts'
import type { Proxies } from '../proxies.ts'
import { html } from './components/html.ts'
import { SESSION_COOKIE } from './entrance.ts'
import { safePath } from './links.ts'
import type { Content, Page, PageRequest } from './page.ts'
import { cookieOptions, hidden, PREFERENCE } from './request.ts'

interface LoginDeps {
  readonly tokens: Tokens
  readonly proxies: Proxies
  readonly now: () => Date
  readonly readPageRequest: (request: FastifyRequest) => PageRequest
  readonly send: (reply: FastifyReply, pageRequest: PageRequest, content: Content, status: number) => FastifyReply
}

/** Of one address in a minute. Behind a proxy that is not in TRUSTED_PROXIES all readers have the proxy's address. */
const MAX_WRONG_ATTEMPTS = 5
/** Of all addresses together: an attacker may have many. */
const MAX_WRONG_ATTEMPTS_OF_ALL = 50
/** Delay of the answer to a wrong attempt over the limit: a program that guesses waits this long for each guess. */
const HOLD_MS = 1_000
/** Delayed answers at once. Further ones are sent without a delay, so that guesses cannot use up the connections of the server. */
const MAX_HELD = 100

/**
 * Signs in with an API token, and out again. The cookie never contains the token.
 * The right token always signs in: only wrong ones are counted, because one address may be that of all readers behind a proxy.
 */
export function registerLogin(scope: FastifyInstance, { tokens, proxies, now, readPageRequest, send }: LoginDeps): void {
  const timeWindow = MINUTE_MS
  const limits = [
    scope.createRateLimit({ max: MAX_WRONG_ATTEMPTS, timeWindow }),
    scope.createRateLimit({ max: MAX_WRONG_ATTEMPTS_OF_ALL, timeWindow, keyGenerator: () => 'all' }),
  ]
  /** Counts a wrong attempt. True: there were too many. */
  const isOverLimit = async (request: FastifyRequest): Promise<boolean> => {
    for (const count of limits) {
      const limit = await count(request)
      if (!limit.isAllowed && limit.isExceeded) return true
    }
    return false
  }
  const hold = createHold(HOLD_MS, MAX_HELD)
  const sendLogin = (request: FastifyRequest, reply: FastifyReply, next: string, problem: LoginProblem, status: number): FastifyReply => {
    const pageRequest = readPageRequest(request)
    return send(reply, pageRequest, loginPage(pageRequest.page, next, problem), status)
  }

  scope.get('/login', hidden('open'), async (request, reply) => {
    const { page, query } = readPageRequest(request)
    const next = safePath(query.get('next'))
    return page.hasSession ? reply.redirect(next, 303) : sendLogin(request, reply, next, null, 200)
  })

  scope.post('/login', hidden('open'), async (request, reply) => {
    const { token, next: wanted } = PREFERENCE.login.parse(request.body ?? {})
    const next = safePath(wanted ?? null)
    const found = tokens.find(token)
    if (found === null) {
      if (!(await isOverLimit(request))) return sendLogin(request, reply, next, 'wrong', 401)
      await hold()
      void reply.header('retry-after', MINUTE_MS / SECOND_MS)
      return sendLogin(request, reply, next, 'tooMany', 429)
    }
    const maxAge = SESSION_MS / SECOND_MS
    const options = { ...cookieOptions(request, proxies), sameSite: 'strict', maxAge } as const
    return reply.setCookie(SESSION_COOKIE, tokens.beginSession(found, now()), options).redirect(next, 303)
  })

  scope.post('/logout', hidden('open'), async (request, reply) =>
    reply.clearCookie(SESSION_COOKIE, { ...cookieOptions(request, proxies), sameSite: 'strict' }).redirect('/login', 303),
  )
}

/** @param max calls that wait at once; further ones return at once */
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

type LoginProblem = 'wrong' | 'tooMany' | null

function loginPage({ messages }: Page, next: string, problem: LoginProblem): Content {
  return {
    title: messages.login.title,
    refreshSeconds: null,
    body: html`<section class="login" aria-labelledby="login-title">
<h1 id="login-title">${messages.login.title}</h1>
<p>${messages.login.text}</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="${next}">
<label for="token">${messages.login.label}</label>
<input id="token" type="password" name="token" autocomplete="current-password" required maxlength="4096"${problem !== null && html` aria-invalid="true" aria-describedby="problem"`}>
${problem !== null && html`<p id="problem" class="problem" role="alert">${messages.login[problem]}</p>`}
<button type="submit" class="primary">${messages.login.submit}</button>
</form></section>`,
  }
}
