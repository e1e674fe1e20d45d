/**
 * What a failed poll means. Every known code of getsendresult and of the gateway before it has one problem, and every problem has the narrowest
 * scope that it can concern. A wider scope needs different tasks that agree, and any success inside the scope refutes it.
 * Source: the API page's table and DingTalk's global error codes.
 */

/** What a failed poll can concern, from narrow to wide. */
export const SCOPES = ['answer', 'task', 'pair', 'worker', 'app', 'dingtalk'] as const
export type Scope = (typeof SCOPES)[number]

export const PROBLEM_CODES = [
  'no_result',
  'unknown_code',
  'parameters',
  'call_timeout',
  'agent_id',
  'no_agent_id',
  'token_refused',
  'credentials',
  'third_party',
  'ip_not_allowed',
  'private_address',
  'proxy',
  'certificate',
  'unknown_app',
  'permission',
  'wrong_path',
  'rate_limit',
  'quota',
  'outage',
] as const
export type ProblemCode = (typeof PROBLEM_CODES)[number]

/** Why a tracked task, or a scope around it, cannot be polled now. Stored as `…_code` and `…_detail`; `messages.ts` has the texts. */
export interface Problem {
  readonly code: ProblemCode
  readonly detail: ProblemDetail
}

export interface ProblemDetail {
  /** The effective code of the answer: DingTalk's, or one of the tracker's such as `HTTP_502`, `TIMEOUT`, `NOT_JSON`. */
  readonly said: string
  readonly message: string
  readonly scope: Scope
  /** DingTalk's id of the request, for their support. */
  readonly requestId: string | null
  /** The agent id of the poll; null: there was none, or no call was made. */
  readonly agentId: string | null
  /** The address of the worker, where DingTalk's message names it. */
  readonly ip: string | null
  /** The region that was assumed, where the wrong one may be the cause. */
  readonly assumedRegion?: 'intl' | 'cn' | undefined
}

/** The outcome of a poll in `delivery_poll`: `observed` for a successful one, else a class of problems. */
export const OUTCOMES = ['observed', 'empty', 'throttled', 'quota', 'configuration', 'task', 'call_timeout', 'transient'] as const
export type PollOutcome = (typeof OUTCOMES)[number]

export interface ProblemRule {
  readonly scope: Scope
  readonly outcome: PollOutcome
  /** DingTalk counts the call for the monthly quota. It does not count calls that its own limits refuse. */
  readonly isCounted: boolean
  /** How many failed polls, of at least how many tasks, pause the pair or the app; null: the scope is never wider than the task or this worker. */
  readonly agreement: { readonly polls: number; readonly tasks: number } | null
  /** Minutes from a pause to its first probe, from that to the next, and so on; the last one repeats. For scopes that worked before. */
  readonly probeMinutes: readonly number[]
  /** The same for scopes in which no poll ever succeeded. */
  readonly firstProbeMinutes: readonly number[]
  /** Quick retries of the task, before its planned polls or its probes go on. */
  readonly quickRetries: number
  /** After the quick retries the task is polled as planned, or probed with growing pauses. */
  readonly followUp: 'planned' | 'probes'
}

/** 15 minutes, 1 hour, 4 hours: a fault that lasts for an hour needs a person to repair it. */
export const SLOW_PROBE_MINUTES = [15, 60, 240] as const
const WARM_PROBE_MINUTES = [1, 5, 15] as const
/** The first probe comes after a minute: the first two tasks may have a fault of their own, and the pause delays the tasks without one. */
export const COLD_PROBE_MINUTES = [1, ...SLOW_PROBE_MINUTES] as const
const NONE = { probeMinutes: [], firstProbeMinutes: [] } as const
const TWO_TASKS = { polls: 2, tasks: 2 } as const

const WORKER: ProblemRule = {
  ...{ scope: 'worker', outcome: 'configuration', isCounted: true, agreement: null, quickRetries: 0, followUp: 'probes' },
  ...{ probeMinutes: WARM_PROBE_MINUTES, firstProbeMinutes: WARM_PROBE_MINUTES },
}
const APP: ProblemRule = {
  ...{ scope: 'app', outcome: 'configuration', isCounted: true, agreement: TWO_TASKS, quickRetries: 0, followUp: 'probes' },
  ...{ probeMinutes: WARM_PROBE_MINUTES, firstProbeMinutes: COLD_PROBE_MINUTES },
}
const TASK: ProblemRule = { ...NONE, scope: 'task', outcome: 'task', isCounted: true, agreement: null, quickRetries: 0, followUp: 'probes' }

