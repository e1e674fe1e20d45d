import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startProxy, type TcpProxy } from './tcp-proxy.ts'
import { until } from './wait.ts'

let echo: Server
let heard: string
let proxy: TcpProxy
const clients: Socket[] = []

beforeEach(async () => {
  heard = ''
  echo = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      heard += data
      socket.write(data)
    })
  })
  await once(echo.listen(0, '127.0.0.1'), 'listening')
  const address = echo.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  proxy = await startProxy(address.port)
})

afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy()
  await proxy.close()
  await new Promise((resolve) => echo.close(resolve))
})

function client() {
  const socket = connect(proxy.port, '127.0.0.1')
  clients.push(socket)
  const seen = { text: '', error: '', closed: false, socket }
  socket.on('data', (data) => {
    seen.text += data
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.error = error.code ?? error.message
  })
  socket.on('close', () => {
    seen.closed = true
  })
  return seen
}

async function connected() {
  const seen = client()
  seen.socket.write('hello ')
  await until(() => seen.text === 'hello ', { what: 'the echo of hello' })
  return seen
}

test('passes both ways, and the end too', async () => {
  const seen = await connected()
  seen.socket.end('bye')
  await until(() => seen.closed, { what: 'the connection has ended' })
  expect(seen.text).toBe('hello bye')
  expect(seen.error).toBe('')
})

test('latency delays and keeps the order, also across a change of the mode', async () => {
  const seen = await connected()
  await proxy.mode({ latencyMs: 40 })
  const start = performance.now()
  seen.socket.write('slow ')
  await until(() => heard.includes('slow'), { what: 'slow has arrived' })
  await proxy.mode('pass')
  seen.socket.write('fast')
  await until(() => seen.text === 'hello slow fast', { what: 'both echoes, in order' })
  expect(performance.now() - start).toBeGreaterThan(39)
})

test('reset ends what is open and what comes, until it passes again', async () => {
  const seen = await connected()
  await proxy.mode('reset')
  await until(() => seen.error === 'ECONNRESET', { what: 'the connection is reset' })
  const next = client()
  await until(() => next.closed, { what: 'a new connection is reset' })
  await proxy.mode('pass')
  await connected()
})

test('refuse refuses, and the port is the same afterwards', async () => {
  const seen = await connected()
  await proxy.mode('refuse')
  await until(() => seen.closed, { what: 'the open connection has ended' })
  const refused = client()
  await until(() => refused.error === 'ECONNREFUSED', { what: 'a new connection is refused' })
  await proxy.mode('pass')
  await connected()
})

test('a black hole is silent, and pass delivers what it swallowed', async () => {
  const seen = await connected()
  await proxy.mode('blackhole')
  seen.socket.write('lost?')
  const next = client()
  await until(() => next.socket.readyState === 'open', { what: 'a new connection is accepted' })
  next.socket.write('also')
  await until(() => proxy.connections() === 2, { what: 'both connections are there' })
  expect(heard).toBe('hello ')
  await proxy.mode('pass')
  await until(() => seen.text === 'hello lost?' && next.text === 'also', { what: 'both echoes' })
})

test('half open: the server has lost the connection, the client does not know, a new one works', async () => {
  const seen = await connected()
  await proxy.mode('halfOpen')
  await until(() => connectionCount(echo).then((count) => count === 0), { what: 'the server has no connection' })
  seen.socket.write('anybody there?')
  await connected()
  expect(seen).toMatchObject({ text: 'hello ', error: '', closed: false })
  expect(heard).toBe('hello hello ')
})

test('one reply is dropped after the server acted, and then all is well', async () => {
  const seen = await connected()
  await proxy.mode('dropOneReply')
  seen.socket.write('do it')
  await until(() => seen.closed, { what: 'the connection is gone' })
  expect(heard).toBe('hello do it')
  expect(seen.text).toBe('hello ')
  await connected()
})

test('one reply is cut short', async () => {
  const seen = await connected()
  await proxy.mode({ truncateTo: 3 })
  seen.socket.write('truncated')
  await until(() => seen.closed, { what: 'the connection has ended' })
  expect(seen.text).toBe('hello tru')
  await connected()
})

function connectionCount(server: Server): Promise<number> {
  return new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))))
}
