import type { LookupFunction } from 'node:net'
import { Agent, request } from 'undici'
import { PRIVATE_ADDRESS_CODE } from '../domain/problems.ts'
import { DeadlineError, withDeadline } from '../lib/abort.ts'
import { PrivateAddressError } from './hosts.ts'

/** Limits of one HTTP exchange. All times in milliseconds. */
export interface HttpLimits {
  /** TCP and TLS handshake. */
  readonly connectTimeoutMs: number
  /** From the request to the end of the answer's headers. */
  readonly headersTimeoutMs: number
  /** Between two pieces of the body. */
  readonly bodyTimeoutMs: number
  /** Of the whole exchange: an answer of one byte a second passes every other timeout. */
  readonly deadlineMs: number
  /** An answer about 100 people is below 20 kB. */
  readonly maxResponseBytes: number
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

/**
 * One pool of kept-alive connections for each host. On undici's `request`, not `fetch`, which has no limit for the size of an answer and decodes
 * compressed ones.
 * @param lookup resolves the name for each new connection, and may refuse it
 */
export function createHttp(limits: HttpLimits, lookup: LookupFunction): Http {
  const agent = new Agent({
    connect: { timeout: limits.connectTimeoutMs, lookup },
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.bodyTimeoutMs,
    maxResponseSize: limits.maxResponseBytes,
  })
  let closed: Promise<void> | null = null
  return {
    close: () => (closed ??= agent.destroy()),
    async exchange(what, signal) {
      signal.throwIfAborted()
      try {
        return await withDeadline(limits.deadlineMs, signal, (bounded) => send(agent, what, bounded))
      } catch (error) {
        signal.throwIfAborted()
        return toHttpFailure(error, new URL(what.url).origin, limits)
      }
    },
  }
}

async function send(agent: Agent, what: HttpRequest, signal: AbortSignal): Promise<HttpOutcome> {
  const response = await request(what.url, {
    dispatcher: agent,
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

function decodeJson(status: number, bytes: Uint8Array, contentType: string): HttpOutcome {
  try {
    // Fatal: a replacement character in a user id would be another person's id.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { kind: 'json', status, body: JSON.parse(text) }
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

/** Uses only the code of an error: its message may quote the URL. */
function toHttpFailure(error: unknown, origin: string, limits: HttpLimits): HttpOutcome {
  const code = codeOf(error)
  if (error instanceof PrivateAddressError) return lost(PRIVATE_ADDRESS_CODE, error.message)
  if (error instanceof DeadlineError) return lost('TIMEOUT', `${origin} did not answer in full within ${limits.deadlineMs} ms`)
  if (TIMEOUT_CODES.has(code)) return lost('TIMEOUT', `${origin} was too slow (${code})`)
  if (TOO_LARGE_CODES.has(code))
    return lost('TOO_LARGE', `${origin} sent more than the ${limits.maxResponseBytes} bytes accepted (${code})`)
  return lost('NETWORK', `no answer from ${origin} (${code})`)
}

function lost(code: string, message: string): HttpOutcome {
  return { kind: 'failed', code, message, arrived: false }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

function joinHeader(header: string | string[] | undefined): string {
  return Array.isArray(header) ? header.join(', ') : (header ?? '')
}
