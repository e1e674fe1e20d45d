import type { Socket } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { MAX_CAMPAIGN } from '../domain/field-rules.ts'
import type { CallForecast } from '../domain/schedule/call-forecast.ts'
import type { Tracking } from '../polling/ports.ts'
import type { Forecaster } from '../report/forecast.ts'
import type { RateReader } from '../report/rates.ts'
import type { ScheduleReader } from '../report/schedule.ts'
import { type ApiToken, createTokens, type Right, type Role } from './access.ts'
import { addAppRoutes } from './api/apps.ts'
import { addCampaignRoutes } from './api/campaigns.ts'
import { addDirectoryRoutes } from './api/directory.ts'
import { addForecastRoutes } from './api/forecast.ts'
import { addDocument } from './api/openapi.ts'
import { addOverallRoutes } from './api/overall.ts'
import { assertDecodable } from './api/parameters.ts'
import { addPeopleWriting } from './api/put-people.ts'
import type { Api } from './api/route.ts'
import { addScheduleRoutes } from './api/schedule.ts'
import { addTaskRoutes } from './api/tasks.ts'
import { acceptJson, BODY_LIMIT_BYTES, drain } from './body.ts'
import { registerDashboard } from './dashboard/dashboard.ts'
import { Failure, sendFailure, toFailure } from './failure.ts'
import { addHostGuard, addOtherMethods, addTokenGuard, requireRights } from './guard.ts'
import { createProbes, type ProbeDeps, type Probes } from './probes.ts'
import { createProxies, type Proxies, type ProxySettings } from './proxies.ts'
import { type SharedReads, shareReads } from './shared-reads.ts'

export interface ServerDeps extends ProbeDeps, ProxySettings {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Null: no token is needed, which is allowed on loopback only. */
  readonly apiToken: readonly ApiToken[] | null
  /** What users may do whom a proxy has signed in. Default: `read`. */
  readonly authHeaderRole?: Role
  /** Names, in lower case, that a Host header may have besides loopback, addresses and `host`. */
  readonly allowedHosts: readonly string[]
  readonly rates: RateReader
  readonly schedules: ScheduleReader
  readonly forecast: Forecaster
  readonly tracking: Tracking
  readonly now: () => Date
  /** A monotonic clock in milliseconds: it measures how long answers take and how old they are. Default: `performance.now`. */
  readonly monotonicMs?: () => number
  /** How many polls a task gets, to show the planned ones. */
  readonly pollsPerTask: number
  /** How long the calls of each app with a budget last, by name. */
  forecastCalls(): Promise<readonly CallForecast[]>
  readonly version: string
  /** Requests to track that one address may make in a second. Default: 100. */
  readonly enqueuesPerSecond?: number
  /** How long {@link HttpServer.close} waits for running requests. Default: 5,000. */
  readonly closeGraceMs?: number
  readonly timeouts?: Partial<Timeouts>
  /** One request was answered. `route`: the pattern that matched, never the path. */
  readonly onRequest?: (event: RequestEvent) => void
  /** An error of the server, not of the request. */
  readonly onError?: (error: unknown, route: string) => void
}

export interface RequestEvent {
  readonly route: string
  readonly method: string
  readonly status: number
  readonly seconds: number
  /** What the route needs; null: no route matched. */
  readonly right: Right | null
  /** The name of the token, where it has one. */
  readonly caller: string | null
}

/** In milliseconds. They bound what one slow or idle client can hold. */
export interface Timeouts {
  /** From the first byte of a request to the end of its headers. Default: 5,000. */
  readonly headers: number
  /** To the end of its body. Default: 10,000. */
  readonly request: number
  /** A connection on which nothing is sent, also while an answer is read slowly. Default: 60,000. */
  readonly idle: number
}

/** A UTF-16 code unit is three bytes of UTF-8 at most, and each byte is `%XX`. */
const MAX_PARAM_LENGTH = MAX_CAMPAIGN * 3 * 3
/** The readers and senders of one company need tens of connections. */
const MAX_CONNECTIONS = 1_000
const ENQUEUES_PER_SECOND = 100
/** Route of a request that none matched. */
const UNMATCHED = 'unmatched'

/** The routes and what guards them. It does not listen yet. */
export async function createApp(deps: ServerDeps): Promise<FastifyInstance> {
  const { timeouts: { headers = 5_000, request = 10_000, idle = 60_000 } = {} } = deps
  const proxies = createProxies(deps)
  const app = Fastify({
    http: { headersTimeout: headers, connectionsCheckingInterval: Math.min(1_000, headers / 2) },
    requestTimeout: request,
    connectionTimeout: idle,
    keepAliveTimeout: 5_000,
    bodyLimit: BODY_LIMIT_BYTES,
    // `request.ip` and `request.host` are those of the browser where a trusted proxy says so, and else those of the connection.
    trustProxy: (address) => proxies.isTrusted(address),
    rewriteUrl: (raw) => proxies.pathOf(raw),
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    logController: new BrokenAnswers(deps),
    loggerInstance: createErrorLogger(deps),
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, _request, reply) => void sendFailure(reply, toFailure(error)),
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
  })
  app.server.maxConnections = MAX_CONNECTIONS
  app.setErrorHandler(async (error, failed, reply) => {
    const failure = toFailure(error)
    if (failure.statusCode >= 500) deps.onError?.(error, routeOf(failed))
    if (failure.code === 'BODY_TOO_LARGE') await drain(failed.raw)
    return sendFailure(reply, failure)
  })
  app.setNotFoundHandler((_request, reply) =>
    sendFailure(reply, new Failure(404, 'NOT_FOUND', 'There is nothing at this path. GET /v1/openapi.json lists all routes.')),
  )
  requireRights(app)
  countRequests(app, deps)
  endConnectionsOnClose(app)
  addHostGuard(app, deps, proxies)
  addPrefix(app, proxies)
  await app.register(rateLimit, { global: false, errorResponseBuilder: (_request, { ttl }) => tooMany(ttl) })
  const reads = shareReads(deps.rates, deps.monotonicMs)
  await addApi(app, deps, reads, proxies)
  registerDashboard(app, { ...deps, reads, proxies })
  await app.ready()
  return app
}

