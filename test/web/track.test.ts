import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BODY_LIMIT_BYTES } from '../../src/web/body.ts'
import { MISTAKES } from '../intake/mistakes.ts'
import { aTracker } from '../intake/support.ts'
import { lookAt } from '../store/support/polls.ts'
import { until } from '../support/wait.ts'
import { aSocket, ask, askRaw, post } from './support/ask.ts'
import { aServer, openServer, type Served } from './support/server.ts'

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({ enqueuesPerSecond: 10_000, timeoutMs: 30_000 }))
})
afterAll(() => close())

const track = (body: unknown, headers?: Record<string, string>) => ask(served.url, '/v1/tasks', post(body, headers))

async function taskCount(): Promise<number> {
  const { rows } = await served.database.pool.query<{ count: number }>('SELECT count(*)::integer AS count FROM delivery_task')
  return rows[0]?.count ?? -1
}

describe('a task that is sent', () => {
  test('is accepted, and the second time it is a duplicate', async () => {
    const body = { taskId: '256271667526', agentId: '836390886', userIds: ['ann'], campaign: 'payroll-11', sentAt: Date.now() }
    const first = await track(body)
    const answer = { app: 'default', taskId: '256271667526', status: 'tracking', conflict: [], updated: [] }
    expect([first.status, first.body]).toEqual([202, { ...answer, duplicate: false }])
    expect(first.headers.get('location')).toBe('/v1/tasks/256271667526?app=default')
    const again = await track(body)
    expect([again.status, again.body]).toEqual([202, { ...answer, duplicate: true }])
    const { body: stored } = await ask(served.url, first.headers.get('location') ?? '')
    expect(stored).toMatchObject({ agentId: '836390886', campaign: 'payroll-11', targeted: 1, sentAt: new Date(body.sentAt).toISOString() })
  })

  test('and that no poll has shown takes what is newer', async () => {
    await track({ taskId: '15', agentId: '1', userIds: ['ann', 'bob'], sentAt: Date.now() })
    const { status, body } = await track({ taskId: '15', agentId: '836390886', userIds: ['ann'] })
    expect([status, body]).toMatchObject([202, { status: 'tracking', duplicate: true, conflict: [], updated: ['agentId', 'userIds'] }])
    expect((await ask(served.url, '/v1/tasks/15')).body).toMatchObject({ agentId: '836390886', targeted: 1 })
  })

  test('and has ended answers with its status, and names what differs', async () => {
    await track({ taskId: '12', userIds: ['ann'], sentAt: Date.now() - 3_600_000 })
    await lookAt(served.store, { app: 'default', taskId: '12' }, { read: ['ann'] }, 5)
    const answer = { app: 'default', taskId: '12', status: 'complete', duplicate: true, updated: [] }
    expect((await track({ taskId: '12' })).body).toEqual({ ...answer, conflict: [] })
    const other = { agentId: '836390886', userIds: ['bob'], campaign: 'other', sentAt: Date.now() }
    expect((await track({ taskId: '12', ...other })).body).toEqual({ ...answer, conflict: ['agentId', 'userIds', 'campaign', 'sentAt'] })
  })

  test('is one task, however many say so at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, async () => track({ taskId: '13' })))
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(202))
    expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(1)
  })

  test.each([
    ['the largest there is', '"9223372036854775807"', '9223372036854775807'],
    ['one that a JavaScript number rounds', '"9007199254740993"', '9007199254740993'],
    ['a number that is still exact', '9007199254740991', '9007199254740991'],
  ])('keeps every digit of its id: %s', async (_, inJson, exact) => {
    const { headers, text: answer } = await track(`{"taskId":${inJson},"app":"digits"}`)
    expect(answer).toContain(`"taskId":"${exact}"`)
    expect((await ask(served.url, headers.get('location') ?? '')).body).toMatchObject({ taskId: exact })
    expect((await ask(served.url, `/v1/tasks?taskId=${exact}`)).body.tasks).toMatchObject([{ taskId: exact }])
  })

  test.each([`'; DROP TABLE delivery_task; --`, '<script>alert(1)</script>', '工资 😀 %_\\', '=HYPERLINK("x")'])(
    'keeps every character of what it is called: %s',
    async (name) => {
      const taskId = String(100_000 + name.length)
      expect((await track({ taskId, campaign: name, userIds: [name] })).status).toBe(202)
      const { body } = await ask(served.url, `/v1/campaigns/${encodeURIComponent(name)}/recipients`)
      expect(body.recipients).toMatchObject([{ campaign: name, userId: name, taskId }])
      const history = await ask(served.url, `/v1/tasks/${taskId}/people/${encodeURIComponent(name)}`)
      expect(history.body.person).toMatchObject({ userId: name })
    },
  )

  test('may be as large as a hundred people with the longest ids are', async () => {
    const userIds = Array.from({ length: 100 }, (_, i) => `${'😀'.repeat(62)}${String(i).padStart(4, '0')}`)
    const escaped = JSON.stringify({ taskId: '14', userIds, campaign: '消'.repeat(200) }, null, 2).replaceAll(
      /[^\0-\x7f]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16)}`,
    )
    expect((await track(escaped)).body).toMatchObject({ taskId: '14', duplicate: false })
    const { body } = await ask(served.url, '/v1/tasks/14/recipients')
    expect(body.recipients.map(({ userId }: { userId: string }) => userId)).toEqual(userIds)
  })
})

describe('a mistake is told in the words of the other ways to enqueue', () => {
  /** Minutes until a far date differ by the moment at which each door was asked. */
  const sameMoment = (message: string): string => message.replace(/is \d+ minutes in the future/, 'is N minutes in the future')

  test.each(MISTAKES)('$name', async ({ input, code, field }) => {
    const told: Error = await aTracker({ databaseUrl: 'postgres://127.0.0.1:1/never-asked' })
      .track(input as never)
      .then(
        () => expect.unreachable(),
        (error: unknown) => error as Error,
      )
    const { status, body } = await track(input)
    expect([status, { ...body.error, message: sameMoment(body.error.message) }]).toEqual([
      400,
      { code, field, message: sameMoment(told.message) },
    ])
  })
})

describe('a body that is nothing to track', () => {
  test.each([
    ['broken JSON', '{"taskId":', 'MALFORMED_JSON', 'The body is not JSON'],
    ['a bare NUL', '{"taskId":"1\0"}', 'MALFORMED_JSON', 'The body is not JSON'],
    ['a form', 'taskId=1', 'MALFORMED_JSON', 'The body is not JSON'],
    ['no UTF-8', Buffer.from([...Buffer.from('{"taskId":"1","campaign":"'), 0xff, ...Buffer.from('"}')]), 'MALFORMED_JSON', 'not UTF-8'],
    ['UTF-16', Buffer.from('\uFEFF{"taskId":"1"}', 'utf16le'), 'MALFORMED_JSON', 'not UTF-8'],
    ['a list', '[{"taskId":"1"}]', 'INVALID_INPUT', 'must be an object with at least "taskId", not a list'],
    ['null', 'null', 'INVALID_INPUT', 'must be an object'],
    ['nothing', '', 'INVALID_INPUT', 'not nothing'],
    ['a number that lost its digits', '{"taskId":9007199254740993}', 'INVALID_INPUT', 'not a safe integer'],
    ['a field that there is not', '{"taskId":"1","user_ids":[]}', 'INVALID_INPUT', 'Unknown field "user_ids". Accepted: taskId, '],
    ['__proto__', '{"taskId":"1","__proto__":{"app":"hr"}}', 'INVALID_INPUT', 'Unknown field "__proto__"'],
    ['a constructor', '{"taskId":"1","constructor":{"prototype":1}}', 'INVALID_INPUT', 'Unknown field "constructor"'],
    ['NUL in a name', '{"taskId":"1","campaign":"a\\u0000b"}', 'INVALID_INPUT', 'campaign must have'],
    ['half a character', '{"taskId":"1","userIds":["a\\ud800"]}', 'INVALID_INPUT', 'userIds[0] must have'],
  ])('%s', async (_, body, code, message) => {
    const before = await taskCount()
    const answer = await track(body)
    expect([answer.status, answer.body.error]).toMatchObject([400, { code, message: expect.stringContaining(message) }])
    expect(await taskCount()).toBe(before)
  })

  test('a byte order mark is no mistake', async () => {
    expect((await track('\uFEFF{"taskId":"15"}')).status).toBe(202)
  })

  test.each([
    ['a form', 'application/x-www-form-urlencoded'],
    ['text, which a page of a stranger may send unasked', 'text/plain'],
    ['XML', 'application/xml'],
    ['nonsense', '///'],
  ])('%s is refused by its type', async (_, type) => {
    const { status, body } = await track({ taskId: '1' }, { 'content-type': type })
    expect([status, body.error]).toEqual([415, { code: 'UNSUPPORTED_MEDIA_TYPE', message: expect.stringContaining('application/json') }])
  })

  test('without a type it is refused too', async () => {
    const body = '{"taskId":"1"}'
    const { status } = await askRaw(
      served.port,
      `POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    expect(status).toBe(415)
  })
})

