/**
 * Every code that getsendresult and the gateway before it are known to answer, and what each means for us.
 * Source: the API page's table and DingTalk's global error codes.
 */
export type Verdict =
  | { readonly kind: 'ok' }
  /** The token was not accepted. The client fetches one and retries once; what reaches the plan is a configuration error. */
  | { readonly kind: 'token' }
  /** The app, the organisation or the API is over a rate limit: the whole app slows down, and no task is to blame. */
  | { readonly kind: 'throttled' }
  /** The organisation's monthly quota is used up. */
  | { readonly kind: 'quota' }
  /** Comes back by itself. After `quickRetries` failures in a row only the planned looks are made. */
  | { readonly kind: 'transient'; readonly quickRetries: number }
  /** Too many recipients, or a slow backend. */
  | { readonly kind: 'callTimeout' }
  /** The app as a whole cannot ask; somebody must fix what `remedy` says. */
  | { readonly kind: 'configuration'; readonly remedy: string }
  /** This one task cannot be asked for. */
  | { readonly kind: 'task'; readonly remedy: string }

const OK: Verdict = { kind: 'ok' }
const TOKEN: Verdict = { kind: 'token' }
const THROTTLED: Verdict = { kind: 'throttled' }
const QUOTA: Verdict = { kind: 'quota' }
const TRANSIENT: Verdict = { kind: 'transient', quickRetries: 6 }
/** "System busy". DingTalk asks for at most three quick retries. */
const BUSY: Verdict = { kind: 'transient', quickRetries: 3 }
/** An unknown code is retried: giving up wrongly loses data, retrying wrongly costs a call. */
const UNKNOWN: Verdict = { kind: 'transient', quickRetries: 3 }

/** Our own code: the name of a host leads into a private network. */
export const PRIVATE_ADDRESS_CODE = 'PRIVATE_ADDRESS'

const configuration = (remedy: string): Verdict => ({ kind: 'configuration', remedy })
const task = (remedy: string): Verdict => ({ kind: 'task', remedy })

const PERMISSION = configuration(
  'grant the app the permission qyapi_base (basic permission to call enterprise APIs) in the developer console',
)
const IP = configuration("add this server's outgoing IP address to the app's IP allow-list in the developer console")
const CREDENTIALS = configuration('check the app key and app secret (DINGTALK_APP_KEY, DINGTALK_APP_SECRET) against the developer console')
const AGENT = configuration('check the agent id (DINGTALK_AGENT_ID, or agentId of the task) against the app that sent the message')
const SUITE = configuration(
  'check the third-party app: suite key, suite secret, suite ticket, and that the organisation still authorises it',
)
const PATH = configuration('check DINGTALK_OAPI_URL and DINGTALK_REGION: this address does not serve getsendresult')
const TOKEN_REFUSED = configuration('DingTalk refused a fresh access token: check that app key, secret, region and hosts belong together')
const PRIVATE_ADDRESS = configuration(
  'nothing was sent: check the name server and DINGTALK_OAPI_URL, DINGTALK_API_URL; if it is a gateway of your own, set DINGTALK_PRIVATE_HOSTS to its name',
)
const PARAMETERS = task(
  'DingTalk refused the parameters: check that task id and agent id belong together and that the task was sent by this app',
)

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

const GROUPS: ReadonlyArray<readonly [Verdict, ReadonlyArray<number | string>]> = [
  [OK, [0]],
  [TOKEN, [40014, 42001, 40001, 33001]],
  [THROTTLED, [90018, 90019, 90002, 90001, ...range(90003, 90014), 90017, 45009]],
  [QUOTA, [90020, 'ApiCountLimitForOrg']],
  [BUSY, [-1]],
  [TRANSIENT, [500, 400001, 15, 50, 1430003, 143103, 143104, 143203, 143204]],
  [PERMISSION, [60011, 48002, 50003, 50002, 50004, 50005, 48003, 48004, '88/40000', 52019]],
  [IP, [60020]],
  [CREDENTIALS, [40096, 40013, 40089, 40056, 41001, 52010, 'invalidClientIdOrSecret']],
  [AGENT, [41011, ...range(70001, 70004)]],
  [SUITE, [...range(40078, 40088), 40090, ...range(41021, 41025), 41030, 42009, ...range(853001, 853004)]],
  [PATH, [...range(43001, 43009), 22, 404, 'HTTP_404']],
  [TOKEN_REFUSED, ['TOKEN_REFUSED']],
  [configuration('set DINGTALK_AGENT_ID (or "agentId" in DINGTALK_APPS_FILE), or give agentId when you track the task'), ['NO_AGENT_ID']],
  [configuration('add this app to DINGTALK_APPS_FILE of every worker, or track the task under an app that is there'), ['UNKNOWN_APP']],
  [PRIVATE_ADDRESS, [PRIVATE_ADDRESS_CODE]],
  [PARAMETERS, [40035, 400002, 33012, 40003, 40031, 60121, 40, 41, 40000, 40038, 47001, 44002, 1430000, 1430001, 1430002, 1430004]],
]

const VERDICTS: ReadonlyMap<string, Verdict> = new Map(
  GROUPS.flatMap(([verdict, codes]) => codes.map((code) => [String(code), verdict] as const)),
)

/** "Call timeout": which code carries it is not known, so the words decide. */
const CALL_TIMEOUT = /call timeout|调用超时/i

/**
 * What a failed or successful answer means.
 * @param code the effective code of the answer, see `readAnswer`
 */
export function verdictOf(code: string, message = ''): Verdict {
  if (code !== '0' && CALL_TIMEOUT.test(message)) return { kind: 'callTimeout' }
  const known = VERDICTS.get(code)
  if (known !== undefined) return known
  // Our own codes for a failed transport: HTTP_5xx, HTTP_429, TIMEOUT, NETWORK, NOT_JSON, TOO_LARGE, …
  return /^[A-Z][A-Z0-9_]*$/.test(code) ? TRANSIENT : UNKNOWN
}

/** The remedy for a token that was refused although it was fresh. */
export const TOKEN_REFUSED_CODE = 'TOKEN_REFUSED'

/** Rate-limit messages name the end of the penalty in China time: "… 限制将在 2026-09-03 00:01:03 结束." */
const PENALTY_END = /(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})\s*结束/

/** The end of the penalty that a rate-limit message names, or null. */
export function penaltyEndOf(message: string): Date | null {
  const match = PENALTY_END.exec(message)
  if (match === null) return null
  const end = new Date(`${match[1]}T${match[2]}+08:00`)
  return Number.isNaN(end.getTime()) ? null : end
}

/** The first moment of the next month in China time: the monthly quota starts anew. */
export function quotaResetAfter(now: Date): Date {
  const china = new Date(now.getTime() + CHINA_OFFSET_MS)
  return new Date(Date.UTC(china.getUTCFullYear(), china.getUTCMonth() + 1, 1) - CHINA_OFFSET_MS)
}

const CHINA_OFFSET_MS = 8 * 3_600_000

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

/** A word for a code in `forbidden_list`; `other` for one that the API page does not name. Source: the API page's table. */
export function forbiddenReasonOf(code: string | null): ForbiddenReason {
  return FORBIDDEN_REASONS.get(code ?? '') ?? 'other'
}
