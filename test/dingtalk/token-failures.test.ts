import { expect, test } from 'vitest'
import type { Credentials } from '../../src/dingtalk/app.ts'
import { TOKEN_REFUSED_CODE, toProblemCode } from '../../src/domain/problems.ts'
import {
  ACCESS_TOKEN,
  anApi,
  anApp,
  CORP_TOKEN,
  counted,
  type Handler,
  INTERNAL,
  json,
  numberedTokens,
  OLD_TOKEN,
  poll,
  READ_BY_ANN,
  RESULT,
  refused,
  respond,
  startServer,
  wrapped,
} from './support.ts'

/** Token calls that fail: the answer of the poll, without a call of getsendresult. */

const SECOND = 1_000

const OLD: Credentials = { kind: 'internal', appKey: 'dingkey', appSecret: 'secret-of-app', endpoint: 'old' }

test.each<readonly [string, Credentials, Handler, string, string]>([
  ['bad credentials', INTERNAL, json({ code: 'invalidClientIdOrSecret', message: 'bad' }, 400), 'invalidClientIdOrSecret', 'credentials'],
  ['bad credentials at the old endpoint', OLD, json({ errcode: 40096, errmsg: 'bad' }), '40096', 'credentials'],
  ['a wrong secret, reported as a bad token', OLD, json({ errcode: 40001, errmsg: 'bad' }), TOKEN_REFUSED_CODE, 'token_refused'],
  ['wrong parameters', OLD, json({ errcode: 40035, errmsg: 'bad' }), TOKEN_REFUSED_CODE, 'token_refused'],
  ['an IP that is not allowed', OLD, json(wrapped(60020)), '60020', 'ip_not_allowed'],
  ['a rate limit', OLD, json(wrapped(90018)), '90018', 'rate_limit'],
  ['a call timeout', OLD, json({ errcode: 15, errmsg: 'Call timeout' }), 'TIMEOUT', 'outage'],
  ['a wrong address', INTERNAL, respond(404, 'text/html', '<html>'), 'HTTP_404', 'wrong_path'],
  ['an outage', INTERNAL, respond(503, 'text/html', '<html>'), 'HTTP_503', 'outage'],
  ['an HTTP error with JSON', INTERNAL, json({ accessToken: 'token', expireIn: 7200 }, 500), 'HTTP_500', 'outage'],
  ['HTML with status 200', INTERNAL, respond(200, 'text/html', '<html>'), 'NOT_JSON', 'outage'],
  ['the names of the other endpoint', INTERNAL, json({ access_token: 'token', expires_in: 7200 }), 'BAD_TOKEN_ANSWER', 'outage'],
  ['a token that is no text', INTERNAL, json({ accessToken: 5, expireIn: 7200 }), 'BAD_TOKEN_ANSWER', 'outage'],
  ['an empty token', OLD, json({ errcode: 0, access_token: '', expires_in: 7200 }), 'BAD_TOKEN_ANSWER', 'outage'],
  ['a list', INTERNAL, json([]), 'BAD_TOKEN_ANSWER', 'outage'],
  ...(
    [
      ['Forbidden.AccessDenied.IpNotInWhiteList', 403, 'ip_not_allowed'],
      ['Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', 403, 'rate_limit'],
      ['Forbidden.AccessDenied.QpsLimitForApi', 429, 'rate_limit'],
      ['Forbidden.AccessDenied.ApiCountLimitForOrg', 403, 'quota'],
      ['ApiCountLimitForOrg', 403, 'quota'],
      ['InvalidAction.NotFound', 404, 'wrong_path'],
    ] as const
  ).map(([code, status, problem]) => [`${code} of the gateway`, INTERNAL, json({ code, message: 'no' }, status), code, problem] as const),
  ['HTTP 401 without a code', INTERNAL, json({}, 401), TOKEN_REFUSED_CODE, 'token_refused'],
  ['a token that the gateway refuses', INTERNAL, json({ code: 'InvalidAuthentication' }, 401), TOKEN_REFUSED_CODE, 'token_refused'],
  [
    'an unknown code of the gateway',
    INTERNAL,
    json({ code: 'Forbidden.Unheard', message: 'no' }, 403),
    TOKEN_REFUSED_CODE,
    'token_refused',
  ],
  ['an unknown code under HTTP 503', INTERNAL, json({ code: 'ServiceUnavailable', message: 'later' }, 503), 'HTTP_503', 'outage'],
  ['an unknown code under HTTP 500', INTERNAL, json({ code: 'InternalError', message: 'oops' }, 500), 'HTTP_500', 'outage'],
  ['an unknown code under HTTP 429', INTERNAL, json({ code: 'Throttling.Api', message: 'slow down' }, 429), 'HTTP_429', 'outage'],
  ['an agent id of another app', OLD, json({ errcode: 41020, errmsg: 'agentId does not match' }), TOKEN_REFUSED_CODE, 'token_refused'],
  ['the timeout of the gateway', OLD, json({ errcode: 15, errmsg: '远程服务调用超时' }), '15', 'outage'],
])('%s: the poll is refused without a call to getsendresult', async (_, credentials, handler, code, problem) => {
  const server = await startServer()
  for (const path of [ACCESS_TOKEN, OLD_TOKEN]) server.on(path, handler)
  const { answer: given, calls } = await counted(anApi(anApp(server, credentials)))
  const answer = refused(given)

  expect(answer).toMatchObject({ code, respondedAt: null })
  expect([calls, toProblemCode(answer.code, answer.message)]).toEqual([0, problem])
  expect(server.received(RESULT)).toEqual([])
})

