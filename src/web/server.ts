import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { createApp, type ServerDeps } from './app.ts'
import { assertGuarded } from './exposure.ts'
import { formatUrl, listenError } from './listen.ts'

export interface HttpServer {
  /** With the base path, without a slash at its end. */
  readonly url: string
  readonly port: number
  /** Takes no more requests, and waits for running ones, at most `closeGraceMs`. Safe to call twice. */
  close(): Promise<void>
}

/**
 * Serves the HTTP API, the dashboard and the probes.
 * @throws {TrackerError} `INVALID_CONFIG` when the address cannot be bound, or is open to others without a token
 */
export async function startHttpServer(deps: ServerDeps): Promise<HttpServer> {
  const { host, port: wanted, apiToken, authHeader = null, basePath = '', closeGraceMs = 5_000 } = deps
  assertGuarded(host, apiToken ?? authHeader)
  const app = await createApp(deps)
  const port = await listen(app, host, wanted)
  let closing: Promise<void> | null = null
  return {
    url: `${formatUrl(host, port)}${basePath}`,
    port,
    close() {
      closing ??= close(app, closeGraceMs)
      return closing
    },
  }
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw listenError({ what: 'HTTP', host, port, variable: 'PORT' }, error)
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port, no pipe
  return (app.server.address() as AddressInfo).port
}

async function close(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}
