export const ENDPOINTS = [
  'accessToken',
  'corpAccessToken',
  'gettoken',
  'asyncsend_v2',
  'getsendresult',
  'getsendprogress',
  'recall',
  'department/listsub',
  'department/get',
  'user/list',
  'user/listsimple',
  'unknown',
] as const
export type Endpoint = (typeof ENDPOINTS)[number]
export type TokenEndpoint = 'accessToken' | 'corpAccessToken' | 'gettoken'
export type ContactEndpoint = 'department/listsub' | 'department/get' | 'user/list' | 'user/listsimple'

/** Where a call came from, which distinguishes one worker from another. */
export interface Source {
  /** The name in a `/via/NAME` in front of the path: a base URL of `http://127.0.0.1:8090/via/worker-2` names a worker. */
  readonly via: string | undefined
  /** The client's address; IPv4 without the `::ffff:` of a socket that serves both families. */
  readonly remoteAddress: string
}

export interface RawRequest {
  readonly method: string
  /** Without the `/via/NAME`. */
  readonly path: string
  readonly source: Source
  readonly query: URLSearchParams
  readonly contentType: string
  readonly body: string
}

export type Fields = ReadonlyMap<string, unknown>

export interface ApiCall {
  readonly endpoint: Endpoint
  readonly method: string
  readonly path: string
  readonly source: Source
  readonly fields: Fields
  /** From the query or a form body. DingTalk reads no token from a header or from a JSON body. */
  readonly token: string | undefined
  readonly malformed: boolean
}

const FOLDERS: Readonly<Record<string, readonly Endpoint[]>> = {
  '/v1.0/oauth2/': ['accessToken', 'corpAccessToken'],
  '/': ['gettoken'],
  '/topapi/message/corpconversation/': ['asyncsend_v2', 'getsendresult', 'getsendprogress', 'recall'],
  '/topapi/v2/': ['department/listsub', 'department/get', 'user/list'],
  '/topapi/': ['user/listsimple'],
}
const PATHS: ReadonlyMap<string, Endpoint> = new Map<string, Endpoint>(
  Object.entries(FOLDERS).flatMap(([folder, names]) => names.map((name) => [`${folder}${name}`, name] as const)),
)

export function isTokenEndpoint(endpoint: Endpoint): endpoint is TokenEndpoint {
  return endpoint === 'accessToken' || endpoint === 'corpAccessToken' || endpoint === 'gettoken'
}

export function isContactEndpoint(endpoint: Endpoint): endpoint is ContactEndpoint {
  return endpoint.startsWith('department/') || endpoint.startsWith('user/')
}

export function parseCall(request: RawRequest): ApiCall {
  const isJson = isJsonRequest(request)
  const body = isJson ? jsonFields(request.body) : new Map<string, unknown>(new URLSearchParams(request.body))
  const formToken = isJson ? undefined : toText(body?.get('access_token'))
  return {
    endpoint: PATHS.get(request.path) ?? 'unknown',
    method: request.method,
    path: request.path,
    source: request.source,
    fields: new Map<string, unknown>([...request.query, ...(body ?? [])]),
    token: request.query.get('access_token') ?? formToken,
    malformed: body === undefined,
  }
}

/** The task that a call names: `msg_task_id` at recall, `task_id` elsewhere. */
export function taskIdOf({ fields }: ApiCall): string | undefined {
  return textField(fields, 'task_id') ?? textField(fields, 'msg_task_id')
}

export function agentIdOf({ fields }: ApiCall): string | undefined {
  return textField(fields, 'agent_id')
}

/** Takes a `/via/NAME` off the front of a path. */
export function splitVia(path: string): { readonly via: string | undefined; readonly path: string } {
  const match = /^\/via\/([^/]{1,64})(\/.*)$/.exec(path)
  return { via: match?.[1], path: match?.[2] ?? path }
}

/** A text field: DingTalk takes ids as JSON numbers and as strings. */
export function textField(fields: Fields, name: string): string | undefined {
  return toText(fields.get(name))
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/**
 * JSON in which an integer that a double cannot hold arrives as a string of its exact digits. Node 20 has no source text for numbers; json-bigint
 * and lossless-json would do it with their own number types.
 * @throws {SyntaxError} where the text is not JSON
 */
export function parseExactJson(text: string): unknown {
  const parsed: unknown = JSON.parse(text)
  if (!/\d{16}/.test(text)) return parsed
  return JSON.parse(text.replace(STRING_OR_NUMBER, (token) => (/^-?\d{16,}$/.test(token) ? `"${token}"` : token)))
}

/** Strings are matched so that the digits inside them are left alone. Only ever run on valid JSON: each string ends. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

function isJsonRequest({ contentType, body }: RawRequest): boolean {
  if (contentType.includes('json')) return body.trim() !== ''
  return !contentType.includes('form-urlencoded') && body.trimStart().startsWith('{')
}

function jsonFields(body: string): Map<string, unknown> | undefined {
  try {
    const parsed = parseExactJson(body)
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
    return new Map<string, unknown>(Object.entries(parsed))
  } catch {
    return undefined
  }
}
