import { createConnection } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import type { FaultInput } from '../../src/simulator/simulator.ts'
import { APP, type Bench, bench, MINUTE, SECOND, SENT_AT } from './harness.ts'

/** Far more than it takes: only a failure waits that long. */
const TIMEOUT = { timeout: 60_000 }

const RESULT = '/topapi/message/corpconversation/getsendresult'

/** A task with one reader, one who never reads, one invalid and one throttled person, all processed at once. */
function aTask({ simulator }: Bench): string {
  const read = { userId: 'ann', fate: 'read', readAfterMs: 0 } as const
  return simulator.createTask({
    recipients: [read, { userId: 'bob', fate: 'never' }, { userId: 'cat', fate: 'invalid' }, { userId: 'dan', fate: 'forbidden' }],
  }).taskId
}

async function struck(fault: FaultInput) {
  const it = await bench()
  const taskId = aTask(it)
  it.simulator.inject({ match: { endpoint: 'getsendresult' }, times: 1, ...fault })
  const reply = await it.api('getsendresult', { task_id: taskId })
  const next = await it.api('getsendresult', { task_id: taskId })
  expect(next.json).toMatchObject({ errcode: 0 })
  expect(it.simulator.stats().faults).toEqual({ [fault.kind]: 1 })
  return reply
}

test('an HTTP status comes with a page and a retry-after', async () => {
  expect(await struck({ kind: 'http-status', status: 503, retryAfterSeconds: 3 })).toMatchObject({
    status: 503,
    contentType: 'text/html;charset=utf-8',
  })
})

test('HTML comes with HTTP 200', async () => {
  expect(await struck({ kind: 'html' })).toMatchObject({ status: 200, text: expect.stringMatching(/^<!DOCTYPE html>/) })
})

test('the ban page is JSON without an errcode', async () => {
  expect((await struck({ kind: 'ban' })).json).toEqual({ status: 1111, wait: 5, source: 'x5', punish: 'deny' })
})

test('a code comes plain, wrapped in 88, or only inside errmsg', async () => {
  expect((await struck({ kind: 'code', code: 1430003 })).json).toMatchObject({ errcode: 1430003 })
  expect((await struck({ kind: 'code', code: 'ApiCountLimitForOrg' })).json).toMatchObject({ errcode: 'ApiCountLimitForOrg' })
  expect((await struck({ kind: 'code', code: '60020', form: 'wrapped' })).json).toMatchObject({ errcode: 88, sub_code: '60020' })
  const hidden = (await struck({ kind: 'code', code: 60011, form: 'errmsg', message: 'no' })).json
  expect(hidden).toEqual({ errcode: 88, errmsg: 'ding talk error[subcode=60011,submsg=no]' })
})

test('a code on the new token endpoint is HTTP 400 with the code', async () => {
  const { simulator, post } = await bench()
  simulator.inject({ kind: 'code', code: 'Forbidden.AccessDenied', match: { endpoint: 'accessToken' } })
  const reply = await post('/v1.0/oauth2/accessToken', { appKey: APP.appKey, appSecret: APP.appSecret })
  expect(reply).toMatchObject({ status: 400, json: { code: 'Forbidden.AccessDenied' } })
})

test('send_result is null, an empty object or missing', async () => {
  expect((await struck({ kind: 'empty' })).json).toMatchObject({ errcode: 0, send_result: null })
  expect((await struck({ kind: 'empty', sendResult: 'object' })).json).toMatchObject({ errcode: 0, send_result: {} })
  expect((await struck({ kind: 'empty', sendResult: 'missing' })).json).not.toHaveProperty('send_result')
})

test('lists come as comma-joined text or null, codes as the other type, the result as text', async () => {
  const as = async (word: 'comma-joined' | 'null-lists' | 'errcode-text' | 'code-number' | 'result-text') =>
    (await struck({ kind: 'wrong-types', as: word })).json
  expect(await as('comma-joined')).toMatchObject({ send_result: { read_user_id_list: 'ann', failed_user_id_list: '' } })
  expect(await as('null-lists')).toMatchObject({ send_result: { read_user_id_list: ['ann'], failed_user_id_list: null } })
  expect(await as('errcode-text')).toMatchObject({ errcode: '0' })
  expect(await as('code-number')).toMatchObject({ send_result: { forbidden_list: [{ code: 143105 }] } })
  expect(JSON.parse(String((await as('result-text'))['send_result']))).toMatchObject({ read_user_id_list: ['ann'] })
})

