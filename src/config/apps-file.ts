import { z } from 'zod'
import { beginningOf } from '../core/show.ts'
import { hostsOf } from '../dingtalk/hosts.ts'
import { AGENT_ID, baseUrl, CALLS_PER_SECOND, MONTHLY_CALL_BUDGET, REGION, type Rule, SECRET } from './rules.ts'
import type { AppConfig, Config, Credentials } from './types.ts'
import { check, type Variables } from './variables.ts'

/** What an app takes from the environment where the file does not say it. */
export type AppDefaults = Pick<AppConfig, 'oapiUrl' | 'apiUrl' | 'callsPerSecond' | 'monthlyCallBudget'>

/** JSON numbers become text first, so that the file and the environment share one set of rules. */
const text = <T>(rule: Rule<T>) =>
  z.union([z.string(), z.number()], { error: 'must be a text' }).transform((value, context) => {
    const result = check(rule, String(value))
    if ('value' in result) return result.value
    context.addIssue(result.fault)
    return z.NEVER
  })

const NAME: Rule<string> = {
  accepted: '1 to 64 letters, digits, "_" or "-", beginning with a letter or digit',
  parse: (value) => (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(value) ? value : undefined),
}

const ENDPOINT: Rule<'new' | 'old'> = {
  accepted: '"new" (/v1.0/oauth2/accessToken) or "old" (/gettoken)',
  parse: (value) => (value === 'new' || value === 'old' ? value : undefined),
}

const secret = text(SECRET).optional()

const appSchema = (privateHosts: readonly string[]) =>
  z.strictObject({
    name: text(NAME),
    agentId: text(AGENT_ID).nullish(),
    region: text(REGION).optional(),
    oapiUrl: text(baseUrl(privateHosts)).optional(),
    apiUrl: text(baseUrl(privateHosts)).optional(),
    appKey: secret,
    appSecret: secret,
    tokenEndpoint: text(ENDPOINT).optional(),
    suiteKey: secret,
    suiteSecret: secret,
    authCorpId: secret,
    suiteTicket: secret,
    accessToken: secret,
    maxCallsPerSecond: text(CALLS_PER_SECOND).optional(),
    monthlyCallBudget: text(MONTHLY_CALL_BUDGET).nullish(),
  })

type AppEntry = z.infer<ReturnType<typeof appSchema>>

const FIELDS = Object.keys(appSchema([]).shape)

const fileSchema = (privateHosts: readonly string[]) =>
  z.strictObject({ apps: z.array(appSchema(privateHosts)).min(1, 'must have at least one app') })

/** The file, and what its base URLs may name. */
interface AppsFile extends Pick<Config, 'privateHosts'> {
  readonly path: string
  readonly files: (path: string) => string
}

/** The apps of DINGTALK_APPS_FILE. What is wrong goes to `variables`, each with its path in the file. */
export function readAppsFile({ path, files, privateHosts }: AppsFile, variables: Variables, defaults: AppDefaults): AppConfig[] {
  const fault = (message: string): void => variables.fault(`DINGTALK_APPS_FILE: ${message}`)
  const json = parseJson(path, files, fault)
  if (json === undefined) return []
  const parsed = fileSchema(privateHosts).safeParse(json)
  if (parsed.success) return parsed.data.apps.flatMap((entry, i) => appOf(entry, `apps[${i}]`, defaults, fault))
  for (const issue of parsed.error.issues) fault(`${pathOf(issue.path)} ${sentenceOf(issue)}`)
  return []
}

function parseJson(path: string, files: (path: string) => string, fault: (message: string) => void): unknown {
  let content: string
  try {
    content = files(path)
  } catch (error) {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
    fault(`${path} cannot be read (${typeof code === 'string' ? code : 'error'}). Give the path of a JSON file that this user may read.`)
    return undefined
  }
  try {
    return JSON.parse(content.replace(/^\uFEFF/, ''))
  } catch {
    // The parser's own message quotes the file, and there are secrets in it.
    fault(`${path} is not JSON. Accepted: {"apps":[{"name":"…","agentId":"…","appKey":"…","appSecret":"…"}]}.`)
    return undefined
  }
}

function appOf(entry: AppEntry, path: string, defaults: AppDefaults, fault: (message: string) => void): AppConfig[] {
  const credentials = credentialsOf(entry, path, fault)
  if (credentials === null) return []
  const hosts = entry.region === undefined ? defaults : hostsOf(entry.region)
  return [
    {
      name: entry.name,
      agentId: entry.agentId ?? null,
      oapiUrl: entry.oapiUrl ?? hosts.oapiUrl,
      apiUrl: entry.apiUrl ?? hosts.apiUrl,
      credentials,
      callsPerSecond: entry.maxCallsPerSecond ?? defaults.callsPerSecond,
      monthlyCallBudget: entry.monthlyCallBudget === undefined ? defaults.monthlyCallBudget : entry.monthlyCallBudget,
    },
  ]
}

const KINDS = [
  { kind: 'internal', fields: ['appKey', 'appSecret'] },
  { kind: 'thirdParty', fields: ['suiteKey', 'suiteSecret', 'authCorpId', 'suiteTicket'] },
  { kind: 'fixed', fields: ['accessToken'] },
] as const

/** Which of the three kinds an app is shows in the fields that are there. */
function credentialsOf(entry: AppEntry, path: string, fault: (message: string) => void): Credentials | null {
  const begun = KINDS.filter(({ fields }) => fields.some((field) => entry[field] !== undefined))
  const [kind] = begun
  if (kind === undefined || begun.length > 1) {
    fault(
      `${path} ${kind === undefined ? 'has no credentials' : 'has credentials of several kinds'}. Accepted: ${KINDS.map(({ fields }) => fields.join(' + ')).join(', or ')}.`,
    )
    return null
  }
  const missing = kind.fields.filter((field) => entry[field] === undefined)
  for (const field of missing) fault(`${path}.${field} is missing. ${kind.fields.join(', ')} belong together.`)
  return missing.length > 0 ? null : completeCredentials(entry, kind.kind)
}

function completeCredentials(entry: AppEntry, kind: Credentials['kind']): Credentials {
  const { appKey = '', appSecret = '', suiteKey = '', suiteSecret = '', authCorpId = '', suiteTicket = '', accessToken = '' } = entry
  switch (kind) {
    case 'internal':
      return { kind, appKey, appSecret, endpoint: entry.tokenEndpoint ?? 'new' }
    case 'thirdParty':
      return { kind, suiteKey, suiteSecret, authCorpId, suiteTicket }
    case 'fixed':
      return { kind, accessToken }
    default:
      return kind satisfies never
  }
}

/** `apps[2].appSecret`. */
function pathOf(path: readonly PropertyKey[]): string {
  return (
    path
      .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
      .join('')
      .replace(/^\./, '') || 'the file'
  )
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys')
    return `has unknown fields: ${beginningOf(issue.keys.join(', '), 200)}. Accepted: ${FIELDS.join(', ')}.`
  if (issue.code === 'invalid_type') return `must be ${issue.expected === 'array' ? 'a list' : `an ${issue.expected}`}.`
  return `${issue.message}${/[.!]$/.test(issue.message) ? '' : '.'}`
}
