import { type Config, describeConfig } from '../config.ts'
import { type HealthReport, type HealthServer, startHealthServer } from '../http/health.ts'
import { createMetrics } from '../http/metrics.ts'
import { type Closers, createClosers, runUntilSignal } from '../lifecycle.ts'
import { createLogger, type Logger } from '../logger.ts'
import type { RunningWorker } from '../wiring.ts'
import type { Context } from './context.ts'

/** What a command that stays up opens its things with. */
export interface Service {
  readonly log: Logger
  readonly closers: Closers
}

/** The settings that a service needs before it reads the rest: `start` and `demo` know their database only later. */
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
  const log = createLogger({ level: settings.logLevel, pretty: settings.logPretty === 'auto' ? context.logIsTerminal : settings.logPretty })
  const closers = createClosers(log)
  const graceMs = settings.shutdownGraceSeconds * 1_000
  const stopped = runUntilSignal({ closers, graceMs, log, onSignal: (signal) => log.info({ signal }, 'stopping') })
  const ended = start({ log, closers }).catch((error: unknown) => {
    // What is closed under the feet of a start that is under way fails; the signal is what ends it.
    if (closers.isClosing()) return undefined
    throw error
  })
  try {
    return await Promise.race([stopped, ended.then((code) => code ?? stopped)])
  } finally {
    await closers.close(graceMs)
  }
}

/** A worker with `/livez`, `/readyz` and `/metrics`, which are up before it and until after it. Waits until looks are being made. */
export async function openWorker(context: Context, config: Config, { log, closers }: Service): Promise<{ health: HealthServer }> {
  log.info({ config: describeConfig(config) }, 'starting')
  for (const hint of context.typos) log.warn({ hint }, 'a variable is probably misspelt')
  const { startWorker } = await import('../wiring.ts')
  const metrics = createMetrics()
  let worker: RunningWorker | null = null
  const health = await startHealthServer({
    host: config.host,
    port: config.healthPort,
    checks: async () => worker?.health() ?? STARTING,
    metrics: () => metrics.text(),
  })
  closers.add('health server', () => health.close())
  log.info({ health: health.url }, 'health server is up')
  worker = startWorker(config, log, { metrics })
  closers.add('worker', () => worker?.close())
  await worker.ready
  return { health }
}

const STARTING: HealthReport = { ok: false, checks: [{ name: 'worker', ok: false, detail: 'still starting' }] }
