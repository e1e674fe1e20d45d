/** Serves the database of its first argument in a process of its own, and says how much memory it takes. Its parent asks. */
import { openServerDeps } from '../../dist/app/server-deps.js'
import { createLogger } from '../../dist/ops/logger.js'
import { startHttpServer } from '../../dist/web/server.js'

const [databaseUrl] = process.argv.slice(2)
const log = createLogger({ level: 'error', pretty: false })
const serving = openServerDeps(
  { databaseUrl, databaseConnections: null, apps: [], monthlyCallBudget: null, pollsPerTask: 24, timeScale: 1 },
  log,
  null,
)
const { rates, tracking, budgets, now } = serving
const server = await startHttpServer({
  ...{ host: '127.0.0.1', port: 0, apiToken: null, allowedHosts: [], pollsPerTask: 24, version: 'bench', rates, tracking, budgets, now },
  checks: () => serving.health(),
  metrics: () => Promise.resolve(''),
  onError: (error) => console.error(error),
})

let peak = process.memoryUsage.rss()
let latest = performance.now()
let blockedMs = 0
// A turn that is late says how long other requests waited.
const EVERY_MS = 20
const sampling = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss())
  blockedMs = Math.max(blockedMs, performance.now() - latest - EVERY_MS)
  latest = performance.now()
}, EVERY_MS)
process.on('message', (question) => {
  if (question === 'live') return void process.send?.({ live: measureLive() })
  process.send?.({ peak, blockedMs })
  peak = process.memoryUsage.rss()
  blockedMs = 0
})
process.once('disconnect', () => void close())

process.send?.({ url: server.url })

function measureLive() {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function close() {
  clearInterval(sampling)
  await server.close()
  await serving.close()
}
