import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { type RunningCommand, startCommand } from '../support/commands.ts'
import { expectMatrix, type MatrixRow } from '../support/matrix.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { describeNginx, runNginx } from './support/nginx.ts'
import { adaptExample, EXAMPLES } from './support/security-page.ts'
import { aVisitor, type Visitor, walkDashboard } from './support/visitor.ts'
import { fillWorld, HINDERED } from './support/world.ts'

const TOKEN = 'b81f02d6c7435ae9'
const HOST_HEADERS = 'proxy_set_header Host $http_host;'

/** Rows in the order in which they stand here; the last test holds the page against them. */
const rows: MatrixRow[] = []

/** `serve` with these variables, on a database with tasks. */
async function aServe(env: Readonly<Record<string, string>>): Promise<{ server: RunningCommand; port: number; line: string }> {
  const created = await createTestDatabase({ migrated: true })
  onTestFinished(() => created.drop())
  const database = openDatabase(created.url)
  await fillWorld(createDeliveryStore(database))
  await database.close()
  const server = startCommand(['serve'], { env: { DATABASE_URL: created.url, PORT: '0', ...env } })
  const line = await server.waitForLine(/^Dashboard: http/, 60_000)
  return { server, line, port: Number(/:(\d+)/.exec(line)?.[1]) }
}

const cookieOf = ({ cookies }: Visitor): string =>
  /Path=([^;]+).*?(; Secure)?(?:; SameSite.*)?$/
    .exec(cookies.get('delivery_session') ?? '')
    ?.slice(1)
    .join('') ?? ''