export const PROBLEM_RULES: Readonly<Record<ProblemCode, ProblemRule>> = {
  no_result: { ...TASK, scope: 'answer', outcome: 'empty', quickRetries: 6, followUp: 'planned' },
  /** Retried: giving up wrongly loses data, retrying wrongly costs a call. After the retries it is probed slowly. */
  unknown_code: { ...TASK, scope: 'answer', outcome: 'transient', quickRetries: 3 },
  parameters: { ...TASK, agreement: TWO_TASKS, firstProbeMinutes: COLD_PROBE_MINUTES },
  call_timeout: { ...TASK, outcome: 'call_timeout' },
  agent_id: { ...APP, scope: 'pair' },
  no_agent_id: { ...WORKER, scope: 'task' },
  token_refused: WORKER,
  credentials: WORKER,
  third_party: WORKER,
  ip_not_allowed: WORKER,
  private_address: WORKER,
  proxy: WORKER,
  certificate: WORKER,
  unknown_app: WORKER,
  permission: APP,
  wrong_path: APP,
  rate_limit: {
    ...APP,
    ...{ outcome: 'throttled', isCounted: false, agreement: { polls: 1, tasks: 1 } },
    ...{ probeMinutes: [1, 2, 5, 10], firstProbeMinutes: [1, 2, 5, 10] },
  },
  /** Quota can be bought: one probe an hour. The first comes after a minute, since one stray answer must not silence an app for an hour. */
  quota: {
    ...APP,
    ...{ outcome: 'quota', isCounted: false, agreement: { polls: 1, tasks: 1 } },
    ...{ probeMinutes: [1, 60], firstProbeMinutes: [1, 60] },
  },
  outage: {
    ...{
      scope: 'dingtalk',
      outcome: 'transient',
      isCounted: true,
      agreement: { polls: 5, tasks: 2 },
      quickRetries: 6,
      followUp: 'planned',
    },
    ...{ probeMinutes: [0.1, 0.25, 0.5, 1, 2, 5], firstProbeMinutes: [0.1, 0.25, 0.5, 1, 2, 5] },
  },
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

/** Own code: a fresh token was refused. */
export const TOKEN_REFUSED_CODE = 'TOKEN_REFUSED'
/** Own code: the host has an address in a private network. */
export const PRIVATE_ADDRESS_CODE = 'PRIVATE_ADDRESS'
/** Own codes: the company's proxy gave no connection, so nothing was sent. */
export const PROXY_CODES = {
  /** Also where it closes the connection, or says nothing. */
  unreachable: 'PROXY_UNREACHABLE',
  /** HTTP 407. */
  login: 'PROXY_LOGIN',
  /** Another status than 200 for CONNECT. */
  refused: 'PROXY_REFUSED',
  /** An https proxy with a certificate of an unknown authority. */
  unknownCa: 'PROXY_UNKNOWN_CA',
} as const
/** Own codes: the certificate of the host was refused, so nothing was sent. */
export const CERTIFICATE_CODES = { unknownCa: 'UNKNOWN_CA', invalid: 'INVALID_CERTIFICATE' } as const
/** Own code: neither the task nor the app has an agent id, so no call was made. */
export const NO_AGENT_ID_CODE = 'NO_AGENT_ID'
/** Own code: the worker's configuration has no app of this name, so no call was made. */
export const UNKNOWN_APP_CODE = 'UNKNOWN_APP'

/** The codes of each problem, as the table in docs/problems.md lists them. Any other code is `unknown_code`. */
export const CODES_BY_PROBLEM: Readonly<Record<ProblemCode, ReadonlyArray<number | string>>> = {
  no_result: [],
  unknown_code: [],
  parameters: [40035, 400002, 33012, 40003, 40031, 60121, 40, 41, 40000, 40038, 47001, 44002, 1430000, 1430001, 1430002, 1430004],
  call_timeout: [],
  agent_id: [41011, 41020, ...range(70001, 70004)],
  no_agent_id: [NO_AGENT_ID_CODE],
  token_refused: [TOKEN_REFUSED_CODE, 40014, 42001, 40001, 33001, 'HTTP_401', 'InvalidAuthentication'],
  credentials: [40096, 40013, 40089, 40056, 41001, 52010, 'invalidClientIdOrSecret'],
  third_party: [...range(40078, 40088), 40090, ...range(41021, 41025), 41030, 42009, ...range(853001, 853004)],
  ip_not_allowed: [60020, 'Forbidden.AccessDenied.IpNotInWhiteList'],
  private_address: [PRIVATE_ADDRESS_CODE],
  proxy: Object.values(PROXY_CODES),
  certificate: Object.values(CERTIFICATE_CODES),
  unknown_app: [UNKNOWN_APP_CODE],
  permission: [60011, ...range(48002, 48004), ...range(50002, 50005), 52019, '88/40000'],
  wrong_path: [22, 404, 'HTTP_404', ...range(43001, 43009), 'InvalidAction.NotFound'],
  rate_limit: [
    ...[90018, 90019, 90002, 90001, ...range(90003, 90014), 90017, 45009],
    ...['Forbidden.AccessDenied.QpsLimitForAppkeyAndApi', 'Forbidden.AccessDenied.QpsLimitForApi'],
  ],
  quota: [90020, 'Forbidden.AccessDenied.ApiCountLimitForOrg', 'ApiCountLimitForOrg'],
  outage: [15, -1, 1, 500, 400001, 50, 1430003, 143103, 143104, 143203, 143204],
}

const PROBLEMS: ReadonlyMap<string, ProblemCode> = new Map(
  PROBLEM_CODES.flatMap((problem) => CODES_BY_PROBLEM[problem].map((code) => [String(code), problem] as const)),
)

/**
 * "Call timeout" as the whole message, bare, wrapped by the gateway, or both. Its code is not documented, so the message decides: this is the
 * one place that reads DingTalk's prose. 远程服务调用超时 and "Remote service call timeout" are the gateway's own timeout.
 */
const CALL_TIMEOUT = /^(?:(?:call timeout|调用超时)[.。!！]?\s*)+$/iu
/** "ding talk error[subcode=15,submsg=Call timeout]" */
const WRAPPED_MESSAGE = /[^[\]]*\[[^[\]]*submsg=([^,[\]]*)[^[\]]*\]/g
/** Names of the gateway's own faults, as `sub_code` or in the message of code 15. Source: the error codes of the Taobao Open Platform. */
const GATEWAY_FAULT = /\bisp\./i
const AGENT_ID_MISSING = /agent_?id/i

/**
 * The problem behind a code, or null for success.
 * @param code the effective code of the answer, see `parseAnswer`
 */
export function toProblemCode(code: string, message = ''): ProblemCode | null {
  if (code === '0') return null
  if (GATEWAY_FAULT.test(code)) return 'outage'
  if (CALL_TIMEOUT.test(message.replaceAll(WRAPPED_MESSAGE, '$1 ').trim())) return 'call_timeout'
  if (code === '40' && AGENT_ID_MISSING.test(message)) return 'agent_id'
  const known = PROBLEMS.get(code)
  if (known !== undefined) return known
  return isOwnCode(code) ? 'outage' : 'unknown_code'
}

const UNSENT: ReadonlySet<string> = new Set([PRIVATE_ADDRESS_CODE, ...Object.values(PROXY_CODES), ...Object.values(CERTIFICATE_CODES)])

/** Codes of calls that ended before anything was sent to DingTalk: they are no calls. */
export function isUnsent(code: string): boolean {
  return UNSENT.has(code)
}

/** The tracker's own codes for calls without an answer of DingTalk: HTTP_5xx, HTTP_429, TIMEOUT, NETWORK, NOT_JSON, TOO_LARGE, NO_AGENT_ID, … */
export function isOwnCode(code: string): boolean {
  return /^[A-Z][A-Z0-9_]*$/.test(code)
}

/** What the hosts of the other region answer: there the app does not exist. */
const REGIONAL: ReadonlySet<ProblemCode> = new Set(['token_refused', 'credentials', 'third_party', 'wrong_path'])

/**
 * The problem that a failed poll shows.
 * @param answer its effective code and message; the code of success stands for an answer without lists
 * @param agentId that it was polled with
 */
export function toProblem(
  answer: {
    readonly code: string
    readonly message: string
    readonly requestId: string | null
    readonly assumedRegion?: ProblemDetail['assumedRegion']
  },
  agentId: string | null,
): Problem {
  const code = toProblemCode(answer.code, answer.message) ?? 'no_result'
  return {
    code,
    detail: {
      said: answer.code,
      message: answer.message,
      scope: PROBLEM_RULES[code].scope,
      requestId: answer.requestId,
      agentId,
      ip: ipIn(answer.message),
      ...(answer.assumedRegion !== undefined && REGIONAL.has(code) && { assumedRegion: answer.assumedRegion }),
    },
  }
}

/** "… request ip=203.0.113.7 …": the address to put on the allow-list. IPv6 counts too. */
const REQUEST_IP = /request ip\s*[=:]\s*([0-9a-f.:]{3,45})/i

function ipIn(message: string): string | null {
  return REQUEST_IP.exec(message)?.[1]?.replace(/[.:]+$/, '') ?? null
}

/** Rate-limit messages name the end of the penalty in China time: "… 限制将在 2026-09-03 00:01:03 结束." */
const PENALTY_END = /(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})\s*结束/

