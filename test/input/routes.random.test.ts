import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { runs } from '../support/runs.ts'
import { type Answer, ask, post } from '../web/support/ask.ts'
import { type Api, apiOf, type Operation } from '../web/support/document.ts'
import { openServer, type Served } from '../web/support/server.ts'
import { CAMPAIGN, fillWorld, TASK } from '../web/support/world.ts'
import { HOSTILE_PARTS, IN_PATH, inTurnOf, inTurns } from './support/parts.ts'
import { HOSTILE_TEXTS, SEED } from './support/values.ts'

let served: Served
let close: () => Promise<void>
let api: Api

beforeAll(async () => {
  ;({ served, close } = await openServer({ enqueuesPerSecond: 100_000 }))
  await fillWorld(served.store)
  api = apiOf((await ask(served.url, '/v1/openapi.json')).body)
})
afterAll(() => close())

const Refusal = z.strictObject({
  error: z.strictObject({ code: z.string().regex(/^[A-Z_]+$/), message: z.string().min(10), field: z.string().optional() }),
})
type RefusalOf = z.output<typeof Refusal>['error']

/** An answer that the document has, or a clear refusal; never a failure of the server. */
function refusalIn(operation: Operation, path: string, answer: Answer): RefusalOf | null {
  const at = `${path.slice(0, 200)}: ${answer.status}`
  expect(answer.status, at).toBeLessThan(500)
  if (answer.status < 400) {
    expect([at, api.faultsOf(operation, answer)]).toEqual([at, []])
    return null
  }
  const { error } = Refusal.parse(answer.body)
  expect([at, error.message.isWellFormed(), error.message.length < 1_000]).toEqual([at, true, true])
  return error
}

const KNOWN: Readonly<Record<string, string>> = { taskId: TASK, name: encodeURIComponent(CAMPAIGN), userId: 'ann' }
const REQUIRED: Readonly<Record<string, string>> = {
  at: 'at=2026-11-23T01:00:00Z',
  campaign: 'campaign=a&campaign=b',
  recipients: 'recipients=100',
}

function pathOf(operation: Operation, parts: Readonly<Record<string, string>> = {}): string {
  return operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => parts[name] ?? KNOWN[name] ?? 'x')
}

function queryOf(operation: Operation, ...more: readonly string[]): string {
  const required = operation.parameters.filter((each) => each.in === 'query' && each.required).map(({ name }) => name)
  const pairs = [
    ...required.filter((name) => !more.some((each) => each.startsWith(`${name}=`))).map((name) => REQUIRED[name] ?? ''),
    ...more,
  ]
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** Reading changes nothing, so each route can be asked anything; what writes has its own tests. The document has no parameters to get wrong. */
const reads = (): Operation[] => api.operations.filter(({ method, path }) => method === 'GET' && path !== '/v1/openapi.json')
const inQuery = (operation: Operation) => operation.parameters.filter((each) => each.in === 'query').map(({ name }) => name)
const inPath = (operation: Operation) => operation.parameters.filter((each) => each.in === 'path').map(({ name }) => name)

/** May be there more than once. */
const isList = ({ parameters }: Operation, name: string): boolean =>
  parameters.some((each) => each.in === 'query' && each.name === name && each.schema['type'] === 'array')

const some = inTurnOf(6)

describe('the API', () => {
  test('each value in a query is taken or refused by name', async () => {
    const asked = reads().flatMap((operation) =>
      inQuery(operation).flatMap((name) =>
        some(HOSTILE_PARTS).map((part) => ({ operation, name, path: `${pathOf(operation)}${queryOf(operation, `${name}=${part}`)}` })),
      ),
    )
    expect(asked.length).toBeGreaterThan(400)
    let refusals = 0
    await inTurns(asked, async ({ operation, name, path }) => {
      const answer = await ask(served.url, path)
      const error = refusalIn(operation, path, answer)
      if (answer.status !== 400) return
      refusals++
      expect([path.slice(0, 200), error?.field, error?.message]).toEqual([path.slice(0, 200), name, expect.stringContaining(name)])
    })
    expect(refusals).toBeGreaterThan(200)
  })

  test('each name in a path is found, not found, or refused by name', async () => {
    const asked = [...reads(), ...api.operations.filter(({ id }) => id === 'cancelTask')].flatMap((operation) =>
      inPath(operation).flatMap((name) =>
        some(IN_PATH).map((part) => ({ operation, name, path: `${pathOf(operation, { [name]: part })}${queryOf(operation)}` })),
      ),
    )
    expect(asked.length).toBeGreaterThan(200)
    await inTurns(asked, async ({ operation, name, path }) => {
      const answer = await ask(served.url, path, { method: operation.method })
      const error = refusalIn(operation, path, answer)
      if (answer.status === 400 && error?.code !== 'BAD_REQUEST') expect([path, error?.field]).toEqual([path, name])
    })
  })

  test('what is no parameter, or is there twice, is refused by name', async () => {
    for (const operation of reads()) {
      for (const more of [
        '__proto__=1',
        'constructor=1',
        'toString=1',
        '%5B%5D=1',
        'limit%5B%5D=1',
        'a%00b=1',
        '=1',
        ...HOSTILE_TEXTS.filter((each) => each.isWellFormed() && each.length < 100 && each !== '')
          .slice(0, 12)
          .map((each) => `${encodeURIComponent(each)}=1`),
      ]) {
        const path = `${pathOf(operation)}${queryOf(operation, more)}`
        const answer = await ask(served.url, path)
        expect([path, answer.status, refusalIn(operation, path, answer)?.field]).toEqual([
          path,
          400,
          decodeURIComponent(more.split('=')[0] ?? ''),
        ])
      }
      for (const name of inQuery(operation).filter((each) => !isList(operation, each))) {
        const path = `${pathOf(operation)}${queryOf(operation, `${name}=1`, `${name}=2`)}`
        expect([path, refusalIn(operation, path, await ask(served.url, path))]).toMatchObject([
          path,
          { field: name, message: expect.stringContaining('more than once') },
        ])
      }
    }
  })

  test('any bytes as a body are refused or accepted whole, and nothing is half written', async () => {
    const count = async (): Promise<number> => Number((await served.database.pool.query('SELECT FROM delivery_task')).rowCount)
    const before = await count()
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        async (bytes) => {
          const { status, body } = await ask(served.url, '/v1/tasks', post(Uint8Array.from(bytes)))
          expect(status).toBeOneOf([202, 400])
          if (status === 202) accepted++
          else Refusal.parse(body)
        },
      ),
      { numRuns: runs(200), seed: SEED },
    )
    expect(await count()).toBe(before + accepted)
    expect((await ask(served.url, '/v1/tasks', post('{"taskId":"1","campaign":"first","campaign":"last","taskId":"77"}'))).status).toBe(202)
    expect((await ask(served.url, '/v1/tasks/77')).body).toMatchObject({ taskId: '77', campaign: 'last' })
    const deep = `{"taskId":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
    expect(Refusal.parse((await ask(served.url, '/v1/tasks', post(deep))).body).error).toMatchObject({
      field: 'taskId',
      message: expect.stringContaining('not a list'),
    })
    expect((await ask(served.url, '/v1/tasks', post(Buffer.alloc(10_000_000, ' ')))).status).toBe(413)
  })
})
