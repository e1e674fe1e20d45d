import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { quote } from '../domain/quote.ts'
import { isOurHost, isOwnOrigin, type OwnNames } from './exposure.ts'
import { Failure, sendFailure } from './failure.ts'
import { PROBES } from './probes.ts'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** Probes are called by any name or address. */
const OPEN_PATHS = new Set<string | undefined>(PROBES.filter((path) => path !== '/metrics'))

/**
 * Refuses requests of foreign pages, on every route that is added after it. The refusal is sent from here: an error handler would send it as a
 * page of the dashboard.
 */
export function addHostGuard(scope: FastifyInstance, names: OwnNames): void {
  scope.addHook('onRequest', async (request, reply) => {
    void reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' })
    const failure = rejectForeignOrigin(request, names)
    return failure === null ? undefined : sendFailure(reply, failure)
  })
}

function rejectForeignOrigin({ headers, method, routeOptions }: FastifyRequest, names: OwnNames): Failure | null {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (!OPEN_PATHS.has(routeOptions.url) && !isOurHost(host, names)) {
    return new Failure(
      421,
      'UNKNOWN_HOST',
      `${quote(host ?? '')} is not a name of this server. Use its address or localhost, or add the name to ALLOWED_HOSTS on the server.`,
    )
  }
  if (SAFE_METHODS.has(method) || isOwnOrigin({ origin, host, fetchSite: typeof site === 'string' ? site : undefined }, names)) return null
  return new Failure(
    403,
    'CROSS_ORIGIN',
    `A page of ${quote(origin)} sent this request to ${quote(host ?? '')}. The server accepts it from its own pages and from programs that are no browser. If a proxy in front of the server has that address, add its name to ALLOWED_HOSTS on the server, or let the proxy pass the Host header of the browser on.`,
  )
}

/** Requires the token on every route that is added after it. */
export function addTokenGuard(scope: FastifyInstance, apiToken: string | null): void {
  if (apiToken === null) return
  scope.addHook('onRequest', async ({ headers: { authorization = '' } }) => {
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (token !== undefined && isSameSecret(token, apiToken)) return
    const message = token === undefined ? 'Send the token of the server: Authorization: Bearer …' : 'This is not the token of the server.'
    throw new Failure(401, 'UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Bearer realm="dingtalk-delivery-tracker"' } })
  })
}

/** Takes the same time for every wrong guess. The digests have one length, so the time does not depend on the length of the secret either. */
export function isSameSecret(given: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(right))
}

const EVERY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/**
 * Answers 405 with the allowed methods, instead of 404, for the other methods of every route of this scope.
 * @returns call it once all routes are added
 */
export function addOtherMethods(scope: FastifyInstance): () => void {
  const methodsByUrl = new Map<string, Set<string>>()
  scope.addHook('onRoute', ({ url, method }) => {
    const methods = methodsByUrl.get(url) ?? new Set()
    for (const each of [method].flat()) methods.add(each)
    methodsByUrl.set(url, methods)
  })
  return () => {
    for (const [url, methods] of [...methodsByUrl]) {
      const allow = [...methods].sort().join(', ')
      const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
        sendFailure(reply, new Failure(405, 'METHOD_NOT_ALLOWED', `Allowed methods: ${allow}.`, { headers: { allow } }))
      scope.route({
        method: EVERY_METHOD.filter((method) => !methods.has(method)),
        url,
        schema: { hide: true },
        // In this hook the body is not read.
        onRequest: refuse,
        handler: refuse,
      })
    }
  }
}
