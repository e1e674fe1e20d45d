import type { Refusal } from '../domain/delivery.ts'
import { isUnsent, TOKEN_REFUSED_CODE, toProblemCode } from '../domain/problems.ts'
import { createTokenSource, fixedTokenSource, type Lease, type TokenSource, tokenRefused } from './access-token.ts'
import { buildRefusal } from './answers.ts'
import type { DingTalkApp } from './app.ts'
import { checkBaseUrl } from './hosts.ts'
import type { Http } from './http.ts'
import type { Settings } from './options.ts'
import { createRedactor, type Redactor } from './redact.ts'
import { createTokenCall, type TokenFailure } from './token-call.ts'

/** One app's calls of DingTalk, whichever address they are for: the token, its renewal, and what a call without one is answered. */

/** The hosts of the other region know nothing of the app. */
export function withRegion({ app: { assumedRegion } }: Caller, refusal: Refusal): Refusal {
  return assumedRegion === undefined ? refusal : { ...refusal, assumedRegion }
}

/** Shared by the calls of one app. */
export interface Caller {
  readonly app: DingTalkApp
  readonly http: Http
  readonly tokens: TokenSource
  readonly redactor: Redactor
  readonly settings: Settings
}

export function createCaller(name: string, app: DingTalkApp, http: Http, closing: AbortSignal, settings: Settings): Caller {
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

/** What a call brought. A refusal is the same at each address. */
export interface Other {
  readonly kind: 'empty' | 'observed' | 'answered'
}

type Call<Good extends Other> = (lease: Lease) => Promise<Good | Refusal>

export interface Called<Good extends Other> {
  readonly answer: Good | Refusal
  /** Calls that were sent: 0 without a token, 2 where the first token was refused. */
  readonly calls: number
}

/**
 * Calls, and once more with a fresh token where DingTalk refused the first.
 * @param mayRepeat called before the second call, which needs a permit of its own
 */
export async function callWithToken<Good extends Other>(
  caller: Caller,
  call: Call<Good>,
  mayRepeat: (signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
): Promise<Called<Good>> {
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
function countCalls(answer: Other | Refusal): number {
  return answer.kind === 'refused' && isUnsent(answer.code) ? 0 : 1
}

/** No problem of the app or the task: the next call has the new token. */
const NOT_REPEATED: TokenFailure = {
  kind: 'failed',
  code: 'NOT_REPEATED',
  message: 'DingTalk refused the token, and the rate, the budget or the cap of the task leaves no second call now',
}

function failedAfterCall({ requestedAt, respondedAt, requestId }: Refusal, { redactor }: Caller, { code, message }: TokenFailure): Refusal {
  return buildRefusal({ code: redactor.redact(code), message: redactor.redact(message), requestedAt, respondedAt, requestId })
}

async function callWithFreshToken<Good extends Other>(caller: Caller, lease: Lease, call: Call<Good>): Promise<Good | Refusal> {
  const answer = await call(lease)
  if (!isTokenRefused(answer)) return answer
  const refused = asTokenRefused(caller, answer)
  caller.tokens.giveUp(lease, { kind: 'failed', code: refused.code, message: refused.message })
  return refused
}

function isTokenRefused(answer: Other | Refusal): answer is Refusal {
  return answer.kind === 'refused' && answer.code !== TOKEN_REFUSED_CODE && toProblemCode(answer.code, answer.message) === 'token_refused'
}

function asTokenRefused({ tokens }: Caller, answer: Refusal): Refusal {
  const { code, message } = tokenRefused(answer.code, answer.message, tokens.renewable)
  return buildRefusal({ ...answer, code, message })
}

/** The refusal where no call was made, because a token or an agent id is missing. */
export function withoutCall({ redactor, settings }: Caller, { code, message }: TokenFailure): Refusal {
  return buildRefusal({ code: redactor.redact(code), message: redactor.redact(message), requestedAt: settings.now(), respondedAt: null })
}