test('readers come back as unread, in both lists, or in none', async () => {
  expect((await struck({ kind: 'read-then-unread' })).json).toMatchObject({
    send_result: { read_user_id_list: [], unread_user_id_list: ['bob', 'ann'] },
  })
  expect((await struck({ kind: 'two-lists' })).json).toMatchObject({
    send_result: { read_user_id_list: ['ann'], unread_user_id_list: ['bob', 'ann'] },
  })
  expect((await struck({ kind: 'unlisted' })).json).toMatchObject({ send_result: { read_user_id_list: [], unread_user_id_list: [] } })
})

test('truncated JSON arrives complete as HTTP, or with fewer bytes than announced', async () => {
  const half = await struck({ kind: 'truncated' })
  expect(half.status).toBe(200)
  expect((): unknown => JSON.parse(half.text)).toThrow(SyntaxError)
  await expect(struck({ kind: 'truncated', cut: 'connection' })).rejects.toThrow(TypeError)
})

test('a reset destroys the socket, before or after DingTalk acted', async () => {
  const { simulator, token, post } = await bench()
  const path = `/topapi/message/corpconversation/asyncsend_v2?access_token=${await token()}`
  const message = { agent_id: APP.agentId, userid_list: '01', msg: { a: 1 } }
  simulator.inject({ kind: 'reset', times: 1 })
  await expect(post(path, message)).rejects.toThrow(TypeError)
  expect(simulator.truth('256271667526')).toBeUndefined()
  simulator.inject({ kind: 'reset', acted: true, times: 1 })
  await expect(post(path, message)).rejects.toThrow(TypeError)
  expect(simulator.truth('256271667526')?.recipients).toHaveLength(1)
})

test('an expired token fails every call until one is fetched, which is a new one', async () => {
  const it = await bench()
  const old = await it.token()
  const ask = async (token: string) => (await it.api('getsendresult', { task_id: aTask(it) }, token)).json
  it.simulator.inject({ kind: 'expired-token', times: 1 })
  expect(await ask(old)).toMatchObject({ errcode: 88, sub_code: '42001' })
  expect(await ask(old)).toMatchObject({ errcode: 88, sub_code: '42001' })
  const fresh = await it.token()
  expect(fresh).not.toBe(old)
  expect(await ask(fresh)).toMatchObject({ errcode: 0 })
})

test('a followed redirect is counted', async () => {
  const { simulator, call } = await bench()
  simulator.inject({ kind: 'redirect', times: 2 })
  expect(await call('/gettoken')).toMatchObject({ status: 302 })
  expect(simulator.stats().redirectsFollowed).toBe(0)
  expect(await call('/gettoken', { redirect: 'follow' })).toMatchObject({ status: 200 })
  expect(simulator.stats().redirectsFollowed).toBe(1)
})

test('a huge answer is valid JSON of as many bytes', async () => {
  const reply = await struck({ kind: 'huge', bytes: 3_000_000 })
  expect(reply.text.length).toBeGreaterThan(3_000_000)
  expect(reply.json).toMatchObject({ errcode: 0, send_result: { read_user_id_list: ['ann'] } })
})

test('gzip comes to a client that never asked for it, and may inflate to far more than it weighs', async () => {
  const { simulator, token } = await bench()
  const url = `${simulator.url}${RESULT}?access_token=${await token()}`
  simulator.inject({ kind: 'gzip', bytes: 5_000_000 })
  const { headers, body } = await request(url, { method: 'POST', body: 'agent_id=1&task_id=2' })
  const weight = Buffer.from(await body.arrayBuffer())
  expect(headers['content-encoding']).toBe('gzip')
  expect(weight.length).toBeLessThan(100_000)
  expect(gunzipSync(weight).length).toBeGreaterThan(5_000_000)
})

