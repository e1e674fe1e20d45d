import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Redis } from 'ioredis'
import { ownDirectory } from './database.mjs'

/**
 * A Redis of its own, as docker-compose.yml has it: with an append-only file.
 * @param {import('./bench.mjs').Closers} closers
 */
export async function startRedis(closers) {
  const directory = await ownDirectory(closers)
  const port = await freePort()
  const settings = ['--port', String(port), '--appendonly', 'yes', '--maxmemory-policy', 'noeviction', '--save', '', '--dir', directory]
  const child = spawn('redis-server', settings, { stdio: 'ignore' })
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 100 })
  client.on('error', () => undefined)
  closers.push(async () => {
    client.disconnect()
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await exit
  })
  await client.ping()
  return { url: `redis://127.0.0.1:${port}`, client, pid: child.pid }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address.port : 0))
    })
  })
}
