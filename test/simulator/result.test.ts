import { expect, test } from 'vitest'
import { APP, bench, HOUR, list, MINUTE, SECOND, SENT_AT, texts } from './harness.ts'

const LISTS = ['failed_user_id_list', 'invalid_user_id_list', 'read_user_id_list', 'unread_user_id_list'] as const

test('the lists and the progress grow while the send is processed', async () => {
  const { api, send, result, pass } = await bench({ seed: 3 })
  const taskId = await send({ userid_list: Array.from({ length: 60 }, (_, i) => `never-0${i}`).join(',') })
  const seen: number[] = []
  const status: unknown[] = []
  for (const ms of [0, 8 * SECOND, 2 * MINUTE]) {
    pass(ms)
    seen.push(texts((await result(taskId))['unread_user_id_list']).length)
    status.push((await api('getsendprogress', { task_id: taskId })).json['progress'])
  }
  expect(seen[0]).toBe(0)
  expect(seen[1]).toBeGreaterThan(0)
  expect(seen[1]).toBeLessThan(60)
  expect(seen[2]).toBe(60)
  expect(status).toMatchObject([{ status: 0 }, { status: 1 }, { status: 2, progress_in_percent: 100 }])
})

test('at every moment the lists agree with the truth', async () => {
  const { simulator, send, result, pass } = await bench({ laws: { invalidShare: 0.1, failedShare: 0.1, forbiddenShare: 0.1 } })
  const taskId = await send({ userid_list: Array.from({ length: 100 }, (_, i) => `0${i}`).join(',') })
  const recipients = simulator.truth(taskId)?.recipients ?? []
  let now = SENT_AT.getTime()
  for (const ms of [10 * SECOND, 5 * MINUTE, HOUR, 6 * HOUR, 16 * HOUR]) {
    pass(ms)
    now += ms
    const read = recipients.filter((person) => person.readAt !== null && person.readAt.getTime() <= now).map((person) => person.userId)
    const lists = await result(taskId)
    expect(texts(lists['read_user_id_list'])).toEqual(read)
    const listed = LISTS.flatMap((name) => texts(lists[name])).length + list(lists['forbidden_list']).length
    expect(listed).toBe(recipients.filter((person) => person.processedAt !== null && person.processedAt.getTime() <= now).length)
  }
})

test('forbidden_user_id_list is absent when it would be empty', async () => {
  const { simulator, result } = await bench()
  const calm = simulator.createTask({ recipients: [{ userId: '01', fate: 'never' }] })
  const throttled = simulator.createTask({
    recipients: [
      { userId: '01', fate: 'forbidden' },
      { userId: '02', fate: 'forbidden', forbidden: { listedIn: 'reasons', code: '143106', count: 1 } },
      { userId: '03', fate: 'forbidden', forbidden: { listedIn: 'ids' } },
    ],
  })
  expect(await result(calm.taskId)).toEqual({
    failed_user_id_list: [],
    forbidden_list: [],
    invalid_dept_id_list: [],
    invalid_user_id_list: [],
    read_user_id_list: [],
    unread_user_id_list: ['01'],
  })
  expect(await result(throttled.taskId)).toMatchObject({
    forbidden_list: [
      { code: '143105', count: 500, userid: '01' },
      { code: '143106', count: 1, userid: '02' },
    ],
    forbidden_user_id_list: ['01', '03'],
  })
})

test('a form with everything in its body is answered, a token in a header or in a JSON body is not seen', async () => {
  const { simulator, call, token } = await bench()
  const { taskId } = simulator.createTask({ recipients: [{ userId: '01', fate: 'never' }] })
  const path = '/topapi/message/corpconversation/getsendresult'
  const fields = { access_token: await token(), agent_id: APP.agentId, task_id: taskId }
  const form = { method: 'POST', body: new URLSearchParams(fields) }
  expect((await call(path, form)).json).toMatchObject({ errcode: 0, request_id: expect.any(String) })
  const headers = { 'content-type': 'application/json', 'x-acs-dingtalk-access-token': fields.access_token }
  expect((await call(path, { method: 'POST', headers, body: JSON.stringify(fields) })).json).toMatchObject({
    errcode: 88,
    sub_code: '41001',
  })
  expect((await call(`${path}?access_token=wrong`, form)).json).toEqual({
    errcode: 88,
    sub_code: '40014',
    sub_msg: '不合法的access_token',
    errmsg: 'ding talk error[subcode=40014,submsg=不合法的access_token]',
    request_id: expect.any(String),
  })
})

