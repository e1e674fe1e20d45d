import type { LookupFunction } from 'node:net'
import type { Dispatcher } from 'undici'
import { CERTIFICATE_CODES, PRIVATE_ADDRESS_CODE } from '../domain/problems.ts'
import { DeadlineError, withDeadline } from '../lib/abort.ts'
import type { ConnectionLimits, Connections } from './connections.ts'
import { checkProxiedHost, PrivateAddressError } from './hosts.ts'
import { chooseProxy, NO_PROXIES, type Proxies, ProxyError, showProxy } from './proxy.ts'
import { errorCode, isInvalidCertificate, isUntrusted } from './transport-errors.ts'

/** Limits of one HTTP exchange. All times in milliseconds. */
export interface HttpLimits extends ConnectionLimits {
  /** Of the whole exchange: an answer of one byte a second passes every other timeout. */
  readonly deadlineMs: number
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  connectTimeoutMs: 5_000,
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  deadlineMs: 15_000,
  maxResponseBytes: 1_048_576,
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  /** May hold secrets in its query, so it never appears in a message. */
  readonly url: string
  readonly contentType?: string
  readonly body?: string
}

export type HttpOutcome =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown }
  /** `arrived`: there was an answer, of DingTalk or of a proxy. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly arrived: boolean }

export interface Http {
  /** One exchange; follows no redirect, decodes no compression. Rejects only with the reason of an aborted `signal`. */
  exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpOutcome>
  /** Aborts running exchanges and closes all connections. Safe to call twice. */
  close(): Promise<void>
}

/** Which way requests take. */
export interface Ways {
  /** Resolves the name for each new connection without a proxy, and may refuse it. */
  readonly lookup: LookupFunction
  /** Default: none. */
  readonly proxies?: Proxies
  /** Names and addresses in private networks that requests through a proxy may lead to, in lower case. */
  readonly privateHosts?: readonly string[]
}

/** Exchanges over kept-alive connections. undici is loaded by the first one: a worker that has nothing to poll does without its 20 MB. */
export function createHttp(limits: HttpLimits, { lookup, proxies = NO_PROXIES, privateHosts = [] }: Ways): Http {
  let connections: Promise<Connections> | null = null
  const open = (): Promise<Connections> => {
    if (closed !== null) throw new Error('closed')
    return (connections ??= import('./connections.ts').then(({ openConnections }) => openConnections(limits, lookup)))
  }
  let closed: Promise<void> | null = null
  return {
    close: () => (closed ??= connections === null ? Promise.resolve() : connections.then((opened) => opened.destroy())),
    async exchange(what, signal) {
      signal.throwIfAborted()
      const proxy = chooseProxy(what.url, proxies)
      try {
        if (proxy !== null) checkProxiedHost(new URL(what.url).hostname, privateHosts)
        const { request, through } = await open()
        return await withDeadline(limits.deadlineMs, signal, (bounded) => send(request, through(proxy), what, bounded))
      } catch (error) {
        signal.throwIfAborted()
        return toHttpFailure(error, `${new URL(what.url).origin}${proxy === null ? '' : ` through the proxy ${showProxy(proxy)}`}`, limits)
      }
    },
  }
}

async function send(request: Connections['request'], dispatcher: Dispatcher, what: HttpRequest, signal: AbortSignal): Promise<HttpOutcome> {
  const response = await request(what.url, {
    dispatcher,
    method: what.method,
    headers: {
      accept: 'application/json',
      // The limit of size counts compressed bytes, and a compressed answer can be a thousand times larger.
      'accept-encoding': 'identity',
      'user-agent': 'dingtalk-delivery-tracker',
      ...(what.contentType === undefined ? {} : { 'content-type': what.contentType }),
    },
    body: what.body ?? null,
    signal,
  })
  const { statusCode, headers, body } = response
  const refusal = refusedByHeaders(statusCode, joinHeader(headers['content-encoding']))
  if (refusal !== null) {
    body.on('error', () => {}).destroy()
    return refusal
  }
  return decodeJson(statusCode, await body.bytes(), joinHeader(headers['content-type']))
}

function refusedByHeaders(status: number, encoding: string): HttpOutcome | null {
  if (status >= 300 && status < 400)
    return arrived(
      `HTTP_${status}`,
      'a redirect instead of an answer: it is not followed, since it would send the token to another address',
    )
  if (encoding === '' || encoding.toLowerCase() === 'identity') return null
  return arrived(notJsonCode(status), `HTTP ${status} with a compressed body that was not asked for`)
}

/** Fatal: a replacement character in a user id would be another person's id. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true })

function decodeJson(status: number, bytes: Uint8Array, contentType: string): HttpOutcome {
  try {
    return { kind: 'json', status, body: JSON.parse(UTF_8.decode(bytes)) }
  } catch {
    // Not cut here: secrets are redacted first.
    return arrived(notJsonCode(status), `HTTP ${status} with ${bytes.length} bytes that are not JSON (${contentType || 'no content type'})`)
  }
}

function notJsonCode(status: number): string {
  return status === 200 ? 'NOT_JSON' : `HTTP_${status}`
}

function arrived(code: string, message: string): HttpOutcome {
  return { kind: 'failed', code, message, arrived: true }
}

const TIMEOUT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])
const TOO_LARGE_CODES: ReadonlySet<string> = new Set(['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'UND_ERR_HEADERS_OVERFLOW'])

/** Uses only the code of an error: its message may quote the URL. @param place the origin, and the way to it */
function toHttpFailure(error: unknown, place: string, limits: HttpLimits): HttpOutcome {
  const code = errorCode(error)
  if (error instanceof PrivateAddressError) return lost(PRIVATE_ADDRESS_CODE, error.message)
  if (error instanceof ProxyError) return lost(error.code, `${error.message}: nothing was sent to ${place.split(' ', 1)[0]}`)
  if (error instanceof DeadlineError) return lost('TIMEOUT', `${place} did not answer in full within ${limits.deadlineMs} ms`)
  if (TIMEOUT_CODES.has(code)) return lost('TIMEOUT', `${place} was too slow (${code})`)
  if (TOO_LARGE_CODES.has(code)) return lost('TOO_LARGE', `${place} sent more than the ${limits.maxResponseBytes} bytes accepted (${code})`)
  if (isUntrusted(code)) return lost(CERTIFICATE_CODES.unknownCa, `${place} has a certificate of an unknown authority (${code})`)
  if (isInvalidCertificate(code)) return lost(CERTIFICATE_CODES.invalid, `${place} has a certificate that is not valid (${code})`)
  return lost('NETWORK', `no answer from ${place} (${code})`)
}

function lost(code: string, message: string): HttpOutcome {
  return { kind: 'failed', code, message, arrived: false }
}

function joinHeader(header: string | string[] | undefined): string {
  return Array.isArray(header) ? header.join(', ') : (header ?? '')
}
