/** Serves the database of its first argument in a process of its own, and says how much memory it takes. Its parent asks. */
import { parseConfig } from '../../dist/app/config/config.js'
import { openServerDeps } from '../../dist/app/server-deps.js'
import { createLogger } from '../../dist/ops/logger.js'
import { startHttpServer } from '../../dist/web/server.js'

const [databaseUrl] = process.argv.slice(2)
const config = parseConfig({ DATABASE_URL: databaseUrl })
const serving = openServerDeps(config, createLogger({ level: 'error', pretty: false }), null)
const { rates, schedules, forecast, tracking, forecastCalls, now } = serving
// As in `dingtalk-delivery serve`, on any free port.
const server = await startHttpServer({
  ...{ host: '127.0.0.1', port: 0, apiToken: null, allowedHosts: [], pollsPerTask: config.pollsPerTask, version: 'bench' },
  ...{ rates, schedules, forecast, tracking, forecastCalls, now },
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
  if (question === 'cpu') return void process.send?.({ cpuMs: cpuMs() })
  process.send?.({ peak, blockedMs })
  peak = process.memoryUsage.rss()
  blockedMs = 0
})
process.once('disconnect', () => void close())

process.send?.({ url: server.url })

function cpuMs() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

async function close() {
  clearInterval(sampling)
  await server.close()
  await serving.close()
}
