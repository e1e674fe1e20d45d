import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CANARIES } from '../support/canaries.ts'
import { type Answer, ask, askRaw, headersOnly, post, statusesIn } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'
import { CAMPAIGN, fillWorld, TASK } from './support/world.ts'

/** One server with a token, as a stranger sees it who can send it whatever he likes. */
let server: Served
let close: () => Promise<void>
let aheadMs = 0
beforeAll(async () => {
  ;({ served: server, close } = await openServer({ apiToken: CANARIES.apiToken, now: () => new Date(Date.now() + aheadMs) }))
  await fillWorld(server.store)
})
afterAll(() => close())

const HTML = { accept: 'text/html' }
const bearer = { authorization: `Bearer ${CANARIES.apiToken}` }
const NAMES = ['ann', 'ben', 'zoe', '工资', TASK]

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> => ask(server.url, path, { headers, redirect: 'manual' })

function submit(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(server.url, path, { method: 'POST', body: new URLSearchParams(fields), headers: { ...HTML, ...headers }, redirect: 'manual' })
}

async function signIn(
  headers: Record<string, string> = {},
): Promise<{ readonly answer: Answer; readonly cookie: string; readonly set: string }> {
  // Far enough from the wrong attempts of other tests.
  aheadMs += 120_000
  const answer = await submit('/login', { token: CANARIES.apiToken, next: '/' }, headers)
  const set = answer.headers.get('set-cookie') ?? ''
  return { answer, set, cookie: set.split(';', 1)[0] ?? '' }
}

