import { describe, expect, test } from 'vitest'
import type { DingTalkApiOptions } from '../../src/dingtalk/options.ts'
import { chooseProxy, parseProxy } from '../../src/dingtalk/proxy.ts'
import { PROBLEM_RULES, toProblemCode } from '../../src/domain/problems.ts'
import { describeWithCa } from '../support/company-ca.ts'
import { type CompanyProxy, type CompanyProxyOptions, type ProxyBehaviour, startCompanyProxy } from '../support/company-proxy.ts'
import { freePort } from '../support/free-port.ts'
import {
  ACCESS_TOKEN,
  anApi,
  anApp,
  counted,
  json,
  numberedTokens,
  observed,
  poll,
  READ_BY_ANN,
  RESULT,
  refused,
  respond,
  type ScriptedServer,
  startServer,
} from './support.ts'

const PASSWORD = 'pA55@word/?'

const through = (https: string, no = ''): Pick<DingTalkApiOptions, 'proxies'> => ({ proxies: { https, http: https, no } })

/** DingTalk on loopback, and a proxy before it. */
async function behindProxy(options: CompanyProxyOptions = {}): Promise<{ server: ScriptedServer; proxy: CompanyProxy }> {
  const [server, proxy] = await Promise.all([startServer(), startCompanyProxy(options)])
  server.on(ACCESS_TOKEN, numberedTokens)
  server.on(RESULT, json(READ_BY_ANN))
  return { server, proxy }
}

describe('which way a request goes', () => {
  const [A, B] = ['http://proxy.example:3128/', 'http://other.example:8080/']
  const CN = 'https://oapi.dingtalk.com'

  test.each<readonly [string, string, { https?: string; http?: string; no?: string }, string | null]>([
    ['without a proxy', CN, {}, null],
    ['the proxy for https', CN, { https: A, http: B }, A],
    ['the one for http serves https too, where it is the only one', CN, { http: B }, B],
    ['the one for https never serves http', 'http://127.0.0.1:8090', { https: 'http://127.0.0.1:3128' }, null],
    ['loopback through a proxy on loopback', 'http://127.0.0.1:8090', { http: 'http://127.0.0.1:3128/' }, 'http://127.0.0.1:3128/'],
    ['loopback never through a proxy elsewhere', 'http://127.0.0.1:8090', { http: A }, null],
    ['nor by its name', 'https://localhost:8090', { https: A }, null],
    ['nor in IPv6', 'http://[::1]:8090', { http: A }, null],
    ['all exempt', CN, { https: A, no: '*' }, null],
    ['all exempt, among others', CN, { https: A, no: 'a.example, *' }, null],
    ['a host', CN, { https: A, no: 'oapi.dingtalk.com' }, null],
    ['a domain', CN, { https: A, no: 'dingtalk.com' }, null],
    ['a domain with a dot', CN, { https: A, no: 'localhost,.dingtalk.com' }, null],
    ['a domain with a star', CN, { https: A, no: '*.dingtalk.com' }, null],
    ['in capitals', CN, { https: A, no: 'DingTalk.COM' }, null],
    ['between spaces', CN, { https: A, no: 'localhost  dingtalk.com' }, null],
    ['the end of a name that is another domain', 'https://mydingtalk.com', { https: A, no: 'dingtalk.com' }, A],
    ['another port', CN, { https: A, no: 'dingtalk.com:8443' }, A],
    ['this port', CN, { https: A, no: 'dingtalk.com:443' }, null],
    ['an address', 'https://10.1.2.3/dingtalk', { https: A, no: '10.1.2.3' }, null],
    ['a network', 'https://10.1.2.3/dingtalk', { https: A, no: '10.0.0.0/8' }, null],
    ['another network', 'https://10.1.2.3/dingtalk', { https: A, no: '10.2.0.0/16' }, A],
    ['a network of no such size', 'https://10.1.2.3/dingtalk', { https: A, no: '10.0.0.0/33,10.0.0.0/x' }, A],
    ['an IPv6 address', 'https://[fd00::1]', { https: A, no: 'fd00::1' }, null],
    ['an IPv6 address in another spelling', 'https://[fd00::1]', { https: A, no: 'fd00:0:0::1' }, null],
    ['an IPv6 address with its port', 'https://[fd00::1]:8443', { https: A, no: '[fd00::1]:8443' }, null],
    ['an IPv6 address with another port', 'https://[fd00::1]', { https: A, no: '[fd00::1]:8443' }, A],
    ['an IPv6 network', 'https://[fd00::1]', { https: A, no: 'fd00::/8' }, null],
    ['a name is in no network', CN, { https: A, no: '0.0.0.0/0' }, A],
    ['nothing but commas', CN, { https: A, no: ' ,, ' }, A],
  ])('%s', (_, address, { https = null, http = null, no = '' }, expected) => {
    expect(chooseProxy(address, { https, http, no })).toBe(expected)
  })
})

