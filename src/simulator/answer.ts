import { type ApiCall, type ContactEndpoint, isContactEndpoint } from './request.ts'

/** An answer of the simulated gateway, before it is written as bytes. */
export interface Answer {
  readonly status: number
  /** The effective code, for the counters. */
  readonly code: string
  /** A bigint is written as exact digits, as DingTalk writes a task id. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Counted for the monthly quota. */
  readonly metered?: true
}

/** How an error is written: `oapi` has three forms for its codes; `new` is the form of the `/v1.0/` addresses. */
export const ERROR_FORMS = ['plain', 'wrapped', 'errmsg', 'new'] as const

export interface ApiError {
  readonly code: string
  /** The effective code, inside an outer code other than 88. */
  readonly subCode?: string | undefined
  /** Default: DingTalk's text for the code, where it is known. */
  readonly message?: string | undefined
  readonly form: (typeof ERROR_FORMS)[number]
  /** Default 200, in the form `new` 400. */
  readonly status?: number | undefined
}

/** DingTalk's texts. A client may rely on the code only, and on the address in the message of an IP refusal. */
const MESSAGES: ReadonlyMap<string, string> = new Map([
  ['15', '远程服务调用超时'],
  ['isp.top-remote-connection-timeout', '远程服务调用超时'],
  ['88', '不合法的access_token'],
  ['40000', '没有调用该接口的权限'],
  ['40014', '不合法的access_token'],
  ['40035', '不合法的参数'],
  ['40056', '不合法的agentid'],
  ['40096', '不合法的appKey或appSecret'],
  ['41001', '缺少access_token参数'],
  ['41011', '缺少agentid'],
  ['41020', '不合法的agentid, access_token不属于该应用'],
  ['42001', 'access_token已过期'],
  ['43001', '需要GET请求'],
  ['43002', '需要POST请求'],
  ['47001', '解析JSON内容错误'],
  ['50004', '请求的部门id不在授权范围内'],
  ['60003', '部门不存在'],
  ['60011', '没有调用该接口的权限'],
  ['90020', '组织的API调用量已达到本月上限'],
  ['400002', '无效的参数: task_id'],
  ['1430000', 'The recipient is empty.'],
  ['invalidClientIdOrSecret', '无效的clientId或者clientSecret'],
  ['InvalidAuthentication', '不合法的access_token'],
  ['InvalidAction.NotFound', 'Specified api is not found, please check your url and method.'],
  ['Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', '应用调用该接口的QPS超过限制, 请稍后重试'],
  ['Forbidden.AccessDenied.QpsLimitForApi', '该接口的QPS超过限制, 请稍后重试'],
  ['Forbidden.AccessDenied.ApiCountLimitForOrg', '组织的API调用量已达到本月上限'],
])

/** The names that the new API has for codes of the gateway, so that a fault on a whole app is written in both styles. */
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

/** These refusals quote the client's address, which the operator has to allow. */
const ADDRESS_REFUSALS: ReadonlySet<string> = new Set(['60020', 'Forbidden.AccessDenied.IpNotInWhiteList'])

export function success(fields: Readonly<Record<string, unknown>>): Answer {
  return { status: 200, code: '0', fields: { errcode: 0, errmsg: 'ok', ...fields } }
}

/** An API's own error. `oapi` answers HTTP 200 also for errors. */
export function plainError(code: string, message = messageOf(code)): Answer {
  return { status: 200, code, fields: { errcode: numberIfDigits(code), errmsg: message } }
}

/** A gateway error (token, permission, IP, rate, quota): the effective code inside 88. */
export function wrappedError(code: string, message = messageOf(code)): Answer {
  return subCodeError('88', code, message)
}

/** An error of a service behind the gateway, such as its timeout: `{"errcode":15,"sub_code":"isp.…"}`. */
function subCodeError(code: string, subCode: string, message: string): Answer {
  const outer = code === '88' ? 'ding talk error' : 'Remote service error'
  const errmsg = `${outer}[subcode=${subCode},submsg=${message}]`
  return { status: 200, code: subCode, fields: { errcode: numberIfDigits(code), sub_code: subCode, sub_msg: message, errmsg } }
}

