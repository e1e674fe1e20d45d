import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../../src/web/app.ts'
import { PEOPLE_LIMIT_BYTES } from '../../src/web/body.ts'
import { until } from '../support/wait.ts'
import { type Answer, ask, post } from './support/ask.ts'
import { type Api, apiOf, type Operation, requestOf } from './support/document.ts'
import { pathsIn } from './support/routes.ts'
import { openServer, type Served } from './support/server.ts'
import { CAMPAIGN, fillWorld, TASK, TWIN } from './support/world.ts'

const TOKEN = 'correct-horse-battery'
const READ_TOKEN = 'correct-horse-library'
const ENQUEUES_PER_SECOND = 20

let served: Served
let close: () => Promise<void>
let document: object
let api: Api

beforeAll(async () => {
  ;({ served, close } = await openServer({ apiToken: `write+names:${TOKEN},read:${READ_TOKEN}`, enqueuesPerSecond: ENQUEUES_PER_SECOND }))
  await fillWorld(served.store)
  await served.database.pool.query("INSERT INTO delivery_app (app, calls_month, calls_used) VALUES ('hr', '2026-11', 7)")
  await served.database.pool.query('GRANT SELECT ON delivery_people, delivery_department_rates TO test_worker')
  document = (await ask(served.url, '/v1/openapi.json')).body
  api = apiOf(document)
})
afterAll(() => close())

test('the document is OpenAPI 3.1, by a validator that is not ours, and needs no token', async () => {
  const validator = new Validator()
  // A copy: the validator writes into what it is given.
  expect(await validator.validate(structuredClone(document) as Record<string, unknown>)).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
  expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' }, security: [{ token: [] }] })
})

test('every operation has a name of its own and says what it does, every parameter what it is', () => {
  expect(new Set(api.operations.map(({ id }) => id)).size).toBe(api.operations.length)
  expect(api.operations.length).toBeGreaterThan(20)
  for (const { id, parameters } of api.operations) {
    for (const { name, description } of parameters) expect([id, name, description]).toEqual([id, name, expect.stringMatching(/\S{2}/)])
  }
})

test('what is served under /v1 is in the document, and no other method of it', async () => {
  const app = await createApp(served.options)
  const paths = pathsIn(app.printRoutes({ commonPrefix: false }))
  await app.close()
  expect(paths).toContain('/v1/tasks/:taskId/people/:userId')
  const inDocument = new Map<string, string[]>()
  for (const { path, method } of api.operations) inDocument.set(path, [...(inDocument.get(path) ?? []), method])
  expect(paths.filter((path) => path.startsWith('/v1/')).map((path) => path.replaceAll(/:(\w+)/g, '{$1}'))).toEqual(
    [...inDocument.keys()].sort(),
  )
  for (const [path, methods] of inDocument) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((each) => !methods.includes(each))) {
      const { status, headers, body } = await ask(served.url, filled(path, KNOWN), { method, headers: WITH_TOKEN })
      expect([path, method, status, body]).toEqual([
        path,
        method,
        405,
        { error: { code: 'METHOD_NOT_ALLOWED', message: expect.any(String) } },
      ])
      expect(headers.get('allow')?.split(', ')).toEqual(expect.arrayContaining(methods))
    }
  }
})

const WITH_TOKEN = { authorization: `Bearer ${TOKEN}` }
const KNOWN = { taskId: TASK, name: CAMPAIGN, userId: 'ann', app: 'hr' }
const UNKNOWN = { taskId: '404', name: 'nobody', userId: 'nobody', app: 'nobody' }
const IN_TWO_APPS = { taskId: TWIN, name: 'twin', userId: 'ann' }
/** What a route cannot do without. */
function requiredOf(parameter: string, names: Readonly<Record<string, string>>): ReadonlyArray<[name: string, value: string]> {
  if (parameter === 'at') return [['at', '2026-11-23T01:00:00Z']]
  if (parameter === 'recipients') return [['recipients', '3000']]
  const compared = [names === IN_TWO_APPS ? CAMPAIGN : (names['name'] ?? ''), 'twin'].map((name): [string, string] => ['campaign', name])
  return names !== IN_TWO_APPS ? [...compared, ['app', 'default']] : compared
}

interface Wanted {
  readonly names?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly init?: RequestInit
}

async function call(operation: Operation, wanted: Wanted = {}): Promise<Answer> {
  const { path, parameters } = operation
  const { names = KNOWN, query: given = {} } = wanted
  const required = parameters.filter((each) => each.in === 'query' && each.required).flatMap(({ name }) => requiredOf(name, names))
  // They are about one app, and here are several.
  const asked = { getSchedule: names['app'] ?? '', getForecast: names['app'] ?? '' }
  const ofApp = Object.entries(asked).flatMap(([id, name]) =>
    id === operation.id && names !== IN_TWO_APPS ? [['app', name] as [string, string]] : [],
  )
  const query = new URLSearchParams([...[...required, ...ofApp].filter(([name]) => !Object.hasOwn(given, name)), ...Object.entries(given)])
  return ask(served.url, `${filled(path, names)}?${query.toString()}`, wanted.init ?? requestOf(operation, WITH_TOKEN))
}

function withBody({ method }: Operation, body: string, type = 'application/json'): RequestInit {
  return { ...post(body, { ...WITH_TOKEN, 'content-type': type }), method }
}

