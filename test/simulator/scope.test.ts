import { request as httpRequest } from 'node:http'
import { expect, test } from 'vitest'
import type { FaultInput, SimulatorOptions } from '../../src/simulator/simulator.ts'
import { APP, type Bench, bench, HOUR, MINUTE, poll, SECOND, SENT_AT, text, tokenOf } from './harness.ts'

const STRUCK = { kind: 'code', code: 41011 } as const
const TASKS = ['101', '102', '103'] as const

interface Scene extends Bench {
  /** Whether a poll of a task is struck. */
  readonly isStruck: (taskId: string, fields?: Readonly<Record<string, string>>, url?: string) => Promise<boolean>
}

/** Three healthy tasks and a fault. */
async function scene(fault: FaultInput, options: SimulatorOptions = {}): Promise<Scene> {
  const it = await bench(options)
  for (const taskId of TASKS) it.simulator.createTask({ taskId, recipients: [{ userId: '01', fate: 'never' }] })
  it.simulator.inject(fault)
  const isStruck: Scene['isStruck'] = async (taskId, fields = {}, url = it.simulator.url) => {
    const token = text((await tokenOf(url, APP.appSecret)).json['accessToken'])
    const { json } = await poll(url, { access_token: token, task_id: taskId, ...fields })
    return json['errcode'] === STRUCK.code
  }
  return { ...it, isStruck }
}

async function struckTasks({ isStruck }: Scene): Promise<string[]> {
  const struck: string[] = []
  for (const taskId of TASKS) if (await isStruck(taskId)) struck.push(taskId)
  return struck
}

test.each([
  [{ taskId: '102' }, ['102']],
  [{ taskId: 102 }, ['102']],
  [{ taskIds: ['101', 103] }, ['101', '103']],
  [{ taskIds: ['101', '103'], taskId: '103' }, ['103']],
  [{ taskIds: ['7'] }, []],
  [{ agentId: APP.agentId }, ['101', '102', '103']],
  [{ agentId: Number(APP.agentId), taskId: '101' }, ['101']],
  [{ agentId: '5' }, []],
  [{ secret: 0, endpoint: 'getsendresult' }, ['101', '102', '103']],
  [{ secret: 1, endpoint: 'getsendresult' }, []],
  [{ remoteAddress: '127.0.0.1', endpoint: 'getsendresult' }, ['101', '102', '103']],
  [{ remoteAddress: '10.0.0.1' }, []],
] as const)('the match %j strikes the tasks %j and leaves the others alone', async (match, expected) => {
  const it = await scene({ ...STRUCK, match })
  expect(await struckTasks(it)).toEqual(expected)
})

test('a fault on calls without an agent id strikes those only', async () => {
  const it = await scene({ ...STRUCK, match: { agentId: null } })
  expect(await it.isStruck('101')).toBe(false)
  expect(await it.isStruck('101', { agent_id: '' })).toBe(true)
})

test('with a secret for each worker, one of them is refused and the other is not', async () => {
  const it = await bench({ apps: [{ ...APP, otherSecrets: ['second-secret'] }] })
  const { taskId } = it.simulator.createTask({ recipients: [{ userId: '01', fate: 'never' }] })
  const ask = async (token: string) => (await poll(it.simulator.url, { access_token: token, task_id: taskId })).json
  const fetch = async (secret: string) => tokenOf(it.simulator.url, secret)
  const [first, second] = [text((await fetch(APP.appSecret)).json['accessToken']), text((await fetch('second-secret')).json['accessToken'])]
  expect(second, 'each secret has its own token').not.toBe(first)
  it.simulator.inject({ kind: 'code', code: 60020, form: 'wrapped', match: { secret: 1 } })
  expect(await ask(first)).toMatchObject({ errcode: 0 })
  expect(await ask(second)).toMatchObject({ errcode: 88, sub_code: '60020' })
  expect(await fetch(APP.appSecret)).toMatchObject({ status: 200 })
  expect(await fetch('second-secret')).toMatchObject({ status: 400, json: { code: 'Forbidden.AccessDenied.IpNotInWhiteList' } })
})

test('the tokens of one worker expire, those of the other live on', async () => {
  const it = await bench({ apps: [{ ...APP, otherSecrets: ['second-secret'] }] })
  const fetch = async (secret: string) => text((await tokenOf(it.simulator.url, secret)).json['accessToken'])
  const [first, second] = [await fetch(APP.appSecret), await fetch('second-secret')]
  it.simulator.inject({ kind: 'expired-token', times: 1, match: { secret: 1 } })
  const ask = async (token: string) => (await poll(it.simulator.url, { access_token: token, task_id: '1' })).json
  expect(await ask(second)).toMatchObject({ sub_code: '42001' })
  expect(await ask(second)).toMatchObject({ sub_code: '42001' })
  expect(await ask(first)).toMatchObject({ errcode: 400002 })
})

test('a worker with a base URL of its own is refused, token calls too, while the others are not', async () => {
  const it = await scene({ kind: 'code', code: 'Forbidden.AccessDenied.IpNotInWhiteList', match: { via: 'worker-2' } })
  const [one, two] = [`${it.simulator.url}/via/worker-1`, `${it.simulator.url}/via/worker-2`]
  const token = text((await tokenOf(one, APP.appSecret)).json['accessToken'])
  expect(await tokenOf(two, APP.appSecret)).toMatchObject({ status: 400, json: { code: 'Forbidden.AccessDenied.IpNotInWhiteList' } })
  expect((await poll(one, { access_token: token, task_id: '101' })).json).toMatchObject({ errcode: 0 })
  expect((await poll(two, { access_token: token, task_id: '101' })).json).toMatchObject({
    errcode: 'Forbidden.AccessDenied.IpNotInWhiteList',
  })
  expect((await poll(it.simulator.url, { access_token: token, task_id: '101' })).json).toMatchObject({ errcode: 0 })
})

