/** Serves the database of its first argument in a process of its own, and says how much memory it takes. Its parent asks. */
import { serveHttp } from '../support/serve.mjs'

const [databaseUrl] = process.argv.slice(2)
const closers = []
const server = await serveHttp(closers, databaseUrl)

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

function measureLive() {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function close() {
  clearInterval(sampling)
  for (const each of closers.reverse()) await each()
}
