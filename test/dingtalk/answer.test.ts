import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { toProblemCode } from '../../src/domain/problems.ts'
import { aClient, anApi, anApp, type Handler, json, observed, poll, READ_BY_ANN, RESULT, refused, respond, wrapped } from './support.ts'

test('lists become people', async () => {
  const { api } = await aClient(
    json({
      errcode: 0,
      send_result: {
        read_user_id_list: ['036632523163121146'],
        unread_user_id_list: ['0'],
        forbidden_list: [{ code: '143105', count: 500, userid: 'eve' }],
      },
    }),
  )

  expect([...observed(await poll(api)).people]).toEqual([
    ['eve', { kind: 'forbidden', code: '143105', count: 500 }],
    ['0', { kind: 'unread' }],
    ['036632523163121146', { kind: 'read' }],
  ])
})

test('success without lists is empty, not a refusal', async () => {
  const { api } = await aClient(json({ errcode: 0, send_result: {}, request_id: 'r2' }))
  expect(await poll(api)).toMatchObject({ kind: 'empty', requestId: 'r2' })
})

const ANSWERS: ReadonlyArray<readonly [string, string, Handler]> = [
  ['an error code', '60020', json({ errcode: 60020, errmsg: 'not in the white list' })],
  ['an error code as text', '60020', json({ errcode: '60020' })],
  ['a rate limit wrapped in 88', '90018', json(wrapped(90018))],
  ['a missing permission that is only in errmsg', '60011', json({ errcode: 88, errmsg: 'ding talk error[subcode=60011,submsg=no]' })],
  ['an error code under another HTTP status', '15', json({ errcode: 15, errmsg: 'busy' }, 500)],
  ['an error in the new style', 'ApiCountLimitForOrg', json({ code: 'ApiCountLimitForOrg', message: 'quota', requestid: 'n1' }, 403)],
  ['an error in the new style with status 200', 'Forbidden.AccessDenied', json({ code: 'Forbidden.AccessDenied', message: 'no' })],
  ['a new-style code that is a number', '500', json({ code: 500, message: 'oops' }, 500)],
  ['an unknown new-style code', 'Forbidden.Unheard', json({ code: 'Forbidden.Unheard', message: 'no' }, 403)],
  ['an unknown new-style code under HTTP 503', 'HTTP_503', json({ code: 'ServiceUnavailable', message: 'later' }, 503)],
  ['an unknown new-style code under HTTP 429', 'HTTP_429', json({ code: 'Throttling', message: 'later' }, 429)],
  ['HTML with status 200', 'NOT_JSON', respond(200, 'text/html', '<html>banned: call timeout</html>')],
  ['an empty body', 'NOT_JSON', respond(200, 'application/json', '')],
  ['truncated JSON', 'NOT_JSON', respond(200, 'application/json', '{"errcode":0,"send_result":{"read_us')],
  ['a JSON list', 'NOT_JSON', json([1, 2])],
  ['JSON null', 'NOT_JSON', json(null)],
  ['a thousand nested lists and no end', 'NOT_JSON', respond(200, 'application/json', '['.repeat(500_000))],
  ['text that is not UTF-8', 'NOT_JSON', respond(200, 'application/json', Buffer.from('{"errcode":0,"errmsg":"\xff"}', 'latin1'))],
  ['the page of an IP ban', 'NO_CODE', json({ status: 1111, wait: 5, source: 'x5', punish: 'deny' })],
  ['HTTP 502 with HTML', 'HTTP_502', respond(502, 'text/html', '<html>')],
  ['HTTP 429 without a body', 'HTTP_429', respond(429, 'text/plain', '')],
  ['HTTP 404 with JSON that has no code', 'HTTP_404', json({ error: 'not found' }, 404)],
  ['success under HTTP 500', 'HTTP_500', json(READ_BY_ANN, 500)],
  ['a new-style success under HTTP 502', 'HTTP_502', json({ code: 0, message: 'ok' }, 502)],
  ['part of a result', 'HTTP_206', json(READ_BY_ANN, 206)],
  [
    'compression that was not asked for',
    'NOT_JSON',
    respond(200, 'application/json', gzipSync(JSON.stringify(READ_BY_ANN)), { 'content-encoding': 'gzip' }),
  ],
  ['compression under HTTP 503', 'HTTP_503', respond(503, 'application/json', gzipSync('{}'), { 'content-encoding': 'gzip' })],
]

test.each(ANSWERS)('%s is refused as %s', async (_, code, handler) => {
  const { server, api } = await aClient(handler)

  const answer = refused(await poll(api))

  expect(answer.code).toBe(code)
  expect(answer.respondedAt).not.toBeNull()
  expect(answer.message.length).toBeLessThanOrEqual(300)
  expect(server.received(RESULT)).toHaveLength(1)
})

test('an outage is never taken for too many recipients, whatever its page contains', async () => {
  const { api } = await aClient(respond(504, 'text/html', 'Call timeout'))
  const { code, message } = refused(await poll(api))
  expect(toProblemCode(code, message)).toBe('outage')
})

test.each([301, 302, 303, 307, 308])('HTTP %i is not followed', async (status) => {
  const { server, api } = await aClient((request, response) =>
    response.writeHead(status, { location: `http://${request.headers.host}/elsewhere` }).end('moved'),
  )

  expect(refused(await poll(api)).code).toBe(`HTTP_${status}`)
  expect(server.received('/elsewhere')).toEqual([])
})

