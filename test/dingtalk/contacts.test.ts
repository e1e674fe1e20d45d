import { expect, onTestFinished, test } from 'vitest'
import { createContactsApi } from '../../src/dingtalk/contacts.ts'
import type { DingTalkApiOptions } from '../../src/dingtalk/options.ts'
import { ACCESS_TOKEN, anApp, type Handler, json, numberedTokens, type ScriptedServer, startServer, wrapped } from './support.ts'

const LISTSUB = '/topapi/v2/department/listsub'
const GET = '/topapi/v2/department/get'
const SIMPLE = '/topapi/user/listsimple'

async function aClient(scripts: Readonly<Record<string, Handler>>, options: DingTalkApiOptions = {}) {
  const server = await startServer()
  server.on(ACCESS_TOKEN, numberedTokens)
  for (const [path, handler] of Object.entries(scripts)) server.on(path, handler)
  const api = createContactsApi(anApp(server), options)
  onTestFinished(() => api.close())
  return { server, api }
}

const CALL = { signal: new AbortController().signal, mayRepeat: async () => true }
const ok = (result: unknown): Handler => json({ errcode: 0, errmsg: 'ok', request_id: 'r1', result })
const formOf = (server: ScriptedServer, path: string) => Object.fromEntries(new URLSearchParams(server.received(path)[0]?.body))

test('each question is a form, with the token in the body only', async () => {
  const calls: Array<readonly [endpoint: string, code: string]> = []
  const scripts = {
    [LISTSUB]: ok([]),
    [GET]: ok({ dept_id: 10, name: 'Sales', parent_id: 1 }),
    [SIMPLE]: ok({ has_more: false, list: [] }),
  }
  const { server, api } = await aClient(scripts, { onCall: ({ endpoint, code }) => calls.push([endpoint, code]) })
  await api.listsub('1', CALL)
  await api.get('10', CALL)
  await api.listsimple('10', 100, CALL)
  expect(formOf(server, LISTSUB)).toEqual({ access_token: 'token-1', dept_id: '1' })
  expect(formOf(server, GET)).toEqual({ access_token: 'token-1', dept_id: '10' })
  expect(formOf(server, SIMPLE)).toEqual({ access_token: 'token-1', dept_id: '10', cursor: '100', size: '100' })
  expect(server.received(SIMPLE)[0]).toMatchObject({ method: 'POST', query: new URLSearchParams() })
  expect(calls).toEqual([
    ['accessToken', '0'],
    ['department/listsub', '0'],
    ['department/get', '0'],
    ['user/listsimple', '0'],
  ])
})

test.each([
  ['departments', [{ dept_id: 10, name: 'Sales', parent_id: 1, auto_add_user: true }], [{ id: '10', name: 'Sales', parentId: '1' }]],
  ['an id as text, and no name', [{ dept_id: '10' }], [{ id: '10', name: '', parentId: null }]],
  ['an empty list', [], []],
  ['a missing list', undefined, []],
])('listsub: %s', async (_, result, value) => {
  const { api } = await aClient({ [LISTSUB]: ok(result) })
  expect(await api.listsub('1', CALL)).toEqual({ answer: { kind: 'answered', value }, calls: 1 })
})

test.each([
  [
    'members and the next page',
    { has_more: true, next_cursor: 100, list: [{ userid: '0366', name: '王伟' }] },
    { members: [{ userId: '0366', name: '王伟' }], next: 100 },
  ],
  ['the last page', { has_more: false, next_cursor: 100, list: [{ userid: 'a' }] }, { members: [{ userId: 'a', name: '' }], next: null }],
  ['flags and numbers as text', { has_more: 'true', next_cursor: '7', list: [] }, { members: [], next: 7 }],
  ['no list', { has_more: false }, { members: [], next: null }],
])('listsimple: %s', async (_, result, value) => {
  const { api } = await aClient({ [SIMPLE]: ok(result) })
  expect(await api.listsimple('10', 0, CALL)).toEqual({ answer: { kind: 'answered', value }, calls: 1 })
})

test.each([
  ['no object', LISTSUB, 'text'],
  ['a department without an id', LISTSUB, [{ name: 'Sales' }]],
  ['an id that has lost digits', LISTSUB, [{ dept_id: 9_007_199_254_740_992, name: 'Sales' }]],
  ['a department that is a number', LISTSUB, [10]],
  ['no department', GET, null],
  ['no page', SIMPLE, null],
  ['members that are no list', SIMPLE, { list: {} }],
  ['a user id that is a number, and so has lost its zeros', SIMPLE, { list: [{ userid: 366, name: 'Ann' }] }],
  ['a user id that is none', SIMPLE, { list: [{ userid: 'a,b', name: 'Ann' }] }],
  ['a next page that is this one', SIMPLE, { has_more: true, next_cursor: 0, list: [] }],
  ['no next page', SIMPLE, { has_more: true, list: [] }],
])('an answer of another form is refused whole: %s', async (_, path, result) => {
  const { api } = await aClient({ [path]: ok(result) })
  const asked = path === LISTSUB ? api.listsub('1', CALL) : path === GET ? api.get('1', CALL) : api.listsimple('1', 0, CALL)
  expect(await asked).toMatchObject({
    answer: {
      kind: 'refused',
      code: 'UNEXPECTED_ANSWER',
      requestId: 'r1',
      message: 'the answer is not in the form that DingTalk documents',
    },
    calls: 1,
  })
})

test('a refused token is fetched again, with a permit for the second call', async () => {
  const { server, api } = await aClient({
    [LISTSUB]: (request, response) => (request.token === 'token-1' ? json(wrapped(40014)) : ok([]))(request, response),
  })
  expect(await api.listsub('1', CALL)).toMatchObject({ answer: { kind: 'answered' }, calls: 2 })
  expect(server.received(LISTSUB).map(({ token }) => token)).toEqual(['token-1', 'token-2'])
})

test('an error has its effective code and no secret; a region that was assumed is named', async () => {
  const server = await startServer()
  server.on(ACCESS_TOKEN, numberedTokens)
  server.on(LISTSUB, json(wrapped(60011, 'no permission for dingkey with secret-of-app')))
  const api = createContactsApi({ ...anApp(server), assumedRegion: 'intl' })
  onTestFinished(() => api.close())
  const { answer } = await api.listsub('1', CALL)
  expect(answer).toMatchObject({ kind: 'refused', code: '60011', requestId: 'r-88', assumedRegion: 'intl' })
  expect(JSON.stringify(answer)).not.toMatch(/dingkey|secret-of-app/)
})

test('an aborted call rejects, and a closed client makes none', async () => {
  const { server, api } = await aClient({ [LISTSUB]: ok([]) })
  await expect(api.listsub('1', { ...CALL, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  await api.close()
  expect(await api.listsub('1', CALL)).toMatchObject({ answer: { kind: 'refused' }, calls: 0 })
  expect(server.received(LISTSUB)).toEqual([])
})