test('an unknown task, an agent id of no app, a task of another app and one after its window are parameter errors with HTTP 200', async () => {
  const other = { appKey: 'other', appSecret: 'secret', agentId: '2' }
  const { simulator, api, pass } = await bench({ apps: [APP, other] })
  const recipients = [{ userId: '01' }]
  const mine = simulator.createTask({ recipients })
  const theirs = simulator.createTask({ appKey: 'other', recipients })
  const codes: unknown[] = []
  const ask = async (fields: Record<string, unknown>) => {
    const reply = await api('getsendresult', fields)
    codes.push(reply.status, reply.json['errcode'])
  }
  await ask({ task_id: '77' })
  await ask({ task_id: mine.taskId, agent_id: '3' })
  await ask({ task_id: theirs.taskId })
  pass(24 * HOUR - 1)
  await ask({ task_id: mine.taskId })
  pass(1)
  await ask({ task_id: mine.taskId })
  expect(codes).toEqual([200, 400002, 200, 400002, 200, 400002, 200, 0, 200, 400002])
})

test('the window and every duration of a task are divided by the time scale', async () => {
  const { simulator, result, pass } = await bench({ timeScale: 1440 })
  const task = simulator.createTask({ recipients: [{ userId: '01', processedAfterMs: MINUTE, readAfterMs: 24 * MINUTE }] })
  expect(task.deadline.getTime() - task.sentAt.getTime()).toBe(MINUTE)
  expect(task.recipients[0]?.readAt).toEqual(new Date(SENT_AT.getTime() + SECOND))
  pass(999)
  expect(await result(task.taskId)).toMatchObject({ unread_user_id_list: ['01'] })
  pass(1)
  expect(await result(task.taskId)).toMatchObject({ read_user_id_list: ['01'], unread_user_id_list: [] })
})

test('100 recipients are reported, 101 are a call timeout whose code differs from task to task', async () => {
  const { simulator, api } = await bench()
  const ask = async (count: number) => {
    const recipients = Array.from({ length: count }, (_, i) => ({ userId: `0${i}` }))
    return (await api('getsendresult', { task_id: simulator.createTask({ recipients }).taskId })).json
  }
  expect(await ask(100)).toMatchObject({ errcode: 0 })
  const codes = new Set<unknown>()
  for (let i = 0; i < 12; i++) codes.add((await ask(101))['errcode'])
  expect(codes.size).toBeGreaterThan(1)
})

test('a recalled message is not read any more', async () => {
  const { simulator, api, result, pass } = await bench()
  const { taskId } = simulator.createTask({
    recipients: [
      { userId: 'ann', readAfterMs: MINUTE },
      { userId: 'bob', readAfterMs: HOUR },
    ],
  })
  pass(2 * MINUTE)
  expect((await api('recall', { msg_task_id: taskId })).json).toMatchObject({ errcode: 0 })
  pass(2 * HOUR)
  expect(await result(taskId)).toMatchObject({ read_user_id_list: ['ann'], unread_user_id_list: ['bob'] })
  expect(simulator.truth(taskId)?.recipients[1]?.readAt).toBeNull()
  pass(24 * HOUR)
  expect((await api('recall', { msg_task_id: taskId })).json).toMatchObject({ errcode: 400002 })
})

test('missing fields, the wrong method, broken JSON and unknown addresses are answered as DingTalk does', async () => {
  const { api, post, call, token } = await bench()
  expect((await api('getsendresult', {})).json).toMatchObject({ errcode: 40, errmsg: 'Missing required arguments:task_id' })
  const path = `/topapi/message/corpconversation/getsendresult?access_token=${await token()}`
  expect(await call(path)).toMatchObject({ status: 200, json: { errcode: 43002 } })
  expect((await post(path, '{"task_id":')).json).toMatchObject({ errcode: 47001 })
  expect(await post('/topapi/nothing', {})).toMatchObject({ status: 200, json: { errcode: 22 } })
  expect(await post('/v1.0/nothing', {})).toMatchObject({ status: 404, json: { code: 'InvalidAction.NotFound' } })
})