/** As `wrappedError`, with the code in the text only. */
function hiddenError(code: string, message: string): Answer {
  return { status: 200, code, fields: { errcode: 88, errmsg: `ding talk error[subcode=${code},submsg=${message}]` } }
}

/** An error of the new API (`api.dingtalk.*`), which does use the HTTP status. */
export function newApiError(status: number, code: string, message = messageOf(code)): Answer {
  return { status, code, fields: { code, message } }
}

export function rateLimited(code: string, until: number): Answer {
  return wrappedError(code, `接口调用频率超过限制, 当前调用已被限流, 限制将在 ${chinaTime(until)} 结束.`)
}

const OAPI_FORMS = { plain: plainError, wrapped: wrappedError, errmsg: hiddenError } satisfies Record<
  Exclude<ApiError['form'], 'new'>,
  (code: string, message: string) => Answer
>

/** An error in the style of the address that was called: on `/v1.0/` always with the form and the name of the new API. */
export function errorAnswer({ code, subCode, form, status, message }: ApiError, call: ApiCall, appKey: string | undefined): Answer {
  const effective = subCode ?? code
  const known = knownMessage(effective, call, appKey)
  const text = message ?? known
  if (form === 'new' || call.path.startsWith('/v1.0/')) return newApiError(status ?? 400, NEW_CODES.get(effective) ?? effective, text)
  const answer = subCode === undefined ? OAPI_FORMS[form](code, text) : subCodeError(code, subCode, text)
  return { ...answer, status: status ?? answer.status }
}

function knownMessage(code: string, { source, endpoint }: ApiCall, appKey: string | undefined): string {
  if (ADDRESS_REFUSALS.has(code)) return addressRefusal(source.remoteAddress, appKey)
  return code === '60011' && isContactEndpoint(endpoint) ? permissionRefusal(endpoint, appKey) : messageOf(code)
}

/** What DingTalk says of an app without a permission of the contact API: it names it. Source: answers of the real gateway that other programs quote. */
function permissionRefusal(endpoint: ContactEndpoint, appKey = ''): string {
  const scope = PERMISSIONS[endpoint]
  const url = `https://open-dev.dingtalk.com/appscope/apply?content=${appKey}%23${scope}`
  return `应用尚未开通所需的权限：[${scope}]，点击链接申请并开通即可：${url}`
}

/** Source: DingTalk's page of each address. */
const PERMISSIONS = {
  'department/listsub': 'qyapi_get_department_list',
  'department/get': 'qyapi_get_department_list',
  'user/list': 'qyapi_get_department_member',
  'user/listsimple': 'qyapi_get_department_member',
} as const satisfies Record<ContactEndpoint, string>

function messageOf(code: string): string {
  return MESSAGES.get(code) ?? 'simulated error'
}

function addressRefusal(address: string, appKey = ''): string {
  return `访问ip不在白名单之中,request ip=${address} appKey(${appKey})`
}

/** JSON with exact digits for bigints, which `JSON.stringify` cannot write. Bigints are found at the top level only. */
export function encode(fields: Readonly<Record<string, unknown>>): string {
  const members = Object.entries(fields).filter(([, value]) => value !== undefined)
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${encodeValue(value)}`).join(',')}}`
}

function encodeValue(value: unknown): string {
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value)
}

export const CHINA_OFFSET_MS = 8 * 60 * 60_000

/** `2026-09-03 00:01:03` at UTC+8, as in all of DingTalk's messages. */
function chinaTime(ms: number): string {
  return new Date(ms + CHINA_OFFSET_MS).toISOString().slice(0, 19).replace('T', ' ')
}

function numberIfDigits(code: string): number | string {
  return /^-?\d{1,15}$/.test(code) ? Number(code) : code
}
