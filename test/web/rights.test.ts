import Fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTokens, type Right } from '../../src/web/access.ts'
import { requireRights } from '../../src/web/guard.ts'
import { until } from '../support/wait.ts'
import { type Answer, ask, post } from './support/ask.ts'
import { apiOf, type Operation, requestOf } from './support/document.ts'
import { aServer, openServer, type Served } from './support/server.ts'
import { CAMPAIGN, ENDED, fillWorld, HINDERED, TASK } from './support/world.ts'

const READ = 'a-token-that-may-read'
const WRITE = 'a-token-that-may-write'
const SENDER = 'a-token-of-one-sender'
const BOTH = 'a-token-that-may-write-names'
const WRONG = 'a-token-of-nobody-here'
const LIST = `read:${READ}, write:${WRITE},write:payroll:${SENDER},write+names:${BOTH}`

let server: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served: server, close } = await openServer({ apiToken: LIST, enqueuesPerSecond: 1_000 }))
  await fillWorld(server.store)
  await server.database.pool.query("INSERT INTO delivery_app (app, calls_month, calls_used) VALUES ('hr', '2026-11', 7)")
})
afterAll(() => close())

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
const HTML = { accept: 'text/html', 'accept-language': 'en' }
const NAMES: Readonly<Record<string, string>> = { taskId: TASK, name: CAMPAIGN, userId: 'ann', app: 'hr' }

/** What needs the app, since there are several. */
const OF_ONE_APP: Readonly<Record<string, string>> = { getSchedule: '?app=default', getForecast: '?app=default&recipients=100' }

async function call(operation: Operation, headers: Record<string, string>): Promise<Answer> {
  const { path, parameters } = operation
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(NAMES[name] ?? ''))
  const required = new Set(parameters.flatMap((each) => (each.required ? each.name : [])))
  const query = required.has('at')
    ? '?at=2026-11-23T01:00:00Z'
    : required.has('campaign')
      ? `?app=default&campaign=twin&campaign=${encodeURIComponent(CAMPAIGN)}`
      : (OF_ONE_APP[operation.id] ?? '')
  return ask(server.url, `${filled}${query}`, requestOf(operation, headers))
}

describe('the API', () => {
  test('every operation names its role in the document, and answers each caller by it', async () => {
    const document = (await ask(server.url, '/v1/openapi.json')).body
    const { operations } = apiOf(document)
    const seen: Record<Exclude<Right, 'names'> | 'read+names', number> = { open: 0, read: 0, write: 0, 'read+names': 0, 'write+names': 0 }
    for (const operation of operations) {
      const [security] = document.paths[operation.path][operation.method.toLowerCase()].security
      const right: keyof typeof seen = security?.token[0] ?? 'open'
      seen[right] += 1
      // What changes something needs the right to write, and nothing else does.
      expect([operation.id, right.startsWith('write')]).toEqual([operation.id, operation.method !== 'GET'])
      const done = operation.id === 'trackTask' ? 202 : 200
      const expected = {
        open: { none: 200, wrong: 200, read: 200, write: 200, both: 200 },
        read: { none: 401, wrong: 401, read: 200, write: 200, both: 200 },
        write: { none: 401, wrong: 401, read: 403, write: done, both: done },
        'read+names': { none: 401, wrong: 401, read: 403, write: 403, both: 200 },
        'write+names': { none: 401, wrong: 401, read: 403, write: 403, both: 200 },
      }[right]
      const got = {
        none: (await call(operation, {})).status,
        wrong: (await call(operation, bearer(WRONG))).status,
        read: (await call(operation, bearer(READ))).status,
        write: (await call(operation, bearer(WRITE))).status,
        both: (await call(operation, bearer(BOTH))).status,
      }
      expect([operation.id, got]).toEqual([operation.id, expected])
    }
    expect(seen).toEqual({ open: 1, read: expect.any(Number), write: 4, 'read+names': 2, 'write+names': 1 })
    expect(seen.read).toBeGreaterThan(15)
  })

  test('a token that may only read is refused by name, with the remedy, and changes nothing', async () => {
    const refused = await ask(server.url, '/v1/tasks', post({ taskId: '4711' }, bearer(READ)))
    expect([refused.status, refused.body.error]).toEqual([
      403,
      { code: 'FORBIDDEN', message: expect.stringMatching(/may only read\. .*write:TOKEN/) },
    ])
    expect(refused.headers.get('www-authenticate')).toContain('insufficient_scope')
    expect((await ask(server.url, '/v1/tasks/4711', { headers: bearer(READ) })).status).toBe(404)
    expect((await ask(server.url, '/metrics', { headers: bearer(READ) })).status).toBe(200)
    expect((await ask(server.url, '/metrics', { headers: bearer(WRONG) })).status).toBe(401)
  })

  test('a whole entry of the list is no token, and the refusal says which part is', async () => {
    const { status, body } = await ask(server.url, '/v1/tasks', { headers: bearer(`write:${WRITE}`) })
    expect([status, body.error.message]).toEqual([401, expect.stringContaining('the token is what follows the role')])
    expect(JSON.stringify(body)).not.toContain(WRITE)
  })

  test('a change with a named token is logged with the name, and no token is', async () => {
    await ask(server.url, `/v1/tasks/${HINDERED}/resume`, { method: 'POST', headers: bearer(SENDER) })
    const named = await until(() => server.events.find(({ caller }) => caller !== null), { what: 'the event' })
    expect(named).toMatchObject({ caller: 'payroll', right: 'write', route: '/v1/tasks/:taskId/resume', status: 200 })
    expect(server.events.every(({ caller }) => caller === null || caller === 'payroll')).toBe(true)
    for (const token of [READ, WRITE, SENDER]) expect(server.log.join('\n')).not.toContain(token)
  })
})