describe('without the token', () => {
  test.each([
    '/v1/tasks',
    `/v1/tasks/${TASK}`,
    `/v1/tasks/${TASK}/recipients?format=csv`,
    `/v1/campaigns/${encodeURIComponent(CAMPAIGN)}/recipients`,
    '/v1/apps',
    '/v1/attention',
    '/metrics',
    '/',
    `/tasks/${TASK}`,
    `/tasks/${TASK}/people/ann`,
    `/tasks/${TASK}/people.csv`,
    `/campaigns/${encodeURIComponent(CAMPAIGN)}/people.csv`,
    '/nowhere',
  ])('%s says nothing of anybody, by any method, in any disguise', async (path) => {
    const disguises = [
      ['GET', {}],
      ['GET', HTML],
      ['HEAD', HTML],
      ['OPTIONS', {}],
      ['POST', { 'x-http-method-override': 'GET' }],
      ['PUT', {}],
      ['DELETE', {}],
      ['GET', { authorization: `Basic ${Buffer.from(`x:${CANARIES.redisPassword}`).toString('base64')}` }],
      ['GET', { authorization: 'Bearer null' }],
      ['GET', { cookie: 'delivery_session=' }],
      ['GET', { cookie: `delivery_session=${Date.now() + 9e9}.x` }],
      ['GET', { cookie: 'delivery_session=Infinity.' }],
      ['GET', { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1' }],
    ] as const
    for (const [method, headers] of disguises) {
      const answer = await ask(server.url, path, { method, headers, redirect: 'manual' })
      expect([method, headers, answer.status]).toEqual([method, headers, expect.toBeOneOf([303, 401, 404, 405, 415])])
      const told = `${answer.text} ${answer.headers.get('content-disposition')}`
      for (const name of NAMES) expect([method, headers, told.includes(name)]).toEqual([method, headers, false])
    }
  })

  test.each(['token', 'access_token', 'api_token', 'apiToken', 'authorization', 'bearer'])(
    'a token in the query (%s) is none',
    async (name) => {
      expect((await fetch(`${server.url}/v1/tasks?${name}=${CANARIES.apiToken}`)).status).toBe(401)
      expect((await fetch(`${server.url}/?${name}=${CANARIES.apiToken}`, { headers: HTML, redirect: 'manual' })).status).toBe(303)
    },
  )

  test('what is open to probers names nobody, no task, no campaign and no app', async () => {
    for (const path of ['/livez', '/readyz']) {
      const { text } = await get(path)
      for (const name of [...NAMES, 'hr', 'default', '127.0.0.1', 'test_serve']) expect([path, text.includes(name)]).toEqual([path, false])
    }
    const { text } = await get('/metrics', bearer)
    for (const name of [...NAMES, 'people.csv?']) expect(text.includes(name), name).toBe(false)
  })

  test.each([
    '/../../etc/passwd',
    '/assets/../../../package.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/dashboard.css',
    '/v1/../metrics',
    '/v1/tasks/..%2f..%2f..%2fetc%2fpasswd',
    '/v1//tasks',
    '/livez/../metrics',
    '/livez%2f..%2fmetrics',
    '//evil.example/',
    '//',
    '///',
    '/\\evil.example',
    '/%',
    '/%00',
    '/%c0%ae%c0%ae/',
    '/v1/tasks/%00',
    'http://evil.example/v1/tasks',
    'http://evil.example/',
    '*',
    `/${'a'.repeat(10_000)}`,
    `/v1/tasks/${'9'.repeat(5_000)}`,
    `/?${'a=b&'.repeat(2_000)}`,
  ])('no path leads around it: %s', async (path) => {
    for (const accept of ['*/*', 'text/html']) {
      const { status, text } = await askRaw(server.port, headersOnly(path, { host: 'localhost', accept }))
      expect([accept, status]).toEqual([accept, expect.toBeOneOf([303, 400, 401, 404])])
      expect(text).not.toMatch(/root:|"dependencies"|process_cpu|^location: (?!\/login)/im)
    }
  })
})

describe('signing in', () => {
  test('gives a cookie that no script and no other site gets, that is not the token, and that is new each time', async () => {
    const [first, second] = [await signIn({ cookie: 'delivery_session=set-by-somebody-else' }), await signIn()]
    expect(first.answer.status).toBe(303)
    expect(first.set).toMatch(/^delivery_session=\d+\.[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/)
    expect(first.cookie).not.toBe(second.cookie)
    expect((await get('/', { ...HTML, cookie: first.cookie })).status).toBe(200)
  })

  test('on a page that came over TLS gives one that never goes without it', async () => {
    const { host } = new URL(server.url)
    expect((await signIn({ origin: `https://${host}` })).set).toMatch(/; Secure/)
    expect((await signIn({ origin: `http://${host}` })).set).not.toMatch(/; Secure/)
  })

  test('does not open the API: a page of another site could ask with the cookie', async () => {
    const { cookie } = await signIn()
    expect((await get('/v1/tasks', { cookie })).status).toBe(401)
    expect((await get('/metrics', { cookie })).status).toBe(401)
  })

  test('takes no cookie whose end or signature was changed', async () => {
    const { cookie } = await signIn()
    const [, endsAt = '', signature = ''] = /=(\d+)\.(.*)/.exec(cookie) ?? []
    for (const value of [
      `${Number(endsAt) + 1}.${signature}`,
      `${endsAt}.`,
      endsAt,
      `.${signature}`,
      `${endsAt}.${signature}x`,
      `0${endsAt}.${signature}`,
    ])
      expect((await get('/', { ...HTML, cookie: `delivery_session=${value}` })).status, value).toBe(303)
  })

  test.each(['/login', '/logout', '/preferences'])('%s does nothing for a page of another site', async (path) => {
    for (const origin of ['http://evil.example', 'null', `${server.url}.evil.example`, 'https://localhost:1']) {
      const answer = await submit(path, { token: CANARIES.apiToken, language: 'zh' }, { origin })
      expect([origin, answer.status, answer.headers.get('set-cookie')]).toEqual([origin, 403, null])
    }
  })

  test('leads to no other site, and into no header', async () => {
    aheadMs += 120_000
    for (const next of [
      '//evil.example',
      'https://evil.example',
      '/\\evil.example',
      '/x\r\nset-cookie: a=b',
      '/\t/evil.example',
      'javascript:alert(1)',
    ]) {
      const { headers } = await submit('/login', { token: CANARIES.apiToken, next })
      expect([next, headers.get('location'), headers.get('a')]).toEqual([next, '/', null])
    }
  })

  test('is slow for whoever guesses, whatever address he says he has, and right again after a minute', async () => {
    aheadMs += 120_000
    const guess = (i: number) => submit('/login', { token: `wrong ${i}` }, { 'x-forwarded-for': `10.0.0.${i}` })
    const statuses: number[] = []
    for (let i = 0; i < 7; i++) statuses.push((await guess(i)).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429])
    expect((await submit('/login', { token: CANARIES.apiToken })).status, 'the right token').toBe(303)
    expect((await get('/v1/tasks', bearer)).status, 'programs that have the token are not locked out').toBe(200)
    aheadMs += 61_000
    expect((await submit('/login', { token: CANARIES.apiToken })).status).toBe(303)
  })

  test('is told nothing of the token by what was typed: it comes back nowhere', async () => {
    aheadMs += 120_000
    const typed = 'typed<script>alert(1)</script>'
    const { text } = await submit('/login', { token: typed, next: '"><script>alert(1)</script>' })
    expect(text).not.toContain('alert(1)')
  })
})

test('pages may not be framed, kept, or run anything that this server did not send', async () => {
  const { cookie } = await signIn()
  for (const path of ['/', `/tasks/${TASK}`, '/login', '/nowhere']) {
    const { headers } = await get(path, { ...HTML, cookie })
    expect([path, headers.get('cache-control'), headers.get('x-content-type-options'), headers.get('cross-origin-opener-policy')]).toEqual([
      path,
      'no-store',
      'nosniff',
      'same-origin',
    ])
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/^default-src 'none';/)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|\*|https?:/)
    expect(headers.get('access-control-allow-origin')).toBeNull()
  }
})

