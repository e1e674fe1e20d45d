import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { formatUrl, listenError } from './listen.ts'
import { createProbes, failureReply, PROBES, type ProbeDeps, type Probes, type Reply } from './probes.ts'

export type { HealthCheck, HealthReport } from '../lib/finding.ts'

export interface HealthServerOptions extends ProbeDeps {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

export interface HealthServer {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves `/livez`, `/readyz` and `/metrics` alone, for a worker.
 * @throws {TrackerError} `INVALID_CONFIG` when the address cannot be bound
 */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const probes = createProbes(options)
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000 },
    (request, response) => void respond(probes, request, response),
  )
  const port = await listen(server, options)
  return { url: formatUrl(options.host, port), port, close: () => closeServer(server) }
}

async function respond(probes: Probes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = await replyTo(probes, request)
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    ...(reply.status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(request.method === 'HEAD' ? undefined : reply.body)
}

async function replyTo(probes: Probes, request: IncomingMessage): Promise<Reply> {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  const probe = PROBES.find((each) => each === path)
  if (probe === undefined) return failureReply(404, 'NOT_FOUND', `There is nothing at this path. Paths: ${PROBES.join(', ')}.`)
  if (request.method !== 'GET' && request.method !== 'HEAD') return failureReply(405, 'METHOD_NOT_ALLOWED', 'Use GET.')
  return probes[probe]()
}

function listen(server: Server, { host, port }: HealthServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError({ what: 'health', host, port, variable: 'HEALTH_PORT' }, error)))
    server.listen(port, host, () => {
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
    })
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