/** The end of the penalty that a rate-limit message names, or null. */
export function parsePenaltyEnd(message: string): Date | null {
  const match = PENALTY_END.exec(message)
  if (match === null) return null
  const end = new Date(`${match[1]}T${match[2]}+08:00`)
  return Number.isNaN(end.getTime()) ? null : end
}

/** Both QPS limits of the new gateway last one second. */
export function isQpsLimit(code: string): boolean {
  return code.startsWith('Forbidden.AccessDenied.QpsLimit')
}

export type ForbiddenReason = 'daily_limit' | 'duplicate_content' | 'app_rate_limit' | 'organisation_rate_limit' | 'other'

const FORBIDDEN_REASONS = new Map<string, ForbiddenReason>([
  ['143105', 'daily_limit'],
  ['143205', 'daily_limit'],
  ['143106', 'duplicate_content'],
  ['143206', 'duplicate_content'],
  ['143103', 'app_rate_limit'],
  ['143203', 'app_rate_limit'],
  ['143104', 'organisation_rate_limit'],
  ['143204', 'organisation_rate_limit'],
])

/** The reason for a code in `forbidden_list`; `other` for one that the API page does not have. Source: the API page's table. */
export function forbiddenReasonOf(code: string | null): ForbiddenReason {
  return FORBIDDEN_REASONS.get(code ?? '') ?? 'other'
}
