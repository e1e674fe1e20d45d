import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { HealthReport } from '../../src/web/health.ts'
import { type RunningCommand, runCommand, startCommand } from '../support/commands.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'

/** Where nothing listens. */
const NOWHERE = 'postgres://nobody@127.0.0.1:1/nothing'
/** A check waits 1.5 s for the database, which on a busy machine is not enough for the first connection. */
const SAID = { what: '/readyz says so' }

test('serve says where the dashboard is, and serves it, the API and the probes', async () => {
  const { server, url } = await aServer({ DATABASE_URL: await aDatabase() })
  expect(server.stdout()).toBe('')
  expect(await get(`${url}/`)).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
  expect(await get(`${url}/v1/openapi.json`)).toMatchObject({ status: 200, body: expect.stringContaining('"openapi":"3.1') })
  expect(await get(`${url}/livez`)).toMatchObject({ status: 200, body: '{"ok":true}\n' })
  await until(async () => (await get(`${url}/readyz`)).status === 200, SAID)
  const tracked = await fetch(`${url}/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ taskId: '256271667526', userIds: ['ann'], campaign: 'payroll-11' }),
  })
  expect([tracked.status, await tracked.json()]).toEqual([202, expect.objectContaining({ taskId: '256271667526', duplicate: false })])
  expect(JSON.parse((await get(`${url}/v1/campaigns/payroll-11`)).body)).toMatchObject({ targeted: 1, pending: 1 })
  expect((await get(`${url}/metrics`)).body).toContain('dingtalk_delivery_tasks{app="default",status="tracking"} 1')
  server.kill('SIGTERM')
  expect(await server.exit).toEqual({ code: 0, signal: null })
})

test('with a token the API and the dashboard want it, and the probes do not', async () => {
  const { url, server } = await aServer({ DATABASE_URL: await aDatabase(), API_TOKEN: 'a-long-random-text', HOST: '0.0.0.0' })
  const headers = { authorization: 'Bearer a-long-random-text' }
  const status = async (path: string, init: RequestInit = {}): Promise<number> => (await fetch(`${url}${path}`, init)).status
  expect([await status('/v1/campaigns'), await status('/v1/campaigns', { headers })]).toEqual([401, 200])
  expect([await status('/livez'), await status('/metrics'), await status('/metrics', { headers })]).toEqual([200, 401, 200])
  expect((await get(`${url}/`)).body).toContain('type="password"')
  expect(server.stderr()).not.toContain('a-long-random-text')
})

test('a name that a browser was lured to is refused, unless ALLOWED_HOSTS has it', async () => {
  const { url } = await aServer({ DATABASE_URL: await aDatabase(), ALLOWED_HOSTS: 'Delivery.example.com' })
  expect([await statusAs('evil.example', url), await statusAs('delivery.example.com', url)]).toEqual([421, 200])
})

test('while the database is away it is up and says so, and SIGTERM ends it with 0', async () => {
  const { server, url } = await aServer({ DATABASE_URL: NOWHERE, SHUTDOWN_GRACE_SECONDS: '5' })
  expect(await get(`${url}/livez`)).toMatchObject({ status: 200 })
  const ready = await get(`${url}/readyz`)
  const { ok, checks } = reportIn(ready.body)
  expect([ready.status, ok, checks.slice(0, 2)]).toMatchObject([503, false, [{ name: 'database', ok: false }, { ok: false }]])
  expect(await get(`${url}/v1/campaigns`)).toMatchObject({ status: 503, body: expect.stringContaining('DATABASE_UNAVAILABLE') })
  expect(await get(`${url}/`)).toMatchObject({ status: 503, type: 'text/html; charset=utf-8' })
  server.kill('SIGTERM')
  expect(await server.exit).toEqual({ code: 0, signal: null })
})

test('a database that stops answering does not keep it from ending within the grace', async () => {
  const database = new URL(await aDatabase())
  const proxy = await startProxy(Number(database.port))
  onTestFinished(() => proxy.close())
  database.port = String(proxy.port)
  const { server, url } = await aServer({ DATABASE_URL: database.href, SHUTDOWN_GRACE_SECONDS: '3' })
  await until(async () => (await get(`${url}/readyz`)).status === 200, SAID)
  await proxy.mode('blackhole')
  // Its question is still open when the signal comes.
  void fetch(`${url}/v1/campaigns`).catch(() => undefined)
  expect(await get(`${url}/readyz`)).toMatchObject({ status: 503 })
  const begin = performance.now()
  server.kill('SIGTERM')
  expect(await server.exit).toEqual({ code: 0, signal: null })
  expect(performance.now() - begin).toBeLessThan(10_000)
})

test('a client that never ends its request is cut off in time for all else to close within the grace', async () => {
  const { server, url } = await aServer({ DATABASE_URL: NOWHERE, SHUTDOWN_GRACE_SECONDS: '1' })
  const asked = request(`${url}/v1/tasks`, { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': '9' } })
  const cutOff = once(asked, 'error')
  asked.write('{')
  // On another connection, later: so the request before it is under way.
  expect((await get(`${url}/livez`)).status).toBe(200)
  server.kill('SIGTERM')
  expect(await server.exit).toEqual({ code: 0, signal: null })
  await cutOff
  expect(server.stderr()).not.toContain('did not close in time')
})

test('a database that is not migrated is said in /readyz, with the remedy', async () => {
  const { url } = await aServer({ DATABASE_URL: await aDatabase({ migrated: false }) })
  const { status, body } = await until(async () => {
    const answer = await get(`${url}/readyz`)
    return answer.body.includes('"name":"database","ok":true') && answer
  }, SAID)
  expect(status).toBe(503)
  const remedy = expect.stringContaining('npx dingtalk-delivery migrate')
  expect(reportIn(body).checks[1]).toMatchObject({ name: 'schema', ok: false, detail: remedy, remedy })
})

test.each(['serve', 'start', 'demo'])(
  '%s is refused where others could reach it without a token, before anything is opened',
  async (command) => {
    const { code, stdout, stderr } = await runCommand([command], { env: { HOST: '0.0.0.0', DATABASE_URL: NOWHERE } })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^error: HOST is 0\.0\.0\.0, which other machines reach, and API_TOKEN is not set: [^\n]+\n$/)
  },
)

test('serve without a database is refused with what to give', async () => {
  const { code, stderr } = await runCommand(['serve'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^error: DATABASE_URL is not set\. Give [^\n]+\n$/)
})

test('a port that is taken is said with the variable to set', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void taken.close())
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, stderr } = await runCommand(['serve'], { env: { DATABASE_URL: NOWHERE, PORT: String(port), LOG_LEVEL: 'warn' } })
  expect([code, stderr]).toEqual([
    1,
    `error: The HTTP address 127.0.0.1:${port} is taken by another process. Set PORT (0 takes any free port) or HOST.\n`,
  ])
})

async function aDatabase(options = { migrated: true }): Promise<string> {
  const database = await createTestDatabase(options)
  onTestFinished(() => database.drop())
  return database.url
}

async function aServer(env: Record<string, string>): Promise<{ server: RunningCommand; url: string }> {
  const server = startCommand(['serve'], { env: { PORT: '0', ...env } })
  const line = await server.waitForLine(/^Dashboard: http/, 60_000)
  return { server, url: /http:\/\/[\w.]+:\d+/.exec(line)?.[0] ?? line }
}

async function get(url: string): Promise<{ status: number; type: string | null; body: string }> {
  const response = await fetch(url)
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() }
}

/** As a browser asks that was told that `host` is this machine; `fetch` sends no Host header but the true one. */
function statusAs(host: string, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/campaigns`, { headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.on('error', reject).end()
  })
}

function reportIn(body: string): HealthReport {
  return JSON.parse(body) as HealthReport
}
