import { expect, test } from 'vitest'
import { startSimulator } from '../../src/simulator/simulator.ts'
import { bench, MINUTE } from './harness.ts'

const FAULTS = '/_simulator/faults'

test('faults are added, listed and cleared over HTTP', async () => {
  const { call, post } = await bench()
  expect(await post(FAULTS, { kind: 'http-status', status: 502, times: 3 })).toMatchObject({ status: 201, json: { id: 1 } })
  expect((await call('/gettoken')).status).toBe(502)
  expect((await call(FAULTS)).json).toEqual({ faults: [{ id: 1, fault: { kind: 'http-status', status: 502, times: 3 }, struck: 1 }] })
  expect(await call(FAULTS, { method: 'DELETE' })).toMatchObject({ status: 200, json: { cleared: 1 } })
  expect((await call('/gettoken')).status).toBe(200)
})

test.each([
  [{ kind: 'nope' }, 'kind', /expected one of http-status, html.*given "nope"/],
  [{}, 'kind', /given nothing/],
  [{ kind: 'slow', delayMs: 'soon' }, 'delayMs', /expected number.*given "soon"/],
  [{ kind: 'html', time: 1 }, 'time', /there is no such field/],
  [{ kind: 'html', times: 0 }, 'times', /given 0/],
  [{ kind: 'html', probability: 2 }, 'probability', /<=1.*given 2/],
  [{ kind: 'html', match: { endpoint: 'sendresult' } }, 'match.endpoint', /getsendresult.*given "sendresult"/],
  [{ kind: 'html', match: { taskId: 'x' } }, 'match.taskId', /decimal digits.*given "x"/],
  [{ kind: 'html', match: { taskIds: [] } }, 'match.taskIds', /given \[\]/],
  [{ kind: 'html', match: { taskIds: ['1', 'x'] } }, 'match.taskIds.1', /decimal digits.*given "x"/],
  [{ kind: 'html', match: { agentId: 'abc' } }, 'match.agentId', /decimal digits.*given "abc"/],
  [{ kind: 'html', match: { secret: 'old' } }, 'match.secret', /expected number.*given "old"/],
  [{ kind: 'html', match: { worker: 2 } }, 'match.worker', /there is no such field/],
  [{ kind: 'html', afterMs: 1, fromMs: 1 }, 'afterMs', /not both.*given 1/],
  [{ kind: 'html', fromMs: 2, untilMs: 1 }, 'untilMs', /after fromMs.*given 1/],
  [{ kind: 'html', fromHour: 3, toHour: 3 }, 'toHour', /after fromHour.*given 3/],
  [{ kind: 'html', toHour: 0 }, 'toHour', /after fromHour.*given 0/],
  [{ kind: 'html', fromHour: -1 }, 'fromHour', />=0.*given -1/],
  [{ kind: 'html', hoursSince: 'start' }, 'hoursSince', /together with fromHour or toHour/],
  [{ kind: 'html', fromHour: 1, hoursSince: 'noon' }, 'hoursSince', /given "noon"/],
  [{ kind: 'code', code: 1, form: 'json' }, 'form', /given "json"/],
  [{ kind: 'code', code: 1, status: 99 }, 'status', /given 99/],
  [{ kind: 'code' }, 'code', /expected an errcode.*given nothing/],
  [{ kind: 'code', code: 15, subCode: null }, 'subCode', /expected an errcode.*given null/],
  [[], 'body', /expected object/],
  ['{', 'body', /not JSON/],
])('the fault %j is refused with 400 that names the field and the remedy', async (fault, field, message) => {
  const { post } = await bench()
  const reply = await post(FAULTS, fault)
  expect(reply).toMatchObject({ status: 400, json: { error: { code: 'INVALID_INPUT', field, message: expect.stringMatching(message) } } })
})

test('a task is made person by person and its truth has every time', async () => {
  const { call, post } = await bench()
  const recipients = [
    { userId: '01', fate: 'read', processedAfterMs: 500, readAfterMs: MINUTE },
    { userId: '02', fate: 'never' },
    { userId: '03', fate: 'pending' },
    { userId: '04', fate: 'forbidden', forbidden: { code: '143106', count: 1 } },
  ]
  const made = await post(
    '/_simulator/tasks',
    `{"taskId":9007199254740993123,"sentAt":"2026-11-23T00:00:00Z","recipients":${JSON.stringify(recipients)}}`,
  )
  const processedAt = '2026-11-23T00:00:00.000Z'
  expect(made.status).toBe(201)
  expect(made.json).toEqual({
    taskId: '9007199254740993123',
    appKey: 'sim-app-key',
    agentId: '836390886',
    sentAt: '2026-11-23T00:00:00.000Z',
    deadline: '2026-11-24T00:00:00.000Z',
    recalledAt: null,
    recipients: [
      { userId: '01', fate: 'read', processedAt: '2026-11-23T00:00:00.500Z', readAt: '2026-11-23T00:01:00.000Z', forbiddenCode: null },
      { userId: '02', fate: 'never', processedAt, readAt: null, forbiddenCode: null },
      { userId: '03', fate: 'pending', processedAt: null, readAt: null, forbiddenCode: null },
      { userId: '04', fate: 'forbidden', processedAt, readAt: null, forbiddenCode: '143106' },
    ],
  })
  expect((await call('/_simulator/tasks/9007199254740993123')).json).toEqual(made.json)
  expect((await call('/_simulator/tasks')).json).toMatchObject({ tasks: [{ taskId: '9007199254740993123', recipients: 4 }] })
})

