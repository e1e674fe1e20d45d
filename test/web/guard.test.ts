import { describe, expect, test } from 'vitest'
import { isSameSecret } from '../../src/web/access.ts'
import { assertGuarded, isOurHost, isOwnOrigin } from '../../src/web/exposure.ts'
import { CANARIES } from '../support/canaries.ts'
import { ask, askRaw, headersOnly, post } from './support/ask.ts'
import { aServer } from './support/server.ts'

const TOKEN = CANARIES.apiToken
const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })
const GUARDED = ['/v1/tasks', '/v1/tasks/1', '/v1/campaigns', '/v1/apps', '/v1/attention', '/metrics']
const OPEN = ['/livez', '/readyz', '/v1/openapi.json']

describe('who may come in', () => {
  test('whoever has the token, and nobody else', async () => {
    const { url } = await aServer({ apiToken: TOKEN })
    for (const path of GUARDED) {
      const without = await ask(url, path)
      expect([path, without.status, without.body.error.code]).toEqual([path, 401, 'UNAUTHORIZED'])
      expect(without.headers.get('www-authenticate')).toMatch(/^Bearer /)
      for (const wrong of ['x', `${TOKEN}x`, TOKEN.slice(1), TOKEN.toUpperCase(), '']) {
        expect([path, wrong, (await ask(url, path, bearer(wrong))).status]).toEqual([path, wrong, 401])
      }
      expect((await ask(url, path, bearer(TOKEN))).status, path).toBeOneOf([200, 404])
    }
    for (const path of OPEN) expect((await ask(url, path)).status, path).toBe(200)
  })

  test('a refused task is not tracked', async () => {
    const { url, database } = await aServer({ apiToken: TOKEN })
    expect((await ask(url, '/v1/tasks', post({ taskId: '1' }, { authorization: 'Bearer x' }))).status).toBe(401)
    expect((await database.pool.query('SELECT FROM delivery_task')).rowCount).toBe(0)
  })

  test('the token is in no log, metric or answer, whether it was right or wrong', async () => {
    const { url, log } = await aServer({ apiToken: TOKEN })
    const wrong = 'a-wrong-one-that-somebody-typed'
    const answers = [
      await ask(url, '/v1/tasks', bearer(wrong)),
      await ask(url, '/v1/tasks?nope=1', bearer(TOKEN)),
      await ask(url, '/', { headers: { accept: 'text/html' } }),
      await ask(url, '/metrics', bearer(TOKEN)),
      await ask(url, '/readyz'),
    ]
    const told = [...answers.map(({ text }) => text), ...log].join('\n')
    for (const secret of [TOKEN, wrong]) expect(told).not.toContain(secret)
  })

  test('the header names the scheme in any case, and one token', async () => {
    const { url } = await aServer({ apiToken: TOKEN })
    for (const [authorization, status] of [
      [`Bearer ${TOKEN}`, 404],
      [`bearer   ${TOKEN} `, 404],
      [`Basic ${TOKEN}`, 401],
      ['Bearer', 401],
      [`Bearer ${TOKEN} b`, 401],
      ['', 401],
    ] as const) {
      expect([authorization, (await ask(url, '/v1/tasks/1', { headers: { authorization } })).status]).toEqual([authorization, status])
    }
  })

  test('secrets are compared whole', () => {
    expect([isSameSecret('abc', 'abc'), isSameSecret('abc', 'abd'), isSameSecret('abc', 'abcd'), isSameSecret('', 'a')]).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  test.each(['0.0.0.0', '::', '192.168.1.7', 'delivery.example.com', '127.0.0.1.example.com'])('%s without a token is refused', (host) => {
    expect(() => assertGuarded(host, null)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining('Set API_TOKEN') }),
    )
    expect(() => assertGuarded(host, TOKEN)).not.toThrow()
  })

  test.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'LOCALHOST', 'a.localhost'])('%s needs no token', (host) => {
    expect(() => assertGuarded(host, null)).not.toThrow()
  })

  test('a server that others could reach does not even start', async () => {
    await expect(aServer({ host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining('HOST is 0.0.0.0'),
    })
  })
})

describe('by which name', () => {
  const names = { host: 'delivery.internal', allowedHosts: ['delivery.example.com'] }
  test.each([
    'localhost',
    'localhost:8080',
    'LocalHost.:8080',
    '127.0.0.1:8080',
    '10.1.2.3',
    '[::1]:8080',
    'delivery.internal:1',
    'delivery.example.com',
    'Delivery.Example.com.:443',
  ])('%s is ours', (header) => expect(isOurHost(header, names)).toBe(true))

  test.each([
    undefined,
    '',
    'evil.example',
    'delivery.example.com.evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'localhost@evil.example',
    '[evil]',
    'a:b:c',
  ])('%s is not', (header) => expect(isOurHost(header, names)).toBe(false))

  test('a page of a stranger whose name leads here reads nothing; a prober by any name may ask', async () => {
    const { port } = await aServer({ allowedHosts: ['delivery.example.com'] })
    const by = async (host: string, path: string) => askRaw(port, headersOnly(path, { host }))
    const refused = await by('evil.example:80', '/v1/tasks')
    expect([refused.status, refused.text]).toEqual([421, expect.stringContaining('ALLOWED_HOSTS')])
    expect((await by('evil.example', '/')).status).toBe(421)
    expect((await by('evil.example', '/metrics')).status).toBe(421)
    expect((await by('pod-7.cluster', '/livez')).status).toBe(200)
    expect((await by('delivery.example.com', '/v1/tasks')).status).toBe(200)
  })
})

