/** What the simulated gateway says, before it becomes bytes. */
export interface Answer {
  readonly status: number
  /** The effective code, for the counters. */
  readonly code: string
  /** A bigint is written as exact digits, as DingTalk writes a task id. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Counted for the monthly quota. */
  readonly metered?: true
}

export function success(fields: Readonly<Record<string, unknown>>): Answer {
  return { status: 200, code: '0', fields: { errcode: 0, errmsg: 'ok', ...fields } }
}

/** An API's own error. `oapi` answers HTTP 200 even for errors. */
export function plainError(code: string, message: string): Answer {
  return { status: 200, code, fields: { errcode: numberIfDigits(code), errmsg: message } }
}

/** A gateway error (token, permission, IP, rate, quota): 88 around the code that matters. */
export function wrappedError(code: string, message: string): Answer {
  return {
    status: 200,
    code,
    fields: { errcode: 88, sub_code: code, sub_msg: message, errmsg: `ding talk error[subcode=${code},submsg=${message}]` },
  }
}

/** As `wrappedError`, where only the text carries the code. */
export function hiddenError(code: string, message: string): Answer {
  return { status: 200, code, fields: { errcode: 88, errmsg: `ding talk error[subcode=${code},submsg=${message}]` } }
}

/** An error of a service behind the gateway, as of its own timeout: `{"errcode":15,"sub_code":"isp.…"}`. */
export function subCodeError(code: string, subCode: string, message: string): Answer {
  const outer = code === '88' ? 'ding talk error' : 'Remote service error'
  const errmsg = `${outer}[subcode=${subCode},submsg=${message}]`
  return { status: 200, code: subCode, fields: { errcode: numberIfDigits(code), sub_code: subCode, sub_msg: message, errmsg } }
}

/** An error of the new API (`api.dingtalk.*`), which does use the HTTP status. */
export function newApiError(status: number, code: string, message: string): Answer {
  return { status, code, fields: { code, message } }
}

export function rateLimited(code: string, until: number): Answer {
  return wrappedError(code, `接口调用频率超过限制, 当前调用已被限流, 限制将在 ${chinaTime(until)} 结束.`)
}

/** JSON with exact digits for bigints, which `JSON.stringify` cannot write. Bigints are found at the top level only. */
export function encode(fields: Readonly<Record<string, unknown>>): string {
  const members = Object.entries(fields).filter(([, value]) => value !== undefined)
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${encodeValue(value)}`).join(',')}}`
}

/** `2026-09-03 00:01:03` at UTC+8, the only clock that DingTalk's messages know. */
function chinaTime(ms: number): string {
  return new Date(ms + CHINA_OFFSET_MS).toISOString().slice(0, 19).replace('T', ' ')
}

export const CHINA_OFFSET_MS = 8 * 60 * 60_000

function encodeValue(value: unknown): string {
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value)
}

function numberIfDigits(code: string): number | string {
  return /^-?\d{1,15}$/.test(code) ? Number(code) : code
}