describe('a body that is too large', () => {
  const TEN_MB = Buffer.alloc(10_000_000, ' ')

  test('is refused with what to do, and the caller gets to hear it', async () => {
    for (let i = 0; i < 20; i++) {
      const { status, body } = await track(TEN_MB)
      expect([status, body.error]).toEqual([413, { code: 'BODY_TOO_LARGE', message: expect.stringContaining('Track one task a request.') }])
    }
  })

  test('is taken to its end, so that a caller who sends all before it reads hears it too', async () => {
    const socket = await aSocket(served.port)
    const head = `POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${TEN_MB.length}\r\n\r\n`
    await new Promise<void>((resolve, reject) => {
      socket.write(Buffer.concat([Buffer.from(head), TEN_MB]), (error) => (error ? reject(error) : resolve()))
    })
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('is refused where its length is not said', async () => {
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 100; i++) controller.enqueue(Buffer.alloc(100_000, ' '))
        controller.close()
      },
    })
    const headers = { 'content-type': 'application/json' }
    // Of a streamed body the types know nothing.
    const init = { method: 'POST', headers, body: stream, duplex: 'half' } as RequestInit
    expect((await ask(served.url, '/v1/tasks', init)).status).toBe(413)
  })

  test('begins one byte after the largest', async () => {
    const padded = (length: number): string => '{"taskId":"16"}'.padEnd(length)
    expect((await track(padded(BODY_LIMIT_BYTES))).status).toBe(202)
    expect((await track(padded(BODY_LIMIT_BYTES + 1))).status).toBe(413)
  })
})