test.each([
  ['an outage', json({}, 503), 1],
  ['bad credentials', json({ code: 'invalidClientIdOrSecret' }, 400), 5],
])('after %s no token is fetched for a while', async (_, handler, seconds) => {
  let nowMs = 0
  const refreshes: string[] = []
  const server = await startServer()
  server.on(ACCESS_TOKEN, handler)
  const api = anApi(anApp(server), { monotonicMs: () => nowMs, onTokenRefresh: (app, ok) => refreshes.push(`${app} ${ok}`) })

  const first = refused(await poll(api))
  nowMs = (seconds - 0.1) * SECOND
  expect(refused(await poll(api)).code).toBe(first.code)
  expect(server.received(ACCESS_TOKEN)).toHaveLength(1)
  nowMs = seconds * SECOND
  await poll(api)

  expect(server.received(ACCESS_TOKEN)).toHaveLength(2)
  expect(refreshes).toEqual(['default false', 'default false'])
})

test('the pause after a failure can be set', async () => {
  const server = await startServer()
  server.on(ACCESS_TOKEN, (request, response) => (request.nth === 1 ? json({}, 503) : numberedTokens)(request, response))
  server.on(RESULT, json(READ_BY_ANN))
  const api = anApi(anApp(server), { tokens: { outageRetryMs: 0 } })

  expect((await poll(api)).kind).toBe('refused')
  expect((await poll(api)).kind).toBe('observed')
})

test.each<readonly [string, Credentials, string]>([
  [
    'throws',
    { kind: 'function', getToken: async () => Promise.reject(new RangeError('https://vault/?key=canary')) },
    'TOKEN_FUNCTION_FAILED',
  ],
  // A JavaScript caller may break the type; so does this one, to see what becomes of it.
  ['gives nothing', { kind: 'function', getToken: (async () => undefined) as never }, 'BAD_TOKEN_ANSWER'],
  ['gives an empty text', { kind: 'function', getToken: async () => '' }, 'BAD_TOKEN_ANSWER'],
  ['never comes back', { kind: 'function', getToken: () => new Promise(() => {}) }, 'TIMEOUT'],
])('a token function that %s is a transient refusal', async (_, credentials, code) => {
  const server = await startServer()
  const answer = refused(await poll(anApi(anApp(server, credentials), { http: { deadlineMs: 200 } })))

  expect(answer.code).toBe(code)
  expect(answer.message).not.toContain('canary')
  expect(toProblemCode(answer.code, answer.message)).toBe('outage')
})

test.each<readonly [string, () => string | Promise<string>, string]>([
  [
    'throws',
    () => {
      throw new TypeError('canary')
    },
    'TOKEN_FUNCTION_FAILED',
  ],
  ['gives an empty text', () => '', 'BAD_TOKEN_ANSWER'],
])('a ticket function that %s is a transient refusal', async (_, suiteTicket, code) => {
  const server = await startServer()
  const credentials: Credentials = { kind: 'thirdParty', suiteKey: 'suite1', suiteSecret: 'ssecret', authCorpId: 'dingcorp', suiteTicket }

  expect(refused(await poll(anApi(anApp(server, credentials)))).code).toBe(code)
  expect(server.received(CORP_TOKEN)).toEqual([])
})
