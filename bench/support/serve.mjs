import { parseConfig } from '../../dist/app/config/config.js'
import { openServerDeps } from '../../dist/app/server-deps.js'
import { createLogger } from '../../dist/ops/logger.js'
import { startHttpServer } from '../../dist/web/server.js'

/** HTTP API and dashboard in this process, composed as in `dingtalk-delivery serve`, on any free port. */
export async function serveHttp(closers, databaseUrl) {
  const config = parseConfig({ DATABASE_URL: databaseUrl })
  const serving = openServerDeps(config, createLogger({ level: 'error', pretty: false }), null)
  closers.push(() => serving.close())
  const { rates, schedules, tracking, forecastCalls, now } = serving
  const server = await startHttpServer({
    ...{ host: '127.0.0.1', port: 0, apiToken: null, allowedHosts: [], pollsPerTask: config.pollsPerTask, version: 'bench' },
    ...{ rates, schedules, tracking, forecastCalls, now },
    checks: () => serving.health(),
    metrics: () => Promise.resolve(''),
    onError: (error) => console.error(error),
  })
  closers.push(() => server.close())
  return server
}
