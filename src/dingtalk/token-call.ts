import { effectiveCode } from '../domain/answer.ts'
import { PROBLEM_RULES, TOKEN_REFUSED_CODE, toProblemCode } from '../domain/problems.ts'
import { DeadlineError, unlessAborted, withDeadline } from '../lib/abort.ts'
import { errorWithoutErrcode, readMessage, toFields, toText } from './answers.ts'
import type { Credentials, DingTalkApp, FixedToken, InternalCredentials, ThirdPartyCredentials, TokenFunction } from './app.ts'
import type { Http, HttpOutcome, HttpRequest } from './http.ts'
import type { CallHook, Endpoint } from './options.ts'
import type { Redactor } from './redact.ts'

export type Fetched = FetchedToken | TokenFailure

export interface FetchedToken {
  readonly kind: 'token'
  readonly token: string
  /** Null: the answer has none. */
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
  /** For functions of the caller; HTTP has a deadline of its own. */
  readonly deadlineMs: number
  readonly monotonicMs: () => number
  readonly onCall: CallHook
}

/** Returns a function that makes one attempt to get a token. It rejects only when its signal is aborted. */
export function createTokenCall(
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
      return (signal) => callGetToken(app, credentials, deps, signal)
    default:
      return credentials satisfies never
  }
}

interface TokenCall {
  readonly endpoint: Endpoint
  readonly request: HttpRequest
  /** The fields of the answer with the token and its lifetime in seconds. */
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
  const given =
    typeof source === 'string'
      ? { kind: 'given' as const, value: source }
      : await callBack('suiteTicket', async () => source(), deps, signal)
  if (given.kind === 'failed') return given
  const suiteTicket = toText(given.value)
  if (suiteTicket === null) return failed('BAD_TOKEN_ANSWER', 'suiteTicket gave no ticket: it must give a text that is not empty')
  deps.redactor.learn(suiteTicket)
  return callFor(app, newStyleCall(app, 'corpAccessToken', { suiteKey, suiteSecret, authCorpId, suiteTicket }), deps, signal)
}

async function callGetToken(app: DingTalkApp, { getToken }: TokenFunction, deps: TokenCallDeps, signal: AbortSignal): Promise<Fetched> {
  const given = await callBack('getToken', async (bounded) => getToken(app.name, bounded), deps, signal)
  if (given.kind === 'failed') return given
  const fields = typeof given.value === 'string' ? { token: given.value } : (toFields(given.value) ?? {})
  return (
    parseToken(fields['token'], fields['expiresInSeconds']) ??
    failed('BAD_TOKEN_ANSWER', 'getToken gave no token: it must give a text that is not empty')
  )
}

/** The result of a caller's function. Types do not check callers in JavaScript, so it may be any value. */
interface Given {
  readonly kind: 'given'
  readonly value: unknown
}

/** Calls a function of the caller, which may throw any value and may never return. The error's name is reported without its message, which may hold a secret. */
async function callBack(
  name: 'getToken' | 'suiteTicket',
  call: (signal: AbortSignal) => Promise<unknown>,
  { deadlineMs }: TokenCallDeps,
  signal: AbortSignal,
): Promise<Given | TokenFailure> {
  try {
    return { kind: 'given', value: await withDeadline(deadlineMs, signal, (bounded) => unlessAborted(call(bounded), bounded)) }
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
  const fields = toFields(outcome.body) ?? {}
  const code = effectiveCode(fields)
  if (code !== null && code !== '0') return failed(code, readMessage(fields))
  const token = outcome.status === 200 ? parseToken(fields[names.token], fields[names.lifetime]) : null
  if (token !== null) return token
  const error = errorWithoutErrcode(outcome.status, fields)
  return error ? failed(error.code, error.message) : failed('BAD_TOKEN_ANSWER', `the answer has no ${names.token}`)
}

function parseToken(token: unknown, lifetime: unknown): FetchedToken | null {
  if (typeof token !== 'string' || token.trim() === '') return null
  const seconds = Number(toText(lifetime) ?? Number.NaN)
  return { kind: 'token', token, lifetimeSeconds: Number.isFinite(seconds) && seconds > 0 ? seconds : null }
}

/**
 * A token call has no task and no agent id: a code that means one of them, or one answer, at getsendresult means refused credentials here.
 * Limits, permissions, addresses and outages mean the same at both.
 */
function aboutTheApp({ code, message }: TokenFailure, endpoint: Endpoint): TokenFailure {
  const problem = toProblemCode(code, message) ?? 'unknown_code'
  if (problem === 'call_timeout') return failed('TIMEOUT', `${endpoint} answered ${code}: DingTalk timed out`)
  const isAboutCredentials = ['answer', 'task', 'pair'].includes(PROBLEM_RULES[problem].scope) || problem === 'token_refused'
  return isAboutCredentials
    ? failed(TOKEN_REFUSED_CODE, `${endpoint} answered ${code}: ${message}`)
    : failed(code, `${endpoint}: ${message}`)
}

function failed(code: string, message: string): TokenFailure {
  return { kind: 'failed', code, message }
}