/** How to bring about each status that the document has for any route. */
const ASKING: Readonly<Record<number, (operation: Operation) => Promise<Answer>>> = {
  200: (operation) => call(operation),
  202: (operation) => call(operation),
  400: (operation) => call(operation, { query: { nope: '1' } }),
  401: (operation) => call(operation, { init: { method: operation.method } }),
  403: (operation) =>
    call(operation, {
      // Who may not see names may read the list, and not filter it by department.
      query: operation.parameters.some(({ name }) => name === 'department') ? { department: 'Sales' } : {},
      init: { method: operation.method, headers: { authorization: `Bearer ${READ_TOKEN}` } },
    }),
  404: (operation) => call(operation, { names: UNKNOWN }),
  409: (operation) => call(operation, { names: IN_TWO_APPS }),
  413: (operation) => call(operation, { init: withBody(operation, ' '.repeat(PEOPLE_LIMIT_BYTES + 1)) }),
  415: (operation) => call(operation, { init: withBody(operation, 'taskId=1', 'application/x-www-form-urlencoded') }),
  429: async (operation) => {
    // A busy machine may take longer than a second for them, and then none is too many.
    const refused = await until(
      async () => {
        const answers = await Promise.all(Array.from({ length: 2 * ENQUEUES_PER_SECOND }, async () => call(operation)))
        return answers.find(({ status }) => status === 429)
      },
      { what: 'one of them is refused' },
    )
    // What comes next must not find the door closed.
    await until(async () => (await call(operation)).status === 202, { what: 'the door takes tasks again' })
    return refused
  },
  503: (operation) => call(operation),
}

describe('every route answers as the document says', () => {
  test('with each status that it has for it', async () => {
    const called = new Set<string>()
    for (const operation of api.operations) {
      for (const status of operation.statuses.filter((each) => each !== 503)) {
        await expectStatus(operation, status)
        called.add(operation.id)
      }
    }
    expect(called).toEqual(new Set(api.operations.map(({ id }) => id)))
  })

  test('with a file where one can be asked for', async () => {
    const withFile = api.operations.filter(({ parameters }) => parameters.some(({ name }) => name === 'format'))
    expect(withFile.map(({ id }) => id)).toEqual(['listTaskRecipients', 'listCampaignRecipients'])
    for (const operation of withFile) {
      const answer = await call(operation, { query: { format: 'csv' } })
      expect([answer.status, answer.type, api.faultsOf(operation, answer)]).toEqual([200, 'text/csv; charset=utf-8', []])
    }
  })

  test('with 503 while the database is away, and well again after', async () => {
    await served.toDatabase.mode('refuse')
    for (const operation of api.operations.filter(({ statuses }) => statuses.includes(503))) {
      const answer = await expectStatus(operation, 503)
      expect([answer.body.error.code, answer.headers.get('retry-after')]).toEqual(['DATABASE_UNAVAILABLE', '5'])
    }
    await served.toDatabase.mode('pass')
    await until(async () => (await call(operationOf('getTask'))).status === 200, { what: 'it answers again' })
  })

  async function expectStatus(operation: Operation, status: number): Promise<Answer> {
    const asking = ASKING[status]
    if (asking === undefined) throw new Error(`no test brings about ${status}, which ${operation.id} has`)
    const answer = await asking(operation)
    const seen = {
      id: operation.id,
      status: answer.status,
      faults: answer.status === status ? api.faultsOf(operation, answer) : answer.text,
    }
    expect(seen).toEqual({ id: operation.id, status, faults: [] })
    return answer
  }
})

test('what is not in the document is refused by name: a parameter, a value, and the same twice', async () => {
  for (const operation of api.operations.filter(({ id }) => id !== 'getDocument')) {
    for (const name of ['nope', '__proto__', 'constructor', 'toString', 'APP']) {
      const { status, body } = await call(operation, { query: { [name]: '1' } })
      const error = { code: 'INVALID_INPUT', field: name, message: expect.stringContaining(`Unknown parameter "${name}". `) }
      expect([operation.id, status, body]).toEqual([operation.id, 400, { error }])
    }
    for (const { name, schema } of operation.parameters.filter((each) => each.in === 'query')) {
      // A list is given as several parameters, and an empty department is that of people without one.
      if (schema['type'] === 'array' || name === 'department') continue
      const path = `${filled(operation.path, KNOWN)}?${name}=a&${name}=b`
      const twice = await ask(served.url, path, { method: operation.method, headers: WITH_TOKEN })
      expect([name, twice.status, twice.body.error]).toMatchObject([
        name,
        400,
        { field: name, message: `${name} is there more than once. Give it once.` },
      ])
      const empty = await call(operation, { query: { [name]: '' } })
      expect([name, empty.status, empty.body.error]).toMatchObject([name, 400, { code: 'INVALID_INPUT', field: name }])
    }
  }
})

test('the old name of a route answers with what the new one does, and is deprecated', async () => {
  expect(document).toMatchObject({ paths: { '/v1/tasks/{taskId}/looks': { get: { deprecated: true } } } })
  const { polls } = (await call(operationOf('listPolls'))).body
  expect((await call(operationOf('listLooks'))).body).toEqual({ looks: polls })
})

test('HEAD is GET without the body', async () => {
  for (const operation of api.operations.filter(({ method }) => method === 'GET')) {
    const head = await call(operation, { init: { method: 'HEAD', headers: WITH_TOKEN } })
    expect([operation.id, head.status, head.text]).toEqual([operation.id, 200, ''])
  }
})

function operationOf(id: string): Operation {
  const found = api.operations.find((each) => each.id === id)
  if (found === undefined) throw new Error(`the document has no ${id}`)
  return found
}

function filled(path: string, names: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ''))
}
