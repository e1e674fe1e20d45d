import { effectiveCode } from '../domain/answer.ts'
import { PROBLEM_RULES, problemCodeOf, TOKEN_REFUSED_CODE } from '../domain/problems.ts'
import { DeadlineError, unlessAborted, withDeadline } from '../lib/abort.ts'
import type { Credentials, DingTalkApp, FixedToken, InternalCredentials, ThirdPartyCredentials, TokenFunction } from './app.ts'
import { codeUnder, type Fields, fieldsOf, newStyleCode, textOf } from './fields.ts'
import type { Http, HttpOutcome, HttpRequest } from './http.ts'
import type { CallHook, Endpoint } from './options.ts'
import type { Redactor } from './redact.ts'

export type Fetched = FetchedToken | TokenFailure

export interface FetchedToken {
  readonly kind: 'token'
  readonly token: string
  /** Null: the answer does not say. */
  readonly lifetimeSeconds: number | null
}

export interface TokenFailure {
  readonly kind: 'failed'
  readonly code: string
  readonly message: string
}

export interface TokenCallDeps {
  readonly http: Http
  readonly redactor: Redactor
  /** For functions of the caller; HTTP has its own. */
  readonly deadlineMs: number
  readonly monotonicMs: () => number
  readonly onCall: CallHook
}

/** One attempt to get a token. It rejects only when its signal is aborted. A fixed token has no such thing: there is nowhere to get another. */
export function tokenCallOf(
  app: DingTalkApp,
  credentials: Exclude<Credentials, FixedToken>,
  deps: TokenCallDeps,
): (signal: AbortSignal) => Promise<Fetched> {
  switch (credentials.kind) {
    case 'internal':
      return (signal) => callFor(app, internalCall(app, credentials), deps, signal)
    case 'thirdParty':
      return (signal) => fetchThirdParty(app, credentials, deps, signal)
    case 'function':
      return (signal) => askFunction(app, credentials, deps, signal)
    default:
      return credentials satisfies never
  }
}

interface TokenCall {
  readonly endpoint: Endpoint
  readonly request: HttpRequest
  /** What the answer calls the token and its lifetime in seconds. */
  readonly names: { readonly token: string; readonly lifetime: string }
}

const NEW_STYLE = { token: 'accessToken', lifetime: 'expireIn' }
const OLD_STYLE = { token: 'access_token', lifetime: 'expires_in' }

function internalCall(app: DingTalkApp, { appKey, appSecret, endpoint }: InternalCredentials): TokenCall {
  if (endpoint === 'new') return newStyleCall(app, 'accessToken', { appKey, appSecret })
  const query = new URLSearchParams({ appkey: appKey, appsecret: appSecret })
  return { endpoint: 'gettoken', request: { method: 'GET', url: `${app.oapiUrl}/gettoken?${query.toString()}` }, names: OLD_STYLE }
}

function newStyleCall(app: DingTalkApp, endpoint: 'accessToken' | 'corpAccessToken', body: Readonly<Record<string, string>>): TokenCall {
  const url = `${app.apiUrl}/v1.0/oauth2/${endpoint}`
  return { endpoint, request: { method: 'POST', url, contentType: 'application/json', body: JSON.stringify(body) }, names: NEW_STYLE }
}

async function fetchThirdParty(
  app: DingTalkApp,
  { suiteKey, suiteSecret, authCorpId, suiteTicket: source }: ThirdPartyCredentials,
  deps: TokenCallDeps,
  signal: AbortSignal,
): Promise<Fetched> {
  const asked = typeof source === 'string' ? given(source) : await askCaller('suiteTicket', async () => source(), deps, signal)
  if (asked.kind === 'failed') return asked
  const suiteTicket = textOf(asked.value)
  if (suiteTicket === null) return failed('BAD_TOKEN_ANSWER', 'suiteTicket gave no ticket: it must give a text that is not empty')
  deps.redactor.learn(suiteTicket)
  return callFor(app, newStyleCall(app, 'corpAccessToken', { suiteKey, suiteSecret, authCorpId, suiteTicket }), deps, signal)
}

