import { expect, test } from 'vitest'
import type { FaultInput } from '../../src/simulator/simulator.ts'
import { APP, bench, poll, tokenOf } from './harness.ts'

/** What a token call and a poll are answered under a `code` fault. */
async function answers(fault: Omit<Extract<FaultInput, { kind: 'code' }>, 'kind'>) {
  const it = await bench()
  const { taskId } = it.simulator.createTask({ recipients: [{ userId: '01', fate: 'never' }] })
  const token = await it.token()
  it.simulator.inject({ kind: 'code', ...fault })
  return {
    token: await tokenOf(it.simulator.url, APP.appSecret),
    oldToken: await it.call(`/gettoken?appkey=${APP.appKey}&appsecret=${APP.appSecret}`),
    poll: await poll(it.simulator.url, { access_token: token, task_id: taskId }),
  }
}

test.each([
  'Forbidden.AccessDenied.IpNotInWhiteList',
  'Forbidden.AccessDenied.QpsLimitForAppkeyAndApi',
  'Forbidden.AccessDenied.QpsLimitForApi',
  'Forbidden.AccessDenied.ApiCountLimitForOrg',
  'InvalidAction.NotFound',
  'invalidClientIdOrSecret',
  'SomethingNew',
])('%s: each token endpoint writes it in its own form', async (code) => {
  const it = await answers({ code })
  expect(it.token).toMatchObject({ status: 400, json: { code, message: expect.stringMatching(/./) } })
  expect(it.oldToken).toMatchObject({ status: 200, json: { errcode: code } })
})

test.each([
  [22, 'InvalidAction.NotFound'],
  [40014, 'InvalidAuthentication'],
  [40096, 'invalidClientIdOrSecret'],
  [60020, 'Forbidden.AccessDenied.IpNotInWhiteList'],
  [90018, 'Forbidden.AccessDenied.QpsLimitForAppkeyAndApi'],
  [90020, 'Forbidden.AccessDenied.ApiCountLimitForOrg'],
  [41011, '41011'],
])('one fault with the code %d is named %s by the new token endpoint', async (number, name) => {
  const it = await answers({ code: number, form: 'wrapped' })
  expect(it.token).toMatchObject({ status: 400, json: { code: name } })
  expect(it.poll).toMatchObject({ status: 200, json: { errcode: 88, sub_code: String(number) } })
})

test('a status comes with the error, in every form', async () => {
  const unauthorised = await answers({ code: 'InvalidAuthentication', status: 401 })
  expect(unauthorised.token).toMatchObject({ status: 401, json: { code: 'InvalidAuthentication' } })
  expect(unauthorised.poll).toMatchObject({ status: 401, json: { errcode: 'InvalidAuthentication' } })
  const wrapped = await answers({ code: 40014, form: 'wrapped', status: 401 })
  expect(wrapped.poll).toMatchObject({ status: 401, json: { errcode: 88, sub_code: '40014' } })
})

test('oapi answers in the form of the new API on request', async () => {
  const it = await answers({ code: 'Forbidden.AccessDenied.QpsLimitForApi', form: 'new' })
  expect(it.poll).toMatchObject({ status: 400, json: { code: 'Forbidden.AccessDenied.QpsLimitForApi' } })
})

test("the gateway's own timeout has its sub code in 15, and a permission 40000 in 88", async () => {
  const timeout = await answers({ code: 15, subCode: 'isp.top-remote-connection-timeout' })
  expect(timeout.poll.json).toEqual({
    errcode: 15,
    sub_code: 'isp.top-remote-connection-timeout',
    sub_msg: '远程服务调用超时',
    errmsg: 'Remote service error[subcode=isp.top-remote-connection-timeout,submsg=远程服务调用超时]',
  })
  const permission = await answers({ code: 88, subCode: 40000 })
  expect(permission.poll.json).toMatchObject({ errcode: 88, sub_code: '40000', errmsg: expect.stringMatching(/^ding talk error\[/) })
})

test.each(['Call timeout', '调用超时'])('%s is a code with these words, for a task of one named recipient too', async (message) => {
  expect((await answers({ code: 15, message })).poll.json).toMatchObject({ errcode: 15, errmsg: message })
})

test('a refused address is quoted, and another one can be written', async () => {
  const own = await answers({ code: 60020, form: 'wrapped' })
  expect(own.poll.json).toMatchObject({ sub_msg: `访问ip不在白名单之中,request ip=127.0.0.1 appKey(${APP.appKey})` })
  expect(own.token.json).toMatchObject({ message: expect.stringMatching(/request ip=127\.0\.0\.1 appKey\(sim-app-key\)/) })
  const written = await answers({ code: 60020, form: 'wrapped', message: 'request ip=2001:db8::7' })
  expect(written.poll.json).toMatchObject({ sub_msg: 'request ip=2001:db8::7' })
})

test('an unknown code has words of its own', async () => {
  expect((await answers({ code: 99999 })).poll.json).toMatchObject({ errcode: 99999, errmsg: 'simulated error' })
})

test('a metered error costs quota, counts for the rate and is not given to a refused token; a plain fault costs nothing', async () => {
  const it = await bench({ monthlyQuota: 2 })
  const token = await it.token()
  it.simulator.inject({ kind: 'code', code: 41011, metered: true, match: { endpoint: 'getsendresult' } })
  const ask = async (given: string) => (await poll(it.simulator.url, { access_token: given, task_id: '1' })).json
  expect(await ask('wrong')).toMatchObject({ sub_code: '40014' })
  expect(await ask(token)).toMatchObject({ errcode: 41011, request_id: expect.any(String) })
  it.simulator.clearFaults()
  it.simulator.inject({ kind: 'code', code: 41011, times: 1 })
  await ask(token)
  expect(it.simulator.stats()).toMatchObject({ metered: 1, monthlyQuota: { used: 1 } })
  it.simulator.inject({ kind: 'code', code: 41011, metered: true })
  expect(await ask(token)).toMatchObject({ errcode: 41011 })
  expect(await ask(token)).toMatchObject({ sub_code: '90020' })
  expect(await tokenOf(it.simulator.url, APP.appSecret)).toMatchObject({ json: { code: '41011' } })
})
