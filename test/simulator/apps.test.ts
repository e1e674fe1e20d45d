import { expect, test } from 'vitest'
import { startSimulator } from '../../src/simulator/simulator.ts'
import { APP, bench, HOUR, type Json, poll, text, tokenOf } from './harness.ts'

const OTHER = { appKey: 'other', appSecret: 'other-secret', agentId: '222' }
const RECIPIENTS = [{ userId: '01', fate: 'never' }] as const

test('a rotated secret is refused from then on, with its tokens, and the new one is accepted', async () => {
  const it = await bench()
  const old = await it.token()
  const { url } = it.simulator
  expect((await it.post('/_simulator/rotate-secret', { appSecret: 'new' })).json).toEqual({ appKey: APP.appKey, secret: 1 })
  expect(await tokenOf(url, APP.appSecret)).toMatchObject({ status: 400, json: { code: 'invalidClientIdOrSecret' } })
  expect((await it.call(`/gettoken?appkey=${APP.appKey}&appsecret=${APP.appSecret}`)).json).toMatchObject({ errcode: 40096 })
  expect((await poll(url, { access_token: old, task_id: '1' })).json).toMatchObject({ sub_code: '42001' })
  const fresh = text((await tokenOf(url, 'new')).json['accessToken'])
  expect((await poll(url, { access_token: fresh, task_id: '1' })).json).toMatchObject({ errcode: 400002 })
  it.simulator.rotateSecret({ appSecret: APP.appSecret })
  expect(await tokenOf(url, 'new')).toMatchObject({ status: 400 })
  expect(await tokenOf(url, APP.appSecret)).toMatchObject({ status: 200 })
})

test('on request the tokens of the old secret live on', async () => {
  const it = await bench({ apps: [APP, OTHER] })
  const old = await it.token()
  it.simulator.rotateSecret({ appKey: APP.appKey, appSecret: 'new', keepTokens: true })
  expect((await poll(it.simulator.url, { access_token: old, task_id: '1' })).json).toMatchObject({ errcode: 400002 })
  expect(await tokenOf(it.simulator.url, OTHER.appSecret, OTHER.appKey)).toMatchObject({ status: 200 })
})

test('a fault finds the worker that still has the rotated secret', async () => {
  const it = await bench()
  it.simulator.rotateSecret({ appSecret: 'new' })
  it.simulator.inject({ kind: 'http-status', status: 401, match: { secret: 0 } })
  expect(await tokenOf(it.simulator.url, APP.appSecret)).toMatchObject({ status: 401 })
  expect(await tokenOf(it.simulator.url, 'new')).toMatchObject({ status: 200 })
})

test.each([
  ['rotate-secret', { appSecret: '' }, 'appSecret'],
  ['rotate-secret', { appSecret: 'new', appKey: 'nobody' }, 'appKey'],
  ['rotate-secret', { secret: 'new' }, 'appSecret'],
  ['quota', {}, 'left'],
  ['quota', { left: 1, bought: 1 }, 'left'],
  ['quota', { left: -1 }, 'left'],
  ['quota', { bought: 1.5 }, 'bought'],
  ['quota', { left: 1, appKey: 'nobody' }, 'appKey'],
])('%s %j is refused with the field %s', async (path, body, field) => {
  const { post, call } = await bench()
  expect(await post(`/_simulator/${path}`, body)).toMatchObject({ status: 400, json: { error: { field } } })
  expect(await call(`/_simulator/${path}`, { method: 'PUT' })).toMatchObject({ status: 405 })
})

test('a secret that is refused is not repeated', async () => {
  const { post } = await bench()
  const reply = await post('/_simulator/rotate-secret', { appSecret: 4711 })
  expect(reply).toMatchObject({ status: 400, json: { error: { field: 'appSecret' } } })
  expect(reply.text).not.toContain('4711')
})

test('an agent id of no app, of another app, of another task and none at all have different answers', async () => {
  const it = await bench({ apps: [{ ...APP, otherAgentIds: ['111'] }, OTHER] })
  const { taskId } = it.simulator.createTask({ recipients: RECIPIENTS })
  const ask = async (agentId: string) => (await it.api('getsendresult', { task_id: taskId, agent_id: agentId })).json
  expect(await ask(APP.agentId)).toMatchObject({ errcode: 0 })
  expect(await ask('999')).toMatchObject({ errcode: 400002 })
  expect(await ask(OTHER.agentId)).toMatchObject({ errcode: 41020 })
  expect(await ask('111')).toMatchObject({ errcode: 400002 })
  expect(await ask('')).toMatchObject({ errcode: 40, errmsg: 'Missing required arguments:agent_id' })
  const theirs = text((await tokenOf(it.simulator.url, OTHER.appSecret, OTHER.appKey)).json['accessToken'])
  expect((await it.api('getsendresult', { task_id: taskId }, theirs)).json).toMatchObject({ errcode: 41020 })
  expect((await it.api('asyncsend_v2', { msg: 'x', userid_list: '01' }, theirs)).json).toMatchObject({ errcode: 41020 })
})

