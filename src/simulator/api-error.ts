import { type Answer, hiddenError, newApiError, plainError, subCodeError, wrappedError } from './answer.ts'
import type { ApiCall } from './request.ts'

/** How an error is written: `oapi` has three forms for its codes; `new` is the form of the `/v1.0/` addresses. */
export const ERROR_FORMS = ['plain', 'wrapped', 'errmsg', 'new'] as const

export interface ApiError {
  readonly code: string
  /** The code that matters, inside an outer code other than 88. */
  readonly subCode?: string | undefined
  /** Default: DingTalk's own words for the code, where they are known. */
  readonly message?: string | undefined
  readonly form: (typeof ERROR_FORMS)[number]
  /** Default 200, in the form `new` 400. */
  readonly status?: number | undefined
}

/** An error in the style of the address that was called: on `/v1.0/` always as the new API writes and names it. */
export function errorAnswer(error: ApiError, call: ApiCall, appKey: string | undefined): Answer {
  const { code, subCode, form, status } = error
  const message = error.message ?? messageOf(subCode ?? code, call, appKey)
  if (form === 'new' || call.path.startsWith('/v1.0/')) return newApiError(status ?? 400, newCodeOf(subCode ?? code), message)
  const answer = subCode === undefined ? OF_OAPI[form](code, message) : subCodeError(code, subCode, message)
  return { ...answer, status: status ?? answer.status }
}

/** The names that the new API has for codes of the gateway. One fault on a whole worker or app says each in its own words. */
const NEW_CODES: ReadonlyMap<string, string> = new Map([
  ['22', 'InvalidAction.NotFound'],
  ['40014', 'InvalidAuthentication'],
  ['42001', 'InvalidAuthentication'],
  ['40096', 'invalidClientIdOrSecret'],
  ['60020', 'Forbidden.AccessDenied.IpNotInWhiteList'],
  ['90002', 'Forbidden.AccessDenied.QpsLimitForApi'],
  ['90018', 'Forbidden.AccessDenied.QpsLimitForAppkeyAndApi'],
  ['90020', 'Forbidden.AccessDenied.ApiCountLimitForOrg'],
])

function newCodeOf(code: string): string {
  return NEW_CODES.get(code) ?? code
}

const OF_OAPI = { plain: plainError, wrapped: wrappedError, errmsg: hiddenError } satisfies Record<
  Exclude<ApiError['form'], 'new'>,
  (code: string, message: string) => Answer
>

/** The words only matter to a reader; what a client may rely on is the code, and in the message of an IP refusal the address. */
const MESSAGES: ReadonlyMap<string, string> = new Map([
  ['15', '远程服务调用超时'],
  ['isp.top-remote-connection-timeout', '远程服务调用超时'],
  ['88', '不合法的access_token'],
  ['40000', '没有调用该接口的权限'],
  ['40014', '不合法的access_token'],
  ['40035', '不合法的参数'],
  ['40056', '不合法的agentid'],
  ['40096', '不合法的appKey或appSecret'],
  ['41011', '缺少agentid'],
  ['41020', '不合法的agentid, access_token不属于该应用'],
  ['42001', 'access_token已过期'],
  ['60011', '没有调用该接口的权限'],
  ['90020', '组织的API调用量已达到本月上限'],
  ['400002', '无效的参数: task_id'],
  ['invalidClientIdOrSecret', '无效的clientId或者clientSecret'],
  ['InvalidAuthentication', '不合法的access_token'],
  ['InvalidAction.NotFound', 'Specified api is not found, please check your url and method.'],
  ['Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', '应用调用该接口的QPS超过限制, 请稍后重试'],
  ['Forbidden.AccessDenied.QpsLimitForApi', '该接口的QPS超过限制, 请稍后重试'],
  ['Forbidden.AccessDenied.ApiCountLimitForOrg', '组织的API调用量已达到本月上限'],
])

/** Refusals of an address quote it: the operator reads there which one to allow. */
const ADDRESS_REFUSALS: ReadonlySet<string> = new Set(['60020', 'Forbidden.AccessDenied.IpNotInWhiteList'])

function messageOf(code: string, { source }: ApiCall, appKey: string | undefined): string {
  if (ADDRESS_REFUSALS.has(code)) return `访问ip不在白名单之中,request ip=${source.remoteAddress} appKey(${appKey ?? ''})`
  return MESSAGES.get(code) ?? 'simulated error'
}
