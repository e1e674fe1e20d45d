import type { Answer, Refusal } from '../domain/delivery.ts'
import { isUnsent, NO_AGENT_ID_CODE, TOKEN_REFUSED_CODE, toProblemCode, UNKNOWN_APP_CODE } from '../domain/problems.ts'
import type { SendResult, SendResultApi, SendResultQuery } from '../polling/ports.ts'
import { createTokenSource, fixedTokenSource, type Lease, type TokenSource, tokenRefused } from './access-token.ts'
import { buildRefusal, toAnswer } from './answers.ts'
import type { DingTalkApp } from './app.ts'
import { checkBaseUrl } from './hosts.ts'
import { createHttp, type Http } from './http.ts'
import { buildSettings, type DingTalkApiOptions, type Settings } from './options.ts'
import { createRedactor, type Redactor } from './redact.ts'
import { createTokenCall, type TokenFailure } from './token-call.ts'

export type DingTalkApi = SendResultApi & {
  /** Fetches a token for an app, which is not metered. Null: there is one; else the reason. */
  checkToken(app: string, signal: AbortSignal): Promise<Refusal | null>
  /** Aborts running calls, which then return a refusal, and closes all connections. Safe to call twice. */
  close(): Promise<void>
}

/**
 * DingTalk's getsendresult for a set of apps, each with its own token. Makes no call before the first poll.
 * One poll makes at most two getsendresult and two token calls, each bounded by `http.deadlineMs`. Library considered: @alicloud/dingtalk, which
 * has the `/v1.0/` API and not `/topapi/`.
 * @throws {Error} for a base URL of an app that `checkBaseUrl` refuses
 */
export function createDingTalkApi(apps: ReadonlyMap<string, DingTalkApp>, options: DingTalkApiOptions = {}): DingTalkApi {
  const settings = buildSettings(options)
  const http = createHttp(settings.http, settings)
  const closing = new AbortController()
  const callers = new Map([...apps].map(([name, app]) => [name, createCaller(name, app, http, closing.signal, settings)]))
  return {
    async sendResult(query, signal) {
      signal.throwIfAborted()
      const caller = callers.get(query.app)
      if (caller === undefined) return { answer: unknownApp(query.app, settings.now()), calls: 0 }
      const { answer, calls } = await poll(caller, query, signal)
      return { answer: answer.kind === 'refused' ? withRegion(caller, answer) : answer, calls }
    },
    async checkToken(app, signal) {
      const caller = callers.get(app)
      if (caller === undefined) return unknownApp(app, settings.now())
      const lease = await caller.tokens.get(signal)
      return lease.kind === 'failed' ? withRegion(caller, withoutCall(caller, lease)) : null
    },
    async close() {
      closing.abort()
      await http.close()
    },
  }
}

/** The hosts of the other region know nothing of the app. */
function withRegion({ app: { assumedRegion } }: Caller, refusal: Refusal): Refusal {
  return assumedRegion === undefined ? refusal : { ...refusal, assumedRegion }
}

/** Shared by the polls of one app. */
interface Caller {
  readonly app: DingTalkApp
  readonly http: Http
  readonly tokens: TokenSource
  readonly redactor: Redactor
  readonly settings: Settings
}