test('a task that a test makes with an agent id of its own is polled with it', async () => {
  const it = await bench()
  const { taskId } = it.simulator.createTask({ agentId: '333', recipients: RECIPIENTS })
  expect((await it.api('getsendresult', { task_id: taskId, agent_id: '333' })).json).toMatchObject({ errcode: 0 })
  expect((await it.api('getsendresult', { task_id: taskId })).json).toMatchObject({ errcode: 400002 })
})

test('what a wrong agent id, an unknown task and an expired one are answered can be chosen', async () => {
  const it = await bench({
    apps: [APP, OTHER],
    wrongAgentCode: 41011,
    foreignAgentCode: { code: 41020, form: 'wrapped', message: 'mismatch' },
    unknownTaskCode: '40035',
    expiredTaskCode: 99999,
  })
  const { taskId } = it.simulator.createTask({ recipients: RECIPIENTS })
  const ask = async (fields: Json) => (await it.api('getsendresult', { task_id: taskId, ...fields })).json
  expect(await ask({ agent_id: '999' })).toMatchObject({ errcode: 41011 })
  expect(await ask({ agent_id: OTHER.agentId })).toMatchObject({ errcode: 88, sub_code: '41020', sub_msg: 'mismatch' })
  expect(await ask({ task_id: '5' })).toMatchObject({ errcode: 40035 })
  it.pass(24 * HOUR)
  expect(await ask({})).toMatchObject({ errcode: 99999 })
  expect(await ask({ task_id: '5' })).toMatchObject({ errcode: 40035 })
})

test('an expired task is answered as an unknown one where nothing else is chosen', async () => {
  const it = await bench({ unknownTaskCode: { code: 15, subCode: 'isp.unknown-task' } })
  const { taskId } = it.simulator.createTask({ recipients: RECIPIENTS })
  it.pass(24 * HOUR)
  expect((await it.api('getsendresult', { task_id: taskId })).json).toMatchObject({ errcode: 15, sub_code: 'isp.unknown-task' })
})

test('options that are not what they must be are named', async () => {
  await expect(startSimulator({ apps: [APP, APP] })).rejects.toThrow(/^apps: two apps have the same appKey/)
  await expect(startSimulator({ wrongAgentCode: '' })).rejects.toThrow(/^wrongAgentCode: expected an errcode/)
  await expect(startSimulator({ apps: [{ ...APP, otherAgentIds: ['x'] }] })).rejects.toThrow(/^apps.0.otherAgentIds.0: /)
})

test('a quota is used up at will, and goes on when more is bought', async () => {
  const it = await bench()
  const token = await it.token()
  const ask = async () => (await poll(it.simulator.url, { access_token: token, task_id: '1' })).json
  expect((await it.post('/_simulator/quota', { left: 1 })).json).toEqual({ limit: 5_000, used: 4_999, left: 1 })
  expect(await ask()).toMatchObject({ errcode: 400002 })
  expect(await ask()).toMatchObject({ errcode: 88, sub_code: '90020' })
  expect((await it.call('/_simulator/quota')).json).toEqual({ limit: 5_000, used: 5_000, left: 0 })
  expect(it.simulator.setQuota({ bought: 2 })).toEqual({ limit: 5_002, used: 5_000, left: 2 })
  expect([await ask(), await ask(), await ask()]).toMatchObject([{ errcode: 400002 }, { errcode: 400002 }, { errcode: 88 }])
})

test.each([
  [null, { left: 0 }, { limit: 0, used: 0, left: 0 }],
  [null, { bought: 5 }, { limit: null, used: 0, left: null }],
  [10, { left: 20 }, { limit: 20, used: 0, left: 20 }],
  [10, { left: 0 }, { limit: 10, used: 10, left: 0 }],
] as const)('a quota of %j after %j is %j', async (monthlyQuota, change, expected) => {
  const { simulator } = await bench({ monthlyQuota })
  expect(simulator.setQuota(change)).toEqual(expected)
})

test('the apps of one organisation share its quota, those of another have their own', async () => {
  const it = await bench({ apps: [APP, { ...OTHER, corpId: 'other-corp' }, { ...OTHER, appKey: 'third' }] })
  it.simulator.setQuota({ appKey: APP.appKey, left: 0 })
  const ask = async (appKey: string, secret: string) => {
    const token = text((await tokenOf(it.simulator.url, secret, appKey)).json['accessToken'])
    return (await poll(it.simulator.url, { access_token: token, task_id: '1', agent_id: OTHER.agentId })).json
  }
  expect(await ask('third', OTHER.appSecret)).toMatchObject({ sub_code: '90020' })
  expect(await ask('other', OTHER.appSecret)).toMatchObject({ errcode: 400002 })
})
