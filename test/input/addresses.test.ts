import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, askRaw, headersOnly } from '../web/support/ask.ts'
import { openServer, type Served } from '../web/support/server.ts'
import { CAMPAIGN, fillWorld, TASK } from '../web/support/world.ts'
import { HOSTILE_PARTS, IN_PATH, inTurnOf, inTurns } from './support/parts.ts'

let served: Served
let close: () => Promise<void>

beforeAll(async () => {
  ;({ served, close } = await openServer({}))
  await fillWorld(served.store)
})
afterAll(() => close())

const PAGES = [
  '/',
  '/campaigns/NAME',
  '/campaigns/NAME/people.csv',
  '/tasks/TASK',
  '/tasks/TASK/people.csv',
  '/tasks/TASK/people/USER',
  '/people',
  '/people/USER',
  '/compare',
  '/schedule',
  '/login',
  '/NAME',
]

const some = inTurnOf(40)

describe('the dashboard', () => {
  test('whatever is in an address, a page is what comes, and nothing of it is markup', async () => {
    const named = PAGES.flatMap((page) =>
      ['NAME', 'TASK', 'USER']
        .filter((name) => page.includes(name))
        .flatMap((name) => some(IN_PATH).map((part) => page.replace(name, part))),
    )
    const asked = PAGES.flatMap((page) =>
      ['q', 'state', 'app', 'cursor', 'tasks', 'department', 'campaign', 'sentAt', 'polls', 'next', '__proto__'].flatMap((name) =>
        some(HOSTILE_PARTS).map((part) => `${page}?${name}=${part}`),
      ),
    )
    const filled = [...named, ...asked].map((path) =>
      path.replace('NAME', encodeURIComponent(CAMPAIGN)).replace('TASK', TASK).replace('USER', 'ann'),
    )
    expect(filled.length).toBeGreaterThan(120)
    await inTurns(filled, async (path) => {
      const { status, text } = await ask(served.url, path, { headers: { accept: 'text/html' } })
      expect([path.slice(0, 200), status]).toEqual([path.slice(0, 200), expect.toBeOneOf([200, 400, 404, 409])])
      expect(text).not.toMatch(/<script>alert|<img src=x/)
    })
  })
})

test.each([
  ['/campaigns/%00', 400, 'name must have 1 to 200 characters'],
  ['/campaigns/%00/people.csv', 400, 'name must have 1 to 200 characters'],
  ['/tasks/%00', 400, 'taskId must be a whole number'],
  [`/tasks/${TASK}?app=%00`, 400, 'app must be 1 to 64 letters'],
  [`/tasks/${TASK}/people/%00`, 400, 'userId must have 1 to 128 characters'],
  ['/people/%00', 400, 'userId must have 1 to 128 characters'],
  ['/compare?campaign=%00', 400, 'campaign must have 1 to 200 characters'],
  ['/schedule?app=%00', 400, 'app must be 1 to 64 letters'],
  ['/schedule?app=default&sentAt=2026-02-30T10:00', 400, 'sentAt must be a time'],
  ['/people?q=%00', 200, 'No person is found'],
  ['/campaigns/%3Cscript%3E', 404, '&lt;script&gt;'],
  ['//', 404, 'href="/"'],
  ['//[', 404, 'href="/"'],
  ['/\\', 404, 'href="/"'],
])('%s is a page with status %i that says so', async (path, status, says) => {
  const answer = await askRaw(served.port, headersOnly(path, { host: 'localhost', accept: 'text/html' }))
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(says)])
  expect(answer.text).toContain('content-type: text/html; charset=utf-8')
})

const HEADERS: ReadonlyArray<Readonly<Record<string, string>>> = [
  { accept: '\u00ff'.repeat(100) },
  { accept: 'text/html;q=x,'.repeat(300) },
  { 'accept-language': 'zh;q=1e999,'.repeat(300) },
  { 'accept-language': '-;q=;;,,;' },
  { 'accept-encoding': 'gzip;q=0, *;q=nonsense' },
  { cookie: 'delivery_session=%; delivery_language=__proto__; =; ;;; delivery_theme="x' },
  { cookie: `a=${'b'.repeat(5_000)}` },
  { authorization: `Bearer ${'x'.repeat(5_000)}` },
  { authorization: 'Basic \u0080' },
  { range: 'bytes=-1' },
  { 'if-none-match': '*' },
  { 'x-forwarded-for': "'; DROP TABLE delivery_task; --" },
  { 'x-forwarded-proto': 'javascript' },
  { 'x-http-method-override': 'DELETE' },
  { 'content-type': 'application/json; charset=utf-7' },
  { upgrade: 'websocket', connection: 'upgrade' },
  { expect: '100-continue' },
  { 'content-length': '0' },
  { te: 'trailers, chunked' },
  { host: '[::1' },
  { host: 'localhost:99999999999' },
  { host: '' },
]

const TARGETS = [
  '/',
  '//',
  '/\\',
  '//[',
  '///',
  '/?',
  '/??',
  '/#',
  '/%',
  '/./..',
  '*',
  'http://[/',
  'http://evil.example/',
  'http://localhost//[',
  '/v1',
  '/v1//tasks',
  '/v1/tasks/',
  '/v1/tasks/%2e%2e',
  '/V1/TASKS',
  '/livez?x=%ff',
  '/metrics/../x',
  '/assets/../../package.json',
  `/${'a/'.repeat(2_000)}`,
  `/?${'a&'.repeat(4_000)}`,
  '/login?next=//evil.example',
  '/login?next=%00',
]

const WHOLE: readonly string[] = [
  'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n',
  'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\nconnection: close\r\n\r\n0\r\n\r\n',
  'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: -1\r\nconnection: close\r\n\r\n',
  'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 5\r\ncontent-length: 6\r\nconnection: close\r\n\r\n{"a":',
  'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n',
  'GET / HTTP/9.9\r\nhost: localhost\r\n\r\n',
  'GET /\r\n\r\n',
  'BREW /coffee HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
  'GET / HTTP/1.1\r\nhost: localhost\r\nbad header: x\r\nconnection: close\r\n\r\n',
  'GET / HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\nconnection: close\r\n\r\n',
  `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(100_000)}\r\nconnection: close\r\n\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\u0016\u0003\u0001\u0002\u0000\u0001\u0000',
]

test('no address, header or byte brings the server down, and none is its fault', async () => {
  const { port, url } = served
  const requests = [
    ...TARGETS.flatMap((target) => ['text/html', 'application/json'].map((accept) => headersOnly(target, { host: 'localhost', accept }))),
    ...HEADERS.flatMap((headers) => ['/', '/v1/tasks'].map((path) => headersOnly(path, { host: 'localhost', ...headers }))),
    ...['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND'].flatMap((method) =>
      ['/', '/v1/tasks', `/tasks/${TASK}`, '/livez'].map((path) => headersOnly(path, { host: 'localhost' }, method)),
    ),
    ...WHOLE,
  ]
  await inTurns(requests, async (request) => {
    const { status, text } = await askRaw(port, Buffer.from(request, 'latin1'))
    const at = request.slice(0, 120)
    // Nothing at all is the answer to what is no request.
    if (text !== '') expect([at, status]).toEqual([at, expect.toSatisfy((each: number) => each < 500)])
    expect(text).not.toContain('evil.example"')
  })
  expect((await ask(url, `/v1/tasks/${TASK}`)).body).toMatchObject({ taskId: TASK, status: 'tracking' })
  expect(served.log.filter((line) => line.includes('"level":"error"'))).toEqual([])
})
