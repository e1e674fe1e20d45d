import { type Config, describeConfig } from '../app/config/config.ts'
import { type Closers, createClosers, runUntilSignal } from '../app/lifecycle.ts'
import type { RunningWorker } from '../app/worker.ts'
import { packageVersion } from '../lib/package-version.ts'
import { createLogger, type Logger } from '../ops/logger.ts'
import { createMetrics, type Metrics } from '../ops/metrics.ts'
import { type HealthReport, type HealthServer, startHealthServer } from '../web/health.ts'
import type { HttpServer } from '../web/server.ts'
import type { Context } from './context.ts'

/** What a command that stays up uses to open its parts. */
export interface Service {
  readonly log: Logger
  readonly closers: Closers
}

/** The settings that a service needs at once: `start` and `demo` get their database later. */
export type ServiceSettings = Pick<Config, 'logLevel' | 'logPretty' | 'shutdownGraceSeconds'>

/**
 * Runs `start`, then stays up until a signal. What `start` registers with the closers is closed then, or when it fails half-way.
 * @param start gives an exit code to end by itself, or nothing to stay up
 */
export async function runService(
  context: Context,
  settings: ServiceSettings,
  start: (service: Service) => Promise<number | undefined>,
): Promise<number> {
  const log = createLogger({
    level: settings.logLevel,
    pretty: settings.logPretty === 'auto' ? context.logIsTerminal : settings.logPretty,
    ...(context.log && { destination: context.log }),
  })
  const closers = createClosers(log)
  const graceMs = settings.shutdownGraceSeconds * 1_000
  const stopped = runUntilSignal({ closers, graceMs, log, host: context.process, onSignal: (signal) => log.info({ signal }, 'stopping') })
  const ended = start({ log, closers }).catch((error: unknown) => {
    // A signal during the start closes what the start uses, which then fails. The signal ends it.
    if (closers.isClosing()) return undefined
    throw error
  })
  try {
    return await Promise.race([stopped, ended.then((code) => code ?? stopped)])
  } finally {
    await closers.close(graceMs)
  }
}

/** What a worker and a server in one process share. */
interface Shared {
  readonly metrics: Metrics
  /** Of the worker. */
  health(): Promise<HealthReport>
}

export interface OpenedWorker {
  readonly health: HealthServer
  /** Resolves with the exit code when the worker is wedged. */
  readonly wedged: Promise<number>
}

/** A worker with `/livez`, `/readyz` and `/metrics`, which are up before it and until after it. Waits until polls are being made. */
export async function openWorker(
  config: Config,
  service: Service,
  serve: (shared: Shared) => Promise<void> = () => Promise.resolve(),
): Promise<OpenedWorker> {
  const { log, closers } = service
  log.info({ config: describeConfig(config) }, 'starting')
  const { startWorker } = await import('../app/worker.ts')
  const metrics = createMetrics()
  let worker: RunningWorker | null = null
  const shared: Shared = { metrics, health: async () => worker?.health() ?? STARTING }
  const health = await startHealthServer({
    host: config.host,
    port: config.healthPort,
    checks: () => shared.health(),
    metrics: () => metrics.text(),
  })
  closers.add('health server', () => health.close())
  log.info({ health: health.url }, 'health server is up')
  await serve(shared)
  const started = startWorker(config, log, { metrics })
  worker = started
  closers.add('worker', () => started.close())
  await started.ready
  return { health, wedged: started.wedged.then((detail) => wedged(detail, log)) }
}

/** A supervisor starts the process again. */
function wedged(detail: string, log: Logger): number {
  log.fatal({ detail }, 'this worker takes no more polls, and ends to be started again')
  return 1
}

const STARTING: HealthReport = { ok: false, checks: [{ name: 'worker', ok: false, detail: 'still starting' }] }

/** The share of the grace for running requests; the rest is for what is closed after them. */
const ANSWERING_SHARE = 0.5

/**
 * The HTTP API and the dashboard. They answer at once, and report a database that is away.
 * @param shared of the worker in the same process, if there is one
 */
export async function openServer(config: Config, service: Service, shared: Shared | null = null): Promise<HttpServer> {
  const { log, closers } = service
  if (shared === null) log.info({ config: describeConfig(config) }, 'starting')
  // A worker does without the web framework.
  const [{ openServerDeps }, { startHttpServer }] = await Promise.all([import('../app/server-deps.ts'), import('../web/server.ts')])
  const metrics = shared?.metrics ?? createMetrics()
  const serving = openServerDeps(config, log, shared === null ? metrics : null)
  closers.add('database of the server', () => serving.close())
  const { rates, schedules, forecast, tracking, forecastCalls, now } = serving
  const { host, port, apiToken, allowedHosts, basePath, trustedProxies, authHeader, authHeaderRole, pollsPerTask, shutdownGraceSeconds } =
    config
  const server = await startHttpServer({
    ...{ host, port, apiToken, allowedHosts, basePath, trustedProxies, authHeader, authHeaderRole },
    ...{ pollsPerTask, rates, schedules, forecast, tracking, forecastCalls, now },
    closeGraceMs: shutdownGraceSeconds * 1_000 * ANSWERING_SHARE,
    version: packageVersion(),
    checks: () => (shared ?? serving).health(),
    metrics: () => metrics.text(),
    onRequest(event) {
      metrics.httpRequest(event)
      const { right, caller, route, status } = event
      if (right === 'write' && caller !== null && status < 400) log.info({ caller, route, status }, 'changed over HTTP')
    },
    onError: (error, route) => log.error({ err: error, route }, 'a request failed'),
  })
  closers.add('HTTP server', () => server.close())
  log.info({ url: server.url }, 'HTTP server is up')
  return server
}
