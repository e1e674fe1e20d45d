import { expect, test } from 'vitest'
import { bench, SECOND, SENT_AT } from './harness.ts'

const DAY = 24 * 3_600_000
const LIMITED = /限制将在 2026-11-23 09:00:0(\d) 结束/

test('the call over the rate is refused with the end of the penalty in China time, until that end', async () => {
  const { api, pass, token } = await bench({ callsPerSecond: 3 })
  const given = await token()
  const ask = async () => (await api('getsendresult', { task_id: '1' }, given)).json
  for (let i = 0; i < 3; i++) expect(await ask()).toMatchObject({ errcode: 400002 })
  const refused = await ask()
  expect(refused).toMatchObject({ errcode: 88, sub_code: '90018', sub_msg: expect.stringMatching(LIMITED) })
  expect(LIMITED.exec(String(refused['errmsg']))?.[1]).toBe('1')
  pass(SECOND - 1)
  expect(await ask()).toMatchObject({ sub_code: '90018' })
  pass(1)
  expect(await ask()).toMatchObject({ errcode: 400002 })
})

test('each API of each app has its own rate, and token calls have none', async () => {
  const other = { appKey: 'other', appSecret: 'secret', agentId: '836390886' }
  const { api, post, token } = await bench({
    callsPerSecond: 1,
    apps: [{ appKey: 'sim-app-key', appSecret: 'sim-app-secret', agentId: '836390886' }, other],
  })
  const given = await token()
  const theirs = String((await post('/v1.0/oauth2/accessToken', other)).json['accessToken'])
  expect(await token()).toBe(given)
  await api('getsendresult', { task_id: '1' }, given)
  expect((await api('getsendprogress', { task_id: '1' }, given)).json).toMatchObject({ errcode: 400002 })
  expect((await api('getsendresult', { task_id: '1' }, theirs)).json).toMatchObject({ errcode: 400002 })
  expect((await api('getsendresult', { task_id: '1' }, given)).json).toMatchObject({ sub_code: '90018' })
})

test('the month ends with 90020, does not count what the rate limit refused, and begins anew in China time', async () => {
  const { simulator, api, pass } = await bench({ monthlyQuota: 2, callsPerSecond: 1 })
  const ask = async () => (await api('getsendresult', { task_id: '1' })).json
  expect(await ask()).toMatchObject({ errcode: 400002 })
  expect(await ask()).toMatchObject({ sub_code: '90018' })
  pass(2 * SECOND)
  expect(await ask()).toMatchObject({ errcode: 400002 })
  expect(simulator.stats().monthlyQuota).toEqual({ limit: 2, used: 2, left: 0 })
  pass(2 * SECOND)
  expect(await ask()).toMatchObject({ errcode: 88, sub_code: '90020' })
  pass(new Date('2026-11-30T15:59:59Z').getTime() - SENT_AT.getTime() - 4 * SECOND)
  expect(await ask()).toMatchObject({ sub_code: '90020' })
  pass(2 * SECOND)
  expect(await ask()).toMatchObject({ errcode: 400002 })
})

test('a third-party app has no monthly quota', async () => {
  const { api, post } = await bench({ monthlyQuota: 0 })
  const suite = { suiteKey: 'sim-app-key', suiteSecret: 'sim-app-secret', authCorpId: 'c', suiteTicket: 't' }
  const given = String((await post('/v1.0/oauth2/corpAccessToken', suite)).json['accessToken'])
  expect((await api('getsendresult', { task_id: '1' }, given)).json).toMatchObject({ errcode: 400002 })
  expect((await api('getsendresult', { task_id: '1' })).json).toMatchObject({ sub_code: '90020' })
})

test('the counters have the calls by endpoint, code and app, and the most in any sliding second', async () => {
  const { api, pass, token, call } = await bench({ callsPerSecond: 4 })
  const given = await token()
  const ask = () => api('getsendresult', { task_id: '1' }, given)
  await ask()
  pass(600)
  for (let i = 0; i < 4; i++) await ask()
  pass(600)
  await ask()
  const { json } = await call('/_simulator/stats')
  expect(json).toEqual({
    calls: 7,
    metered: 4,
    byEndpoint: {
      accessToken: { calls: 1, byCode: { '0': 1 } },
      getsendresult: { calls: 6, byCode: { '400002': 4, '90018': 2 } },
    },
    byApp: { 'sim-app-key': { calls: 6, metered: 4, maxCallsInOneSecond: 5, maxCallsInOneSecondByEndpoint: { getsendresult: 5 } } },
    byAgent: { '836390886': { calls: 6, byCode: { '400002': 4, '90018': 2 } } },
    byVia: {},
    byCode: { '0': 1, '400002': 4, '90018': 2 },
    faults: {},
    monthlyQuota: { limit: 5_000, used: 4, left: 4_996 },
    redirectsFollowed: 0,
  })
})

test('a throttle fault refuses the whole app until the end it names, and clearing the faults ends it', async () => {
  const { simulator, api, pass } = await bench()
  const ask = async (name: string) => (await api(name, { task_id: '1' })).json['sub_code']
  simulator.inject({ kind: 'throttle', seconds: 5, times: 1 })
  const codes = [await ask('getsendresult'), await ask('getsendprogress')]
  pass(5 * SECOND)
  codes.push(await ask('getsendresult'))
  simulator.inject({ kind: 'throttle', seconds: DAY / SECOND, times: 1, code: 90002 })
  codes.push(await ask('getsendresult'))
  simulator.clearFaults()
  codes.push(await ask('getsendresult'))
  expect(codes).toEqual(['90018', '90018', undefined, '90002', undefined])
})