test('a drip sends the body piece by piece', async () => {
  const { simulator } = await bench()
  simulator.inject({ kind: 'drip', delayMs: 1, bytes: 16 })
  const socket = createConnection(Number(new URL(simulator.url).port), '127.0.0.1')
  socket.write('GET /gettoken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const chunks: unknown[] = []
  for await (const chunk of socket) chunks.push(chunk)
  const bytes = chunks.map(String).join('')
  expect(bytes).toMatch(/\r\n10\r\n\{"errcode":40096\r\n10\r\n/)
  expect(bytes).toMatch(/\r\n0\r\n\r\n$/)
})

test.each([
  ['on-arrival', 'unread_user_id_list'],
  ['on-answer', 'read_user_id_list'],
] as const)('a slow answer decided %s has the lists of that moment', async (decided, list) => {
  let arrived = Infinity
  // A minute passes between the first reading of the clock after the fault was set, at the arrival, and the next.
  const now = () => new Date(SENT_AT.getTime() + (arrived++ > 0 ? MINUTE : 0))
  const { simulator, token, api } = await bench({ now: () => (arrived === Infinity ? SENT_AT : now()) })
  const { taskId } = simulator.createTask({ recipients: [{ userId: 'ann', readAfterMs: MINUTE }] })
  const given = await token()
  simulator.inject({ kind: 'slow', delayMs: 1, decided, times: 1 })
  arrived = 0
  expect((await api('getsendresult', { task_id: taskId }, given)).json).toMatchObject({ send_result: { [list]: ['ann'] } })
})

test('a call that hangs ends when the client gives up or the simulator closes, which is quick', async () => {
  const { simulator, call } = await bench()
  simulator.inject({ kind: 'hang' })
  const client = new AbortController()
  const givenUp = expect(call('/gettoken', { signal: client.signal })).rejects.toThrow(/aborted/)
  await expect.poll(() => simulator.stats().faults['hang'], TIMEOUT).toBe(1)
  client.abort()
  await givenUp
  const hanging = expect(call('/gettoken')).rejects.toThrow(TypeError)
  await expect.poll(() => simulator.stats().faults['hang'], TIMEOUT).toBe(2)
  await simulator.close()
  await hanging
})

test('closing destroys idle keep-alive connections and can be done twice', async () => {
  const { simulator, call } = await bench()
  await call('/gettoken')
  const idle = createConnection(Number(new URL(simulator.url).port), '127.0.0.1')
  const ended = new Promise((resolve) => idle.once('close', resolve))
  idle.on('error', () => {})
  await new Promise((resolve) => idle.once('connect', resolve))
  await Promise.all([simulator.close(), simulator.close()])
  await ended
  await expect(call('/gettoken')).rejects.toThrow(TypeError)
})

test('one connection carries many calls', async () => {
  const { simulator } = await bench()
  const dispatcher = new Agent({ connections: 1 })
  const ports = new Set<number | undefined>()
  dispatcher.on('connect', () => ports.add(ports.size))
  for (let i = 0; i < 5; i++) await (await request(`${simulator.url}/gettoken`, { dispatcher })).body.dump()
  await dispatcher.close()
  expect(ports.size).toBe(1)
})

test('a fault strikes only what it matches', async () => {
  const it = await bench({ apps: [APP, { appKey: 'other', appSecret: 's', agentId: '2' }] })
  const [one, two] = [aTask(it), aTask(it)]
  it.simulator.inject({ kind: 'html', match: { taskId: one } })
  it.simulator.inject({ kind: 'html', match: { appKey: 'other' } })
  const ask = async (taskId: string) => (await it.api('getsendresult', { task_id: taskId })).contentType
  expect(await ask(one)).toMatch(/html/)
  expect(await ask(two)).toMatch(/json/)
  expect((await it.post('/v1.0/oauth2/accessToken', { appKey: 'other', appSecret: 's' })).contentType).toMatch(/html/)
})

test('a fault with a probability strikes about as often, and the same calls for the same seed', async () => {
  const pattern = async () => {
    const { simulator, call } = await bench()
    simulator.inject({ kind: 'ban', probability: 0.3 })
    const strikes: boolean[] = []
    for (let i = 0; i < 100; i++) strikes.push((await call('/gettoken')).json['status'] === 1111)
    return strikes
  }
  const first = await pattern()
  expect(await pattern()).toEqual(first)
  const count = first.filter(Boolean).length
  expect(count).toBeGreaterThan(15)
  expect(count).toBeLessThan(45)
})

test('a fault ends after its time, at its moment, or after as many calls', async () => {
  const { simulator, call, pass } = await bench()
  const isStruck = async () => (await call('/gettoken')).status === 500
  simulator.inject({ kind: 'http-status', status: 500, forMs: SECOND })
  expect(await isStruck()).toBe(true)
  pass(SECOND)
  expect(await isStruck()).toBe(false)
  simulator.inject({ kind: 'http-status', status: 500, untilMs: Date.parse('2026-11-23T01:00:02.000Z') })
  expect(await isStruck()).toBe(true)
  pass(SECOND)
  expect(await isStruck()).toBe(false)
  simulator.inject({ kind: 'http-status', status: 500, times: 2 })
  expect([await isStruck(), await isStruck(), await isStruck()]).toEqual([true, true, false])
})
