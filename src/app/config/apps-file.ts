import type { z } from 'zod'
import { type AppDefaults, appFields, completeApp, exactly, faultsOf, IN_FILE, listOf } from './app-schema.ts'
import { APP_NAME, CALLS_PER_SECOND, SECRET, TOKEN_ENDPOINT } from './rules.ts'
import type { AppConfig, Config, Credentials } from './types.ts'
import type { Variables } from './variables.ts'

const secret = IN_FILE.text(SECRET).optional()

const appSchema = (privateHosts: readonly string[]) =>
  exactly({
    name: IN_FILE.text(APP_NAME),
    ...appFields(IN_FILE, privateHosts),
    appKey: secret,
    appSecret: secret,
    tokenEndpoint: IN_FILE.text(TOKEN_ENDPOINT).optional(),
    suiteKey: secret,
    suiteSecret: secret,
    authCorpId: secret,
    suiteTicket: secret,
    accessToken: secret,
    maxCallsPerSecond: IN_FILE.number(CALLS_PER_SECOND).optional(),
  })

type FileEntry = z.infer<ReturnType<typeof appSchema>>

const fileSchema = (privateHosts: readonly string[]) =>
  exactly({ apps: listOf(appSchema(privateHosts), 'apps').min(1, 'must have at least one app') })

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
  for (const sentence of faultsOf(parsed.error, 'the file')) fault(sentence)
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

function appOf(entry: FileEntry, path: string, defaults: AppDefaults, fault: (message: string) => void): AppConfig[] {
  const credentials = credentialsOf(entry, path, fault)
  return credentials === null ? [] : [{ ...completeApp({ ...entry, callsPerSecond: entry.maxCallsPerSecond }, defaults), credentials }]
}

const KINDS = [
  { kind: 'internal', fields: ['appKey', 'appSecret'] },
  { kind: 'thirdParty', fields: ['suiteKey', 'suiteSecret', 'authCorpId', 'suiteTicket'] },
  { kind: 'fixed', fields: ['accessToken'] },
] as const

/** Which of the three kinds an app is shows in the fields that are there. */
function credentialsOf(entry: FileEntry, path: string, fault: (message: string) => void): Credentials | null {
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

function completeCredentials(entry: FileEntry, kind: Credentials['kind']): Credentials {
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
