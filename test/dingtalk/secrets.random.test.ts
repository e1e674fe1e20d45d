import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toFields } from '../../src/dingtalk/answers.ts'
import type { Credentials } from '../../src/dingtalk/app.ts'
import { runs } from '../support/runs.ts'
import {
  ACCESS_TOKEN,
  anApi,
  anApp,
  CORP_TOKEN,
  type Handler,
  json,
  OLD_TOKEN,
  poll,
  RESULT,
  respond,
  type ScriptedServer,
  startServer,
} from './support.ts'

/** Every secret has this word in it, so a piece of one is found as well as a whole one. */
const CANARY = 'CANARY'
const canary = (name: string): string => `${CANARY} ${CANARY}/${name}+${CANARY}&${CANARY}`

const CREDENTIALS: ReadonlyArray<readonly [string, Credentials]> = [
  ['internal app', { kind: 'internal', appKey: canary('key'), appSecret: canary('secret'), endpoint: 'new' }],
  ['internal app at the old endpoint', { kind: 'internal', appKey: canary('key'), appSecret: canary('secret'), endpoint: 'old' }],
  [
    'third-party app',
    { kind: 'thirdParty', suiteKey: canary('key'), suiteSecret: canary('secret'), authCorpId: 'corp', suiteTicket: () => canary('ticket') },
  ],
  ['fixed token', { kind: 'fixed', accessToken: canary('token') }],
  ['token function', { kind: 'function', getToken: async () => canary('token') }],
]

/** What the server was sent, at some place in every field that comes back as text. */
const quoting = (padding: number, shape: (quote: string) => unknown): Handler => {
  return (request, response) => {
    const sent = request.body.startsWith('{') ? Object.values(toFields(JSON.parse(request.body)) ?? {}).join(' ') : request.body
    const read = [...new URLSearchParams(request.body), ...request.query].map(([, value]) => value).join(' ')
    const quote = `${'x'.repeat(padding)}${read} ${sent} ${request.query.toString()}`
    json(shape(quote))(request, response)
  }
}

const SHAPES: ReadonlyArray<(quote: string) => unknown> = [
  (quote) => ({ errcode: 60020, errmsg: quote, request_id: quote }),
  (quote) => ({ errcode: 88, sub_code: quote, sub_msg: quote, errmsg: `subcode=${quote}`, request_id: quote }),
  (quote) => ({ errcode: 40014, errmsg: quote }),
  (quote) => ({ errcode: quote, errmsg: quote }),
  (quote) => ({ code: quote, message: quote, requestid: quote }),
  (quote) => ({ errcode: 0, request_id: quote, send_result: { read_user_id_list: ['ann'] } }),
  (quote) => ({ errcode: 0, request_id: quote }),
]

function giveTokens(server: ScriptedServer): void {
  for (const path of [ACCESS_TOKEN, CORP_TOKEN]) server.on(path, json({ accessToken: canary('token'), expireIn: 7200 }))
  server.on(OLD_TOKEN, json({ errcode: 0, access_token: canary('token'), expires_in: 7200 }))
}

async function toldBy(server: ScriptedServer, credentials: Credentials): Promise<string> {
  const reported: unknown[] = []
  const api = anApi(anApp(server, credentials), { onCall: (call) => reported.push(call), http: { deadlineMs: 2_000 } })
  reported.push(await poll(api))
  await api.close()
  return JSON.stringify(reported, (_, value: unknown) => (value instanceof Map ? [...value] : value))
}

test.each(CREDENTIALS)('a server that quotes what it was sent gives away no secret: %s', async (_, credentials) => {
  const server = await startServer()
  await fc.assert(
    fc.asyncProperty(fc.nat(310), fc.constantFrom(...SHAPES), fc.boolean(), async (padding, shape, tokenCallFails) => {
      giveTokens(server)
      server.on(RESULT, quoting(padding, shape))
      if (tokenCallFails) for (const path of [ACCESS_TOKEN, CORP_TOKEN, OLD_TOKEN]) server.on(path, quoting(padding, shape))
      expect(await toldBy(server, credentials)).not.toContain(CANARY)
    }),
    { numRuns: runs(40) },
  )
})

test.each(CREDENTIALS)('no failure of the transport gives away a secret: %s', async (_, credentials) => {
  const failures: Handler[] = [
    (_request, response) => response.socket?.resetAndDestroy(),
    (request, response) => response.writeHead(302, { location: `/?${request.body}` }).end(request.body),
    (request, response) => respond(200, `text/${'x'.repeat(230)}${request.body}`, request.body)(request, response),
    (request, response) => respond(500, 'text/html', request.body)(request, response),
    (_request, response) => response.writeHead(200, { 'content-length': '9' }).write('{', () => response.socket?.end()),
    respond(200, 'application/json', 'x'.repeat(2_000_000)),
  ]
  const server = await startServer()
  for (const failure of failures) {
    giveTokens(server)
    server.on(RESULT, failure)
    expect(await toldBy(server, credentials)).not.toContain(CANARY)
    for (const path of [ACCESS_TOKEN, CORP_TOKEN, OLD_TOKEN]) server.on(path, failure)
    expect(await toldBy(server, credentials)).not.toContain(CANARY)
  }
})
