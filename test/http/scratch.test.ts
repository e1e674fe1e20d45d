import { expect, test } from 'vitest'
import { startHttpServer } from '../../src/http/server.ts'
import type { RateReader } from '../../src/core/rates.ts'
test('x', async () => {
  const rates = { campaign: async (r: unknown) => r, campaigns: async () => ({items: [], nextCursor: null}), apps: async () => [], attention: async () => [], tasks: async () => ({items: [], nextCursor: null}) } as unknown as RateReader
  const s = await startHttpServer({ host: '127.0.0.1', port: 0, apiToken: null, allowedHosts: [], rates, tracking: { track: async () => ({ isNew: true }), cancel: async () => true }, checks: async () => ({ ok: true, checks: [] }), metrics: async () => 'a 1\n', now: () => new Date(), pollsPerTask: 24, budgets: new Map(), version: '1', onError: (e, r) => console.log('ERR', r, e), onRequest: (e) => console.log(JSON.stringify(e)) })
  const ask = async (p: string, o?: RequestInit) => { const r = await fetch(s.url + p, o); console.log(p, r.status, Object.fromEntries(r.headers), (await r.text()).slice(0, 300)) }
  for (const n of ['a/b', '100%', '%2F', '工资 11月', '?x#y', '+ +', 'a&b', '...', '😀'.repeat(100)]) { const r = await fetch(`${s.url}/v1/campaigns/${encodeURIComponent(n)}`); const t = await r.json() as any; console.log(n.slice(0,10), r.status, t.campaign === n, t.campaign === n ? '' : JSON.stringify(t)) }
  await ask('/v1/campaigns/' + encodeURIComponent('x'.repeat(201)))
  await ask('/v1/campaigns/' + 'x'.repeat(5000))
  await ask('/v1/campaigns/%zz')
  await ask('/v1/campaigns/%E4')
  await ask('/v1/nothing'); await ask('/'); await ask('/v1/tasks', { method: 'DELETE' }); await ask('/v1/tasks', { method: 'POST', body: '{"taskId":9007199254740993}', headers: {'content-type': 'application/json'} })
  await ask('/v1/tasks', { method: 'POST', body: '{"taskId":"1"}', headers: {'content-type': 'application/json'} })
  await ask('/v1/tasks', { method: 'POST', body: '{"taskId":"1"}' })
  await ask('/v1/tasks', { method: 'POST', body: 'x'.repeat(200000), headers: {'content-type': 'application/json'} })
  await ask('/v1/tasks?limit=0'); await ask('/v1/tasks?limi=0'); await ask('/livez'); await ask('/livez', {method:'POST'}); await ask('/metrics')
  const doc = await (await fetch(s.url + '/v1/openapi.json')).text(); (await import('node:fs')).writeFileSync('/tmp/h4/doc.json', doc)
  await s.close()
})