async function askFunction(app: DingTalkApp, { getToken }: TokenFunction, deps: TokenCallDeps, signal: AbortSignal): Promise<Fetched> {
  const asked = await askCaller('getToken', async (bounded) => getToken(app.name, bounded), deps, signal)
  if (asked.kind === 'failed') return asked
  const fields = typeof asked.value === 'string' ? { token: asked.value } : (fieldsOf(asked.value) ?? {})
  return (
    tokenOf(fields['token'], fields['expiresInSeconds']) ??
    failed('BAD_TOKEN_ANSWER', 'getToken gave no token: it must give a text that is not empty')
  )
}

/** What a function of the caller's gave. Types do not hold callers in JavaScript, so it is anything. */
interface Given {
  readonly kind: 'given'
  readonly value: unknown
}

function given(value: unknown): Given {
  return { kind: 'given', value }
}

/** A function of the caller's may throw anything and may never come back. What it threw is named, not quoted: it may hold a secret. */
async function askCaller(
  name: 'getToken' | 'suiteTicket',
  ask: (signal: AbortSignal) => Promise<unknown>,
  { deadlineMs }: TokenCallDeps,
  signal: AbortSignal,
): Promise<Given | TokenFailure> {
  try {
    return given(await withDeadline(deadlineMs, signal, (bounded) => unlessAborted(ask(bounded), bounded)))
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof DeadlineError) return failed('TIMEOUT', `${name} gave nothing within ${deadlineMs} ms`)
    const what = error instanceof Error ? error.name : typeof error
    return failed('TOKEN_FUNCTION_FAILED', `${name} threw ${what}: see the log of the program that gave it`)
  }
}

async function callFor(app: DingTalkApp, call: TokenCall, deps: TokenCallDeps, signal: AbortSignal): Promise<Fetched> {
  const startedMs = deps.monotonicMs()
  const outcome = await deps.http.exchange(call.request, signal)
  const fetched = readTokenAnswer(outcome, call.names)
  const code = fetched.kind === 'token' ? '0' : deps.redactor.redact(fetched.code).slice(0, 64)
  deps.onCall({ app: app.name, endpoint: call.endpoint, code, seconds: (deps.monotonicMs() - startedMs) / 1_000 })
  return fetched.kind === 'token' ? fetched : aboutTheApp(fetched, call.endpoint)
}

function readTokenAnswer(outcome: HttpOutcome, names: TokenCall['names']): Fetched {
  if (outcome.kind === 'failed') return failed(outcome.code, outcome.message)
  const fields = fieldsOf(outcome.body) ?? {}
  const code = effectiveCode(fields)
  if (code !== null && code !== '0') return failed(code, messageOf(fields))
  const token = outcome.status === 200 ? tokenOf(fields[names.token], fields[names.lifetime]) : null
  if (token !== null) return token
  const newStyle = newStyleCode(fields)
  if (newStyle !== null) return { kind: 'failed', ...codeUnder(outcome.status, { code: newStyle, message: messageOf(fields) }) }
  if (outcome.status !== 200) return failed(`HTTP_${outcome.status}`, 'the answer has neither a token nor an error code')
  return failed('BAD_TOKEN_ANSWER', `the answer has no ${names.token}`)
}

function tokenOf(token: unknown, lifetime: unknown): FetchedToken | null {
  if (typeof token !== 'string' || token.trim() === '') return null
  const seconds = Number(textOf(lifetime) ?? Number.NaN)
  return { kind: 'token', token, lifetimeSeconds: Number.isFinite(seconds) && seconds > 0 ? seconds : null }
}

/**
 * What goes wrong with a token is never about a task, an agent id or one answer: what such a code means at getsendresult is at a token
 * endpoint that these credentials were refused. Limits, permissions, addresses and outages mean the same at both.
 */
function aboutTheApp({ code, message }: TokenFailure, endpoint: Endpoint): TokenFailure {
  const problem = problemCodeOf(code, message) ?? 'unknown_code'
  if (problem === 'call_timeout') return failed('TIMEOUT', `${endpoint} answered ${code}: DingTalk timed out`)
  const isAboutCredentials = ['answer', 'task', 'pair'].includes(PROBLEM_RULES[problem].scope) || problem === 'token_refused'
  return isAboutCredentials
    ? failed(TOKEN_REFUSED_CODE, `${endpoint} answered ${code}: ${message}`)
    : failed(code, `${endpoint}: ${message}`)
}

function messageOf(fields: Fields): string {
  return ['errmsg', 'sub_msg', 'message'].flatMap((name) => textOf(fields[name]) ?? []).join(' ')
}

function failed(code: string, message: string): TokenFailure {
  return { kind: 'failed', code, message }
}
