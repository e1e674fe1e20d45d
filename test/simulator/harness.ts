import { onTestFinished } from 'vitest'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts'

export const APP = { appKey: 'sim-app-key', appSecret: 'sim-app-secret', agentId: '836390886' }
export const SENT_AT = new Date('2026-11-23T01:00:00.000Z')
export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE

/** The content of an answer, read without the tracker's own code. */
export type Json = Record<string, unknown>

export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly text: string
  readonly json: Json
}

export interface Bench {
  readonly simulator: Simulator
  /** Advances the simulator's clock without waiting. */
  readonly pass: (ms: number) => void
  readonly token: () => Promise<string>
  readonly call: (path: string, init?: RequestInit) => Promise<Reply>
  readonly post: (path: string, body: unknown) => Promise<Reply>
  readonly api: (name: string, fields: Json, token?: string) => Promise<Reply>
  readonly send: (fields: Json) => Promise<string>
  readonly result: (taskId: string) => Promise<Json>
}

/** A simulator on a free port whose clock stands still until a test advances it. */
export async function bench(options: SimulatorOptions = {}): Promise<Bench> {
  let now = SENT_AT.getTime()
  const simulator = await startSimulator({ seed: 7, now: () => new Date(now), callsPerSecond: 1_000, ...options })
  onTestFinished(() => simulator.close())
  const call = (path: string, init?: RequestInit) => fetchReply(`${simulator.url}${path}`, init)
  const post = (path: string, body: unknown) => call(path, jsonBody(body))
  const token = async () =>
    text((await post('/v1.0/oauth2/accessToken', { appKey: APP.appKey, appSecret: APP.appSecret })).json['accessToken'])
  const api = async (name: string, fields: Json, given?: string) =>
    post(`/topapi/message/corpconversation/${name}?access_token=${given ?? (await token())}`, { agent_id: APP.agentId, ...fields })
  return {
    simulator,
    pass: (ms) => {
      now += ms
    },
    token,
    call,
    post,
    api,
    send: async (fields) => exactTaskId(await api('asyncsend_v2', { msg: { msgtype: 'text', text: { content: 'hello' } }, ...fields })),
    result: async (taskId) => object((await api('getsendresult', { task_id: taskId })).json['send_result']),
  }
}

/** A token by key and secret, through a base URL of the simulator. */
export async function tokenOf(url: string, appSecret: string, appKey = APP.appKey): Promise<Reply> {
  return fetchReply(`${url}/v1.0/oauth2/accessToken`, jsonBody({ appKey, appSecret }))
}

/** One getsendresult call, as the tracker makes it: a form with everything in its body. */
export async function poll(url: string, fields: Readonly<Record<string, string>>): Promise<Reply> {
  return fetchReply(`${url}/topapi/message/corpconversation/getsendresult`, formBody({ agent_id: APP.agentId, ...fields }))
}

export async function fetchReply(url: string, init?: RequestInit): Promise<Reply> {
  const response = await fetch(url, { redirect: 'manual', ...init })
  const body = await response.text()
  return { status: response.status, contentType: response.headers.get('content-type') ?? '', text: body, json: parsed(body) }
}

function jsonBody(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: typeof body === 'string' ? body : JSON.stringify(body) }
}

export function formBody(fields: Record<string, string>): RequestInit {
  return { method: 'POST', body: new URLSearchParams(fields) }
}

function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null) throw new TypeError(`expected an object, got ${JSON.stringify(value)}`)
  return Object.fromEntries(Object.entries(value))
}

export function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`expected a string, got ${JSON.stringify(value)}`)
  return value
}

export function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`expected a list, got ${JSON.stringify(value)}`)
  return value
}

export function texts(value: unknown): string[] {
  return list(value).map(text)
}

/** The digits as they were written: `JSON.parse` would round them. */
export function exactTaskId(reply: Reply): string {
  const digits = /"task_id":(\d+)/.exec(reply.text)?.[1]
  if (digits === undefined) throw new Error(`no task id in ${reply.text}`)
  return digits
}

function parsed(body: string): Json {
  try {
    return object(JSON.parse(body))
  } catch {
    return {}
  }
}
