import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { createDingTalkApi } from '../../src/dingtalk/client.ts'
import { TOKEN_REFUSED_CODE, toProblemCode } from '../../src/domain/problems.ts'
import {
  ACCESS_TOKEN,
  aClient,
  anApi,
  anApp,
  CORP_TOKEN,
  counted,
  type Handler,
  json,
  numberedTokens,
  OLD_TOKEN,
  poll,
  READ_BY_ANN,
  RESULT,
  refused,
  startServer,
  wrapped,
} from './support.ts'

/** Answers well to the tokens named, and with an expired token to all others. */
function acceptingOnly(...tokens: string[]): Handler {
  return (request, response) => json(tokens.includes(request.token) ? READ_BY_ANN : wrapped(40014))(request, response)
}

const SECOND = 1_000
const MINUTE = 60 * SECOND

// ---- the calls

test('an internal app asks the new endpoint with key and secret in the body', async () => {
  const { server, api } = await aClient(json(READ_BY_ANN))

  expect((await poll(api)).kind).toBe('observed')

  const [call] = server.received(ACCESS_TOKEN)
  expect(call).toMatchObject({ method: 'POST', query: new URLSearchParams() })
  expect(call?.headers['content-type']).toBe('application/json')
  expect(JSON.parse(call?.body ?? '')).toEqual({ appKey: 'dingkey', appSecret: 'secret-of-app' })
})

test('an internal app may ask the old endpoint', async () => {
  const server = await startServer()
  server.on(OLD_TOKEN, json({ errcode: 0, access_token: 'old-token', expires_in: 7200 }))
  server.on(RESULT, acceptingOnly('old-token'))
  const api = anApi(anApp(server, { kind: 'internal', appKey: 'k&y', appSecret: 's=cret', endpoint: 'old' }))

  expect((await poll(api)).kind).toBe('observed')

  const [call] = server.received(OLD_TOKEN)
  expect(call?.method).toBe('GET')
  expect([...(call?.query ?? [])]).toEqual([
    ['appkey', 'k&y'],
    ['appsecret', 's=cret'],
  ])
})

test('a third-party app asks with the latest suite ticket', async () => {
  const server = await startServer()
  server.on(CORP_TOKEN, numberedTokens)
  server.on(RESULT, acceptingOnly('token-2'))
  const tickets = ['ticket-1', 'ticket-2']
  const api = anApi(
    anApp(server, {
      kind: 'thirdParty',
      suiteKey: 'suite1',
      suiteSecret: 'ssecret',
      authCorpId: 'dingcorp',
      suiteTicket: async () => tickets.shift() ?? 'none',
    }),
  )

  expect((await poll(api)).kind).toBe('observed')

  expect(server.received(CORP_TOKEN).map((call): unknown => JSON.parse(call.body))).toEqual([
    { suiteKey: 'suite1', suiteSecret: 'ssecret', authCorpId: 'dingcorp', suiteTicket: 'ticket-1' },
    { suiteKey: 'suite1', suiteSecret: 'ssecret', authCorpId: 'dingcorp', suiteTicket: 'ticket-2' },
  ])
})

test('a fixed token is used as it is', async () => {
  const server = await startServer()
  server.on(RESULT, acceptingOnly('fixed-token'))
  const api = anApi(anApp(server, { kind: 'fixed', accessToken: 'fixed-token' }))
  expect((await poll(api)).kind).toBe('observed')
})

test('a function gets the name of the app and is asked again after a minute, or shortly before its token expires', async () => {
  const asked: string[] = []
  let nowMs = 0
  const server = await startServer()
  server.on(RESULT, json(READ_BY_ANN))
  const gives: Array<string | { token: string; expiresInSeconds: number }> = ['a', { token: 'b', expiresInSeconds: 7200 }, 'c']
  const getToken = async (app: string): Promise<string | { token: string; expiresInSeconds: number }> => {
    asked.push(app)
    return gives.shift() ?? 'none'
  }
  const api = anApi(anApp(server, { kind: 'function', getToken }), { monotonicMs: () => nowMs })

  for (const at of [0, 59 * SECOND, 2 * MINUTE, 100 * MINUTE, 200 * MINUTE]) {
    nowMs = at
    await poll(api)
    // An early fetch runs beside the poll; here it ends before the next one.
    await new Promise((resolve) => setImmediate(resolve))
  }

  expect(asked).toEqual(['default', 'default', 'default'])
  // At 59 s the early fetch of "b" began; the poll did not wait for it.
  expect(server.received(RESULT).map((call) => call.token)).toEqual(['a', 'a', 'b', 'b', 'c'])
})