test.each([
  ['a form', 'application/x-www-form-urlencoded', 'taskId=4711'],
  ['plain text', 'text/plain', '{"taskId":"4711"}'],
  ['parts', 'multipart/form-data; boundary=x', '--x--'],
])('what a page of another site can send without asking first (%s) tracks nothing', async (_, type, body) => {
  const answer = await ask(server.url, '/v1/tasks', { ...post(body, { ...bearer, 'content-type': type }) })
  expect(answer.status).toBe(415)
  expect((await get('/v1/tasks/4711', bearer)).status).toBe(404)
})

describe('a request that two servers could read in two ways is refused, and ends the connection', () => {
  const NEXT = 'GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
  const begin = (...lines: readonly string[]): string =>
    `POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
  test.each([
    ['two lengths', begin('content-length: 0', `content-length: ${NEXT.length}`)],
    ['a length and chunks', begin('content-length: 5', 'transfer-encoding: chunked') + '0\r\n\r\n'],
    ['chunks that are not the last coding', begin('transfer-encoding: chunked, identity')],
    ['an unknown coding', begin('transfer-encoding: xchunked')],
    ['a space before the colon', begin('content-length : 0')],
    ['a folded header', begin('x-a: b', ' content-length: 5')],
    ['a length with a sign', begin('content-length: +0')],
    ['a length that is a list', begin('content-length: 0, 0')],
    ['a chunk of a strange size', begin('transfer-encoding: chunked') + '0x0\r\n\r\n'],
    ['no carriage returns', 'GET /v1/tasks HTTP/1.1\nhost: localhost\n\n'],
    ['NUL in a header', begin('x-a: b\0c')],
    ['no host', 'GET /v1/tasks HTTP/1.1\r\n\r\n'],
    ['an old version', 'GET /v1/tasks HTTP/0.9\r\n\r\n'],
  ])('%s', async (_, request) => {
    const { text } = await askRaw(server.port, request + NEXT)
    expect(statusesIn(text)).toEqual([400])
  })

  test('headers beyond all measure are refused, and the next one who asks is answered', async () => {
    const tooLarge = await askRaw(server.port, headersOnly('/v1/tasks', { host: 'localhost', 'x-a': 'a'.repeat(40_000) }))
    expect(tooLarge.status).toBe(431)
    const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`x-${i}`, 'a']))
    expect((await askRaw(server.port, headersOnly('/livez', { host: 'localhost', ...many }))).status).toBeOneOf([200, 431])
    expect((await get('/livez')).status).toBe(200)
  })
})

test('two hosts are one too many to be trusted', async () => {
  const { status } = await askRaw(
    server.port,
    'GET /v1/tasks HTTP/1.1\r\nhost: evil.example\r\nhost: localhost\r\nconnection: close\r\n\r\n',
  )
  expect(status).toBeOneOf([400, 421])
})
