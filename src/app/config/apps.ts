import { z } from 'zod'
import type { Credentials, DingTalkApp } from '../../dingtalk/app.ts'
import { hostsOf, type Region } from '../../dingtalk/hosts.ts'
import { fileFault, type ReadTextFile } from '../../lib/read-text-file.ts'
import { type BudgetDefaults, givenBudget, type OwnBudget, splitBudget } from './budgets.ts'
import { byPrivateHosts, describeFaults, exactObject, field, listOf, valueAt } from './fields.ts'
import { readSecretFile } from './given.ts'
import { CALLS_USED_ELSEWHERE, type CallsElsewhere } from './schedule-values.ts'
import {
  AGENT_ID,
  APP_NAME,
  baseUrl,
  CALLS_PER_SECOND,
  MONTHLY_CALL_BUDGET,
  REGION,
  SECRET,
  SECRET_PATH,
  TOKEN_ENDPOINT,
} from './values.ts'

/** An app whose tasks are tracked. */
export interface AppConfig extends DingTalkApp, OwnBudget {
  /** Over all workers together. */
  readonly callsPerSecond: number
}

/** The values of an app that gives none of its own. */
export interface AppDefaults extends Pick<AppConfig, Host | 'callsPerSecond'>, BudgetDefaults {
  /** The region that these hosts are of although it was not given; null: it was. */
  readonly assumedRegion: Region | null
  /** The hosts that are of that region because no others were given. */
  readonly assumedHosts: readonly Host[]
}

type Host = 'oapiUrl' | 'apiUrl'

/** The fields that an app has in the apps file and in a program alike. */
export function appFields(source: 'file' | 'program', privateHosts: readonly string[]) {
  return {
    agentId: field(AGENT_ID, source).nullish(),
    region: field(REGION, source).optional(),
    oapiUrl: field(baseUrl(privateHosts), source).optional(),
    apiUrl: field(baseUrl(privateHosts), source).optional(),
    monthlyCallBudget: field(MONTHLY_CALL_BUDGET, source).nullish(),
    callsUsedElsewhere: field(CALLS_USED_ELSEWHERE, source).nullish(),
  }
}

export interface AppEntry {
  readonly name: string
  readonly agentId?: string | null | undefined
  readonly region?: Region | undefined
  readonly oapiUrl?: string | undefined
  readonly apiUrl?: string | undefined
  readonly callsPerSecond?: number | undefined
  readonly monthlyCallBudget?: number | null | undefined
  readonly callsUsedElsewhere?: CallsElsewhere | null | undefined
  readonly credentials: Credentials
}

/** The app with its defaults. The region of the app goes before the default hosts. */
export function completeApp(entry: AppEntry, defaults: AppDefaults): AppConfig {
  const hosts = entry.region === undefined ? defaults : hostsOf(entry.region)
  const assumedRegion = findAssumedRegion(entry, defaults)
  return {
    name: entry.name,
    ...(assumedRegion !== null && { assumedRegion }),
    agentId: entry.agentId ?? null,
    oapiUrl: entry.oapiUrl ?? hosts.oapiUrl,
    apiUrl: entry.apiUrl ?? hosts.apiUrl,
    callsPerSecond: entry.callsPerSecond ?? defaults.callsPerSecond,
    ...splitBudget(givenBudget(entry, defaults)),
    credentials: entry.credentials,
  }
}

/** A host that no call goes to is of no region. */
function findAssumedRegion(entry: AppEntry, { assumedRegion, assumedHosts }: AppDefaults): Region | null {
  const { kind } = entry.credentials
  const isNewStyle = kind === 'thirdParty' || (kind === 'internal' && entry.credentials.endpoint === 'new')
  const used: readonly Host[] = isNewStyle ? ['oapiUrl', 'apiUrl'] : ['oapiUrl']
  const isAssumed = entry.region === undefined && used.some((host) => entry[host] === undefined && assumedHosts.includes(host))
  return isAssumed ? assumedRegion : null
}

/** A sentence for each name that several apps have. */
export function repeatedNames(names: readonly string[], because: (name: string) => string = () => ''): string[] {
  const repeated = new Set(names.filter((name, i) => names.indexOf(name) !== i))
  return Array.from(repeated, (name) => `the name "${name}" is there twice${because(name)}. Give each app a name of its own.`)
}