// ---- cache, single flight, early refresh

test('fifty polls at once make one token call', async () => {
  const { server, api } = await aClient(json(READ_BY_ANN))

  const answers = await Promise.all(Array.from({ length: 50 }, () => poll(api)))

  expect(answers.every((answer) => answer.kind === 'observed')).toBe(true)
  expect(server.received(ACCESS_TOKEN)).toHaveLength(1)
})

test('each app has a token of its own', async () => {
  const [hr, it] = [await startServer(), await startServer()]
  for (const server of [hr, it]) {
    server.on(ACCESS_TOKEN, json({ accessToken: `token of ${server.url}`, expireIn: 7200 }))
    server.on(RESULT, acceptingOnly(`token of ${server.url}`))
  }
  const api = createDingTalkApi(
    new Map([
      ['hr', anApp(hr)],
      ['it', anApp(it)],
    ]),
  )

  const answers = await Promise.all([poll(api, { app: 'hr' }), poll(api, { app: 'it' })])
  await api.close()

  expect(answers.map((answer) => answer.kind)).toEqual(['observed', 'observed'])
})

test('a token is fetched anew five minutes before it expires, and no poll waits for it', async () => {
  let nowMs = 0
  const { server, api } = await aClient(json(READ_BY_ANN), { monotonicMs: () => nowMs })
  const tokensAt = async (minutes: number): Promise<string | undefined> => {
    nowMs = minutes * MINUTE
    await poll(api)
    return server.received(RESULT).at(-1)?.token
  }

  expect(await tokensAt(0)).toBe('token-1')
  expect(await tokensAt(114.9)).toBe('token-1')
  expect(server.received(ACCESS_TOKEN)).toHaveLength(1)

  expect(await tokensAt(115.1)).toBe('token-1')
  await server.arrival(ACCESS_TOKEN, 2)
  await expect.poll(() => tokensAt(116)).toBe('token-2')
  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)
})

test('a failed early fetch leaves the old token in use and is not repeated in a hurry', async () => {
  let nowMs = 0
  const refreshes: boolean[] = []
  const server = await startServer()
  server.on(ACCESS_TOKEN, (request, response) => (request.nth === 2 ? json({}, 503) : numberedTokens)(request, response))
  server.on(RESULT, json(READ_BY_ANN))
  const api = anApi(anApp(server), { monotonicMs: () => nowMs, onTokenRefresh: (_, ok) => refreshes.push(ok) })
  await poll(api)

  nowMs = 116 * MINUTE
  await poll(api)
  await expect.poll(() => refreshes).toEqual([true, false])
  nowMs += 29 * SECOND
  expect((await poll(api)).kind).toBe('observed')
  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)

  nowMs += 2 * SECOND
  expect((await poll(api)).kind).toBe('observed')
  await expect.poll(() => refreshes).toEqual([true, false, true])
  expect(server.received(RESULT).map((call) => call.token)).toEqual(Array(4).fill('token-1'))
})

test('an expired token is not used, even when it cannot be replaced', async () => {
  let nowMs = 0
  const server = await startServer()
  server.on(ACCESS_TOKEN, (request, response) => (request.nth === 1 ? numberedTokens : json({}, 503))(request, response))
  server.on(RESULT, json(READ_BY_ANN))
  const api = anApi(anApp(server), { monotonicMs: () => nowMs })
  await poll(api)

  nowMs = 120 * MINUTE

  expect(refused(await poll(api)).code).toBe('HTTP_503')
  expect(server.received(RESULT)).toHaveLength(1)
})

test('a token that lives for seconds is used for most of them', async () => {
  let nowMs = 0
  const server = await startServer()
  server.on(ACCESS_TOKEN, (request, response) => json({ accessToken: `token-${request.nth}`, expireIn: '4' })(request, response))
  server.on(RESULT, json(READ_BY_ANN))
  const api = anApi(anApp(server), { monotonicMs: () => nowMs })

  for (const at of [0, 1, 2.9, 4.1]) {
    nowMs = at * SECOND
    await poll(api)
  }

  expect(server.received(RESULT).map((call) => call.token)).toEqual(['token-1', 'token-1', 'token-1', 'token-2'])
})

// ---- refused tokens

test.each([40014, 42001, 40001, 33001])('after %s the token is fetched anew and the call made once more', async (code) => {
  const { server, api } = await aClient((request, response) =>
    json(request.token === 'token-2' ? READ_BY_ANN : wrapped(code))(request, response),
  )

  expect(await counted(api)).toMatchObject({ answer: { kind: 'observed' }, calls: 2 })
  expect(server.received(RESULT).map((call) => call.token)).toEqual(['token-1', 'token-2'])
})

