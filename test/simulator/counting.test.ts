import { expect, test } from 'vitest'
import { createTaskCallBook } from '../../src/simulator/stats.ts'
import { APP, bench, formBody, MINUTE, poll, SENT_AT, text, tokenOf } from './harness.ts'

test('each poll of a task is known with its time, its agent id and its code', async () => {
  const it = await bench()
  const { taskId } = it.simulator.createTask({ recipients: [{ userId: '01', fate: 'never' }] })
  const token = await it.token()
  const ask = async (fields = {}) => poll(it.simulator.url, { access_token: token, task_id: taskId, ...fields })
  await ask()
  it.pass(MINUTE)
  await ask({ agent_id: '5' })
  it.simulator.inject({ kind: 'html', times: 1 })
  await ask({ agent_id: '' })
  await it.api('getsendprogress', { task_id: taskId }, token)
  await it.api('recall', { msg_task_id: taskId }, token)
  const expected = {
    taskId,
    calls: 5,
    metered: 4,
    byEndpoint: { getsendresult: 3, getsendprogress: 1, recall: 1 },
    byAgent: { [APP.agentId]: 3, '5': 1, none: 1 },
    byCode: { '0': 3, '400002': 1, 'fault:html': 1 },
    polls: [
      { at: SENT_AT, agentId: APP.agentId, code: '0' },
      { at: new Date(SENT_AT.getTime() + MINUTE), agentId: '5', code: '400002' },
      { at: new Date(SENT_AT.getTime() + MINUTE), agentId: null, code: 'fault:html' },
    ],
    pollsNotKept: 0,
  }
  expect(it.simulator.taskCalls(taskId)).toEqual(expected)
  expect(it.simulator.allTaskCalls()).toEqual([expected])
  const asJson: unknown = JSON.parse(JSON.stringify(expected))
  expect((await it.call(`/_simulator/tasks/${taskId}/calls`)).json).toEqual(asJson)
  expect((await it.call('/_simulator/stats/tasks')).json).toEqual({ tasks: [asJson] })
})

test('calls that name a task which never was are counted under its id', async () => {
  const it = await bench()
  await it.api('getsendresult', { task_id: '77' })
  expect(it.simulator.taskCalls('77')).toMatchObject({ calls: 1, byCode: { '400002': 1 } })
  expect(it.simulator.taskCalls('78')).toMatchObject({ calls: 0, polls: [] })
  expect(await it.call('/_simulator/stats/nothing')).toMatchObject({ status: 404 })
})

test('what the rate limit or the quota refuses, and what a fault keeps from DingTalk, is received but not metered', async () => {
  const it = await bench({ callsPerSecond: 2, monthlyQuota: 3 })
  const token = await it.token()
  const ask = async () => poll(it.simulator.url, { access_token: token, task_id: '1' })
  for (let i = 0; i < 3; i++) await ask()
  it.pass(MINUTE)
  for (let i = 0; i < 2; i++) await ask()
  it.pass(MINUTE)
  it.simulator.inject({ kind: 'reset', times: 1 })
  await expect(ask()).rejects.toThrow(TypeError)
  it.simulator.inject({ kind: 'reset', acted: true, times: 1 })
  it.simulator.setQuota({ bought: 1 })
  await expect(ask()).rejects.toThrow(TypeError)
  expect(it.simulator.stats()).toMatchObject({
    calls: 8,
    metered: 4,
    byApp: { [APP.appKey]: { calls: 7, metered: 4 } },
    byCode: { '400002': 3, '90018': 1, '90020': 1, 'fault:reset': 2 },
    monthlyQuota: { used: 4, left: 0 },
  })
  expect(it.simulator.taskCalls('1')).toMatchObject({ calls: 7, metered: 4 })
})

test('a call that the client gave up is counted, and what it cost too', async () => {
  const it = await bench()
  const token = await it.token()
  it.simulator.inject({ kind: 'slow', delayMs: 60_000, match: { endpoint: 'getsendresult' } })
  const client = new AbortController()
  const path = '/topapi/message/corpconversation/getsendresult'
  const form = formBody({ access_token: token, agent_id: APP.agentId, task_id: '1' })
  const call = expect(it.call(path, { ...form, signal: client.signal })).rejects.toThrow(/aborted/)
  await expect.poll(() => it.simulator.stats().metered, { timeout: 60_000 }).toBe(1)
  expect(it.simulator.taskCalls('1').polls).toEqual([{ at: SENT_AT, agentId: APP.agentId, code: null }])
  client.abort()
  await call
  await expect.poll(() => it.simulator.taskCalls('1').polls[0]?.code, { timeout: 60_000 }).toBe('fault:slow')
  expect(it.simulator.stats().byEndpoint['getsendresult']).toEqual({ calls: 1, byCode: { 'fault:slow': 1 } })
})

test('calls are counted by agent id and by the way that a worker takes', async () => {
  const it = await bench()
  const via = `${it.simulator.url}/via/worker-2`
  const token = text((await tokenOf(via, APP.appSecret)).json['accessToken'])
  await poll(via, { access_token: token, task_id: '1' })
  await poll(it.simulator.url, { access_token: token, task_id: '1', agent_id: '' })
  expect(it.simulator.stats()).toMatchObject({
    byAgent: { [APP.agentId]: { calls: 1, byCode: { '400002': 1 } }, none: { calls: 1, byCode: { '40': 1 } } },
    byVia: { 'worker-2': { calls: 2, byCode: { '0': 1, '400002': 1 } } },
  })
})

test('names that clients make up do not fill the memory', async () => {
  const it = await bench({ callsPerSecond: 100_000, monthlyQuota: null })
  const token = await it.token()
  for (let i = 0; i < 1_010; i++) await poll(it.simulator.url, { access_token: token, task_id: '1', agent_id: String(i) })
  const { byAgent } = it.simulator.stats()
  expect(Object.keys(byAgent)).toHaveLength(1_001)
  expect(byAgent['other']).toEqual({ calls: 10, byCode: { '400002': 10 } })
  await poll(it.simulator.url, { access_token: token, task_id: 'x'.repeat(1_000) })
  expect(it.simulator.allTaskCalls().map(({ taskId }) => taskId)).toEqual(['1'])
})

test('tasks and polls beyond the limits are counted in total only', () => {
  const book = createTaskCallBook({ maxTasks: 2, maxPolls: 3 })
  const arrive = (taskId: string) => book.arrived({ endpoint: 'getsendresult', taskId, agentId: '1', at: 0 }).answered('0')
  for (const taskId of ['1', '2', '3', '2', '1']) arrive(taskId)
  expect(book.list()).toMatchObject([
    { taskId: '1', calls: 2, byCode: { '0': 2 }, polls: [{ code: '0' }], pollsNotKept: 1 },
    { taskId: '2', calls: 2, polls: [{}, {}], pollsNotKept: 0 },
  ])
})
