import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createApp } from '../../src/web/app.ts'
import { CANARIES } from '../support/canaries.ts'
import { type Answer, ask, askRaw, post } from './support/ask.ts'
import { describeNginx, startNginx } from './support/nginx.ts'
import { aServer } from './support/server.ts'

const TOKEN = CANARIES.apiToken
const MINUTE_MS = 60_000
const NOW = new Date('2026-11-23T01:00:00Z')

const signIn = async (url: string, token: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
  ask(url, '/login', { method: 'POST', redirect: 'manual', headers, body: new URLSearchParams({ token, next: '/tasks/1' }) })

describe('wrong attempts', () => {
  test('never keep the right token out: neither on this address nor on all others together', async () => {
    const { url } = await aServer({ apiToken: TOKEN, now: () => NOW })
    const wrong = await Promise.all(Array.from({ length: 60 }, (_, i) => signIn(url, `a-wrong-token-number-${i}`)))
    expect(wrong.filter(({ status }) => status === 401)).toHaveLength(5)
    expect(wrong.filter(({ status }) => status === 429)).toHaveLength(55)
    const right = await signIn(url, TOKEN)
    expect([right.status, right.headers.get('location')]).toEqual([303, '/tasks/1'])
    expect(right.headers.get('set-cookie')).toContain('delivery_session=')
  })

  test('of many are refused with the time to wait, and a sentence that the right token is still taken', async () => {
    const { url } = await aServer({ apiToken: TOKEN, now: () => NOW })
    for (let i = 0; i < 5; i++) expect((await signIn(url, `wrong ${i}`)).status).toBe(401)
    const refused = await signIn(url, 'wrong again', { 'accept-language': 'en' })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60'])
    expect(refused.text).toContain('The right token signs you in at once')
    expect((await signIn(url, 'wrong again', { 'accept-language': 'zh' })).text).toContain('正确的令牌可以立即登录')
  })

  test('are counted again after a minute', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { url } = await aServer({ apiToken: TOKEN })
    for (let i = 0; i < 5; i++) await signIn(url, `wrong ${i}`)
    expect((await signIn(url, 'wrong')).status).toBe(429)
    vi.setSystemTime(Date.now() + MINUTE_MS - 1)
    // A refused attempt does not prolong the wait.
    expect((await signIn(url, 'wrong')).status).toBe(429)
    vi.setSystemTime(Date.now() + 1)
    expect((await signIn(url, 'wrong')).status).toBe(401)
  })

  test('that a header dresses up as those of many addresses are those of one', async () => {
    const { url } = await aServer({ apiToken: TOKEN, now: () => NOW })
    const statuses: number[] = []
    for (let i = 0; i < 7; i++) statuses.push((await signIn(url, `wrong ${i}`, { 'x-forwarded-for': `10.0.0.${i}` })).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429])
  })

  test('are counted by address, and 50 of all addresses together', async () => {
    const app = await createApp((await aServer({ apiToken: TOKEN })).options)
    onTestFinished(() => app.close())
    const statusOf = async (remoteAddress: string, token: string): Promise<number> => {
      const payload = new URLSearchParams({ token }).toString()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      return (await app.inject({ method: 'POST', url: '/login', remoteAddress, headers, payload })).statusCode
    }
    const statuses = await Promise.all(Array.from({ length: 60 }, (_, i) => statusOf(`10.0.0.${i}`, 'wrong')))
    expect(statuses.filter((status) => status === 401)).toHaveLength(50)
    expect(statuses.filter((status) => status === 429)).toHaveLength(10)
    expect(await statusOf('10.0.1.1', TOKEN)).toBe(303)
  })

  test('at the API keep no sender out: the limit of tasks a second counts what has the token', async () => {
    const { url } = await aServer({ apiToken: TOKEN, enqueuesPerSecond: 2 })
    const send = async (token: string) => (await ask(url, '/v1/tasks', post({ taskId: '1' }, { authorization: `Bearer ${token}` }))).status
    expect(new Set(await Promise.all(Array.from({ length: 50 }, (_, i) => send(`a-wrong-token-number-${i}`))))).toEqual(new Set([401]))
    expect(await send(TOKEN)).toBe(202)
  })
})