const secret = field(SECRET, 'file').optional()
const secretFile = field(SECRET_PATH, 'file').optional()

const fileSchema = byPrivateHosts((privateHosts) => {
  const app = exactObject({
    name: field(APP_NAME, 'file'),
    ...appFields('file', privateHosts),
    ...{ appKey: secret, appSecret: secret, suiteKey: secret, suiteSecret: secret },
    ...{ authCorpId: secret, suiteTicket: secret, accessToken: secret },
    // `readSecrets` has replaced those that are right.
    ...{ appKeyFile: secretFile, appSecretFile: secretFile, suiteKeyFile: secretFile, suiteSecretFile: secretFile },
    ...{ authCorpIdFile: secretFile, suiteTicketFile: secretFile, accessTokenFile: secretFile },
    tokenEndpoint: field(TOKEN_ENDPOINT, 'file').optional(),
    maxCallsPerSecond: field(CALLS_PER_SECOND, 'file').optional(),
  })
  return exactObject({ apps: listOf(app.transform(withCredentials), 'apps').min(1, 'must have at least one app') })
})

const KINDS = [
  { kind: 'internal', fields: ['appKey', 'appSecret'] },
  { kind: 'thirdParty', fields: ['suiteKey', 'suiteSecret', 'authCorpId', 'suiteTicket'] },
  { kind: 'fixed', fields: ['accessToken'] },
] as const

type SecretField = (typeof KINDS)[number]['fields'][number]
type SecretFields = { readonly [Field in SecretField]?: string | undefined }
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

/** The apps of DINGTALK_APPS_FILE, or what is wrong with it. */
export function readAppsFile(path: string, readFile: ReadTextFile, privateHosts: readonly string[]): AppsFile {
  const json = parseJson(path, readFile)
  if ('fault' in json) return { apps: [], faults: [json.fault] }
  const faults: string[] = []
  const { data, error } = fileSchema(privateHosts).safeParse(readSecrets(json.value, readFile, faults))
  return { apps: data?.apps ?? [], faults: [...faults, ...describeFaults(error, 'the file')] }
}

/** Replaces `appSecretFile` by `appSecret` with the one line of that file, and so on; adds to the faults where one cannot be read. */
function readSecrets(file: unknown, readFile: ReadTextFile, faults: string[]): unknown {
  const apps = valueAt(file, 'apps')
  if (!Array.isArray(apps)) return file
  const replace = (app: unknown, i: number): unknown => {
    if (typeof app !== 'object' || app === null || Array.isArray(app)) return app
    const entry: Record<string, unknown> = { ...app }
    for (const name of KINDS.flatMap(({ fields }): readonly SecretField[] => fields)) {
      const given = entry[`${name}File`]
      const path = typeof given === 'number' ? String(given) : given
      if (typeof path !== 'string' || path === '') continue
      const isTwice = entry[name] !== undefined
      const read = isTwice ? { fault: `is there beside ${name}. Give one of them.` } : readSecretFile(path, readFile)
      delete entry[`${name}File`]
      if ('fault' in read) faults.push(`apps[${i}].${name}File ${read.fault}`)
      // It is not missing where its file is at fault.
      if (!isTwice) entry[name] = 'fault' in read ? 'unreadable' : read.value
    }
    return entry
  }
  return { ...(typeof file === 'object' && file), apps: apps.map(replace) }
}

/** Ten thousand apps are two megabytes. */
const MAX_FILE_BYTES = 16_777_216

function parseJson(path: string, readFile: ReadTextFile): { readonly value: unknown } | { readonly fault: string } {
  let content: string
  try {
    content = readFile(path, MAX_FILE_BYTES)
  } catch (error) {
    return { fault: `${path} cannot be read (${fileFault(error)}). Give the path of a JSON file that this user may read.` }
  }
  try {
    return { value: JSON.parse(content.replace(/^\uFEFF/, '')) }
  } catch {
    // The parser's own message quotes the file, which holds secrets.
    return { fault: `${path} is not JSON. Accepted: {"apps":[{"name":"…","agentId":"…","appKey":"…","appSecret":"…"}]}.` }
  }
}