test('a gzip bomb is not unpacked', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  const { api } = await aClient(respond(200, 'application/json', bomb, { 'content-encoding': 'gzip' }))
  expect(refused(await poll(api)).code).toBe('NOT_JSON')
})

test('a gzip bomb that does not say so is not unpacked either', async () => {
  const { api } = await aClient(respond(200, 'application/json', gzipSync(Buffer.alloc(50_000_000))))
  expect(refused(await poll(api)).code).toBe('NOT_JSON')
})

test('a body of 100 MB is broken off at the cap', async () => {
  let sent = 0
  const { api } = await aClient((_, response) => {
    const piece = Buffer.alloc(65_536, 'x')
    const more = (): void => {
      while (sent < 100_000_000 && !response.destroyed) {
        sent += piece.length
        if (response.write(piece)) continue
        response.once('drain', more)
        break
      }
    }
    more()
  })

  expect(refused(await poll(api))).toMatchObject({ code: 'TOO_LARGE', respondedAt: null })
  expect(sent).toBeLessThan(50_000_000)
})

test('a connection reset in the middle of the body is a network failure, and the next poll works', async () => {
  const { api } = await aClient((request, response) => {
    if (request.nth > 1) json(READ_BY_ANN)(request, response)
    else response.writeHead(200, { 'content-length': '500' }).write('{"errcode":0,', () => response.socket?.resetAndDestroy())
  })

  expect(refused(await poll(api))).toMatchObject({ code: 'NETWORK', respondedAt: null })
  expect((await poll(api)).kind).toBe('observed')
})

test('a connection that is closed before the promised length is a network failure', async () => {
  const { api } = await aClient((_, response) => {
    response.writeHead(200, { 'content-length': '500' })
    response.write('{"errcode":0}', () => response.socket?.end())
  })
  expect(refused(await poll(api)).code).toBe('NETWORK')
})

test('a server that does not run is a network failure that names the host', async () => {
  const url = 'http://127.0.0.1:1'
  const api = anApi(anApp({ url }, { kind: 'fixed', accessToken: 'token' }))

  expect(refused(await poll(api))).toMatchObject({ code: 'NETWORK', message: `no answer from ${url} (ECONNREFUSED)`, respondedAt: null })
})

test('what is no HTTP is a network failure', async () => {
  const api = await anApiFor('http', (socket) => socket.end('220 mail.example ESMTP\r\n'))
  expect(refused(await poll(api)).code).toBe('NETWORK')
})

test('endless headers are too large', async () => {
  const api = await anApiFor('http', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`))
  expect(refused(await poll(api)).code).toBe('TOO_LARGE')
})

test('a handshake that never ends is a timeout', async () => {
  const api = await anApiFor('https', () => {})
  expect(refused(await poll(api))).toMatchObject({ code: 'TIMEOUT', respondedAt: null })
})

async function anApiFor(scheme: 'http' | 'https', onConnection: (socket: Socket) => void): Promise<ReturnType<typeof anApi>> {
  const server = createServer((socket) => {
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `${scheme}://127.0.0.1:${portOf(server)}`
  return anApi(anApp({ url }, { kind: 'fixed', accessToken: 'token' }), { http: { connectTimeoutMs: 200 } })
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP')
  return address.port
}

test('headers that never come are a timeout', async () => {
  const { api } = await aClient(() => {}, { http: { headersTimeoutMs: 200 } })
  expect(refused(await poll(api))).toMatchObject({ code: 'TIMEOUT', respondedAt: null })
})

test('a body that stops in the middle is a timeout', async () => {
  const { api } = await aClient((_, response) => response.writeHead(200).write('{"errcode"'), { http: { bodyTimeoutMs: 200 } })
  expect(refused(await poll(api))).toMatchObject({ code: 'TIMEOUT', respondedAt: null })
})

test('a body that drips for ever is a timeout, although no single piece is late', async () => {
  const { api } = await aClient(
    (_, response) => {
      response.writeHead(200).write('{"errcode":0,"x":"')
      const drip = setInterval(() => response.write('.'), 20)
      response.on('close', () => clearInterval(drip))
    },
    { http: { deadlineMs: 300 } },
  )

  const answer = refused(await poll(api))

  expect(answer).toMatchObject({ code: 'TIMEOUT', respondedAt: null })
  expect(toProblemCode(answer.code, answer.message)).toBe('outage')
})

test('texts that PostgreSQL cannot hold do not leave the client', async () => {
  const { api } = await aClient(
    json({ errcode: 60020, errmsg: `a\u0000b\nc\ud800${'😀'.repeat(200)}`, request_id: `r\u0000${'9'.repeat(999)}` }),
  )

  const { message, requestId } = refused(await poll(api))

  expect(message).toMatch(/^a b\sc\ufffd/)
  expect(message.length).toBeLessThanOrEqual(300)
  expect(message.isWellFormed()).toBe(true)
  expect(requestId).toMatch(/^r 9{1,126}$/)
})

test('the request id of a successful answer is shortened too', async () => {
  const { api } = await aClient(json({ ...READ_BY_ANN, request_id: 'r\u00001' }))
  expect(observed(await poll(api)).requestId).toBe('r 1')
})
