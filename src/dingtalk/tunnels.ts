import { isIP } from 'node:net'
import { type Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici'
import { PROXY_CODES } from '../domain/problems.ts'
import { withoutBrackets } from './hosts.ts'
import { ProxyError, readLogin } from './proxy.ts'
import { errorCode, isUntrusted } from './transport-errors.ts'

/** Limits of one exchange that a tunnel keeps too, in milliseconds. */
export interface TunnelLimits {
  /** TCP and TLS handshake. */
  readonly connectTimeoutMs: number
  /** From the request to the end of the answer's headers. */
  readonly headersTimeoutMs: number
}

/**
 * Connections through one proxy, each a tunnel that `CONNECT` opens. The proxy resolves DingTalk's name.
 * @param proxy as {@link parseProxy} returns it
 */
export function createTunnels(proxy: string, limits: TunnelLimits, options: Agent.Options): ProxyAgent {
  const url = new URL(proxy)
  const login = readLogin(url)
  const timeout = limits.connectTimeoutMs
  return new ProxyAgent({
    ...options,
    uri: url.origin,
    ...(typeof login === 'string' && { token: `Basic ${Buffer.from(login).toString('base64')}` }),
    requestTls: { timeout },
    clientFactory: (origin) => new TunnelPool(origin, { connect: connectorTo(origin, timeout), headersTimeout: limits.headersTimeoutMs }),
  })
}

/** TLS names no server by an address (RFC 6066), and Node warns where it is told to; undici does. */
function connectorTo(proxy: URL, timeout: number): buildConnector.connector {
  const connect = buildConnector({ timeout })
  if (isIP(withoutBrackets(proxy.hostname)) === 0) return connect
  return ({ servername: _, ...options }, callback) => connect(options, callback)
}

type ConnectOptions = Omit<Dispatcher.ConnectOptions, 'origin'>
type ConnectCallback = (error: Error | null, data: Dispatcher.ConnectData) => void

/** Connections to the proxy itself. Its failures become {@link ProxyError}: undici reports them like failures of DingTalk's host. */
class TunnelPool extends Pool {
  readonly #proxy: URL

  constructor(proxy: URL, options: Pool.Options) {
    super(proxy, options)
    this.#proxy = proxy
  }

  override connect(options: ConnectOptions): Promise<Dispatcher.ConnectData>
  override connect(options: ConnectOptions, callback: ConnectCallback): void
  override connect(options: ConnectOptions, callback?: ConnectCallback): Promise<Dispatcher.ConnectData> | undefined {
    if (callback === undefined) return this.#open(options)
    super.connect(options, callback)
    return undefined
  }

  async #open(options: ConnectOptions): Promise<Dispatcher.ConnectData> {
    const answer = await super.connect(options).catch((error: unknown) => {
      throw unreachable(this.#proxy.origin, error)
    })
    if (answer.statusCode === 200) return answer
    answer.socket.on('error', () => {}).destroy()
    throw refused(this.#proxy.origin, answer.statusCode, options.path)
  }
}

function unreachable(proxy: string, error: unknown): ProxyError {
  const code = errorCode(error)
  return new ProxyError(
    isUntrusted(code) ? PROXY_CODES.unknownCa : PROXY_CODES.unreachable,
    `the proxy ${proxy} cannot be reached (${code})`,
  )
}

function refused(proxy: string, status: number, target: string): ProxyError {
  const said = `the proxy ${proxy} answered HTTP ${status} to CONNECT ${target}`
  return status === 407 ? new ProxyError(PROXY_CODES.login, said) : new ProxyError(PROXY_CODES.refused, said)
}
