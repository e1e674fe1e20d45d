import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { finished } from 'node:stream/promises'
import { onTestFinished } from 'vitest'
import type { Credentials, DingTalkApp } from '../../src/dingtalk/app.ts'
import { createDingTalkApi, type DingTalkApi } from '../../src/dingtalk/client.ts'
import type { DingTalkApiOptions } from '../../src/dingtalk/options.ts'
import type { Answer, Observation, Refusal } from '../../src/domain/delivery.ts'
import type { SendResult, SendResultQuery } from '../../src/polling/ports.ts'

export const RESULT = '/topapi/message/corpconversation/getsendresult'
export const ACCESS_TOKEN = '/v1.0/oauth2/accessToken'
export const CORP_TOKEN = '/v1.0/oauth2/corpAccessToken'
export const OLD_TOKEN = '/gettoken'

/** One request as the server received it. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The token in a form body; empty where there is none. */
  readonly token: string
  /** How many requests this path has had, this one included. */
  readonly nth: number
}

export type Handler = (request: Received, response: ServerResponse) => unknown

export interface ScriptedServer {
  readonly url: string
  /** Every path answers 404 until it is scripted. */
  on(path: string, handler: Handler): void
  received(path: string): Received[]
  /** Waits until a path has had so many requests. */
  arrival(path: string, count: number): Promise<void>
}

/** A real HTTP server that does what the test says and records what it got. */
export async function startServer(): Promise<ScriptedServer> {
  const handlers = new Map<string, Handler>()
  const log: Received[] = []
  const waiting = new Set<() => void>()
  const received = (path: string): Received[] => log.filter((request) => request.path === path)
  const server = createServer((request, response) => void serve(request, response))
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://server')
    const body = await textOf(request)
    const entry: Received = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body,
      token: new URLSearchParams(body).get('access_token') ?? '',
      nth: received(url.pathname).length + 1,
    }
    log.push(entry)
    const handler = handlers.get(url.pathname) ?? respond(404, 'text/plain', 'no such path')
    handler(entry, response)
    for (const check of waiting) check()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
  })
  // A listening TCP server's address is an AddressInfo; only pipes have text.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    on: (path, handler) => void handlers.set(path, handler),
    received,
    arrival: (path, count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (received(path).length < count) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  await finished(request)
  return Buffer.concat(chunks).toString('utf8')
}

export function respond(status: number, contentType: string, body: string | Buffer, headers: Record<string, string> = {}): Handler {
  return (_, response) => response.writeHead(status, { 'content-type': contentType, ...headers }).end(body)
}

export function json(body: unknown, status = 200): Handler {
  return respond(status, 'application/json', JSON.stringify(body))
}

/** Answers `token-1` to the first call, `token-2` to the second, … */
export const numberedTokens: Handler = (request, response) =>
  json({ accessToken: `token-${request.nth}`, expireIn: 7200 })(request, response)

export const READ_BY_ANN = {
  errcode: 0,
  errmsg: 'ok',
  request_id: 'r1',
  send_result: { read_user_id_list: ['ann'], unread_user_id_list: [] },
}

export const wrapped = (code: number, text = 'invalid token'): unknown => ({
  errcode: 88,
  sub_code: String(code),
  sub_msg: text,
  errmsg: `ding talk error[subcode=${code},submsg=${text}]`,
  request_id: 'r-88',
})

export const INTERNAL: Credentials = { kind: 'internal', appKey: 'dingkey', appSecret: 'secret-of-app', endpoint: 'new' }

export function anApp(
  server: { readonly url: string },
  credentials: Credentials = INTERNAL,
  agentId: string | null = '836390886',
): DingTalkApp {
  return { name: 'default', agentId, oapiUrl: server.url, apiUrl: server.url, credentials }
}

/** A client for one app named `default`, closed when the test is over. */
export function anApi(app: DingTalkApp, options: DingTalkApiOptions = {}): DingTalkApi {
  const api = createDingTalkApi(new Map([['default', app]]), options)
  onTestFinished(() => api.close())
  return api
}

const QUERY: SendResultQuery = { app: 'default', taskId: '256271667526', agentId: null, mayRepeat: async () => true }

export async function poll(api: DingTalkApi, query: Partial<SendResultQuery> = {}, signal = new AbortController().signal): Promise<Answer> {
  return (await counted(api, query, signal)).answer
}

/** The same with the number of calls that it took. */
export function counted(
  api: DingTalkApi,
  query: Partial<SendResultQuery> = {},
  signal = new AbortController().signal,
): Promise<SendResult> {
  return api.sendResult({ ...QUERY, ...query }, signal)
}

/** A server with working tokens, an answer for getsendresult, and a client. */
export async function aClient(result: Handler, options: DingTalkApiOptions = {}): Promise<{ server: ScriptedServer; api: DingTalkApi }> {
  const server = await startServer()
  server.on(ACCESS_TOKEN, numberedTokens)
  server.on(RESULT, result)
  return { server, api: anApi(anApp(server), options) }
}

export function observed(answer: Answer): Observation {
  if (answer.kind !== 'observed') throw new Error(`expected an observation, got ${JSON.stringify(answer)}`)
  return answer.observation
}

export function refused(answer: Answer): Refusal {
  if (answer.kind !== 'refused') throw new Error(`expected a refusal, got ${JSON.stringify(answer)}`)
  return answer
}