describe('the dashboard', () => {
  const PAGES = [
    '/',
    '/schedule?app=default',
    `/tasks/${HINDERED}`,
    `/tasks/${TASK}`,
    `/tasks/${ENDED}`,
    `/campaigns/${encodeURIComponent(CAMPAIGN)}`,
  ]
  const FILES = [`/tasks/${TASK}/people.csv`, `/campaigns/${encodeURIComponent(CAMPAIGN)}/people.csv`]
  const get = async (path: string, headers: Record<string, string>) =>
    ask(server.url, path, { redirect: 'manual', headers: { ...HTML, ...headers } })
  const submit = async (path: string, headers: Record<string, string>, fields: Record<string, string> = {}) =>
    ask(server.url, path, { method: 'POST', redirect: 'manual', headers: { ...HTML, ...headers }, body: new URLSearchParams(fields) })

  async function signIn(token: string): Promise<Record<string, string>> {
    const { status, headers } = await submit('/login', {}, { token })
    expect(status).toBe(303)
    return { cookie: headers.get('set-cookie')?.split(';')[0] ?? '' }
  }

  const formsIn = ({ text }: Answer): string[] =>
    [...text.matchAll(/<form[^>]* method="post" action="([^"]+)"/g)].map(([, action = '']) => action.replaceAll('&amp;', '&'))

  test('shows everything to both roles, and the buttons that change something to one', async () => {
    const [reader, writer] = [await signIn(READ), await signIn(WRITE)]
    for (const path of [...PAGES, ...FILES]) {
      const statuses = [
        await get(path, {}),
        await get(path, { cookie: 'delivery_session=1.x' }),
        await get(path, reader),
        await get(path, writer),
      ]
      expect([path, statuses.map(({ status }) => status)]).toEqual([path, [303, 303, 200, 200]])
    }
    const forms = new Set<string>()
    for (const path of PAGES) {
      for (const action of formsIn(await get(path, writer))) forms.add(action)
      expect(new Set(formsIn(await get(path, reader)))).toEqual(new Set(['/preferences', '/logout']))
    }
    const actions = [...forms].filter((action) => action !== '/preferences' && action !== '/logout')
    expect(actions).toEqual(expect.arrayContaining([`/tasks/${HINDERED}/resume?app=default`, '/apps/default/resume']))
    for (const action of actions) {
      const answers = [await submit(action, {}), await submit(action, { cookie: 'delivery_session=1.x' }), await submit(action, reader)]
      expect([action, answers.map(({ status }) => status)]).toEqual([action, [303, 303, 403]])
      for (const { headers } of answers.slice(0, 2)) expect(headers.get('location')).toMatch(/^\/login\?/)
      expect(answers[2]?.text).toContain('You may only read')
      const changed = await submit(action, writer)
      expect([action, changed.status, changed.headers.get('location')]).toEqual([action, 303, expect.not.stringContaining('/login')])
    }
  })

  test('a page of another site changes nothing with the session of a writer', async () => {
    const writer = await signIn(WRITE)
    for (const headers of [{ origin: 'http://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }]) {
      expect((await submit(`/tasks/${HINDERED}/resume`, { ...writer, ...headers })).status).toBe(403)
    }
  })
})

describe('a session', () => {
  const [first, second] = [{ role: 'read', name: null, token: READ } as const, { role: 'write', name: 'payroll', token: WRITE } as const]
  const now = new Date('2026-11-23T01:00:00Z')

  test('has the role of its token, and ends with it', () => {
    const tokens = createTokens([first, second])
    const cookies = [first, second].map((token) => tokens.beginSession(token, now))
    expect(cookies.map((cookie) => tokens.findSession(cookie, now))).toEqual([first, second])
    // The same tokens after a restart, with another role for the first.
    const restarted = createTokens([{ ...first, role: 'write' }, second])
    expect(restarted.findSession(cookies[0], now)?.role).toBe('write')
    const without = createTokens([second])
    expect(cookies.map((cookie) => without.findSession(cookie, now))).toEqual([null, second])
    expect(createTokens([]).findSession(cookies[0], now)).toBeNull()
  })

  test('lasts twelve hours, whatever its cookie says', () => {
    const tokens = createTokens([second])
    const cookie = tokens.beginSession(second, now)
    const after = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000)
    expect([tokens.findSession(cookie, after(11.9)), tokens.findSession(cookie, after(12))]).toEqual([second, null])
    const [, signature = ''] = cookie.split('.')
    for (const forged of [`${after(99).getTime()}.${signature}`, `.${signature}`, signature, '', undefined])
      expect(tokens.findSession(forged, now)).toBeNull()
  })
})

test('one plain token may do everything, whatever is in it', async () => {
  for (const token of ['a,plain,token,of,0.1.0', 'user:a-plain-token', 'reader:abcdefghijklmn,writer:abcdefgh']) {
    const { url } = await aServer({ apiToken: token })
    expect([token, (await ask(url, '/v1/tasks', post({ taskId: '1' }, bearer(token)))).status]).toEqual([token, 202])
  }
})

test('a route that declares no right does not start', () => {
  const app = Fastify()
  requireRights(app)
  app.get('/declared', { config: { right: 'read' } }, async () => 'yes')
  expect(() => app.get('/forgotten', async () => 'no')).toThrow('/forgotten declares no right')
})
