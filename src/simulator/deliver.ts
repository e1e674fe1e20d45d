import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import type { Fault } from './fault.ts'
import type { Reply } from './reply.ts'

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborts when the client goes away or the simulator closes. */
  readonly signal: () => AbortSignal
}

/** Writes a reply the way the fault says. Resolves when nothing is left to do for this exchange. */
export async function deliver(exchange: Exchange, reply: Reply | undefined, fault: Fault | undefined): Promise<void> {
  const { request, response, signal } = exchange
  if (fault?.kind === 'reset') return void request.socket.resetAndDestroy()
  if (reply === undefined) return untilGone(signal())
  switch (fault?.kind) {
    case 'drip':
      return stream(exchange, reply, drops(reply.body, fault.bytes, fault.delayMs, signal()))
    case 'huge':
      return stream(exchange, reply, padded(reply.body, fault.bytes))
    case 'gzip':
      return stream(exchange, { ...reply, headers: { ...reply.headers, 'content-encoding': 'gzip' } }, padded(reply.body, fault.bytes))
    case 'truncated':
      return truncated(response, reply, fault.cut)
    default:
      return send(response, reply)
  }
}

export function send(response: ServerResponse, reply: Pick<Reply, 'status' | 'headers' | 'body'>): void {
  response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) })
  response.end(reply.body)
}

async function untilGone(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

/** `body`: the response is complete, the JSON is not. `connection`: fewer bytes than announced, then the socket closes. */
function truncated(response: ServerResponse, reply: Reply, cut: 'body' | 'connection'): void {
  const half = reply.body.slice(0, Math.ceil(reply.body.length / 2))
  if (cut === 'body') return send(response, { ...reply, body: half })
  response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) })
  response.write(half, () => response.destroy())
}

async function stream({ response, signal }: Exchange, reply: Reply, chunks: Iterable<string> | AsyncIterable<Buffer>): Promise<void> {
  response.writeHead(reply.status, reply.headers)
  const source = Readable.from(chunks)
  const options = { signal: signal() }
  const isZipped = reply.headers['content-encoding'] === 'gzip'
  await (isZipped ? pipeline(source, createGzip(), response, options) : pipeline(source, response, options))
}

/** Cut by bytes, so that a character may arrive in two pieces. */
async function* drops(body: string, bytes: number, delayMs: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const whole = Buffer.from(body)
  for (let from = 0; from < whole.length; from += bytes) {
    yield whole.subarray(from, from + bytes)
    await wait(delayMs, undefined, { signal })
  }
}

/** The same JSON object with a `padding` member of as many bytes, made piece by piece: the simulator itself holds none of it. */
function* padded(body: string, bytes: number): Generator<string> {
  if (bytes === 0 || !body.endsWith('}')) {
    yield body
    return
  }
  yield `${body.slice(0, -1)},"padding":"`
  const piece = 'x'.repeat(65_536)
  for (let left = bytes; left > 0; left -= piece.length) yield piece.slice(0, left)
  yield '"}'
}
