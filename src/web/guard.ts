import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { quote } from '../domain/quote.ts'
import type { RateReader } from '../report/rates.ts'
import { withoutNames } from '../report/without-names.ts'
import { mayDo, type Right, type Role, type Tokens } from './access.ts'
import { isOurHost, isOwnOrigin, type OwnNames } from './exposure.ts'
import { Failure, sendFailure } from './failure.ts'
import { PROBES } from './probes.ts'
import type { Proxies } from './proxies.ts'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** Probes are called by any name or address. */
const OPEN_PATHS = new Set<string | undefined>(PROBES.filter((path) => path !== '/metrics'))

/** Refuses, at the start, a route that does not say what its caller must be allowed to do. Call it before any route is added. */
export function requireRights(app: FastifyInstance): void {
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.right === undefined) throw new TypeError(`the route ${[method].flat().join(', ')} ${url} declares no right in its config`)
  })
}

/**
 * Refuses requests of foreign pages, on every route that is added after it. The refusal is sent from here: an error handler would send it as a
 * page of the dashboard.
 */
export function addHostGuard(scope: FastifyInstance, names: OwnNames, proxies: Proxies): void {
  scope.addHook('onRequest', async (request, reply) => {
    void reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' })
    const failure = rejectForeignOrigin(request, names, proxies)
    return failure === null ? undefined : sendFailure(reply, failure)
  })
}

/** `request.host` is the Host header, or what a trusted proxy says that the browser requested. */
function rejectForeignOrigin(
  { headers, method, routeOptions, host, raw }: FastifyRequest,
  names: OwnNames,
  proxies: Proxies,
): Failure | null {
  const { origin, 'sec-fetch-site': site } = headers
  if (!OPEN_PATHS.has(routeOptions.url) && !isOurHost(host, names)) {
    return new Failure(
      421,
      'UNKNOWN_HOST',
      `${quote(host)} is not a name of this server. Use its address or localhost, or add the name to ALLOWED_HOSTS on the server.`,
    )
  }
  const fetchSite = typeof site === 'string' ? site : undefined
  if (SAFE_METHODS.has(method) || isOwnOrigin({ origin, host, fetchSite, protocol: proxies.protocolOf(raw) }, names)) return null
  return new Failure(
    403,
    'CROSS_ORIGIN',
    `A page of ${quote(origin ?? site ?? '')} sent this request to ${quote(host)}. The server accepts it from its own pages and from programs that are no browser. If a proxy in front of the server has that address, add its name to ALLOWED_HOSTS on the server, or let the proxy pass the Host header of the browser on; one of TRUSTED_PROXIES that ends TLS must send X-Forwarded-Proto: https.`,
  )
}

const CHALLENGE = 'Bearer realm="dingtalk-delivery-tracker"'

/** Requires a token with the right that the route declares, on every route that is added after it. */
export function addTokenGuard(scope: FastifyInstance, tokens: Tokens): void {
  scope.addHook('onRequest', async (request) => {
    const { right = 'write' } = request.routeOptions.config
    if (right === 'open') return
    const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
    const token = given === undefined ? null : tokens.find(given)
    if (token === null) throw unauthorized(given)
    request.caller = token
    if (!mayDo(token.role, right)) throw forbidden(right)
  })
}

function unauthorized(given: string | undefined): Failure {
  const asEntry = /^(read|write)(\+names)?:/.test(given ?? '')
    ? ' In a list of API_TOKEN the token is what follows the role and the name.'
    : ''
  const message =
    given === undefined ? 'Send the token of the server: Authorization: Bearer …' : `This is not the token of the server.${asEntry}`
  return new Failure(401, 'UNAUTHORIZED', message, { headers: { 'www-authenticate': CHALLENGE } })
}

/** The same figures for a caller who may not see names; what names a department is refused as a route of names is. */
export function hideNames(reader: RateReader): RateReader {
  return withoutNames(reader, () => forbidden('names'))
}

/** The caller is known, and may not do this. */
export function forbidden(right: Right): Forbidden {
  return new Forbidden(right)
}

export class Forbidden extends Failure {
  readonly right: Right

  constructor(right: Right) {
    super(403, 'FORBIDDEN', FORBIDDEN[right], { headers: { 'www-authenticate': `${CHALLENGE}, error="insufficient_scope"` } })
    this.right = right
  }
}

const withRole = (role: Role): string => `Use a token with the role ${role}: API_TOKEN of the server has it as ${role}:TOKEN.`

const FORBIDDEN: Readonly<Record<Right, string>> = {
  open: '',
  read: '',
  write: `This caller may only read. ${withRole('write')}`,
  names: `This caller may not see names and departments. ${withRole('read+names')}`,
  'write+names': `This caller may not change names and departments. ${withRole('write+names')}`,
}

const EVERY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/**
 * Answers 405 with the allowed methods, instead of 404, for the other methods of every route of this scope.
 * @param right what a caller needs to get this answer
 * @returns call it once all routes are added
 */
export function addOtherMethods(scope: FastifyInstance, right: Right): () => void {
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
        config: { right },
        schema: { hide: true },
        // In this hook the body is not read.
        onRequest: refuse,
        handler: refuse,
      })
    }
  }
}
