import { onTestFinished } from 'vitest'
import { parseConfig } from '../../../src/app/config/config.ts'
import { openServerDeps } from '../../../src/app/server-deps.ts'
import { createLogger } from '../../../src/ops/logger.ts'
import { createMetrics } from '../../../src/ops/metrics.ts'
import type { RateReader } from '../../../src/report/rates.ts'
import { createDeliveryStore, type PostgresDeliveryStore } from '../../../src/store/delivery-store.ts'
import { type Database, openDatabase } from '../../../src/store/prisma.ts'
import type { RequestEvent, ServerDeps } from '../../../src/web/app.ts'
import { type HttpServer, startHttpServer } from '../../../src/web/server.ts'
import { assertNoLeak } from '../../support/canaries.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { type DatabaseRole, urlAs } from '../../support/roles.ts'
import { startProxy, type TcpProxy } from '../../support/tcp-proxy.ts'

export interface Served extends HttpServer {
  /** What it was started with. */
  readonly options: ServerDeps
  /** Fails as the test wants, between the server and its database. */
  readonly toDatabase: TcpProxy
  /** Of the same database, past the proxy; the role owns it. */
  readonly databaseUrl: string
  /** The same database, past the proxy. */
  readonly database: Database
  readonly store: PostgresDeliveryStore
  readonly events: readonly RequestEvent[]
  /** The lines of its log. */
  readonly log: readonly string[]
}

export interface ServerOptions extends Partial<Pick<ServerDeps, (typeof SETTABLE)[number]>> {
  /** As in the environment: one token, or a list. */
  readonly apiToken?: string | null
  readonly migrated?: boolean
  /** Settings of the schedule, as in the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Of the server in the database. */
  readonly role?: DatabaseRole
  /** How long one answer of the database is waited for. */
  readonly timeoutMs?: number
  /** What stands between the server and its reader. */
  readonly reading?: (rates: RateReader, served: Pick<Served, 'toDatabase'>) => RateReader
}

const SETTABLE = [
  'host',
  'basePath',
  'trustedProxies',
  'authHeader',
  'authHeaderRole',
  'allowedHosts',
  'enqueuesPerSecond',
  'closeGraceMs',
  'timeouts',
  'now',
  'monotonicMs',
  'checks',
  'forecastCalls',
  'tracking',
] as const satisfies ReadonlyArray<keyof ServerDeps>

/** The server on a socket, as `serve` puts it together, with a database of its own. Closed with the test. */
export async function aServer(options: ServerOptions = {}): Promise<Served> {
  const { served, close } = await openServer(options)
  onTestFinished(close)
  return served
}

/** For what many tests share; the caller closes it. */
export async function openServer(given: ServerOptions): Promise<{ served: Served; close: () => Promise<void> }> {
  const { migrated = true, env = {}, role = 'serve', timeoutMs, reading = (rates) => rates, apiToken, ...options } = given
  const created = await createTestDatabase({ migrated })
  // As operators run it: with the rights of `delivery_worker`, and of `delivery_names` unless a test is about their absence.
  const url = new URL(migrated ? urlAs(role, created.url) : created.url)
  const toDatabase = await startProxy(Number(url.port))
  url.port = String(toDatabase.port)
  const log: string[] = []
  const logger = createLogger({ level: 'trace', pretty: false, destination: { write: (line) => void log.push(line) } })
  const metrics = createMetrics()
  const { schedule } = parseConfig(env)
  const serving = openServerDeps(
    { databaseUrl: url.href, databaseConnections: null, apps: [], monthlyCallBudget: 4_000, pollsPerTask: 24, timeScale: 1, schedule },
    logger,
    metrics,
    timeoutMs,
  )
  const database = openDatabase(created.url)
  const events: RequestEvent[] = []
  const all: ServerDeps = {
    host: '127.0.0.1',
    port: 0,
    allowedHosts: [],
    rates: reading(serving.rates, { toDatabase }),
    schedules: serving.schedules,
    forecast: serving.forecast,
    tracking: serving.tracking,
    forecastCalls: () => serving.forecastCalls(),
    pollsPerTask: 24,
    now: serving.now,
    version: '1.2.3',
    checks: () => serving.health(),
    metrics: () => metrics.text(),
    onRequest(event) {
      metrics.httpRequest(event)
      events.push(event)
    },
    onError: (error, route) => logger.error({ err: error, route }, 'a request failed'),
    ...options,
    apiToken: parseConfig({ API_TOKEN: apiToken ?? undefined }).apiToken,
  }
  const server = await startHttpServer(all)
  return {
    served: { ...server, options: all, toDatabase, databaseUrl: created.url, database, store: createDeliveryStore(database), events, log },
    async close() {
      await server.close()
      await toDatabase.close()
      await serving.close()
      await database.close()
      await created.drop()
      assertNoLeak('the log of the server', log.join('\n'))
    },
  }
}
