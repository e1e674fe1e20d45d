import { expect, test } from 'vitest'
import { createDingTalkApi } from '../../src/dingtalk/client.ts'
import {
  ACCESS_TOKEN,
  aClient,
  anApi,
  anApp,
  counted,
  INTERNAL,
  json,
  observed,
  poll,
  READ_BY_ANN,
  RESULT,
  refused,
  startServer,
} from './support.ts'

test('the request is the form of the API page, with the token in the body only', async () => {
  const { server, api } = await aClient(json(READ_BY_ANN))

  await poll(api)

  const [request] = server.received(RESULT)
  expect(request).toMatchObject({ method: 'POST', body: 'access_token=token-1&agent_id=836390886&task_id=256271667526' })
  expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded;charset=utf-8')
  expect(request?.headers['accept-encoding']).toBe('identity')
  expect([...(request?.query ?? [])]).toEqual([])
})

test.each(['9007199254740993123', '0256271667526', '1'])('task id %s arrives digit by digit', async (taskId) => {
  const { server, api } = await aClient(json(READ_BY_ANN))

  await poll(api, { taskId, agentId: taskId })

  const form = new URLSearchParams(server.received(RESULT)[0]?.body)
  expect([form.get('task_id'), form.get('agent_id')]).toEqual([taskId, taskId])
})

test('a token with characters of a form arrives as it is', async () => {
  const server = await startServer()
  server.on(RESULT, json(READ_BY_ANN))
  const api = anApi(anApp(server, { kind: 'fixed', accessToken: 'a+b&task_id=1 %2B=ü' }))

  await poll(api)

  expect(server.received(RESULT)[0]?.token).toBe('a+b&task_id=1 %2B=ü')
})

test("the task's own agent id goes before the app's", async () => {
  const { server, api } = await aClient(json(READ_BY_ANN))

  await poll(api, { agentId: '42' })

  expect(new URLSearchParams(server.received(RESULT)[0]?.body).get('agent_id')).toBe('42')
})

test('a base URL with a path in front keeps it', async () => {
  const server = await startServer()
  server.on(`/gateway${RESULT}`, json(READ_BY_ANN))
  const api = anApi({ ...anApp(server, { kind: 'fixed', accessToken: 'token' }), oapiUrl: `${server.url}/gateway/` })

  expect((await poll(api)).kind).toBe('observed')
})

test('polls one after the other share connections', async () => {
  const ports = new Set<number | undefined>()
  const { api } = await aClient((request, response) => {
    ports.add(response.socket?.remotePort)
    json(READ_BY_ANN)(request, response)
  })

  for (let i = 0; i < 20; i++) await poll(api)

  // Two at most: an answer is there a moment before its connection is free again.
  expect(ports.size).toBeLessThanOrEqual(2)
})

test('the answer is stamped with the time right before the request and the time of its arrival', async () => {
  const times = [1_000, 2_000]
  const { api } = await aClient(json(READ_BY_ANN), { now: () => new Date(times.shift() ?? 9_999) })

  expect(observed(await poll(api))).toMatchObject({ requestedAt: new Date(1_000), respondedAt: new Date(2_000), requestId: 'r1' })
})

test('a clock that is not quite certain stamps the request no later, and the answer no earlier, than it was', async () => {
  const times = [1_000, 2_000]
  const { api } = await aClient(json(READ_BY_ANN), { now: () => new Date(times.shift() ?? 9_999), uncertaintyMs: () => 2.5 })

  expect(observed(await poll(api))).toMatchObject({ requestedAt: new Date(997), respondedAt: new Date(2_003) })
})

test('a poll that waits for a token is stamped when getsendresult is asked, not before', async () => {
  const server = await startServer()
  let clock = 1_000
  server.on(ACCESS_TOKEN, (request, response) => {
    clock = 5_000
    json({ accessToken: 'token', expireIn: 7200 })(request, response)
  })
  server.on(RESULT, json(READ_BY_ANN))
  const api = anApi(anApp(server), { now: () => new Date(clock) })

  expect(observed(await poll(api)).requestedAt).toEqual(new Date(5_000))
})

test('a clock that steps back during the call makes no bracket that ends before it begins', async () => {
  const times = [600_000, 0]
  const { api } = await aClient(json(READ_BY_ANN), { now: () => new Date(times.shift() ?? 0) })

  expect(observed(await poll(api))).toMatchObject({ requestedAt: new Date(600_000), respondedAt: new Date(600_000) })
})

test('an app that is not configured is refused without a call', async () => {
  const { server, api } = await aClient(json(READ_BY_ANN))

  const { answer: given, calls } = await counted(api, { app: 'payroll' })
  const answer = refused(given)

  expect([answer.code, answer.respondedAt, calls]).toEqual(['UNKNOWN_APP', null, 0])
  expect(answer.message).toContain('"payroll"')
  expect([...server.received(RESULT), ...server.received(ACCESS_TOKEN)]).toEqual([])
})

test('a task without any agent id is refused without a call', async () => {
  const server = await startServer()
  const api = anApi(anApp(server, INTERNAL, null))

  const { answer, calls } = await counted(api)
  expect([refused(answer).code, refused(answer).respondedAt, calls]).toEqual(['NO_AGENT_ID', null, 0])
  expect([...server.received(RESULT), ...server.received(ACCESS_TOKEN)]).toEqual([])
})

test('a base URL that would send secrets unencrypted is refused at once, naming the app and the field', () => {
  const app = { ...anApp({ url: 'https://oapi.dingtalk.io' }), apiUrl: 'http://api.dingtalk.io' }
  expect(() => createDingTalkApi(new Map([['hr', app]]))).toThrow(/apiUrl of app "hr".*https/)
})

test('each exchange is reported with its endpoint and code', async () => {
  const calls: string[] = []
  const { api } = await aClient(json({ errcode: 60020, errmsg: 'ip' }), {
    onCall: ({ app, endpoint, code, seconds }) => calls.push(`${app} ${endpoint} ${code} ${seconds >= 0}`),
  })

  await poll(api)

  expect(calls).toEqual(['default accessToken 0 true', 'default getsendresult 60020 true'])
})
