import type { Socket } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { MAX_CAMPAIGN } from '../domain/field-rules.ts'
import { addCampaignRoutes } from './api/campaigns.ts'
import { addDocument } from './api/openapi.ts'
import { addOverallRoutes } from './api/overall.ts'
import { assertDecodable } from './api/parameters.ts'
import type { Api, ApiDeps } from './api/route.ts'
import { addTaskRoutes } from './api/tasks.ts'
import { acceptJson, BODY_LIMIT_BYTES, drain } from './body.ts'
import { registerDashboard } from './dashboard/dashboard.ts'
import { Failure, failureOf, sendFailure } from './failure.ts'
import { addHostGuard, addOtherMethods, addTokenGuard } from './guard.ts'
import type { HttpServerOptions } from './options.ts'
import { type Probes, probesOf } from './probes.ts'
import { type SharedReads, shareReads } from './shared-reads.ts'

/** A UTF-16 code unit is three bytes of UTF-8 at most, and each byte is `%XX`. */
const MAX_PARAM_LENGTH = MAX_CAMPAIGN * 3 * 3
/** A server that is asked by people and senders of one company has tens of connections. */
const MAX_CONNECTIONS = 1_000
const ENQUEUES_PER_SECOND = 100
/** Route of a request that none matched. */
const UNMATCHED = 'unmatched'

/** The routes and what guards them. Nothing listens yet. */
export async function createApp(options: HttpServerOptions): Promise<FastifyInstance> {
  const { timeouts: { headers = 5_000, request = 10_000, idle = 60_000 } = {} } = options
  const app = Fastify({
    http: { headersTimeout: headers, connectionsCheckingInterval: Math.min(1_000, headers / 2) },
    requestTimeout: request,
    connectionTimeout: idle,
    keepAliveTimeout: 5_000,
    bodyLimit: BODY_LIMIT_BYTES,
    // Who sits in front of it is not known, so nobody is expected about who asked.
    trustProxy: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    logController: new BrokenAnswers(options),
    loggerInstance: errorsTo(options),
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, _request, reply) => void sendFailure(reply, failureOf(error)),
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
  })
  app.server.maxConnections = MAX_CONNECTIONS
  app.setErrorHandler(async (error, asked, reply) => {
    const failure = failureOf(error)
    if (failure.statusCode >= 500) options.onError?.(error, routeOf(asked))
    if (failure.code === 'BODY_TOO_LARGE') await drain(asked.raw)
    return sendFailure(reply, failure)
  })
  app.setNotFoundHandler((_request, reply) =>
    sendFailure(reply, new Failure(404, 'NOT_FOUND', 'Nothing is here. GET /v1/openapi.json lists all there is.')),
  )
  countRequests(app, options)
  endConnectionsOnClose(app)
  addHostGuard(app, options)
  const reads = shareReads(options.rates, options.monotonicMs)
  await addApi(app, options, reads)
  registerDashboard(app, { ...options, reads })
  await app.ready()
  return app
}

async function addApi(app: FastifyInstance, options: HttpServerOptions, reads: SharedReads): Promise<void> {
  const { rates, tracking, now, apiToken, budgets, version, enqueuesPerSecond = ENQUEUES_PER_SECOND } = options
  const probes = probesOf(options)
  await app.register(async (open) => {
    const refuseOthers = addOtherMethods(open)
    addProbe(open, '/livez', probes)
    addProbe(open, '/readyz', probes)
    refuseOthers()
  })
  await app.register(async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>()
    await addDocument(api, version, apiToken !== null)
    await api.register(async (guarded: Api) => {
      addTokenGuard(guarded, apiToken)
      guarded.addHook('preValidation', async ({ url }) => assertDecodable(url))
      await guarded.register(rateLimit, { global: false, errorResponseBuilder: (_request, { ttl }) => tooMany(ttl) })
      acceptJson(guarded)
      const refuseOthers = addOtherMethods(guarded)
      addProbe(guarded, '/metrics', probes)
      const deps: ApiDeps = { rates, reads, tracking, now, budgets, enqueuesPerSecond }
      addTaskRoutes(guarded, deps)
      addCampaignRoutes(guarded, deps)
      addOverallRoutes(guarded, deps)
      refuseOthers()
    })
  })
}

function addProbe(scope: FastifyInstance, path: keyof Probes, probes: Probes): void {
  scope.get(path, { schema: { hide: true } }, async (_request, reply) => {
    const { status, type, body } = await probes[path]()
    return reply.status(status).type(type).send(body)
  })
}

function tooMany(ttlMs: number): Failure {
  const seconds = Math.max(1, Math.ceil(ttlMs / 1_000))
  return new Failure(429, 'TOO_MANY_REQUESTS', `Too many requests at once from this address. Try again in ${seconds} s.`, {
    headers: { 'retry-after': String(seconds) },
  })
}

function routeOf({ routeOptions }: FastifyRequest): string {
  return routeOptions.url ?? UNMATCHED
}

function countRequests(app: FastifyInstance, { onRequest }: HttpServerOptions): void {
  if (onRequest === undefined) return
  app.addHook('onResponse', async (request, reply) =>
    onRequest({ route: routeOf(request), method: request.method, status: reply.statusCode, seconds: reply.elapsedTime / 1_000 }),
  )
}

/** A kept connection would otherwise hold the close until its own timeout. */
function endConnectionsOnClose(app: FastifyInstance): void {
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (isClosing) void reply.header('connection', 'close')
  })
  app.addHook('onResponse', async () => {
    if (isClosing) setImmediate(() => app.server.closeIdleConnections())
  })
}

const UNREADABLE: Readonly<Record<string, readonly [status: string, code: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'BAD_REQUEST', 'The headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'BAD_REQUEST', 'The request did not arrive in time.'],
}

/** What is no HTTP has no route, so it is answered on the socket itself. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, code, message] = UNREADABLE[error.code ?? ''] ?? ['400 Bad Request', 'BAD_REQUEST', 'The request is not HTTP/1.1.']
  const body = JSON.stringify({ error: { code, message } })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

/** An answer that breaks off in the middle has had its status: only the log can tell. Whoever hangs up breaks nothing. */
class BrokenAnswers extends LogController {
  readonly #options: HttpServerOptions

  constructor(options: HttpServerOptions) {
    super({ disableRequestLogging: true })
    this.#options = options
  }

  override streamError(error: NodeJS.ErrnoException, request: FastifyRequest): void {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') this.#options.onError?.(error, routeOf(request))
  }
}

/** Fastify and the dashboard tell a logger what went wrong; nothing else that they say is of interest. */
function errorsTo({ onError }: HttpServerOptions): FastifyBaseLogger {
  const tell = (told: unknown): void => {
    const error: unknown = typeof told === 'object' && told !== null && 'err' in told ? told.err : null
    if (error !== null) onError?.(error, 'dashboard')
  }
  const quiet = (): void => undefined
  const logger: FastifyBaseLogger = {
    level: 'error',
    fatal: tell,
    error: tell,
    warn: quiet,
    info: quiet,
    debug: quiet,
    trace: quiet,
    silent: quiet,
    child: () => logger,
  }
  return logger
}