describe('the address of a proxy', () => {
  test.each([
    ['http://proxy.example:3128', 'http://proxy.example:3128/'],
    ['proxy.example:3128', 'http://proxy.example:3128/'],
    ['10.1.2.3:8080', 'http://10.1.2.3:8080/'],
    ['HTTP://Proxy.Example:3128/', 'http://proxy.example:3128/'],
    ['https://proxy.example', 'https://proxy.example/'],
    ['http://[fd00::1]:3128', 'http://[fd00::1]:3128/'],
    ['http://user:pa%40ss@proxy.example:3128', 'http://user:pa%40ss@proxy.example:3128/'],
    ['user:secret@proxy.example:3128', 'http://user:secret@proxy.example:3128/'],
  ])('%s is taken', (text, expected) => {
    expect(parseProxy(text)).toBe(expected)
  })

  test.each([
    ['socks5://u:pA55@proxy.example:1080', /"socks5:\/\/proxy.example:1080" is not an http or https proxy/],
    ['ftp://proxy.example', /not an http or https proxy/],
    ['http://proxy.example:3128/path', /has a path/],
    ['http://proxy.example:3128?x=pA55', /has a path, a query/],
    ['http://proxy.example:99999', /not the address of a proxy/],
    ['http://', /not the address of a proxy/],
    ['http://proxy example:3128', /not the address of a proxy/],
    ['http://user:pA55/word@proxy.example:3128', /not the address of a proxy/],
    ['http://user:55/pA55@proxy.example:3128', /the value has a path.*%2F/],
    ['http://user:55?pA55@proxy.example:3128', /the value has a path.*%3F/],
    ['http://user:pA55%zz@proxy.example:3128', /"http:\/\/proxy.example:3128" has a user name or password with a "%"/],
  ])('%s is refused, without the password', (text, says) => {
    expect(() => parseProxy(text)).toThrow(says)
    expect(() => parseProxy(text)).not.toThrow(/pA55|user:55/)
  })
})

test('token and poll go through the proxy, in tunnels that are kept', async () => {
  const { server, proxy } = await behindProxy()
  const api = anApi(anApp(server), through(proxy.url))

  for (let i = 0; i < 5; i++) expect(observed(await poll(api)).people.get('ann')).toEqual({ kind: 'read' })

  const target = server.url.slice('http://'.length)
  expect(new Set(proxy.targets)).toEqual(new Set([target]))
  // Two at most: an answer is there a moment before its connection is free again.
  expect(proxy.targets.length).toBeLessThanOrEqual(2)
  expect(server.received(RESULT)[0]?.headers).not.toHaveProperty('proxy-authorization')
})

test.each([
  ['user', PASSWORD],
  ['domain\\user', ''],
  ['', 'word'],
  ['名', '密码'],
])('user name "%s" and password "%s" arrive as they are', async (user, password) => {
  const { server, proxy } = await behindProxy({ login: `${user}:${password}` })
  const url = new URL(proxy.url)
  const withLogin = `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${url.host}`
  const api = anApi(anApp(server), through(parseProxy(withLogin)))

  expect((await poll(api)).kind).toBe('observed')
  expect(proxy.logins[0]).toBe(`${user}:${password}`)
})

test('a host of NO_PROXY is reached directly', async () => {
  const { server, proxy } = await behindProxy()
  const api = anApi(anApp(server), through(proxy.url, 'localhost,127.0.0.1'))

  expect((await poll(api)).kind).toBe('observed')
  expect(proxy.targets).toEqual([])
})

test('redirects stay refused behind a proxy', async () => {
  const { server, proxy } = await behindProxy()
  server.on(RESULT, respond(302, 'text/html', '', { location: `${server.url}/elsewhere` }))
  const api = anApi(anApp(server), through(proxy.url))

  expect(refused(await poll(api))).toMatchObject({ code: 'HTTP_302', message: expect.stringContaining('not followed') })
  expect(server.received('/elsewhere')).toEqual([])
})

/** For the proxy that says nothing; the others answer in no time, on a busy machine too. */
const HEADERS_TIMEOUT_MS = 2_000

