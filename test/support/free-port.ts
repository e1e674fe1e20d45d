import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the range from which systems give ports to outgoing connections: what listens on such a port, stops for a while and listens again finds it
 * free.
 */
const PORTS = { from: 12_000, to: 32_000 } as const

/** A port of the loopback on which nothing listens now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from))
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false
    throw error
  }
  server.close()
  await once(server, 'close')
  return true
}
