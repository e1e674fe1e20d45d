import { expect, test } from 'vitest'
import { APP, bench, exactTaskId, formBody, HOUR, MINUTE, SENT_AT, text, texts } from './harness.ts'

const HELLO = JSON.stringify({ msgtype: 'text', text: { content: 'hello' } })
const people = (count: number) => Array.from({ length: count }, (_, i) => `0${i}`)

test('a send answers a task id as a JSON number, and a form send does as well', async () => {
  const { api, call, token } = await bench()
  const json = await api('asyncsend_v2', { userid_list: '0123,0456', msg: JSON.parse(HELLO) })
  expect(json).toMatchObject({ status: 200, contentType: 'application/json;charset=utf-8', json: { errcode: 0, task_id: 256271667526 } })
  const form = { access_token: await token(), agent_id: APP.agentId, userid_list: '0789', msg: HELLO }
  expect(exactTaskId(await call('/topapi/message/corpconversation/asyncsend_v2', formBody(form)))).toBe('256271667527')
})

test('a task id beyond 2^53 keeps its digits in the send, the query as number or text, the form and the truth', async () => {
  const { simulator, send, call, token } = await bench({ firstTaskId: '9007199254740993123' })
  const taskId = await send({ userid_list: 'fast-ann' })
  expect(taskId).toBe('9007199254740993123')
  const path = `/topapi/message/corpconversation/getsendresult?access_token=${await token()}`
  const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"agent_id":${APP.agentId},"task_id":${taskId}}` }
  expect((await call(path, json)).json).toMatchObject({ errcode: 0 })
  expect((await call(path, formBody({ agent_id: APP.agentId, task_id: taskId }))).json).toMatchObject({ errcode: 0 })
  expect((await call(path, formBody({ agent_id: APP.agentId, task_id: '9007199254740993124' }))).json).toMatchObject({ errcode: 400002 })
  expect(simulator.truth(taskId)?.taskId).toBe(taskId)
})

test('the 101st person of a userid_list is dropped silently, and duplicates count once', async () => {
  const { simulator, send } = await bench()
  const taskId = await send({ userid_list: [...people(99), '00', '0x', '0dropped'].join(',') })
  const ids = simulator.truth(taskId)?.recipients.map((person) => person.userId)
  expect(ids).toEqual(people(99))
})

test('a department or everybody expands to more than 100 people, which getsendresult then cannot report', async () => {
  const { api, send } = await bench()
  const messages: unknown[] = []
  for (const audience of [{ dept_id_list: '5' }, { to_all_user: true }, { to_all_user: 'true' }]) {
    const reply = await api('getsendresult', { task_id: await send(audience) })
    messages.push(reply.status, reply.json['errmsg'])
  }
  expect(messages.filter((message) => message !== 200)).toEqual(Array(3).fill(expect.stringMatching(/^(Call timeout|调用超时)$/)))
})

test('a department that cannot exist is listed as invalid', async () => {
  const { send, result } = await bench()
  expect(await result(await send({ dept_id_list: '-3', userid_list: '01' }))).toMatchObject({ invalid_dept_id_list: [-3] })
})

test('the same text to the same person within a day is forbidden with 143106, another text or the next day is not', async () => {
  const { send, result, pass } = await bench()
  await send({ userid_list: 'fast-1' })
  pass(23 * HOUR)
  const again = await send({ userid_list: 'fast-1,fast-2' })
  const other = await send({ userid_list: 'fast-1', msg: { msgtype: 'text', text: { content: 'other' } } })
  pass(20 * MINUTE)
  expect(await result(again)).toMatchObject({
    forbidden_list: [{ code: '143106', count: 1, userid: 'fast-1' }],
    forbidden_user_id_list: ['fast-1'],
    read_user_id_list: ['fast-2'],
  })
  expect(await result(other)).toMatchObject({ forbidden_list: [], read_user_id_list: ['fast-1'] })
  pass(HOUR)
  const nextDay = await send({ userid_list: 'fast-1' })
  pass(20 * MINUTE)
  expect(await result(nextDay)).toMatchObject({ forbidden_list: [] })
})

test('a person who got 100 messages of a third-party app in a day is forbidden the next with 143205, and the same text is 143206', async () => {
  const { simulator, api, post } = await bench()
  const suite = { suiteKey: APP.appKey, suiteSecret: APP.appSecret, authCorpId: 'corp', suiteTicket: 'ticket' }
  const token = text((await post('/v1.0/oauth2/corpAccessToken', suite)).json['accessToken'])
  const send = async (content: number) => {
    const taskId = exactTaskId(await api('asyncsend_v2', { userid_list: 'fast-1', msg: { content } }, token))
    return simulator.truth(taskId)?.recipients[0]?.forbiddenCode
  }
  for (let i = 0; i < 100; i++) expect(await send(i)).toBeNull()
  expect(await send(99)).toBe('143206')
  expect(await send(100)).toBe('143205')
})

test('a send without a message, an agent, a recipient, or with another agent is refused with its code', async () => {
  const { api } = await bench()
  const codes: unknown[] = []
  for (const fields of [
    { userid_list: '1' },
    { msg: HELLO, agent_id: null },
    { msg: HELLO },
    { msg: HELLO, userid_list: '1', agent_id: 5 },
  ])
    codes.push((await api('asyncsend_v2', fields)).json['errcode'])
  expect(codes).toEqual([40, 40, 1430000, 40056])
})

test('the same seed gives the same people, another seed gives others', async () => {
  const truths = []
  for (const seed of [7, 7, 8]) {
    const { simulator, send } = await bench({ seed })
    truths.push(simulator.truth(await send({ userid_list: people(50).join(',') })))
  }
  expect(truths[1]).toEqual(truths[0])
  expect(truths[2]).not.toEqual(truths[0])
})

test('a word in the user id forces the fate', async () => {
  const { simulator, send } = await bench()
  const words = ['invalid', 'failed', 'forbidden', 'pending', 'never', 'fast', 'slow']
  const truth = simulator.truth(await send({ userid_list: words.map((word) => `0-${word}-1`).join(',') }))
  expect(truth?.recipients.map((person) => person.fate)).toEqual(['invalid', 'failed', 'forbidden', 'pending', 'never', 'read', 'read'])
  expect(truth?.sentAt).toEqual(SENT_AT)
  const readAt = truth?.recipients.at(-1)?.readAt?.getTime() ?? Infinity
  expect(readAt).toBeLessThan(truth?.deadline.getTime() ?? 0)
})

test('ids keep their leading zeros', async () => {
  const { send, result, pass } = await bench()
  const taskId = await send({ userid_list: '036632523163121146-fast' })
  pass(23 * HOUR)
  expect(texts((await result(taskId))['read_user_id_list'])).toEqual(['036632523163121146-fast'])
})
