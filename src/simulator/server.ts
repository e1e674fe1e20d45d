import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { type Bench, control, failure } from './control.ts'
import { deliver, type Exchange, send } from './deliver.ts'
import type { Fault } from './fault.ts'
import { type Reply, replyTo } from './reply.ts'
import { type ApiCall, agentIdOf, parseCall, type RawRequest, splitVia, taskIdOf } from './request.ts'
import type { ArrivedCall } from './stats.ts'
import type { World } from './world.ts'

const MAX_BODY_BYTES = 1_048_576
const MAX_READ_BYTES = 64 * MAX_BODY_BYTES
const BODY_TOO_LARGE = failure(413, 'BODY_TOO_LARGE', `body: more than ${MAX_BODY_BYTES} bytes; send less`)

/** Longer than any client of a test idles: a keep-alive connection that ends under a request would be a fault that nobody asked for. */
const KEEP_ALIVE_MS = 65_000

/** How long a close waits for answers that are being written. */
const CLOSE_GRACE_MS = 200

export interface HttpIntake {
  readonly server: Server
  close(): Promise<void>
}

type Slow = Extract<Fault, { kind: 'slow' }>

/** The thin layer: bytes in, a decision from elsewhere, bytes out. Faults of the transport happen here. */
export function createIntake(bench: Bench, now: () => number): HttpIntake {
  const closing = new AbortController()
  const server = createServer((request, response) => {
    const signal = () => endOf(response, closing.signal)
    serve(bench, now, { request, response, signal }).catch(() => response.destroy())
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.on('clientError', (_error, socket) => socket.destroy())
  let closed: Promise<void> | undefined
  return {
    server,
    close: () => {
      closed ??= close(server, closing)
      return closed
    },
  }
}

/** Aborts when the client goes away or the simulator closes. Made only where something waits: a plain call costs no signal. */
function endOf(response: ServerResponse, closing: AbortSignal): AbortSignal {
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
  const identity = world.identityOf(call)
  const at = now()
  const counted = counter.arrived(arrivedCall(world, call, identity.appKey, at))
  const fault = faults.take({ call, identity, at, hours: world.hoursOf(call, at) })
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

/** A late answer is still the one of its call, unless the fault wants it decided at the end of the delay. */
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

/** undefined: the body is larger than anything DingTalk would take. It is read to its end, or the client would not see the answer. */
async function readRequest(request: IncomingMessage): Promise<RawRequest | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) continue
    size += chunk.length
    if (size <= MAX_BODY_BYTES) chunks.push(chunk)
    if (size > MAX_READ_BYTES) throw new Error('more than the simulator is ready to read')
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

/** Idle connections and faults that wait end at once; answers under way get a moment. */
async function close(server: Server, closing: AbortController): Promise<void> {
  closing.abort()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const late = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
  server.closeIdleConnections()
  await closed
  clearTimeout(late)
}
