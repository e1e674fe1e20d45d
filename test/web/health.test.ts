import { expect, onTestFinished, test } from 'vitest'
import { type HealthReport, type HealthServerOptions, startHealthServer } from '../../src/web/health.ts'
import { deferred } from '../support/deferred.ts'

const WELL: HealthReport = { ok: true, checks: [{ name: 'database', ok: true }] }
const ILL: HealthReport = { ok: false, checks: [{ name: 'database', ok: false, detail: 'no connection within 2 s' }] }

test('a process that can work is ready', async () => {
  const url = await serve({ checks: async () => WELL })
  const response = await fetch(`${url}/readyz`)
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual(WELL)
})

test('a process that cannot work says what is wrong, and is still alive', async () => {
  const url = await serve({ checks: async () => ILL })
  const ready = await fetch(`${url}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toEqual(ILL)
  expect((await fetch(`${url}/livez`)).status).toBe(200)
})

test('checks that hang are a failed check, not a hanging probe', async () => {
  const url = await serve({ checks: () => new Promise(() => {}), timeoutMs: 20 })
  const response = await fetch(`${url}/readyz`)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ ok: false, checks: [{ ok: false, detail: 'no answer within 20 ms' }] })
})

test('checks that throw do not show the error, which may name users and hosts', async () => {
  const url = await serve({ checks: () => Promise.reject(new Error('password authentication failed for user "tracker"')) })
  const text = await (await fetch(`${url}/readyz`)).text()
  expect(text).toContain('"ok":false')
  expect(text).not.toContain('tracker')
})

test('probes of one moment share one run of the checks', async () => {
  let runs = 0
  const report = deferred<HealthReport>()
  const url = await serve({
    checks: () => {
      runs++
      return report.promise
    },
  })
  const first = fetch(`${url}/readyz`)
  await expect.poll(() => runs).toBe(1)
  const second = fetch(`${url}/readyz`)
  // The second request is in once a later one on the same server was answered.
  await fetch(`${url}/livez`)
  report.resolve(WELL)
  expect([(await first).status, (await second).status]).toEqual([200, 200])
})

test('/metrics is the Prometheus page, and 503 when it cannot be made', async () => {
  const url = await serve({ metrics: async () => 'a_total 1\n' })
  const response = await fetch(`${url}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(await response.text()).toBe('a_total 1\n')
  const broken = await serve({ metrics: () => Promise.reject(new Error('x')) })
  expect((await fetch(`${broken}/metrics`)).status).toBe(503)
})

test('other paths are 404 and other methods 405, with what is there', async () => {
  const url = await serve({})
  const missing = await fetch(`${url}/`)
  expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining('/readyz')])
  const posted = await fetch(`${url}/livez`, { method: 'POST' })
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  const head = await fetch(`${url}/livez?x=1`, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
})

test('a port that is taken is said with the variable to change', async () => {
  const url = await serve({})
  await expect(serve({ port: Number(new URL(url).port) })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining('is taken by another process. Set HEALTH_PORT'),
  })
})

async function serve(options: Partial<HealthServerOptions>): Promise<string> {
  const server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    checks: async () => WELL,
    metrics: async () => '',
    ...options,
  })
  onTestFinished(() => server.close())
  return server.url
}