test.each([
  ['HTTP 401', json({}, 401)],
  ['a new-style refusal', json({ code: 'InvalidAuthentication', message: 'no' }, 400)],
  ['HTTP 401 with an unknown code', json({ code: 'Unheard', message: 'no' }, 401)],
])('after %s the token is fetched anew and the call made once more', async (_, refusal) => {
  const { server, api } = await aClient((request, response) =>
    (request.token === 'token-2' ? json(READ_BY_ANN) : refusal)(request, response),
  )

  expect(await counted(api)).toMatchObject({ answer: { kind: 'observed' }, calls: 2 })
  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)
})

test('a refused poll is not repeated where rate or budget leave no second call, and the next one has the new token', async () => {
  const asked: string[] = []
  const { server, api } = await aClient(acceptingOnly('token-2'))
  const mayRepeat = async (): Promise<boolean> => {
    asked.push(`with ${server.received(ACCESS_TOKEN).length} tokens`)
    return false
  }

  const { answer, calls } = await counted(api, { mayRepeat })

  const first = refused(answer)
  expect([first.code, calls]).toEqual(['NOT_REPEATED', 1])
  // The one call has a time, so that its poll is recorded.
  expect(first.respondedAt).not.toBeNull()
  expect(toProblemCode(first.code, first.message)).toBe('outage')
  expect(asked).toEqual(['with 2 tokens'])
  expect(server.received(RESULT)).toHaveLength(1)
  expect(await counted(api)).toMatchObject({ answer: { kind: 'observed' }, calls: 1 })
})

test('a refused token is recognised by errmsg alone', async () => {
  const { server, api } = await aClient((request, response) =>
    json(request.nth > 1 ? READ_BY_ANN : { errcode: 88, errmsg: 'ding talk error[subcode=42001,submsg=expired]' })(request, response),
  )

  expect((await poll(api)).kind).toBe('observed')
  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)
})

test('the retry is stamped with its own time', async () => {
  const times = [1_000, 2_000, 3_000, 4_000]
  const { api } = await aClient(acceptingOnly('token-2'), { now: () => new Date(times.shift() ?? 9_999) })

  expect(await poll(api)).toMatchObject({ observation: { requestedAt: new Date(3_000), respondedAt: new Date(4_000) } })
})

test('a token that expires under fifty simultaneous polls costs one token call and one retry each', async () => {
  const warnings: string[] = []
  const warn = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', warn)
  const held: Array<() => void> = []
  const { server, api } = await aClient((request, response) => {
    if (request.token !== 'token-1') return void json(READ_BY_ANN)(request, response)
    held.push(() => json(wrapped(40014))(request, response))
    if (held.length === 50) for (const answer of held) answer()
  })
  const shared = new AbortController().signal

  const answers = await Promise.all(Array.from({ length: 50 }, () => poll(api, {}, shared)))
  process.off('warning', warn)

  expect(answers.every((answer) => answer.kind === 'observed')).toBe(true)
  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)
  expect(server.received(RESULT)).toHaveLength(100)
  expect(warnings).toEqual([])
})

test('a late refusal of the old token does not drop the new one, even where both are the same text', async () => {
  const late: Array<() => void> = []
  const server = await startServer()
  server.on(ACCESS_TOKEN, json({ accessToken: 'same-token', expireIn: 7200 }))
  server.on(RESULT, (request, response) => {
    if (request.nth === 1) late.push(() => json(wrapped(40014))(request, response))
    else json(request.nth === 2 ? wrapped(40014) : READ_BY_ANN)(request, response)
  })
  const api = anApi(anApp(server))

  const slow = poll(api)
  await server.arrival(RESULT, 1)
  expect((await poll(api)).kind).toBe('observed')
  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)
  late[0]?.()

  expect((await slow).kind).toBe('observed')
  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)
})

