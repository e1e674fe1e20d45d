import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createApp } from '../../src/web/app.ts'
import { createProxies, OWN_PATHS, parseBasePath } from '../../src/web/proxies.ts'
import { runs } from '../support/runs.ts'
import { askRaw, headersOnly } from './support/ask.ts'
import { pathsIn } from './support/routes.ts'
import { aServer, type ServerOptions } from './support/server.ts'
import { CAMPAIGN, fillWorld, HINDERED, TASK } from './support/world.ts'

const TOKEN = 'a-token-that-may-write'
const READ_TOKEN = 'a-token-that-may-read'
const PROXY = '10.0.0.7'
const STRANGER = '10.9.9.9'

interface Sent {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Record<string, string | string[]>
  readonly payload?: string
}

/** A server without a socket, which believes that a request comes from any address. */
async function anApp(options: ServerOptions) {
  const served = await aServer(options)
  const app = await createApp(served.options)
  onTestFinished(() => app.close())
  const from = async (remoteAddress: string, { headers = {}, ...sent }: Sent) =>
    app.inject({
      method: 'GET',
      ...sent,
      remoteAddress,
      headers: { accept: 'text/html', 'accept-language': 'en', host: 'localhost', ...headers },
    })
  const submit = async (remoteAddress: string, url: string, fields: Record<string, string>, headers: Sent['headers'] = {}) =>
    from(remoteAddress, {
      ...{ url, method: 'POST', payload: new URLSearchParams(fields).toString() },
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  return { served, from, submit }
}

const addressesIn = (markup: string): string[] =>
  [...markup.matchAll(/ (?:href|src|action)="(\/[^"]*)"/g)].map(([, address = '']) => address)
const cookiesOf = (header: string | string[] | number | undefined): string[] => [header ?? []].flat().map(String)

describe('trusted proxies', () => {
  const { isTrusted } = createProxies({ trustedProxies: ['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', 'fe80::1', '192.168.7.9/24'] })

  test.each(['127.0.0.1', '10.0.0.1', '10.255.255.255', '::1', 'fd12:3456::1', 'fe80::1%eth0', '::ffff:10.1.2.3', '192.168.7.200'])(
    '%s is one',
    (address) => expect(isTrusted(address)).toBe(true),
  )

  test.each([
    '127.0.0.2',
    '11.0.0.1',
    '::2',
    'fe00::1',
    '::ffff:11.0.0.1',
    '192.168.8.1',
    '',
    undefined,
    'localhost',
    'unix:',
    '10.0.0.1, 1.1.1.1',
  ])('%s is none', (address) => expect(isTrusted(address)).toBe(false))

  test('without the setting none is, not even loopback', () => {
    for (const address of ['127.0.0.1', '::1', undefined]) expect(createProxies({}).isTrusted(address)).toBe(false)
  })
})

describe('a path under which the dashboard is', () => {
  test.each([
    ['/dingtalk', '/dingtalk'],
    ['/dingtalk/', '/dingtalk'],
    ['/tools/ding-talk_1.0~x', '/tools/ding-talk_1.0~x'],
    ['/', ''],
  ])('%j is %j', (text, path) => expect(parseBasePath(text)).toBe(path))

  test.each([
    ...[
      '',
      'dingtalk',
      '//evil.example',
      '/a//b',
      '/a/../b',
      '/..',
      '/.',
      '/a b',
      '/a\r\nset-cookie: x=y',
      '/a%2fb',
      '/\\evil',
      '/a?b',
      '/a#b',
    ],
    ...['https://evil.example', '/a;b', '/a"b', '/<b>', '/工资', '/a, /b', `/${'a'.repeat(65)}`, '/a'.repeat(9), '/a//'],
    ...OWN_PATHS.map((own) => `/${own}`),
    '/v1/tasks',
  ])('%j is none', (text) => expect(parseBasePath(text)).toBeNull())

  test('no path of the server begins like one that is taken', async () => {
    const { served } = await anApp({ apiToken: TOKEN })
    const app = await createApp(served.options)
    onTestFinished(() => app.close())
    const firstParts = pathsIn(app.printRoutes({ commonPrefix: false })).map((path) => path.split('/')[1] ?? '')
    expect([...new Set(firstParts)].filter((part) => part !== '' && part !== '*').sort()).toEqual([...OWN_PATHS].sort())
  })

  test('whatever is taken leads to this server and ends no header', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^\/[\w/.~\\:%@-]{0,20}$/)), (text) => {
        const path = parseBasePath(text)
        if (path === null) return
        expect(new URL(`${path}/x`, 'https://tracker.example')).toMatchObject({ origin: 'https://tracker.example', pathname: `${path}/x` })
        expect(path).toMatch(/^[\w/.~-]*$/)
      }),
      { numRuns: runs(2_000) },
    )
  })
})

