import { type Answer, encode, rateLimited } from './answer.ts'
import { errorAnswer } from './api-error.ts'
import { distort } from './distort.ts'
import type { Fault } from './fault.ts'
import { nextFullSecond } from './limits.ts'
import type { ApiCall } from './request.ts'
import type { World } from './world.ts'

/** An HTTP response before it is written. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** For the counters: the effective code, or `fault:KIND` where there is none. */
  readonly code: string
  /** Counted for the monthly quota. */
  readonly metered?: true
  /** The lists that the client is told, when this is a good getsendresult answer. */
  readonly sendResult?: unknown
}

/** Where a followed redirect ends: it is counted, and answers like a success, so that a client that follows finds itself deceived. */
export const REDIRECT_TARGET = '/_simulator/redirected'

const JSON_TYPE = 'application/json;charset=utf-8'
const BAN_PAGE = '{"status":1111,"wait":5,"source":"x5","punish":"deny"}'

/** What a call is answered, faults included; undefined: the fault leaves it without an answer, and DingTalk never saw it. */
export function replyTo(world: World, call: ApiCall, fault: Fault | undefined, at: number): Reply | undefined {
  switch (fault?.kind) {
    case 'hang':
      return undefined
    case 'http-status':
      return { ...page(`fault:${fault.kind}`, fault.status, errorPage(String(fault.status))), ...retryAfter(fault.retryAfterSeconds) }
    case 'html':
      return page('fault:html', fault.status, errorPage('系统维护中'))
    case 'ban':
      return { ...page('fault:ban', 200, BAN_PAGE), headers: { 'content-type': JSON_TYPE } }
    case 'redirect':
      return { status: fault.status, headers: { location: REDIRECT_TARGET }, body: '', code: 'fault:redirect' }
    case 'code':
      return jsonReply(faultCode(world, call, fault, at))
    case 'throttle':
      return jsonReply(throttle(world, call, fault, at))
    case 'reset':
      return fault.acted ? { ...jsonReply(world.answer(call, at)), code: 'fault:reset' } : undefined
    case 'truncated':
      return { ...jsonReply(world.answer(call, at)), code: 'fault:truncated' }
    case 'expired-token':
      world.tokens.expire(world.identityOf(call).appKey, at, fault.match?.secret)
      return jsonReply(world.answer(call, at))
    default:
      return goodReply(distort(world.answer(call, at), fault), call)
  }
}

function jsonReply({ status, code, fields, metered }: Answer): Reply {
  return { status, headers: { 'content-type': JSON_TYPE }, body: encode(fields), code, ...(metered && { metered }) }
}

function goodReply(answer: Answer, call: ApiCall): Reply {
  const isGood = call.endpoint === 'getsendresult' && answer.code === '0'
  return isGood ? { ...jsonReply(answer), sendResult: answer.fields['send_result'] } : jsonReply(answer)
}

/** A metered error comes from behind the gateway: what the gateway itself refuses (token, rate, quota) never gets there. */
function faultCode(world: World, call: ApiCall, fault: Extract<Fault, { kind: 'code' }>, at: number): Answer {
  const error = errorAnswer(fault, call, world.identityOf(call).appKey)
  return fault.metered ? world.answerInstead(error, call, at) : error
}

/** The whole app is refused until the end that the message names, as after a real excess. */
function throttle(world: World, call: ApiCall, fault: Extract<Fault, { kind: 'throttle' }>, at: number): Answer {
  const until = nextFullSecond(at + fault.seconds * 1_000)
  const { appKey } = world.identityOf(call)
  if (appKey !== undefined) world.limits.ban(appKey, until)
  return rateLimited(fault.code, until)
}

function page(code: string, status: number, body: string): Reply {
  return { status, headers: { 'content-type': 'text/html;charset=utf-8' }, body, code }
}

function retryAfter(seconds: number | undefined): Pick<Reply, 'headers'> {
  const headers = { 'content-type': 'text/html;charset=utf-8' }
  return { headers: seconds === undefined ? headers : { ...headers, 'retry-after': String(seconds) } }
}

function errorPage(title: string): string {
  return `<!DOCTYPE html><html><head><title>${title}</title></head><body><h1>${title}</h1><hr>Tengine</body></html>`
}
