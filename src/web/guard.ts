import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { show } from '../domain/quote.ts'
import { isOurHost, isOwnOrigin, type OwnNames } from './exposure.ts'
import { Failure, sendFailure } from './failure.ts'
import { PROBES } from './probes.ts'
import { bearerIn, isSameSecret } from './secret.ts'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** Probers ask by whatever name or address they have. */
const OPEN_PATHS = new Set<string | undefined>(PROBES.filter((path) => path !== '/metrics'))

/** Keeps strangers' pages out, for every route that is added after it. Answers at once: whose page it is has no say in how a refusal polls. */
export function addHostGuard(scope: FastifyInstance, names: OwnNames): void {
  scope.addHook('onRequest', async (request, reply) => {
    void reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' })
    const failure = rejectForeignOrigin(request, names)
    return failure === null ? undefined : sendFailure(reply, failure)
  })
}

function rejectForeignOrigin({ headers, method, routeOptions }: FastifyRequest, names: OwnNames): Failure | null {
  if (!OPEN_PATHS.has(routeOptions.url) && !isOurHost(headers.host, names)) return unknownHost(headers.host)
  const { origin, host, 'sec-fetch-site': site } = headers
  if (SAFE_METHODS.has(method) || isOwnOrigin({ origin, host, fetchSite: typeof site === 'string' ? site : undefined }, names)) return null
  return crossOrigin(origin, host)
}

function crossOrigin(origin = '', host = ''): Failure {
  return new Failure(
    403,
    'CROSS_ORIGIN',
    `A page of ${show(origin)} sent this request to ${show(host)}. Only pages of this server, and programs that are no browser, may. If a proxy in front of the server has that address, add its name to ALLOWED_HOSTS on the server, or let the proxy pass the Host header of the browser on.`,
  )
}

function unknownHost(host = ''): Failure {
  return new Failure(
    421,
    'UNKNOWN_HOST',
    `This server does not go by the name ${show(host)}. Ask by its address or as localhost, or add the name to ALLOWED_HOSTS on the server.`,
  )
}

/** Lets nobody without the token to the routes of this scope. */
export function addTokenGuard(scope: FastifyInstance, apiToken: string | null): void {
  if (apiToken === null) return
  scope.addHook('onRequest', async (request) => {
    const given = bearerIn(request.headers.authorization)
    if (given !== null && isSameSecret(given, apiToken)) return
    const message = given === null ? 'Send the token of the server: Authorization: Bearer …' : 'This is not the token of the server.'
    throw new Failure(401, 'UNAUTHORIZED', message, { headers: { 'www-authenticate': 'Bearer realm="dingtalk-delivery-tracker"' } })
  })
}

const EVERY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Says of every route of this scope which methods it has, instead of "nothing is here". Returns what to call once all routes are there. */
export function addOtherMethods(scope: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>()
  scope.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set()
    for (const each of [method].flat()) methods.add(each)
    known.set(url, methods)
  })
  return () => {
    for (const [url, methods] of [...known]) {
      const allow = [...methods].sort().join(', ')
      const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
        sendFailure(reply, new Failure(405, 'METHOD_NOT_ALLOWED', `Here is only ${allow}.`, { headers: { allow } }))
      scope.route({
        method: EVERY_METHOD.filter((method) => !methods.has(method)),
        url,
        schema: { hide: true },
        // Before the body is read: it is of no interest.
        onRequest: refuse,
        handler: refuse,
      })
    }
  }
}
