import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import { type Bench, control, failure } from './control.ts'
import type { Fault } from './faults.ts'
import { type Reply, replyTo } from './reply.ts'
import { type ApiCall, agentIdOf, parseCall, type RawRequest, splitVia, taskIdOf } from './request.ts'
import type { ArrivedCall } from './stats.ts'
import type { World } from './world.ts'

const MAX_BODY_BYTES = 1_048_576
const MAX_READ_BYTES = 64 * MAX_BODY_BYTES
const BODY_TOO_LARGE = failure(413, 'BODY_TOO_LARGE', `body: more than ${MAX_BODY_BYTES} bytes; send less`)

/** Longer than a client of a test idles: a keep-alive connection that ends under a request would be a fault that no test asked for. */
const KEEP_ALIVE_MS = 65_000

/** How long a close waits for answers that are being written. */
const CLOSE_GRACE_MS = 200

export interface Listener {
  readonly url: string
  /** Quick, whatever hangs; safe to call twice. */
  close(): Promise<void>
}

/** A request and its response. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborted when the client has disconnected or the simulator closes. */
  readonly signal: () => AbortSignal
}

type Slow = Extract<Fault, { kind: 'slow' }>

/** Serves a bench over HTTP, with the faults of the transport. On `node:http`, not fastify: faults need the raw socket and the raw body. */
export async function listen(bench: Bench, now: () => number, port: number, host: string): Promise<Listener> {
  const closing = new AbortController()
  const server = createServer((request, response) => {
    const signal = () => createEndSignal(response, closing.signal)
    serve(bench, now, { request, response, signal }).catch(() => response.destroy())
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen(port, host)
  await once(server, 'listening')
  let closed: Promise<void> | undefined
  return { url: formatServerUrl(server, host), close: () => (closed ??= close(server, closing)) }
}

function formatServerUrl(server: Server, host: string): string {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Made only where something waits, so that a plain call costs no signal. */
function createEndSignal(response: ServerResponse, closing: AbortSignal): AbortSignal {
  const gone = new AbortController()
  if (response.destroyed) gone.abort()
  response.once('close', () => gone.abort())
  return AbortSignal.any([gone.signal, closing])
}

async function serve(bench: Bench, now: () => number, exchange: Exchange): Promise<void> {
  const raw = await readRequest(exchange.request)
  if (raw === undefined) return send(exchange.response, BODY_TOO_LARGE)
  if (raw.path === '/_simulator' || raw.path.startsWith('/_simulator/')) return send(exchange.response, control(bench, raw, now()))
  await answerCall(bench, now, exchange, parseCall(raw))
}

async function answerCall(bench: Bench, now: () => number, exchange: Exchange, call: ApiCall): Promise<void> {
  const { world, faults, counter } = bench
  const identity = world.findIdentity(call)
  const at = now()
  const counted = counter.arrived(arrivedCall(world, call, identity.appKey, at))
  const fault = faults.take({ call, identity, at, hours: world.computeHours(call, at) })
  if (fault !== undefined) counter.struck(fault.kind)
  const decide = (moment: number) => {
    const decided = replyTo(world, call, fault, moment)
    if (decided?.metered) counted.metered()
    return decided
  }
  let reply: Reply | undefined
  try {
    reply = fault?.kind === 'slow' ? await slowReply(fault, exchange, at, now, decide) : decide(at)
  } finally {
    counted.answered(reply?.code ?? `fault:${fault?.kind ?? 'none'}`)
  }
  await deliver(exchange, reply, fault)
  if (reply !== undefined && fault?.kind !== 'huge') keepAnswer(bench, call, reply, now())
}

function arrivedCall(world: World, call: ApiCall, appKey: string | undefined, at: number): ArrivedCall {
  return {
    endpoint: call.endpoint,
    appKey: world.app(appKey ?? '')?.appKey,
    agentId: agentIdOf(call),
    taskId: taskIdOf(call),
    via: call.source.via,
    at,
  }
}

/** The answer is decided on arrival, unless the fault wants it decided at the end of the delay. */
async function slowReply(fault: Slow, exchange: Exchange, at: number, now: () => number, decide: (at: number) => Reply | undefined) {
  const early = fault.decided === 'on-arrival' ? decide(at) : undefined
  await wait(fault.delayMs, undefined, { signal: exchange.signal() })
  return early ?? decide(now())
}

function keepAnswer({ world, answers }: Bench, call: ApiCall, reply: Reply, at: number): void {
  const taskId = taskIdOf(call)
  if (!world.settings.keepAnswers || taskId === undefined || reply.sendResult === undefined) return
  const given = answers.get(taskId) ?? []
  given.push({ at: new Date(at), sendResult: reply.sendResult })
  answers.set(taskId, given)
}

/** Undefined: the body is larger than DingTalk would accept. It is read to its end, or the client would not see the answer. */
async function readRequest(request: IncomingMessage): Promise<RawRequest | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) continue
    size += chunk.length
    if (size <= MAX_BODY_BYTES) chunks.push(chunk)
    if (size > MAX_READ_BYTES) throw new Error(`more than ${MAX_READ_BYTES} bytes`)
  }
  if (size > MAX_BODY_BYTES) return undefined
  const [url = '/', query = ''] = (request.url ?? '/').split('?', 2)
  const { via, path } = splitVia(url)
  return {
    method: request.method ?? 'GET',
    path,
    source: { via, remoteAddress: (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '') },
    query: new URLSearchParams(query),
    contentType: request.headers['content-type'] ?? '',
    body: Buffer.concat(chunks).toString('utf8'),
  }
}

/** Ends idle connections and waiting faults at once, and answers that are being written after a moment. */
async function close(server: Server, closing: AbortController): Promise<void> {
  closing.abort()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const late = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
  server.closeIdleConnections()
  await closed
  clearTimeout(late)
}

/** Writes a reply as the fault says. Resolves when the exchange is over. */
async function deliver(exchange: Exchange, reply: Reply | undefined, fault: Fault | undefined): Promise<void> {
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

function send(response: ServerResponse, reply: Pick<Reply, 'status' | 'headers' | 'body'>): void {
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

/** The same JSON object with a `padding` member of as many bytes, which are made piece by piece and never held in memory. */
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