describe('behind a proxy', () => {
  const body = new URLSearchParams({ token: TOKEN, next: '/tasks/1' }).toString()
  const request = (headers: Readonly<Record<string, string>>): string => {
    const all = {
      ...headers,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
      connection: 'close',
    }
    return `POST /login HTTP/1.1\r\n${Object.entries(all)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n${body}`
  }

  test('that sends the upstream as the Host, the login takes a page of an allowed name, and no other', async () => {
    const { port } = await aServer({ apiToken: TOKEN, allowedHosts: ['tracker.example'] })
    const from = async (headers: Readonly<Record<string, string>>) => askRaw(port, request({ host: `127.0.0.1:${port}`, ...headers }))
    const taken = await from({ origin: 'https://tracker.example', 'sec-fetch-site': 'same-origin' })
    expect(taken.status).toBe(303)
    expect(taken.text).toMatch(/^location: \/tasks\/1\r$/im)
    // Sent back over TLS only, though the proxy speaks plain HTTP to the server.
    expect(taken.text).toMatch(/^set-cookie: delivery_session=.*; Secure/im)
    expect((await from({ origin: 'http://tracker.example' })).text).not.toMatch(/; Secure/i)
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
      { origin: 'https://evil.example', 'x-forwarded-host': 'evil.example' },
      { origin: 'https://tracker.example:9443', 'sec-fetch-site': 'same-site' },
      { origin: 'null' },
    ]) {
      const { status, text } = await from(headers)
      expect([headers, status]).toEqual([headers, 403])
      expect(text).toContain(headers.origin)
      expect(text).toContain('ALLOWED_HOSTS')
    }
  })

  test('so do preferences, the way out, and the API as a page of ours would call it', async () => {
    const { url } = await aServer({ allowedHosts: ['tracker.example'] })
    for (const [origin, status] of [
      ['https://tracker.example', [303, 202]],
      ['https://evil.example', [403, 403]],
    ] as const) {
      const headers = { origin }
      const form = { method: 'POST', redirect: 'manual', headers, body: new URLSearchParams({ language: 'zh' }) } as const
      const statuses = [(await ask(url, '/preferences', form)).status, (await ask(url, '/v1/tasks', post({ taskId: '1' }, headers))).status]
      expect([origin, statuses]).toEqual([origin, status])
    }
  })

  describeNginx('nginx', (nginx) => {
    test.each(['', 'proxy_set_header Host $host;', 'proxy_set_header Host $http_host;'])(
      'with "%s": a browser signs in, and stays signed in',
      async (setting) => {
        const { port: upstream } = await aServer({ apiToken: TOKEN, allowedHosts: ['tracker.example'] })
        const port = await startNginx(nginx, { upstream, setting })
        const asBrowser = { host: `tracker.example:${port}`, origin: `http://tracker.example:${port}`, 'sec-fetch-site': 'same-origin' }
        const signedIn = await askRaw(port, request(asBrowser))
        expect(signedIn.status).toBe(303)
        // A relative address: nginx puts nothing of the upstream into it.
        expect(signedIn.text).toMatch(/^location: \/tasks\/1\r$/im)
        const cookie = /^set-cookie: (delivery_session=[^;]+)/im.exec(signedIn.text)?.[1] ?? ''
        const overview = `GET / HTTP/1.1\r\nhost: tracker.example:${port}\r\ncookie: ${cookie}\r\naccept: text/html\r\nconnection: close\r\n\r\n`
        expect((await askRaw(port, overview)).status).toBe(200)
        expect((await askRaw(port, request({ ...asBrowser, origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' }))).status).toBe(
          403,
        )
      },
    )
  })
})
