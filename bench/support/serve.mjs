import { openServerDeps } from '../../dist/app/server-deps.js'
import { createLogger } from '../../dist/ops/logger.js'
import { startHttpServer } from '../../dist/web/server.js'

/** HTTP API and dashboard in this process, composed as in `dingtalk-delivery serve`, on any free port. */
export async function serveHttp(closers, databaseUrl) {
  const serving = openServerDeps(
    { databaseUrl, databaseConnections: null, apps: [], monthlyCallBudget: null, pollsPerTask: 24, timeScale: 1 },
    createLogger({ level: 'error', pretty: false }),
    null,
  )
  closers.push(() => serving.close())
  const { rates, tracking, budgets, now } = serving
  const server = await startHttpServer({
    ...{ host: '127.0.0.1', port: 0, apiToken: null, allowedHosts: [], pollsPerTask: 24, version: 'bench', rates, tracking, budgets, now },
    checks: () => serving.health(),
    metrics: () => Promise.resolve(''),
    onError: (error) => console.error(error),
  })
  closers.push(() => server.close())
  return server
}