describe('what is hardly HTTP', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'not HTTP/1.1'],
    ['headers that never end', `GET /v1/tasks HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`, 431, 'too large'],
    ['no host', 'GET /v1/tasks HTTP/1.1\r\nconnection: close\r\n\r\n', 400, ''],
    ['two lengths', 'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}', 400, 'not HTTP/1.1'],
    [
      'a length and chunks',
      'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'not HTTP/1.1',
    ],
    ['a path that is no UTF-8', 'GET /v1/tasks/%ff HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', 400, 'percent-encoded UTF-8'],
    [
      'a name that is longer than any',
      `POST /v1/tasks/${'1'.repeat(5_000)}/cancel HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
      404,
      'longer than any name',
    ],
  ])('%s', async (_, request, status, message) => {
    const answer = await askRaw(served.port, request)
    expect(answer).toEqual({ status, text: expect.stringContaining(message) })
  })

  test.each([
    ['its headers', 'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\n'],
    ['its body', 'POST /v1/tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"task'],
  ])('who never finishes %s does not hold the connection', async (_, beginning) => {
    const { port } = await aServer({ timeouts: { headers: 200, request: 300 } })
    expect(await askRaw(port, beginning)).toEqual({ status: 408, text: expect.stringContaining('did not arrive in time') })
  })

  test('who never says anything does not either', async () => {
    const { port } = await aServer({ timeouts: { headers: 200, request: 300, idle: 300 } })
    const socket = await aSocket(port)
    const ended = new Promise((resolve) => socket.on('close', resolve).on('end', () => socket.end()))
    socket.resume()
    await ended
    expect(socket.destroyed).toBe(true)
  })
})

describe('too many at once', () => {
  test('are asked to wait, on the route to track and on no other, and may come again', async () => {
    const { url } = await aServer({ enqueuesPerSecond: 3 })
    const send = async (i: number) => ask(url, '/v1/tasks', post({ taskId: String(i + 1) }))
    const answers = await Promise.all(Array.from({ length: 9 }, async (_, i) => send(i)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(3)
    expect(refused).toHaveLength(6)
    for (const { headers, body } of refused) {
      expect(body.error).toEqual({ code: 'TOO_MANY_REQUESTS', message: expect.stringContaining('Try again in 1 s.') })
      expect(headers.get('retry-after')).toBe('1')
    }
    const others = await Promise.all(Array.from({ length: 20 }, async () => ask(url, '/v1/tasks/1')))
    expect(others.filter(({ status }) => status === 200)).toHaveLength(20)
    await until(async () => (await send(20)).status === 202, { what: 'the second is over' })
  })
})