describe('a proxy that gives no tunnel', () => {
  test.each<readonly [ProxyBehaviour, string, RegExp]>([
    [407, 'PROXY_LOGIN', /answered HTTP 407 to CONNECT 127\.0\.0\.1:\d+: nothing was sent/],
    [403, 'PROXY_REFUSED', /answered HTTP 403 to CONNECT/],
    [502, 'PROXY_REFUSED', /answered HTTP 502 to CONNECT/],
    [503, 'PROXY_REFUSED', /answered HTTP 503 to CONNECT/],
    [302, 'PROXY_REFUSED', /answered HTTP 302 to CONNECT/],
    ['hang up', 'PROXY_UNREACHABLE', /cannot be reached \((UND_ERR_SOCKET|ECONNRESET)\)/],
    ['silent', 'PROXY_UNREACHABLE', /cannot be reached \(UND_ERR_HEADERS_TIMEOUT\)/],
  ])('%s: it is the proxy of this worker, no call was made, and the next poll succeeds', async (behaviour, code, says) => {
    const { server, proxy } = await behindProxy()
    const withLogin = proxy.url.replace('//', '//user:pA55word@')
    const http = behaviour === 'silent' ? { headersTimeoutMs: HEADERS_TIMEOUT_MS } : {}
    const api = anApi(anApp(server), { ...through(withLogin), http, tokens: { refusalRetryMs: 0 } })
    proxy.behave(behaviour)

    const { answer, calls } = await counted(api)
    const refusal = refused(answer)
    expect(refusal).toMatchObject({ code, respondedAt: null, message: expect.stringMatching(says) })
    expect([calls, PROBLEM_RULES[toProblemCode(refusal.code, refusal.message) ?? 'outage'].scope]).toEqual([0, 'worker'])
    expect(refusal.message).toContain(`the proxy http://127.0.0.1:${proxy.port} `)
    expect(refusal.message).not.toMatch(/pA55|user/)
    expect(server.received(ACCESS_TOKEN)).toEqual([])

    proxy.behave('pass')
    expect((await poll(api)).kind).toBe('observed')
  })

  test('one that is down, or has no address, is named too', async () => {
    const server = await startServer()
    for (const proxy of [`http://127.0.0.1:${await freePort()}/`, 'http://proxy.invalid:3128/']) {
      const api = anApi({ ...anApp(server), oapiUrl: 'https://oapi.dingtalk.io', apiUrl: 'https://api.dingtalk.io' }, through(proxy))
      expect(refused(await poll(api))).toMatchObject({
        code: 'PROXY_UNREACHABLE',
        message: expect.stringContaining(`the proxy ${new URL(proxy).origin} cannot be reached (E`),
      })
    }
  })

  test('one that goes away between token and poll: the poll makes no call', async () => {
    const { server, proxy } = await behindProxy()
    server.on(ACCESS_TOKEN, (request, response) => {
      proxy.behave(503)
      numberedTokens(request, response.setHeader('connection', 'close'))
    })
    const { answer, calls } = await counted(anApi(anApp(server), through(proxy.url)))
    expect([refused(answer).code, calls]).toEqual(['PROXY_REFUSED', 0])
    expect(server.received(RESULT)).toEqual([])
  })
})

describe('the guard of private addresses behind a proxy', () => {
  const anApiAt = (host: string, proxy: CompanyProxy, privateHosts: readonly string[] = []) =>
    anApi(anApp({ url: `https://${host}` }), { ...through(proxy.url), privateHosts })

  test.each(['metadata.google.internal', 'gateway', 'printer.local', 'db.localhost', 'nas.home.arpa', 'gw.corp'])(
    '%s is never on the internet: nothing is asked of the proxy, unless it is named',
    async (host) => {
      const proxy = await startCompanyProxy()
      expect(refused(await poll(anApiAt(host, proxy)))).toMatchObject({
        code: 'PRIVATE_ADDRESS',
        message: expect.stringContaining(`${host} is a name of a private network`),
      })
      expect(proxy.logins).toEqual([])
      proxy.behave(403)
      expect(refused(await poll(anApiAt(host, proxy, [host]))).code).toBe('PROXY_REFUSED')
    },
  )

  test('a public name is resolved by the proxy, which may be private itself', async () => {
    const proxy = await startCompanyProxy()
    proxy.behave(403)
    const api = anApi(anApp({ url: 'https://oapi.dingtalk.io' }), {
      ...through(proxy.url),
      lookup: () => {
        throw new Error('resolved here')
      },
    })
    expect(refused(await poll(api)).message).toContain('CONNECT oapi.dingtalk.io:443')
  })
})

describeWithCa('certificates of the company', (ca) => {
  test('a proxy that inspects TLS with an unknown authority: NODE_EXTRA_CA_CERTS is the remedy, and no call was made', async () => {
    const server = await startServer()
    const proxy = await startCompanyProxy({ inspect: { ...ca.issue('api.dingtalk.io'), upstream: server.url } })
    const { answer, calls } = await counted(anApi(anApp({ url: 'https://api.dingtalk.io' }), through(proxy.url)))
    const refusal = refused(answer)
    expect(refusal).toMatchObject({
      code: 'UNKNOWN_CA',
      message: expect.stringMatching(/https:\/\/api\.dingtalk\.io through the proxy http:\/\/127.* of an unknown authority \(UNABLE_TO_/),
    })
    expect([calls, toProblemCode(refusal.code)]).toEqual([0, 'certificate'])
  })

  test('the same without a proxy', async () => {
    const server = await startServer()
    const gateway = await startCompanyProxy({ tls: ca.issue('127.0.0.1') })
    const refusal = refused(await poll(anApi({ ...anApp(server), apiUrl: gateway.url })))
    expect(refusal.message).toMatch(new RegExp(`^accessToken: ${gateway.url} has a certificate of an unknown authority`))
  })

  test('an https proxy with an unknown authority is named', async () => {
    const server = await startServer()
    const proxy = await startCompanyProxy({ tls: ca.issue('127.0.0.1') })
    expect(refused(await poll(anApi(anApp(server), through(proxy.url))))).toMatchObject({
      code: 'PROXY_UNKNOWN_CA',
      message: expect.stringContaining(`the proxy ${proxy.url} cannot be reached (UNABLE_TO_`),
    })
  })
})