function createCaller(name: string, app: DingTalkApp, http: Http, closing: AbortSignal, settings: Settings): Caller {
  const checkUrl = (field: 'oapiUrl' | 'apiUrl'): string => {
    try {
      return checkBaseUrl(app[field], settings.privateHosts)
    } catch (error) {
      throw new Error(`${field} of app ${JSON.stringify(name)}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }
  const checked = { ...app, name, oapiUrl: checkUrl('oapiUrl'), apiUrl: checkUrl('apiUrl') }
  const redactor = createRedactor(app.credentials)
  return { app: checked, http, redactor, settings, tokens: chooseTokenSource(checked, http, redactor, closing, settings) }
}

function chooseTokenSource(app: DingTalkApp, http: Http, redactor: Redactor, closing: AbortSignal, settings: Settings): TokenSource {
  if (app.credentials.kind === 'fixed') return fixedTokenSource(app.credentials.accessToken)
  const { monotonicMs, onCall } = settings
  return createTokenSource({
    fetch: createTokenCall(app, app.credentials, { http, redactor, deadlineMs: settings.http.deadlineMs, monotonicMs, onCall }),
    closing,
    timing: settings.tokens,
    monotonicMs,
    onRefresh(outcome) {
      if (outcome.kind === 'token') redactor.learn(outcome.token)
      settings.onTokenRefresh(app.name, outcome.kind === 'token')
    },
  })
}

function unknownApp(app: string, now: Date): Refusal {
  return buildRefusal({
    code: UNKNOWN_APP_CODE,
    message: `there is no app named ${JSON.stringify(app)}`,
    requestedAt: now,
    respondedAt: null,
  })
}

async function poll(caller: Caller, query: SendResultQuery, signal: AbortSignal): Promise<SendResult> {
  const agentId = query.agentId ?? caller.app.agentId
  if (agentId === null) {
    const message = `neither the task nor the app ${JSON.stringify(query.app)} has an agent id`
    return { answer: withoutCall(caller, { kind: 'failed', code: NO_AGENT_ID_CODE, message }), calls: 0 }
  }
  const call = (lease: Lease): Promise<Answer> => callOnce(caller, { taskId: query.taskId, agentId, token: lease.token }, signal)
  return callWithToken(caller, call, query.mayRepeat, signal)
}

type Call = (lease: Lease) => Promise<Answer>

/** Calls, and once more with a fresh token where DingTalk refused the first. */
async function callWithToken(
  caller: Caller,
  call: Call,
  mayRepeat: SendResultQuery['mayRepeat'],
  signal: AbortSignal,
): Promise<SendResult> {
  const lease = await caller.tokens.get(signal)
  if (lease.kind === 'failed') return { answer: withoutCall(caller, lease), calls: 0 }
  const answer = await call(lease)
  if (!isTokenRefused(answer)) return { answer, calls: countCalls(answer) }
  if (!caller.tokens.renewable) return { answer: asTokenRefused(caller, answer), calls: 1 }
  caller.tokens.drop(lease)
  // The token first: without one a permit for a second call would not be used.
  const fresh = await caller.tokens.get(signal)
  if (fresh.kind === 'failed') return { answer: failedAfterCall(answer, caller, fresh), calls: 1 }
  if (!(await mayRepeat(signal))) return { answer: failedAfterCall(answer, caller, NOT_REPEATED), calls: 1 }
  const second = await callWithFreshToken(caller, fresh, call)
  return { answer: second, calls: 1 + countCalls(second) }
}

/** A call that ended before anything was sent is none. */
function countCalls(answer: Answer): number {
  return answer.kind === 'refused' && isUnsent(answer.code) ? 0 : 1
}

/** No problem of the app or the task: the next poll has the new token. */
const NOT_REPEATED: TokenFailure = {
  kind: 'failed',
  code: 'NOT_REPEATED',
  message: 'DingTalk refused the token, and the rate, the budget or the cap of the task leaves no second call now',
}

function failedAfterCall({ requestedAt, respondedAt, requestId }: Refusal, { redactor }: Caller, { code, message }: TokenFailure): Refusal {
  return buildRefusal({ code: redactor.redact(code), message: redactor.redact(message), requestedAt, respondedAt, requestId })
}

async function callWithFreshToken(caller: Caller, lease: Lease, call: Call): Promise<Answer> {
  const answer = await call(lease)
  if (!isTokenRefused(answer)) return answer
  const refused = asTokenRefused(caller, answer)
  caller.tokens.giveUp(lease, { kind: 'failed', code: refused.code, message: refused.message })
  return refused
}

function isTokenRefused(answer: Answer): answer is Refusal {
  return answer.kind === 'refused' && answer.code !== TOKEN_REFUSED_CODE && toProblemCode(answer.code, answer.message) === 'token_refused'
}

function asTokenRefused({ tokens }: Caller, answer: Refusal): Refusal {
  const { code, message } = tokenRefused(answer.code, answer.message, tokens.renewable)
  return buildRefusal({ ...answer, code, message })
}

/** The refusal of a poll that made no call, because it lacks a token or an agent id. */
function withoutCall({ redactor, settings }: Caller, { code, message }: TokenFailure): Refusal {
  return buildRefusal({ code: redactor.redact(code), message: redactor.redact(message), requestedAt: settings.now(), respondedAt: null })
}

async function callOnce(
  { app, http, redactor, settings }: Caller,
  ids: { readonly taskId: string; readonly agentId: string; readonly token: string },
  signal: AbortSignal,
): Promise<Answer> {
  const startedMs = settings.monotonicMs()
  const requestedAt = new Date(Math.floor(settings.now().getTime() - settings.uncertaintyMs()))
  const outcome = await http.exchange(
    {
      method: 'POST',
      url: `${app.oapiUrl}/topapi/message/corpconversation/getsendresult`,
      // A form, as in the API page's example: the token is not in the URL, and ids stay exact, unlike JSON numbers above 2^53.
      contentType: 'application/x-www-form-urlencoded;charset=utf-8',
      body: new URLSearchParams({ access_token: ids.token, agent_id: ids.agentId, task_id: ids.taskId }).toString(),
    },
    signal,
  )
  const respondedAt = new Date(Math.ceil(settings.now().getTime() + settings.uncertaintyMs()))
  const answer = toAnswer(outcome, requestedAt, notBefore(requestedAt, respondedAt), redactor)
  const seconds = (settings.monotonicMs() - startedMs) / 1_000
  settings.onCall({ app: app.name, endpoint: 'getsendresult', code: answer.kind === 'refused' ? answer.code : '0', seconds })
  return answer
}

/** Keeps the end of a bracket after its beginning when the clock steps back during a call. */
function notBefore(earliest: Date, date: Date): Date {
  return date < earliest ? earliest : date
}