/** A redirect within this server, and the address of what was made, as the browser has to request it. */
function addPrefix(app: FastifyInstance, proxies: Proxies): void {
  app.addHook('onSend', async ({ raw }, reply) => {
    const location = reply.getHeader('location')
    if (typeof location === 'string' && location.startsWith('/')) void reply.header('location', `${proxies.prefixOf(raw)}${location}`)
  })
}

async function addApi(app: FastifyInstance, deps: ServerDeps, reads: SharedReads, proxies: Proxies): Promise<void> {
  const { apiToken, authHeader = null, version, enqueuesPerSecond = ENQUEUES_PER_SECOND } = deps
  // The header of a proxy opens the dashboard alone: without a token it leaves the API closed.
  const isGuarded = apiToken !== null || authHeader !== null
  const probes = createProbes(deps)
  await app.register(async (open) => {
    const addMethodGuards = addOtherMethods(open, 'open')
    addProbe(open, '/livez', 'open', probes)
    addProbe(open, '/readyz', 'open', probes)
    addMethodGuards()
  })
  await app.register(async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>()
    await addDocument(api, { version, isGuarded, prefixOf: proxies.prefixOf })
    await api.register(async (guarded: Api) => {
      if (isGuarded) addTokenGuard(guarded, createTokens(apiToken ?? []))
      guarded.addHook('preValidation', async ({ url }) => assertDecodable(url))
      acceptJson(guarded)
      const addMethodGuards = addOtherMethods(guarded, 'read')
      addProbe(guarded, '/metrics', 'read', probes)
      const apiDeps = { ...deps, reads, enqueuesPerSecond }
      addTaskRoutes(guarded, apiDeps)
      addCampaignRoutes(guarded, apiDeps)
      addDirectoryRoutes(guarded, apiDeps)
      addOverallRoutes(guarded, apiDeps)
      addAppRoutes(guarded, apiDeps)
      addScheduleRoutes(guarded, apiDeps)
      addForecastRoutes(guarded, apiDeps)
      addPeopleWriting(guarded, apiDeps)
      addMethodGuards()
    })
  })
}

function addProbe(scope: FastifyInstance, path: keyof Probes, right: Right, probes: Probes): void {
  scope.get(path, { config: { right }, schema: { hide: true } }, async (_request, reply) => {
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

function countRequests(app: FastifyInstance, { onRequest }: ServerDeps): void {
  if (onRequest === undefined) return
  app.addHook('onResponse', async (request, reply) =>
    onRequest({
      ...{ route: routeOf(request), method: request.method, status: reply.statusCode, seconds: reply.elapsedTime / 1_000 },
      ...{ right: request.routeOptions.config.right ?? null, caller: request.caller?.name ?? null },
    }),
  )
}

/** Otherwise the close waits for the timeout of each idle connection. */
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

/** A request that is no HTTP has no route, so the answer is written to its socket. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [status, code, message] = UNREADABLE[error.code ?? ''] ?? ['400 Bad Request', 'BAD_REQUEST', 'The request is not HTTP/1.1.']
  const body = JSON.stringify({ error: { code, message } })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

/** Reports an answer that fails after its status was sent. A client that closes the connection is no error. */
class BrokenAnswers extends LogController {
  readonly #deps: ServerDeps

  constructor(deps: ServerDeps) {
    super({ disableRequestLogging: true })
    this.#deps = deps
  }

  override streamError(error: NodeJS.ErrnoException, request: FastifyRequest): void {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') this.#deps.onError?.(error, routeOf(request))
  }
}

/** Passes on the errors that Fastify and the dashboard log, and nothing else. */
function createErrorLogger({ onError }: ServerDeps): FastifyBaseLogger {
  const report = (entry: unknown): void => {
    const error: unknown = typeof entry === 'object' && entry !== null && 'err' in entry ? entry.err : null
    if (error !== null) onError?.(error, 'dashboard')
  }
  const ignore = (): void => undefined
  const logger: FastifyBaseLogger = {
    level: 'error',
    fatal: report,
    error: report,
    warn: ignore,
    info: ignore,
    debug: ignore,
    trace: ignore,
    silent: ignore,
    child: () => logger,
  }
  return logger
}