describe('from which page', () => {
  const names = { host: 'delivery.internal', allowedHosts: ['tracker.example'] }

  test.each([
    [undefined, true],
    ['http://localhost:8080', true],
    // Behind a proxy that ends TLS the page has https, and the server does not know; the host is what tells.
    ['https://localhost:8080', true],
    ['http://localhost:8081', false],
    ['http://evil.example', false],
    ['null', false],
    ['', false],
  ])('of origin %s to localhost:8080: %s', (origin, isOwn) => {
    expect(isOwnOrigin({ origin, host: 'localhost:8080', fetchSite: undefined }, names)).toBe(isOwn)
  })

  test.each([
    // nginx's default: the Host header is the upstream's.
    ['https://tracker.example', '127.0.0.1:8080', undefined, true],
    ['https://tracker.example', '127.0.0.1:8080', 'same-origin', true],
    ['https://tracker.example', '127.0.0.1:8080', 'none', true],
    ['http://tracker.example', 'localhost:8080', undefined, true],
    ['https://Tracker.Example.', '127.0.0.1:8080', undefined, true],
    ['http://delivery.internal', '10.1.2.3:8080', undefined, true],
    // `proxy_set_header Host $host` leaves the port out.
    ['https://tracker.example:8443', 'tracker.example', 'same-origin', true],
    ['https://tracker.example:8443', '[::1]:8080', undefined, true],
    // Another server under the same name, and a page that asks for it from elsewhere.
    ['https://tracker.example:9443', '127.0.0.1:8080', 'same-site', false],
    ['http://tracker.example', '127.0.0.1:8080', 'cross-site', false],
    ['https://tracker.example', '127.0.0.1:8080', 'whatever', false],
    ['https://evil.example', '127.0.0.1:8080', 'same-origin', false],
    ['https://tracker.example.evil.example', '127.0.0.1:8080', 'same-origin', false],
    ['https://evil.example/tracker.example', '127.0.0.1:8080', undefined, false],
    ['https://tracker.example@evil.example', '127.0.0.1:8080', undefined, false],
    ['null', '127.0.0.1:8080', 'same-origin', false],
    // Not named, so each of them may be anybody's.
    ['http://127.0.0.1:3000', '127.0.0.1:8080', 'same-origin', false],
    ['http://localhost', '127.0.0.1:8080', 'same-origin', false],
    ['http://10.1.2.3', '127.0.0.1:8080', undefined, false],
  ])('of origin %s to %s, which the browser calls %s: %s', (origin, host, fetchSite, isOwn) => {
    expect(isOwnOrigin({ origin, host, fetchSite }, names)).toBe(isOwn)
  })

  test('an address that the server is bound to is no name of a page', () => {
    for (const host of ['0.0.0.0', '10.1.2.3', '127.0.0.1', 'localhost']) {
      const sender = { origin: `http://${host}:3000`, host: `${host}:8080`, fetchSite: undefined }
      expect([host, isOwnOrigin(sender, { host, allowedHosts: [] })]).toEqual([host, false])
      expect([host, isOwnOrigin(sender, { host, allowedHosts: [host] })]).toEqual([host, true])
    }
  })

  test('a page of another site starts and cancels nothing; one of our own may', async () => {
    const { url, database } = await aServer()
    const send = async (origin: string) => ask(url, '/v1/tasks', post({ taskId: '1' }, { origin }))
    for (const origin of ['http://evil.example', 'null', `${url}.evil.example`]) {
      const { status, body } = await send(origin)
      expect([origin, status, body.error.code]).toEqual([origin, 403, 'CROSS_ORIGIN'])
    }
    expect((await ask(url, '/v1/tasks/1/cancel', { method: 'POST', headers: { origin: 'http://evil.example' } })).status).toBe(403)
    expect((await database.pool.query('SELECT FROM delivery_task')).rowCount).toBe(0)
    expect((await send(url)).status).toBe(202)
  })

  test('nothing that is answered may be kept or guessed at', async () => {
    const { url } = await aServer()
    for (const path of ['/v1/tasks', '/v1/tasks/1', '/readyz', '/nowhere', '/']) {
      const { headers } = await ask(url, path)
      expect([path, headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual([path, 'no-store', 'nosniff'])
    }
  })
})

test('what is not there is told apart from what is there under another method', async () => {
  const { url } = await aServer()
  expect(await ask(url, '/v1/nothing')).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } })
  for (const [method, path, allow] of [
    ['DELETE', '/v1/tasks', 'GET, HEAD, POST'],
    ['PUT', '/v1/tasks/1', 'GET, HEAD'],
    ['POST', '/v1/campaigns', 'GET, HEAD'],
    ['GET', '/v1/tasks/1/cancel', 'POST'],
    ['POST', '/readyz', 'GET, HEAD'],
  ] as const) {
    const answer = await ask(url, path, { method })
    expect([method, path, answer.status, answer.headers.get('allow')]).toEqual([method, path, 405, allow])
  }
})
