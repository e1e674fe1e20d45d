import { z } from 'zod'
import type { Credentials, DingTalkApp } from '../../dingtalk/app.ts'
import { hostsOf } from '../../dingtalk/hosts.ts'
import { byPrivateHosts, describeFaults, exactObject, field, listOf } from './fields.ts'
import { AGENT_ID, APP_NAME, baseUrl, CALLS_PER_SECOND, MONTHLY_CALL_BUDGET, REGION, SECRET, TOKEN_ENDPOINT } from './values.ts'

/** An app whose tasks are tracked. */
export interface AppConfig extends DingTalkApp {
  /** Over all workers together. */
  readonly callsPerSecond: number
  readonly monthlyCallBudget: number | null
}

/** The values of an app that gives none of its own. */
export type AppDefaults = Pick<AppConfig, 'oapiUrl' | 'apiUrl' | 'callsPerSecond' | 'monthlyCallBudget'>

/** The fields that an app has in the apps file and in a program alike. */
export function appFields(source: 'file' | 'program', privateHosts: readonly string[]) {
  return {
    agentId: field(AGENT_ID, source).nullish(),
    region: field(REGION, source).optional(),
    oapiUrl: field(baseUrl(privateHosts), source).optional(),
    apiUrl: field(baseUrl(privateHosts), source).optional(),
    monthlyCallBudget: field(MONTHLY_CALL_BUDGET, source).nullish(),
  }
}

export interface AppEntry {
  readonly name: string
  readonly agentId?: string | null | undefined
  readonly region?: 'intl' | 'cn' | undefined
  readonly oapiUrl?: string | undefined
  readonly apiUrl?: string | undefined
  readonly callsPerSecond?: number | undefined
  readonly monthlyCallBudget?: number | null | undefined
  readonly credentials: Credentials
}

/** The app with its defaults. The region of the app goes before the default hosts. */
export function completeApp(entry: AppEntry, defaults: AppDefaults): AppConfig {
  const hosts = entry.region === undefined ? defaults : hostsOf(entry.region)
  return {
    name: entry.name,
    agentId: entry.agentId ?? null,
    oapiUrl: entry.oapiUrl ?? hosts.oapiUrl,
    apiUrl: entry.apiUrl ?? hosts.apiUrl,
    callsPerSecond: entry.callsPerSecond ?? defaults.callsPerSecond,
    monthlyCallBudget: entry.monthlyCallBudget === undefined ? defaults.monthlyCallBudget : entry.monthlyCallBudget,
    credentials: entry.credentials,
  }
}

/** A sentence for each name that several apps have. */
export function repeatedNames(names: readonly string[], because: (name: string) => string = () => ''): string[] {
  const repeated = new Set(names.filter((name, i) => names.indexOf(name) !== i))
  return Array.from(repeated, (name) => `the name "${name}" is there twice${because(name)}. Give each app a name of its own.`)
}

const secret = field(SECRET, 'file').optional()

const fileSchema = byPrivateHosts((privateHosts) => {
  const app = exactObject({
    name: field(APP_NAME, 'file'),
    ...appFields('file', privateHosts),
    appKey: secret,
    appSecret: secret,
    tokenEndpoint: field(TOKEN_ENDPOINT, 'file').optional(),
    suiteKey: secret,
    suiteSecret: secret,
    authCorpId: secret,
    suiteTicket: secret,
    accessToken: secret,
    maxCallsPerSecond: field(CALLS_PER_SECOND, 'file').optional(),
  })
  return exactObject({ apps: listOf(app.transform(withCredentials), 'apps').min(1, 'must have at least one app') })
})

const KINDS = [
  { kind: 'internal', fields: ['appKey', 'appSecret'] },
  { kind: 'thirdParty', fields: ['suiteKey', 'suiteSecret', 'authCorpId', 'suiteTicket'] },
  { kind: 'fixed', fields: ['accessToken'] },
] as const

type SecretFields = { readonly [Field in (typeof KINDS)[number]['fields'][number]]?: string | undefined }
interface FileEntry extends Omit<AppEntry, 'callsPerSecond' | 'credentials'>, SecretFields {
  readonly tokenEndpoint?: 'new' | 'old' | undefined
  readonly maxCallsPerSecond?: number | undefined
}

/** The fields that are there tell which kind of credentials an app has. */
function withCredentials(entry: FileEntry, context: z.RefinementCtx): AppEntry {
  const begun = KINDS.filter(({ fields }) => fields.some((name) => entry[name] !== undefined))
  const [kind] = begun
  if (kind === undefined || begun.length > 1) {
    const fault = kind === undefined ? 'has no credentials' : 'has credentials of several kinds'
    context.addIssue(`${fault}. Accepted: ${KINDS.map(({ fields }) => fields.join(' + ')).join(', or ')}.`)
    return z.NEVER
  }
  const missing = kind.fields.filter((name) => entry[name] === undefined)
  for (const name of missing)
    context.addIssue({ code: 'custom', path: [name], message: `is missing. ${kind.fields.join(', ')} belong together.` })
  return missing.length > 0 ? z.NEVER : { ...entry, callsPerSecond: entry.maxCallsPerSecond, credentials: credentialsIn(entry, kind.kind) }
}

function credentialsIn(entry: FileEntry, kind: (typeof KINDS)[number]['kind']): Credentials {
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

interface AppsFile {
  readonly apps: readonly AppEntry[]
  readonly faults: readonly string[]
}

/** The apps of DINGTALK_APPS_FILE, or what is wrong with it. @param files reads a file */
export function readAppsFile(path: string, files: (path: string) => string, privateHosts: readonly string[]): AppsFile {
  const json = parseJson(path, files)
  if ('fault' in json) return { apps: [], faults: [json.fault] }
  const { data, error } = fileSchema(privateHosts).safeParse(json.value)
  return { apps: data?.apps ?? [], faults: describeFaults(error, 'the file') }
}

function parseJson(path: string, files: (path: string) => string): { readonly value: unknown } | { readonly fault: string } {
  let content: string
  try {
    content = files(path)
  } catch (error) {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
    const reason = typeof code === 'string' ? code : 'error'
    return { fault: `${path} cannot be read (${reason}). Give the path of a JSON file that this user may read.` }
  }
  try {
    return { value: JSON.parse(content.replace(/^\uFEFF/, '')) }
  } catch {
    // The parser's own message quotes the file, which holds secrets.
    return { fault: `${path} is not JSON. Accepted: {"apps":[{"name":"…","agentId":"…","appKey":"…","appSecret":"…"}]}.` }
  }
}