test('a client is known by its address', async () => {
  const { simulator } = await bench({ host: '0.0.0.0' })
  simulator.inject({ kind: 'code', code: 60020, form: 'wrapped', match: { remoteAddress: '127.0.0.1' } })
  const { port } = new URL(simulator.url)
  const body = await new Promise<string>((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port, path: '/gettoken' }, (response) => {
      response.setEncoding('utf8').on('data', resolve)
    })
      .on('error', reject)
      .end()
  })
  expect(body).toContain('request ip=127.0.0.1 ')
})

test('a fault begins after a time or at a moment, and lasts from there', async () => {
  const it = await scene({ ...STRUCK, afterMs: 10 * SECOND, forMs: 10 * SECOND, match: { taskId: '101' } })
  it.simulator.inject({
    ...STRUCK,
    fromMs: SENT_AT.getTime() + 20 * SECOND,
    untilMs: SENT_AT.getTime() + 30 * SECOND,
    match: { taskId: '102' },
  })
  expect(await struckTasks(it)).toEqual([])
  it.pass(10 * SECOND)
  expect(await struckTasks(it)).toEqual(['101'])
  it.pass(10 * SECOND)
  expect(await struckTasks(it)).toEqual(['102'])
  it.pass(10 * SECOND)
  expect(await struckTasks(it)).toEqual([])
})

test('a fault that has not begun is listed, and is not over', async () => {
  const it = await scene({ ...STRUCK, afterMs: MINUTE, forMs: SECOND })
  expect((await it.call('/_simulator/faults')).json).toMatchObject({ faults: [{ id: 1, struck: 0 }] })
  it.pass(MINUTE)
  expect((await it.call('/_simulator/faults')).json).toMatchObject({ faults: [{ id: 1 }] })
  it.pass(SECOND)
  expect((await it.call('/_simulator/faults')).json).toEqual({ faults: [] })
})

test.each([0, 3, 12, 23.5])('a fault from hour %d on strikes each task from that hour of its own day', async (fromHour) => {
  for (const timeScale of [1, 1440]) {
    const it = await scene({ ...STRUCK, fromHour, match: { endpoint: 'getsendresult' } }, { timeScale })
    const late = new Date(SENT_AT.getTime() - HOUR / timeScale).toISOString()
    it.simulator.createTask({ taskId: '200', sentAt: late, recipients: [{ userId: '01' }] })
    if (fromHour > 0) {
      it.pass(((fromHour - 1) * HOUR) / timeScale)
      expect([await it.isStruck('200'), await it.isStruck('101')]).toEqual([true, false])
      it.pass(HOUR / timeScale - 1)
      expect(await it.isStruck('101')).toBe(false)
      it.pass(1)
    }
    expect(await struckTasks(it)).toEqual([...TASKS])
  }
})

test('a fault between two hours ends with the second', async () => {
  const it = await scene({ ...STRUCK, fromHour: 3, toHour: 3.5, match: { taskIds: ['101', '102'] } })
  it.pass(3 * HOUR)
  expect(await struckTasks(it)).toEqual(['101', '102'])
  it.pass(HOUR / 2)
  expect(await struckTasks(it)).toEqual([])
})

test('a call that names no task has the hours of the simulator, and a fault may have them for every call', async () => {
  const it = await bench()
  it.pass(2 * HOUR)
  const { taskId } = it.simulator.createTask({ recipients: [{ userId: '01', fate: 'never' }] })
  it.simulator.inject({ kind: 'html', fromHour: 3, match: { endpoint: 'accessToken' } })
  const since = it.simulator.inject({ kind: 'ban', fromHour: 3, hoursSince: 'start', match: { endpoint: 'getsendresult' } })
  const token = await it.token()
  const ask = async () => (await poll(it.simulator.url, { access_token: token, task_id: taskId })).json
  expect(await ask()).toMatchObject({ errcode: 0 })
  it.pass(HOUR)
  expect(await tokenOf(it.simulator.url, APP.appSecret)).toMatchObject({ contentType: expect.stringMatching(/html/) })
  expect(await ask()).toMatchObject({ status: 1111 })
  expect(it.simulator.clearFault(since)).toBe(true)
  expect(await ask()).toMatchObject({ errcode: 0 })
})

test('one fault is ended while the others stay', async () => {
  const it = await bench()
  it.simulator.inject({ kind: 'ban', match: { endpoint: 'gettoken' } })
  it.simulator.inject({ kind: 'html', match: { endpoint: 'accessToken' } })
  expect(await it.call('/_simulator/faults/1', { method: 'DELETE' })).toMatchObject({ status: 200, json: { cleared: 1 } })
  expect(await it.call('/_simulator/faults/1', { method: 'DELETE' })).toMatchObject({ status: 404 })
  expect(await it.call('/_simulator/faults/2')).toMatchObject({ status: 405 })
  expect((await it.call('/_simulator/faults')).json).toMatchObject({ faults: [{ id: 2 }] })
  expect(it.simulator.clearFault(1)).toBe(false)
})
