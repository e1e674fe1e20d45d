import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { TrackerError } from '../core/errors.ts'

/** What a process says about itself. `ok` is true when every check is. */
export interface HealthReport {
  readonly ok: boolean
  readonly checks: readonly HealthCheck[]
}

export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  /** What is wrong, or what is there: never a secret, never a URL with a query. */
  readonly detail?: string
}

export interface HealthServerOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Asked by `/readyz`, never more than once at a time. */
  readonly checks: () => Promise<HealthReport>
  /** The Prometheus page. */
  readonly metrics: () => Promise<string>
  /** How long a probe waits for `checks` or `metrics`. Default 5 s. */
  readonly timeoutMs?: number
}

export interface HealthServer {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves `/livez` (the process answers), `/readyz` (it can do its work: 200, else 503 and what is wrong) and `/metrics`.
 * @throws {TrackerError} `INVALID_CONFIG` when the address cannot be bound
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const routes = routesOf(options)
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000 },
    (request, response) => void answer(routes, request, response),
  )
  const port = await listen(server, options)
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return { url: `http://${host}:${port}`, port, close: () => closeServer(server) }
}

interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string
}

type Routes = ReadonlyMap<string, () => Promise<Reply>>

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

function routesOf({ checks, metrics, timeoutMs = 5_000 }: HealthServerOptions): Routes {
  const report = singly(() => inTime(checks(), timeoutMs).catch(unknownHealth))
  const page = singly(() => inTime(metrics(), timeoutMs))
  return new Map([
    ['/livez', async () => json(200, { ok: true })],
    ['/readyz', async () => report().then((health) => json(health.ok ? 200 : 503, health))],
    ['/metrics', async () => ({ status: 200, type: PROMETHEUS_TEXT, body: await page() })],
  ])
}

async function answer(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = await replyTo(routes, request)
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    ...(reply.status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(request.method === 'HEAD' ? undefined : reply.body)
}

async function replyTo(routes: Routes, request: IncomingMessage): Promise<Reply> {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  const route = routes.get(path)
  if (route === undefined) return failure(404, 'NOT_FOUND', `Nothing is here. There are ${[...routes.keys()].join(', ')}.`)
  if (request.method !== 'GET' && request.method !== 'HEAD') return failure(405, 'METHOD_NOT_ALLOWED', 'Use GET.')
  try {
    return await route()
  } catch {
    return failure(503, 'UNAVAILABLE', `${path} could not be answered. The log of the process says why.`)
  }
}

function failure(status: number, code: string, message: string): Reply {
  return json(status, { error: { code, message } })
}

function json(status: number, body: unknown): Reply {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` }
}

/** The error itself is not shown: messages of drivers name hosts and users. */
function unknownHealth(error: unknown): HealthReport {
  const detail = error instanceof LateError ? error.message : 'the checks themselves failed; the log of the process says why'
  return { ok: false, checks: [{ name: 'checks', ok: false, detail }] }
}

class LateError extends Error {}

async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Callers of one moment share one run: a hasty prober must not load the database. */
function singly<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null
  return () => {
    running ??= work().finally(() => {
      running = null
    })
    return running
  }
}

function listen(server: Server, { host, port }: HealthServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(host, port, error)))
    server.listen(port, host, () => {
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
    })
  })
}

function cannotListen(host: string, port: number, error: NodeJS.ErrnoException): TrackerError {
  const why = error.code === 'EADDRINUSE' ? 'is taken by another process' : `cannot be bound (${error.code ?? error.message})`
  const message = `The health address ${host}:${port} ${why}. Set HEALTH_PORT (0 takes any free port) or HOST.`
  return new TrackerError('INVALID_CONFIG', message, { cause: error })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
