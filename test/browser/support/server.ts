import type { AddressInfo } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import { parseConfig } from '../../../src/app/config/config.ts'
import { scheduleOptions } from '../../../src/app/schedules.ts'
import type { RateReader } from '../../../src/report/rates.ts'
import { readCallForecasts } from '../../../src/store/gauges.ts'
import { openDatabase } from '../../../src/store/prisma.ts'
import { createRateReader } from '../../../src/store/rate-reader.ts'
import { createScheduleReader } from '../../../src/store/reading/schedule.ts'
import { createResuming } from '../../../src/store/resume.ts'
import type { Role } from '../../../src/web/access.ts'
import { registerDashboard } from '../../../src/web/dashboard/dashboard.ts'
import { shareReads } from '../../../src/web/shared-reads.ts'

export interface DashboardServer {
  readonly url: string
  /** Ends the server, and leaves its port to {@link restart}. */
  stop(): Promise<void>
  restart(): Promise<void>
  close(): Promise<void>
}

export interface ServerOptions {
  readonly databaseUrl: string
  readonly apiToken?: string
  /** Of the token. Default: `write` */
  readonly role?: Role
  readonly now?: () => Date
  readonly monotonicMs?: () => number
  /** What stands between the pages and their reader. */
  readonly reading?: (rates: RateReader) => RateReader
}

/** The dashboard on the real reader of a real database. */
export async function startDashboard(options: ServerOptions): Promise<DashboardServer> {
  const { databaseUrl, apiToken, role = 'write', now = () => new Date(), monotonicMs, reading = (rates) => rates } = options
  const database = openDatabase(databaseUrl)
  const rates = reading(createRateReader(database))
  const budgets = new Map([['default', 5_000]])
  const schedules = createScheduleReader(database, scheduleOptions(parseConfig({}), budgets, now))
  const open = async (port: number): Promise<FastifyInstance> => {
    const app = Fastify({ routerOptions: { maxParamLength: 2_000 }, forceCloseConnections: true })
    await app.register(rateLimit, { global: false })
    registerDashboard(app, {
      ...{ rates, schedules },
      reads: shareReads(rates, monotonicMs),
      tracking: {
        resuming: createResuming(database.prisma),
        track: () => Promise.reject(new Error('no page of these tests tracks a task')),
      },
      now,
      apiToken: apiToken === undefined ? null : [{ role, name: null, token: apiToken }],
      pollsPerTask: 24,
      forecastCalls: () => readCallForecasts(database, new Map([['default', 5_000]])),
    })
    await app.listen({ host: '127.0.0.1', port })
    return app
  }
  let app = await open(0)
  const { port } = app.server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => app.close(),
    restart: async () => {
      app = await open(port)
    },
    close: async () => {
      await app.close()
      await database.close()
    },
  }
}