describe('under a path', () => {
  test.each([
    ['BASE_PATH, and a proxy that removes it', '', {}],
    ['BASE_PATH, and a proxy that does not', '/dingtalk', {}],
    ['X-Forwarded-Prefix, and a proxy that removes it', '', { 'x-forwarded-prefix': '/dingtalk' }],
    ['X-Forwarded-Prefix, and a proxy that does not', '/dingtalk', { 'x-forwarded-prefix': '/dingtalk/' }],
  ])('%s: every address, redirect and cookie has it', async (name, sentWith, headers) => {
    const basePath = name.startsWith('BASE_PATH') ? '/dingtalk' : ''
    const { served, from, submit } = await anApp({ basePath, trustedProxies: [PROXY], apiToken: TOKEN })
    await fillWorld(served.store)
    const toLogin = await from(PROXY, { url: `${sentWith}/tasks/${TASK}?state=all`, headers })
    expect(toLogin.headers.location).toBe(`/dingtalk/login?next=${encodeURIComponent(`/tasks/${TASK}?state=all`)}`)
    const login = await from(PROXY, { url: `${sentWith}/login?next=%2Ftasks%2F1`, headers })
    expect(login.body).toContain('<form method="post" action="/dingtalk/login">')
    const signedIn = await submit(PROXY, `${sentWith}/login`, { token: TOKEN, next: `/tasks/${TASK}?state=all` }, headers)
    expect([signedIn.statusCode, signedIn.headers.location]).toEqual([303, `/dingtalk/tasks/${TASK}?state=all`])
    const [cookie = ''] = cookiesOf(signedIn.headers['set-cookie'])
    expect(cookie).toMatch(/; Path=\/dingtalk; HttpOnly/)
    const session = { ...headers, cookie: cookie.split(';')[0] ?? '' }
    const seen = new Set<string>()
    for (const path of [
      '',
      '/',
      `/tasks/${TASK}?state=all`,
      `/tasks/${HINDERED}`,
      `/tasks/${TASK}/people/ann`,
      `/campaigns/${encodeURIComponent(CAMPAIGN)}`,
      '/nowhere',
      '/tasks/7',
    ]) {
      const page = await from(PROXY, { url: `${sentWith}${path}` || '/', headers: session })
      expect([path, page.headers['content-type']]).toEqual([path, 'text/html; charset=utf-8'])
      for (const address of addressesIn(page.body)) {
        expect([path, address, address.startsWith('/dingtalk/') && !address.startsWith('/dingtalk/dingtalk')]).toEqual([
          path,
          address,
          true,
        ])
        seen.add(address.replace(/#.*/, '').replaceAll('&amp;', '&'))
      }
    }
    // Of all kinds: pages, files, assets and forms; each is answered by the proxy that has or removes the path.
    expect([...seen].join(' ')).toMatch(/assets.*\.css.*assets.*\.js/)
    for (const address of seen) {
      const page = await from(PROXY, { url: `${sentWith}${address.slice('/dingtalk'.length)}`, headers: session })
      expect([address, page.statusCode]).toEqual([
        address,
        expect.toBeOneOf(/\/(resume|preferences|logout)\b/.test(address) ? [404] : [200, 303]),
      ])
    }
    const resumed = await submit(PROXY, `${sentWith}/tasks/${HINDERED}/resume?app=default`, {}, session)
    expect([resumed.statusCode, resumed.headers.location]).toEqual([303, `/dingtalk/tasks/${HINDERED}?app=default`])
    const kept = await submit(PROXY, `${sentWith}/preferences`, { language: 'zh', back: `/tasks/${TASK}` }, session)
    expect([kept.headers.location, cookiesOf(kept.headers['set-cookie'])[0]]).toEqual([
      `/dingtalk/tasks/${TASK}`,
      expect.stringContaining('Path=/dingtalk;'),
    ])
    const out = await submit(PROXY, `${sentWith}/logout`, {}, session)
    expect([out.headers.location, cookiesOf(out.headers['set-cookie'])[0]]).toEqual([
      '/dingtalk/login',
      expect.stringContaining('Path=/dingtalk;'),
    ])
    const document = await from(PROXY, { url: `${sentWith}/v1/openapi.json`, headers })
    expect(document.json()).toMatchObject({ openapi: '3.1.0', servers: [{ url: '/dingtalk' }] })
    const tracked = await from(PROXY, {
      ...{ url: `${sentWith}/v1/tasks`, method: 'POST', payload: '{"taskId":"12"}' },
      headers: { ...headers, authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    })
    expect([tracked.statusCode, tracked.headers.location]).toEqual([202, '/dingtalk/v1/tasks/12?app=default'])
    for (const probe of ['/livez', '/readyz', `${sentWith}/livez`])
      expect([probe, (await from(PROXY, { url: probe, headers })).statusCode]).toEqual([probe, 200])
  })

  test('a path that only begins like it is another', async () => {
    const { from } = await anApp({ basePath: '/dingtalk' })
    for (const url of ['/dingtalkx/livez', '/dingtalk/dingtalk/livez', '/x/dingtalk/livez', '/DINGTALK/livez'])
      expect([url, (await from(STRANGER, { url })).statusCode]).toEqual([url, 404])
  })

  test('the address at the start has it', async () => {
    const { url, port } = await aServer({ basePath: '/dingtalk' })
    expect(url).toBe(`http://127.0.0.1:${port}/dingtalk`)
    expect((await fetch(`${url}/`)).status).toBe(200)
  })

  test('a forged prefix is not used: of a stranger, or one that would lead elsewhere', async () => {
    const { from, submit } = await anApp({ basePath: '/dingtalk', trustedProxies: [PROXY], apiToken: TOKEN })
    const forged = [
      '//evil.example',
      'https://evil.example',
      '/\\evil.example',
      '/x, //evil.example',
      '/"><script>',
      '/v1',
      '/%0d%0aset-cookie:a=b',
      '',
    ]
    const cases = [[STRANGER, '/evil'] as const, ...forged.map((prefix) => [PROXY, prefix] as const), [PROXY, ['/a', '/b']] as const]
    for (const [address, prefix] of cases) {
      const headers = { 'x-forwarded-prefix': typeof prefix === 'string' ? prefix : [...prefix] }
      const page = await from(address, { url: '/login', headers })
      expect([prefix, new Set(addressesIn(page.body).map((each) => each.split('/')[1]))]).toEqual([prefix, new Set(['dingtalk'])])
      const { headers: answered } = await submit(address, '/login', { token: TOKEN, next: '/tasks/1' }, headers)
      expect([prefix, answered.location, cookiesOf(answered['set-cookie'])]).toEqual([
        prefix,
        '/dingtalk/tasks/1',
        [expect.stringMatching(/^delivery_session=[^;]+; Max-Age=43200; Path=\/dingtalk; HttpOnly; SameSite=Strict$/)],
      ])
    }
  })

  test('a request for another server stays one', async () => {
    const { port } = await aServer({ basePath: '/dingtalk' })
    for (const path of ['/dingtalk//evil.example/', '/dingtalk/../v1/tasks', 'http://evil.example/dingtalk/v1/tasks']) {
      const { status, text } = await askRaw(port, headersOnly(path, { host: 'localhost', accept: 'text/html' }))
      expect([path, status]).toEqual([path, expect.toBeOneOf([400, 404])])
      expect(text).not.toMatch(/^location: .*evil/im)
    }
  })
})

describe('a proxy that ends TLS', () => {
  const behind = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'tracker.example', host: '127.0.0.1:8080' }
  const aProxied = async () => anApp({ apiToken: TOKEN, trustedProxies: [PROXY], allowedHosts: ['tracker.example'] })

  test('is believed about protocol and host: the cookie is Secure, and the page is of the host that the browser requested', async () => {
    const { submit } = await aProxied()
    const login = async (address: string, headers: Record<string, string>) =>
      submit(address, '/login', { token: TOKEN }, { ...behind, ...headers })
    const taken = await login(PROXY, { origin: 'https://tracker.example' })
    expect([taken.statusCode, cookiesOf(taken.headers['set-cookie'])[0]]).toEqual([303, expect.stringContaining('; Secure')])
    // A program that sends no origin came over TLS as well.
    expect(cookiesOf((await login(PROXY, {})).headers['set-cookie'])[0]).toContain('; Secure')
    for (const [origin, status] of [
      ['http://tracker.example', 403],
      ['https://evil.example', 403],
      ['https://127.0.0.1:8080', 403],
      ['null', 403],
    ] as const)
      expect([origin, (await login(PROXY, { origin })).statusCode]).toEqual([origin, status])
  })

  test('a stranger who sends the same headers is not', async () => {
    const { submit, from } = await aProxied()
    const answer = await submit(STRANGER, '/login', { token: TOKEN }, behind)
    expect([answer.statusCode, cookiesOf(answer.headers['set-cookie'])[0]]).toEqual([303, expect.not.stringContaining('; Secure')])
    // The Host header decides, whatever the other says.
    const other = { ...behind, 'x-forwarded-host': 'evil.example' }
    expect((await from(STRANGER, { url: '/login', headers: other })).statusCode).toBe(200)
    expect((await from(PROXY, { url: '/login', headers: other })).statusCode).toBe(421)
    expect(
      (await from(STRANGER, { url: '/login', headers: { host: 'evil.example', 'x-forwarded-host': 'tracker.example' } })).statusCode,
    ).toBe(421)
  })

  test('wrong logins are counted by the address of the browser', async () => {
    const { submit } = await aProxied()
    const guess = async (address: string, client: string) =>
      (await submit(address, '/login', { token: 'wrong' }, { host: 'localhost', 'x-forwarded-for': client })).statusCode
    const statuses: number[] = []
    for (let i = 0; i < 6; i++) statuses.push(await guess(PROXY, `9.9.9.9, 198.51.100.1`))
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
    // Another reader behind the same proxy; what the browser itself put before its address does not count.
    expect(await guess(PROXY, '198.51.100.2')).toBe(401)
    expect(await guess(PROXY, '8.8.8.8, 198.51.100.1')).toBe(429)
    // A stranger is who he is, whatever he says.
    for (let i = 0; i < 5; i++) await guess(STRANGER, `198.51.100.${10 + i}`)
    expect(await guess(STRANGER, '198.51.100.99')).toBe(429)
  })
})

describe('a proxy that has signed users in', () => {
  const AUTH = { authHeader: 'x-forwarded-user', trustedProxies: [PROXY] }
  const user = (name: string | string[]): Record<string, string | string[]> => ({ 'x-forwarded-user': name })

  test('opens the pages by its header, to read', async () => {
    const { served, from, submit } = await anApp({ ...AUTH, apiToken: TOKEN })
    await fillWorld(served.store)
    const page = await from(PROXY, { url: `/tasks/${HINDERED}`, headers: user('ann@example.com') })
    expect([page.statusCode, page.body.includes('/resume')]).toEqual([200, false])
    expect(page.body).not.toMatch(/action="\/logout"|ann@example/)
    const refused = await submit(PROXY, `/tasks/${HINDERED}/resume`, {}, user('ann@example.com'))
    expect([refused.statusCode, refused.body]).toEqual([403, expect.stringContaining('You may only read')])
    for (const log of served.log) expect(log).not.toContain('ann@example')
    // Signed in with a token as well, the user may do what the token may.
    const signedIn = await submit(PROXY, '/login', { token: TOKEN }, user('ann@example.com'))
    const cookie = cookiesOf(signedIn.headers['set-cookie'])[0]?.split(';')[0] ?? ''
    expect((await submit(PROXY, `/tasks/${HINDERED}/resume`, {}, { ...user('ann@example.com'), cookie })).statusCode).toBe(303)
  })

  test('with the role write also to resume, from a page of this server alone', async () => {
    const { served, from, submit } = await anApp({ ...AUTH, authHeaderRole: 'write' })
    await fillWorld(served.store)
    expect((await from(PROXY, { url: `/tasks/${HINDERED}`, headers: user('ann') })).body).toContain('/resume')
    const resume = async (headers: Record<string, string>) =>
      (await submit(PROXY, `/tasks/${HINDERED}/resume?app=default`, {}, { ...user('ann'), ...headers })).statusCode
    expect(await resume({ origin: 'http://localhost' })).toBe(303)
    for (const headers of [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ])
      expect([headers, await resume(headers)]).toEqual([headers, 403])
  })

  test('may name them in any language, once and without a comma; everything else is refused', async () => {
    const { from } = await anApp({ ...AUTH, apiToken: `read:${READ_TOKEN}` })
    for (const name of ['ann', 'ann@example.com', 'Ann Lee', Buffer.from('张三').toString('latin1'), 'CN=ann/O=example', ' ann '])
      expect([name, (await from(PROXY, { url: '/', headers: user(name) })).statusCode]).toEqual([name, 200])
    for (const name of ['', ' ', 'ann, ben', ['ann', 'ben'], ['ann', 'ann'], ['', 'ann'], 'a'.repeat(257)]) {
      const { statusCode, body } = await from(PROXY, { url: '/', headers: user(name) })
      expect([name, statusCode, body]).toEqual([name, 401, expect.stringContaining('Open this dashboard through its proxy')])
      expect(body).toContain('x-forwarded-user once, with one user name')
      expect(body).not.toContain('ben')
    }
  })

  test('is enough for an address that others reach, without a token', async () => {
    const { url } = await aServer({ ...AUTH, host: '0.0.0.0' })
    expect((await fetch(url)).status).toBe(401)
  })

  test('is not believed from elsewhere: the header is not seen', async () => {
    const { from } = await anApp({ ...AUTH, apiToken: TOKEN })
    for (const headers of [user('ann'), user(''), user(['ann', 'ben']), { ...user('ann'), 'x-forwarded-for': PROXY }]) {
      const answer = await from(STRANGER, { url: '/', headers })
      expect([answer.statusCode, answer.headers.location]).toEqual([303, '/login?next=%2F'])
    }
    // Other headers are none.
    expect((await from(PROXY, { url: '/', headers: { x_forwarded_user: 'ann', 'x-forwarded-users': 'ann' } })).statusCode).toBe(303)
  })

  test('does not open the API, which wants a token; without one it is closed', async () => {
    const open = await anApp(AUTH)
    for (const url of ['/v1/tasks', '/metrics'])
      expect([url, (await open.from(PROXY, { url, headers: user('ann') })).statusCode]).toEqual([url, 401])
    for (const url of ['/livez', '/v1/openapi.json']) expect([url, (await open.from(STRANGER, { url })).statusCode]).toEqual([url, 200])
    // There is nothing to sign in with either.
    const closed = await open.from(STRANGER, { url: '/' })
    expect([closed.statusCode, closed.body]).toEqual([401, expect.stringContaining('no API_TOKEN to sign in with')])
    expect((await open.submit(STRANGER, '/login', { token: '' })).statusCode).toBe(404)
    const guarded = await anApp({ ...AUTH, apiToken: TOKEN })
    expect((await guarded.from(PROXY, { url: '/v1/tasks', headers: user('ann') })).statusCode).toBe(401)
    expect((await guarded.from(PROXY, { url: '/v1/tasks', headers: { authorization: `Bearer ${TOKEN}` } })).statusCode).toBe(200)
  })
})
