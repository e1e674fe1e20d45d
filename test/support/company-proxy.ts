import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { Certificate } from './company-ca.ts'

export interface CompanyProxyOptions {
  /** `user:password` that it demands, in plain text. */
  readonly login?: string
  /** The certificate of an https proxy. Default: it speaks http. */
  readonly tls?: Certificate
  /**
   * It inspects TLS: it ends the tunnel itself with this certificate, and forwards what is inside to `upstream`, as a proxy resolves names by
   * itself. Default: it connects to the host and port that CONNECT names.
   */
  readonly inspect?: Certificate & { readonly upstream: string }
  /** What comes without CONNECT is forwarded there, as a gateway does. Default: it is refused. */
  readonly forwardsTo?: string
  /** Of the paths that it forwards, and takes off. Others are not found. */
  readonly prefix?: string
  readonly register?: (close: () => Promise<void>) => void
}

/** What it answers to CONNECT: a tunnel, an HTTP status, nothing, or the end of the connection. */
export type ProxyBehaviour = 'pass' | 'silent' | 'hang up' | number

export interface CompanyProxy {
  /** Without user info. */
  readonly url: string
  readonly port: number
  /** `host:port` of each CONNECT, with a login that it took. */
  readonly targets: string[]
  /** What it was told in Proxy-Authorization, decoded. */
  readonly logins: Array<string | null>
  behave(behaviour: ProxyBehaviour): void
  /** Ends all tunnels. */
  cut(): void
  /** Ends, so that its port refuses connections. Safe to call twice. */
  close(): Promise<void>
}

/** An outgoing proxy as companies have them. */
export async function startCompanyProxy(options: CompanyProxyOptions = {}): Promise<CompanyProxy> {
  const { login, tls, inspect, forwardsTo, prefix = '', register = onTestFinished } = options
  const targets: string[] = []
  const logins: Array<string | null> = []
  const sockets = new Set<Duplex>()
  let behaviour: ProxyBehaviour = 'pass'
  const server = tls === undefined ? createHttpServer() : createHttpsServer(tls)
  const inspector = inspect && createHttpsServer(inspect, (request, response) => forward(request, response, inspect.upstream, prefix))
  const keep = <Each extends Duplex>(socket: Each): Each => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
    return socket
  }
  server.on(tls === undefined ? 'connection' : 'secureConnection', keep)
  if (forwardsTo !== undefined) server.on('request', (request, response) => forward(request, response, forwardsTo, prefix))
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    const given = /^Basic (.*)$/.exec(request.headers['proxy-authorization'] ?? '')?.[1]
    logins.push(given === undefined ? null : Buffer.from(given, 'base64').toString('utf8'))
    if (behaviour === 'silent') return
    if (behaviour === 'hang up') return void socket.destroy()
    const status = behaviour !== 'pass' ? behaviour : login !== undefined && logins.at(-1) !== login ? 407 : 200
    if (status !== 200) {
      const asks = status === 407 ? 'proxy-authenticate: Basic realm="company"\r\n' : ''
      return void socket.end(`HTTP/1.1 ${status} No\r\n${asks}content-length: 0\r\n\r\n`)
    }
    targets.push(request.url ?? '')
    if (inspector !== undefined) {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      return void inspector.emit('connection', socket)
    }
    tunnel(request.url ?? '', socket, keep)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cut = (): void => sockets.forEach((socket) => socket.destroy())
  const close = async (): Promise<void> => {
    cut()
    inspector?.closeAllConnections()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  register(close)
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    targets,
    logins,
    cut,
    close,
    behave: (next) => (behaviour = next),
  }
}

function tunnel(target: string, socket: Duplex, keep: (socket: Socket) => Socket): void {
  const { hostname, port } = new URL(`http://${target}`)
  const server = keep(connect(Number(port || 80), hostname.replace(/^\[(.*)\]$/, '$1')))
  server.on('connect', () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    server.pipe(socket).pipe(server)
  })
  server.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n'))
  socket.on('close', () => server.destroy())
}

function forward(request: IncomingMessage, response: ServerResponse, upstream: string, prefix: string): void {
  const { method, headers, url = '/' } = request
  if (!url.startsWith(prefix)) return void response.writeHead(404).end()
  const inner = requestHttp(new URL(url.slice(prefix.length), upstream), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  inner.on('error', () => response.writeHead(502).end())
  request.pipe(inner)
}