test.each([
  [{ recipients: [] }, 'recipients'],
  [{ recipients: [{ userId: '01', fate: 'gone' }] }, 'recipients.0.fate'],
  [{ recipients: [{ userId: '01', fate: 'never', readAfterMs: 1 }] }, 'recipients.0.readAfterMs'],
  [{ recipients: [{ userId: '01', processedAfterMs: 2, readAfterMs: 1 }] }, 'recipients.0.readAfterMs'],
  [{ recipients: [{ userId: '01' }], taskId: '9223372036854775808' }, 'taskId'],
  [{ recipients: [{ userId: '01' }], taskId: '0' }, 'taskId'],
  [{ recipients: [{ userId: '01' }], sentAt: 'yesterday' }, 'sentAt'],
  [{ recipients: [{ userId: '01' }], sentHoursAgo: '3' }, 'sentHoursAgo'],
  [{ recipients: [{ userId: '01' }], sentHoursAgo: 3, sentAt: 1 }, 'sentHoursAgo'],
  [{ recipients: [{ userId: '01' }], appKey: 'nobody' }, 'appKey'],
])('the task %j is refused with the field %s', async (task, field) => {
  const { post } = await bench()
  expect(await post('/_simulator/tasks', task)).toMatchObject({ status: 400, json: { error: { field } } })
})

test.each([
  [15, '2026-11-23T00:59:22.500Z'],
  [-24, '2026-11-23T01:01:00.000Z'],
])('a task that was sent %d simulated hours ago was sent at %s', async (sentHoursAgo, sentAt) => {
  const { simulator } = await bench({ timeScale: 1440 })
  expect(simulator.createTask({ sentHoursAgo, recipients: [{ userId: '01' }] }).sentAt).toEqual(new Date(sentAt))
})

test('a task id cannot be taken twice, by a test or by a send', async () => {
  const { simulator, post, send } = await bench()
  simulator.createTask({ taskId: '256271667526', recipients: [{ userId: '01' }] })
  expect(await send({ userid_list: '01' })).toBe('256271667527')
  const again = await post('/_simulator/tasks', { taskId: 256271667527, recipients: [{ userId: '01' }] })
  expect(again).toMatchObject({ status: 400, json: { error: { field: 'taskId', message: expect.stringMatching(/already/) } } })
})

test('the successful answers of a task are kept on request, the others are not', async () => {
  const { simulator, call, result, api } = await bench({ keepAnswers: true })
  const { taskId } = simulator.createTask({ recipients: [{ userId: '01', fate: 'never' }] })
  await result(taskId)
  simulator.inject({ kind: 'truncated', times: 1 })
  await api('getsendresult', { task_id: taskId }, 'wrong')
  await api('getsendresult', { task_id: taskId })
  expect(simulator.answers(taskId)).toHaveLength(2)
  expect((await call(`/_simulator/tasks/${taskId}/answers`)).json).toMatchObject({
    answers: [{ at: '2026-11-23T01:00:00.000Z', sendResult: { unread_user_id_list: ['01'] } }, {}],
  })
})

test('an unknown task or address is 404, a wrong method 405, kept answers without the option 409', async () => {
  const { simulator, call } = await bench()
  const { taskId } = simulator.createTask({ recipients: [{ userId: '01' }] })
  const status = async (path: string, method = 'GET') => (await call(path, { method })).status
  expect(await status('/_simulator/tasks/5')).toBe(404)
  expect(await status('/_simulator/nothing')).toBe(404)
  expect(await status(`/_simulator/tasks/${taskId}/nothing`)).toBe(404)
  expect(await status('/_simulator/tasks', 'DELETE')).toBe(405)
  expect(await status(FAULTS, 'PUT')).toBe(405)
  expect(await status(`/_simulator/tasks/${taskId}/answers`)).toBe(409)
  expect(await status('/_simulator')).toBe(200)
})

test('a wrong option stops the start with its name, and a secret is not repeated', async () => {
  await expect(startSimulator({ timeScale: 0 })).rejects.toThrow(/^timeScale: .*given 0/)
  await expect(startSimulator({ firstTaskId: '01' })).rejects.toThrow(/^firstTaskId: /)
  const app = { appKey: 'key', appSecret: 'hush', agentId: 'x' }
  await expect(startSimulator({ apps: [app] })).rejects.toThrow(/^apps.0.agentId: expected 1 to 19 decimal digits; (?!.*hush)/)
})
