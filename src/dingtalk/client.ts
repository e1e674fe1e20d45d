import type { Answer, Refusal } from '../domain/delivery.ts'
import { NO_AGENT_ID_CODE, UNKNOWN_APP_CODE } from '../domain/problems.ts'
import type { SendResult, SendResultApi, SendResultQuery } from '../polling/ports.ts'
import type { Lease } from './access-token.ts'
import { buildRefusal, toAnswer } from './answers.ts'
import type { DingTalkApp } from './app.ts'
import { type Caller, callWithToken, createCaller, withoutCall, withRegion } from './caller.ts'
import { createHttp } from './http.ts'
import { buildSettings, type DingTalkApiOptions } from './options.ts'

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
