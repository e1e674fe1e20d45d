import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'

/**
 * What the proxy does to the connections that it has and to those that come:
 * - `pass`: forwards
 * - `latency`: forwards, each way this much later
 * - `reset`: ends every connection with a reset, new ones as soon as they are made
 * - `refuse`: as reset, and new ones are refused
 * - `blackhole`: accepts, and forwards nothing either way; what was sent meanwhile is forwarded by the next `pass`
 * - `halfOpen`: the server loses the connections that there are now, and the clients do not hear of it: theirs stay open and silent for good. Then `pass`
 * - `dropOneReply`: forwards; the next thing that the server says on any connection is thrown away and that connection is reset. Then `pass`
 * - `truncateTo`: forwards this many bytes of the next reply, then ends that connection. Then `pass`
 */
export type ProxyMode =
  | 'pass'
  | 'reset'
  | 'refuse'
  | 'blackhole'
  | 'halfOpen'
  | 'dropOneReply'
  | { readonly latencyMs: number }
  | { readonly truncateTo: number }

export interface TcpProxy {
  /** Stays the same through every mode. */
  readonly port: number
  /** How many connections there are from clients. */
  connections(): number
  /** Resolves when the mode holds. */
  mode(mode: ProxyMode): Promise<void>
  /** From now on another server is behind it; the connections to the one before are reset. */
  retarget(port: number): void
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Set once: the client's side lives on alone. */
  severed: boolean
}

interface State {
  mode: ProxyMode
  targetPort: number
  readonly pairs: Set<Pair>
}

/** A proxy on 127.0.0.1 before `targetPort` on 127.0.0.1. */
export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const state: State = { mode: 'pass', targetPort, pairs: new Set() }
  const server = createServer({ allowHalfOpen: true }, (client) => accept(client, state))
  // It may refuse connections for a while, and listen again then.
  const port = await listen(server, await freePort())
  return {
    port,
    connections: () => state.pairs.size,
    mode: (mode) => enter(mode, state, server, port),
    retarget(next) {
      state.targetPort = next
      resetAll(state)
    },
    close: async () => {
      resetAll(state)
      await stopListening(server)
    },
  }
}

async function enter(mode: ProxyMode, state: State, server: Server, port: number): Promise<void> {
  state.mode = mode
  if (mode === 'refuse') await stopListening(server, () => resetAll(state))
  else if (!server.listening) await listen(server, port)
  if (mode === 'reset') resetAll(state)
  if (mode === 'halfOpen') severAll(state)
  for (const pair of state.pairs) updateFlow(pair, mode)
}

function severAll(state: State): void {
  for (const pair of state.pairs) sever(pair)
  state.mode = 'pass'
}

function accept(client: Socket, state: State): void {
  client.on('error', () => undefined)
  if (state.mode === 'reset') return void client.resetAndDestroy()
  const server = connect({ port: state.targetPort, host: '127.0.0.1', allowHalfOpen: true })
  const pair: Pair = { client, server, severed: false }
  state.pairs.add(pair)
  const [toServer, toClient] = [lane(state), lane(state)]
  client.on('data', (data) => toServer(() => write(server, data)))
  server.on('data', (data) => toClient(() => reply(pair, data, state)))
  client.on('end', () => toServer(() => server.end()))
  server.on('end', () => toClient(() => pair.severed || client.end()))
  client.on('close', () => drop(pair, state))
  server.on('error', () => pair.severed || client.resetAndDestroy())
  server.on('close', () => toClient(() => pair.severed || client.destroySoon()))
  updateFlow(pair, state.mode)
}

/** One direction of one connection: what is delayed keeps its order, also when the mode changes meanwhile. */
function lane(state: State): (act: () => unknown) => void {
  let last: Promise<unknown> = Promise.resolve()
  return (act) => {
    const due = performance.now() + latencyOf(state.mode)
    last = last.then(() => untilTime(due)).then(act)
  }
}

function latencyOf(mode: ProxyMode): number {
  return typeof mode === 'object' && 'latencyMs' in mode ? mode.latencyMs : 0
}

async function untilTime(due: number): Promise<void> {
  const left = due - performance.now()
  if (left > 0) await sleep(left)
}

function reply({ client, severed }: Pair, data: Buffer, state: State): void {
  if (severed) return
  if (state.mode === 'dropOneReply') {
    state.mode = 'pass'
    client.resetAndDestroy()
  } else if (typeof state.mode === 'object' && 'truncateTo' in state.mode) {
    client.end(data.subarray(0, state.mode.truncateTo))
    state.mode = 'pass'
  } else write(client, data)
}

function write(socket: Socket, data: Buffer): void {
  if (socket.writable) socket.write(data)
}

/** A paused socket reads nothing: the sender fills its buffers and waits, as with a network that swallows everything. */
function updateFlow({ client, server, severed }: Pair, mode: ProxyMode): void {
  const flows = mode !== 'blackhole' && !severed
  for (const socket of [client, server]) {
    if (flows) socket.resume()
    else socket.pause()
  }
}

function sever(pair: Pair): void {
  pair.severed = true
  pair.server.resetAndDestroy()
}

function drop(pair: Pair, state: State): void {
  state.pairs.delete(pair)
  pair.server.destroy()
}

function resetAll(state: State): void {
  for (const { client, server } of state.pairs) {
    client.resetAndDestroy()
    server.resetAndDestroy()
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

function stopListening(server: Server, meanwhile: () => void = () => undefined): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    meanwhile()
  })
}
