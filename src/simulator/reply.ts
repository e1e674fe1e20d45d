import { type Answer, encode, errorAnswer, rateLimited } from './answer.ts'
import type { Fault } from './faults.ts'
import { nextFullSecond } from './limits.ts'
import type { ApiCall } from './request.ts'
import type { SendResult } from './task.ts'
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
  /** The lists of a successful getsendresult answer. */
  readonly sendResult?: unknown
}

/** The target of redirect faults. It counts the calls and answers like a success with a wrong result. */
export const REDIRECT_TARGET = '/_simulator/redirected'

const JSON_TYPE = 'application/json;charset=utf-8'
const BAN_PAGE = '{"status":1111,"wait":5,"source":"x5","punish":"deny"}'

/** The reply to a call, faults included. Undefined: the fault leaves the call without an answer, and the world never saw it. */
export function replyTo(world: World, call: ApiCall, fault: Fault | undefined, at: number): Reply | undefined {
  switch (fault?.kind) {
    case 'hang':
      return undefined
    case 'http-status':
      return page(fault.kind, fault.status, String(fault.status), fault.retryAfterSeconds)
    case 'html':
      return page(fault.kind, fault.status, '系统维护中')
    case 'ban':
      return { status: 200, headers: { 'content-type': JSON_TYPE }, body: BAN_PAGE, code: 'fault:ban' }
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
      world.tokens.expire(world.findIdentity(call).appKey, at, fault.match?.secret)
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

/** A metered error comes from behind the gateway, which a call that the gateway refuses (token, rate, quota) does not reach. */
function faultCode(world: World, call: ApiCall, fault: Extract<Fault, { kind: 'code' }>, at: number): Answer {
  const error = errorAnswer(fault, call, world.findIdentity(call).appKey)
  return fault.metered ? world.answerInstead(error, call, at) : error
}

/** The whole app is refused until the end that the message names, as after a real excess. */
function throttle(world: World, call: ApiCall, fault: Extract<Fault, { kind: 'throttle' }>, at: number): Answer {
  const until = nextFullSecond(at + fault.seconds * 1_000)
  const { appKey } = world.findIdentity(call)
  if (appKey !== undefined) world.limits.ban(appKey, until)
  return rateLimited(fault.code, until)
}

function page(kind: string, status: number, title: string, retryAfterSeconds?: number): Reply {
  const retryAfter = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }
  const body = `<!DOCTYPE html><html><head><title>${title}</title></head><body><h1>${title}</h1><hr>Tengine</body></html>`
  return { status, headers: { 'content-type': 'text/html;charset=utf-8', ...retryAfter }, body, code: `fault:${kind}` }
}

/** Changes a successful getsendresult answer as the fault says; every other answer passes unchanged. */
function distort(answer: Answer, fault: Fault | undefined): Answer {
  const result = answer.fields['send_result']
  if (fault === undefined || !isSendResult(result)) return answer
  const unreadAgain = [...result.unread_user_id_list, ...result.read_user_id_list]
  switch (fault.kind) {
    case 'empty':
      return withResult(answer, { null: null, object: {}, missing: undefined }[fault.sendResult])
    case 'wrong-types':
      return fault.as === 'errcode-text'
        ? { ...answer, fields: { ...answer.fields, errcode: '0' } }
        : withResult(answer, wrongTypes(result, fault.as))
    case 'read-then-unread':
      return withResult(answer, { ...result, read_user_id_list: [], unread_user_id_list: unreadAgain })
    case 'unlisted': {
      const keep = (ids: unknown[]) => ids.slice(Math.ceil(ids.length * fault.share))
      return withResult(answer, mapLists(result, keep, isOfIds))
    }
    case 'two-lists':
      return withResult(answer, { ...result, unread_user_id_list: unreadAgain })
    default:
      return answer
  }
}

function wrongTypes(result: SendResult, as: Exclude<Extract<Fault, { kind: 'wrong-types' }>['as'], 'errcode-text'>): unknown {
  switch (as) {
    case 'comma-joined':
      return mapLists(result, (ids) => ids.join(','), isOfIds)
    case 'null-lists':
      return mapLists(result, (list) => (list.length === 0 ? null : list))
    case 'code-number':
      return { ...result, forbidden_list: result.forbidden_list.map((entry) => ({ ...entry, code: Number(entry.code) })) }
    case 'result-text':
      return JSON.stringify(result)
    default:
      return as satisfies never
  }
}

function withResult(answer: Answer, sendResult: unknown): Answer {
  return { ...answer, fields: { ...answer.fields, send_result: sendResult } }
}

function mapLists(result: SendResult, change: (list: unknown[]) => unknown, isChanged = (_name: string) => true): Record<string, unknown> {
  const lists = Object.entries<unknown[]>({ ...result })
  return Object.fromEntries(lists.map(([name, list]) => [name, isChanged(name) ? change(list) : list]))
}

function isOfIds(name: string): boolean {
  return name.endsWith('_user_id_list')
}

function isSendResult(value: unknown): value is SendResult {
  return typeof value === 'object' && value !== null && 'read_user_id_list' in value
}