describeNginx('behind nginx', (nginx) => {
  describe('without TLS', () => {
    const plain =
      (location: string, to: string) =>
      ({ port }: { readonly port: number }): string =>
        `server { listen 127.0.0.1:${port}; location ${location} { ${to} } }`

    test.each([
      {
        setup: 'at the root, nothing set but `proxy_pass`; `ALLOWED_HOSTS`',
        ...{ location: '/', path: '', suffix: '', headers: '', env: {} },
      },
      {
        setup: 'at `/dingtalk/`, path kept; `BASE_PATH=/dingtalk`',
        ...{ location: '/dingtalk/', path: '/dingtalk', suffix: '', headers: HOST_HEADERS, env: { BASE_PATH: '/dingtalk' } },
      },
      {
        setup: 'at `/dingtalk/`, path removed; `BASE_PATH=/dingtalk`',
        ...{ location: '/dingtalk/', path: '/dingtalk', suffix: '/', headers: HOST_HEADERS, env: { BASE_PATH: '/dingtalk' } },
      },
      {
        setup: 'at `/tools/dingtalk/`, path removed; `X-Forwarded-Prefix`, `TRUSTED_PROXIES`',
        ...{ location: '/tools/dingtalk/', path: '/tools/dingtalk', suffix: '/', env: { TRUSTED_PROXIES: '127.0.0.0/8' } },
        headers: `${HOST_HEADERS} proxy_set_header X-Forwarded-Prefix /tools/dingtalk;`,
      },
      {
        setup: 'at `/dingtalk/`, path kept; `X-Forwarded-Prefix`, `TRUSTED_PROXIES`',
        ...{ location: '/dingtalk/', path: '/dingtalk', suffix: '', env: { TRUSTED_PROXIES: '127.0.0.1' } },
        headers: `${HOST_HEADERS} proxy_set_header X-Forwarded-Prefix /dingtalk;`,
      },
    ])('$setup', async ({ setup, location, path, suffix, headers, env }) => {
      const { port: upstream, line } = await aServe({ API_TOKEN: TOKEN, ALLOWED_HOSTS: 'tracker.example', ...env })
      const base = 'BASE_PATH' in env ? env.BASE_PATH : ''
      expect(line).toContain(`Dashboard: http://127.0.0.1:${upstream}${base}/  API: http://127.0.0.1:${upstream}${base}/v1/openapi.json`)
      const port = await runNginx(nginx, plain(location, `proxy_pass http://127.0.0.1:${upstream}${suffix}; ${headers}`))
      const visitor = aVisitor({ port, origin: `http://tracker.example:${port}` })
      const worked = await walkDashboard(visitor, { taskId: HINDERED, path, token: TOKEN })
      expect(cookieOf(visitor)).toBe(path || '/')
      for (const probe of [`${path}/livez`, `${path}/readyz`]) expect([probe, (await visitor.get(probe)).status]).toEqual([probe, 200])
      rows.push({ setup: `nginx ${setup}`, result: worked, run: 'nginx, `serve`' })
    })
  })

  test('that ends TLS, as in SECURITY.md', async () => {
    const { port: upstream } = await aServe(EXAMPLES.tls.env)
    const port = await runNginx(nginx, adaptExample(EXAMPLES.tls.nginx, upstream))
    const visitor = aVisitor({ port, origin: `https://tracker.example:${port}` })
    const worked = await walkDashboard(visitor, { taskId: HINDERED, path: '/dingtalk', token: TOKEN })
    expect(cookieOf(visitor)).toBe('/dingtalk; Secure')
    for (const origin of [`http://tracker.example:${port}`, 'https://evil.example', 'null']) {
      const refused = await visitor.submit('/dingtalk/login', { token: TOKEN }, { origin, 'sec-fetch-site': 'cross-site' })
      expect([origin, refused.status]).toEqual([origin, 403])
    }
    // What the browser sends under the names of the proxy's headers is replaced.
    const forged = {
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-prefix': '/evil',
      'x-forwarded-for': '127.0.0.1',
    }
    const page = await visitor.get('/dingtalk/login', forged)
    expect([page.status, page.body.includes('action="/dingtalk/login"'), page.body.includes('/evil')]).toEqual([200, true, false])
    rows.push({
      setup: 'nginx ends TLS at `/dingtalk/`, as in SECURITY.md',
      result: `${worked}; cookies are \`Secure\``,
      run: 'nginx, `serve`',
    })
    // A reader gets the same pages without the button.
    const reader = aVisitor({ port, origin: `https://tracker.example:${port}` })
    const read = await walkDashboard(reader, { taskId: HINDERED, path: '/dingtalk', token: '3f7c9a61d05be284' })
    expect(read).toBe(worked.replace('resume, ', ''))
    rows.push({ setup: 'the same with a token that has the role `read`', result: read, run: 'nginx, `serve`' })
  })

  test('that has signed the user in, as in SECURITY.md', async () => {
    const { port: upstream, server } = await aServe(EXAMPLES.sso.env)
    const asked: Array<string | undefined> = []
    const signIn = createServer(({ url, headers }, response) => {
      asked.push(url)
      const user = /\bsso=([\w@.]+)/.exec(headers.cookie ?? '')?.[1]
      // As oauth2-proxy: 202 with the user, or 401, and then its page.
      if (url !== '/oauth2/auth') return void response.writeHead(403, { 'content-type': 'text/plain' }).end('sign in here')
      response.writeHead(user === undefined ? 401 : 202, user === undefined ? {} : { 'x-auth-request-email': user }).end()
    }).listen(0, '127.0.0.1')
    await once(signIn, 'listening')
    onTestFinished(() => void signIn.close())
    const address = signIn.address()
    const ssoPort = typeof address === 'object' && address !== null ? address.port : 0
    const port = await runNginx(nginx, adaptExample(EXAMPLES.sso.nginx, upstream, { '127.0.0.1:4180': `127.0.0.1:${ssoPort}` }))
    const origin = `https://tracker.example:${port}`

    const forger = aVisitor({ port, origin, headers: { 'x-auth-request-email': 'eve@example.com' } })
    const stopped = await forger.get('/')
    expect([stopped.status, stopped.body]).toEqual([403, 'sign in here'])
    expect((await forger.get('/v1/tasks')).status).toBe(401)
    expect((await forger.get('/v1/tasks', { authorization: `Bearer ${TOKEN}` })).status).toBe(200)

    const user = aVisitor({ port, origin, headers: { cookie: 'sso=ann@example.com', 'x-auth-request-email': 'eve@example.com' } })
    const worked = await walkDashboard(user, { taskId: HINDERED, path: '', token: null })
    expect(worked).not.toContain('resume')
    const resumed = await user.submit(`/tasks/${HINDERED}/resume`, {})
    expect([resumed.status, resumed.body]).toEqual([403, expect.stringContaining('You may only read')])
    expect((await user.get('/v1/tasks')).status).toBe(401)
    expect(asked).toContain('/oauth2/auth')
    expect(server.stderr()).not.toMatch(/ann@|eve@/)
    rows.push({
      setup: 'nginx with `auth_request` signs in by `AUTH_HEADER`, as in SECURITY.md',
      result: worked,
      run: 'nginx, `serve`, a server that answers as oauth2-proxy',
    })

    // Past nginx, from an address that is not the proxy's.
    const stranger = aVisitor({
      port: upstream,
      origin: 'http://tracker.example',
      localAddress: '127.0.0.2',
      headers: { 'x-auth-request-email': 'eve@example.com', 'x-forwarded-for': '127.0.0.1' },
    })
    const ignored = await stranger.get('/')
    expect([ignored.status, ignored.headers.location]).toEqual([303, '/login?next=%2F'])
    rows.push({
      setup: 'the same header from an address that is not in `TRUSTED_PROXIES`',
      result: 'not read: the login is shown',
      run: '`serve`, a client on 127.0.0.2',
    })
  })

  test('that passes on what a browser sends: a forged prefix leads to no other server', async () => {
    const { port: upstream } = await aServe({ API_TOKEN: TOKEN, TRUSTED_PROXIES: '127.0.0.1', ALLOWED_HOSTS: 'tracker.example' })
    const port = await runNginx(
      nginx,
      ({ port: own }) => `server { listen 127.0.0.1:${own}; location / { proxy_pass http://127.0.0.1:${upstream}; } }`,
    )
    for (const prefix of ['//evil.example', 'https://evil.example', '/\\evil.example', '/a, /b']) {
      const visitor = aVisitor({ port, origin: `http://tracker.example:${port}`, headers: { 'x-forwarded-prefix': prefix } })
      const { status, headers } = await visitor.submit('/login', { token: TOKEN, next: '/tasks/1' })
      expect([prefix, status, headers.location, cookieOf(visitor)]).toEqual([prefix, 303, '/tasks/1', '/'])
    }
    rows.push({
      setup: 'nginx passes on a forged `X-Forwarded-Prefix`',
      result: 'an address of another server is not taken',
      run: 'nginx, `serve`',
    })
  })

  afterAll(() => {
    // A part of the suite has a part of the rows.
    if (rows.length === 10) expectMatrix('reverse-proxies', rows)
    else console.warn(`docs/compatibility.md is not compared: ${rows.length} of 10 set-ups were run`)
  })
})

test('the list of tokens in SECURITY.md is one', () => {
  expect(parseConfig(EXAMPLES.list).apiToken).toMatchObject([
    { role: 'read', name: null },
    { role: 'read+names', name: 'hr' },
    { role: 'write', name: null },
    { role: 'write', name: 'payroll', token: '59d3ce80a4f1672b' },
  ])
})
