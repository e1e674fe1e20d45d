import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { startChild } from '../support/process.mjs'

/**
 * A process that serves the database, and answers questions about itself.
 * @param {string} url of the database
 */
export async function startServer(url) {
  const { ready, ask, close } = await startChild([], join(import.meta.dirname, 'server.mjs'), { args: [url] })
  return { address: ready.url, ask, close }
}

/**
 * @param {string} url of the database
 * @param {string} path of the file
 * @returns {Promise<{ seconds: number, serverCpuSeconds: number, bytes: number, peakMiB: number, blockedMs: number }>} peakMiB: memory of the server above
 *   what it has at rest; blockedMs: the longest wait of other requests
 */
export async function measureFiles(url, path) {
  const { address, ask, close } = await startServer(url)
  try {
    // The first file loads the libraries.
    await load(`${address}${path}&state=forbidden`)
    const { peak: atRest } = await ask('peak')
    const { cpuMs } = await ask('cpu')
    const started = performance.now()
    const bytes = await load(`${address}${path}`)
    const seconds = (performance.now() - started) / 1_000
    const { peak, blockedMs } = await ask('peak')
    const serverCpuSeconds = ((await ask('cpu')).cpuMs - cpuMs) / 1_000
    return { seconds, serverCpuSeconds, bytes, peakMiB: (peak - atRest) / 1_048_576, blockedMs }
  } finally {
    await close()
  }
}

async function load(url) {
  const response = await fetch(url)
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  let bytes = 0
  const counting = new Writable({
    write(part, _encoding, done) {
      bytes += part.length
      done()
    },
  })
  await pipeline(response.body, counting)
  return bytes
}