test('a fresh token that is refused too ends the poll, and for five seconds no token is fetched', async () => {
  let nowMs = 0
  const { server, api } = await aClient(json(wrapped(40014, 'no such token')), { monotonicMs: () => nowMs })

  const { answer: first, calls } = await counted(api)
  const answer = refused(first)
  expect(answer).toMatchObject({ code: TOKEN_REFUSED_CODE, requestId: 'r-88' })
  expect(calls).toBe(2)
  expect(answer.message).toContain('40014')
  expect(answer.respondedAt).not.toBeNull()
  expect(toProblemCode(answer.code, answer.message)).toBe('token_refused')
  expect([server.received(RESULT).length, server.received(ACCESS_TOKEN).length]).toEqual([2, 2])

  nowMs = 4 * SECOND
  expect(refused(await poll(api))).toMatchObject({ code: TOKEN_REFUSED_CODE, respondedAt: null })
  expect([server.received(RESULT).length, server.received(ACCESS_TOKEN).length]).toEqual([2, 2])

  nowMs = 6 * SECOND
  server.on(RESULT, json(READ_BY_ANN))
  expect((await poll(api)).kind).toBe('observed')
})

test('a fixed token that is refused ends the poll at once', async () => {
  const server = await startServer()
  server.on(RESULT, json(wrapped(42001)))
  const api = anApi(anApp(server, { kind: 'fixed', accessToken: 'fixed-token' }))

  const { answer: given, calls } = await counted(api)
  const answer = refused(given)

  expect([answer.code, calls]).toEqual([TOKEN_REFUSED_CODE, 1])
  expect(answer.message).toMatch(/fixed access token.*42001/)
  expect(server.received(RESULT)).toHaveLength(1)
})

test('a retry that has no token gives the failure of the token as the answer of the poll', async () => {
  const server = await startServer()
  server.on(ACCESS_TOKEN, (request, response) => (request.nth === 1 ? numberedTokens : json({}, 502))(request, response))
  server.on(RESULT, json(wrapped(40014)))

  let asked = 0
  const mayRepeat = async (): Promise<boolean> => {
    asked++
    return true
  }
  const { answer, calls } = await counted(anApi(anApp(server)), { mayRepeat })
  // Its one call was made, so it has a time; and no permit was taken for a second one that could not be made.
  expect(refused(answer)).toMatchObject({ code: 'HTTP_502', respondedAt: expect.any(Date) })
  expect([calls, asked]).toEqual([1, 0])
})

// ---- abort and close

test('a poll that gives up waiting for a token leaves the fetch to the others', async () => {
  const held: ServerResponse[] = []
  const server = await startServer()
  server.on(ACCESS_TOKEN, (_, response) => held.push(response))
  server.on(RESULT, json(READ_BY_ANN))
  const api = anApi(anApp(server))
  const impatient = new AbortController()

  const first = poll(api, {}, impatient.signal)
  const second = poll(api)
  await server.arrival(ACCESS_TOKEN, 1)
  impatient.abort(new Error('worker stops'))
  await expect(first).rejects.toThrow('worker stops')
  held[0]?.end(JSON.stringify({ accessToken: 'token', expireIn: 7200 }))

  expect((await second).kind).toBe('observed')
  expect(server.received(ACCESS_TOKEN)).toHaveLength(1)
})

test('an abort during the call rejects with its reason and breaks the connection off', async () => {
  let closed = false
  const { server, api } = await aClient((_, response) => {
    response.on('close', () => {
      closed = true
    })
  })
  const controller = new AbortController()

  const answer = poll(api, {}, controller.signal)
  await server.arrival(RESULT, 1)
  controller.abort(new Error('worker stops'))

  await expect(answer).rejects.toThrow('worker stops')
  await expect.poll(() => closed).toBe(true)
})

test('an abort in the middle of the body rejects with its reason', async () => {
  const controller = new AbortController()
  const { api } = await aClient((_, response) => response.writeHead(200).write('{', () => controller.abort(new Error('worker stops'))))
  await expect(poll(api, {}, controller.signal)).rejects.toThrow('worker stops')
})

test('a signal that is aborted already rejects without a call', async () => {
  const { server, api } = await aClient(json(READ_BY_ANN))
  await expect(poll(api, {}, AbortSignal.abort(new Error('worker stops')))).rejects.toThrow('worker stops')
  expect(server.received(ACCESS_TOKEN)).toEqual([])
})

test('closing answers what is under way with a refusal, and so it does what comes later', async () => {
  const { server, api } = await aClient(() => {})
  const waitingForResult = poll(api)
  await server.arrival(RESULT, 1)

  await api.close()
  await api.close()

  expect(refused(await waitingForResult).code).toBe('NETWORK')
  expect(refused(await poll(api)).code).toBe('NETWORK')
})

test('closing answers who waits for a token with a refusal', async () => {
  const server = await startServer()
  server.on(ACCESS_TOKEN, () => {})
  const api = anApi(anApp(server))
  const waiting = poll(api)
  await server.arrival(ACCESS_TOKEN, 1)

  await api.close()

  expect(refused(await waiting).code).toBe('CLOSED')
})
