import { hostsOf } from '../../dingtalk/hosts.ts'
import { showAddress } from '../../lib/redact.ts'
import type { GivenRedis } from '../../queue/given-redis.ts'
import { type AppConfig, type AppEntry, completeApp, readAppsFile, repeatedNames } from './apps.ts'
import { invalidConfig, retentionFaults, rightOrUndefined } from './fields.ts'
import { type Settings, VARIABLES, variableName, variablesSchema } from './variables.ts'

export type { AppConfig } from './apps.ts'
export { VARIABLES } from './variables.ts'

/** The configuration: what `VARIABLES` names, and what several of them make together. */
export interface Config
  extends Omit<Settings, 'queueUrl' | 'queueName' | 'queuePrefix' | 'maxCallsPerSecond' | Extract<keyof Settings, `dingtalk${string}`>> {
  /** Null: neither QUEUE_URL nor DATABASE_URL is set. */
  readonly queue: QueueConfig | null
  readonly apps: readonly AppConfig[]
  /** Names and addresses in private networks, in lower case, that base URLs of apps may lead to. */
  readonly privateHosts: readonly string[]
}

export interface QueueConfig {
  readonly url: string
  readonly backend: 'redis' | 'postgres'
  readonly name: string
  readonly prefix: string
  /** Instead of the URL; a program's own client of Redis. */
  readonly given?: GivenRedis | undefined
}

type Environment = Readonly<Record<string, string | undefined>>
/** The variables that are set, by their property in {@link Settings}. */
type Given = Readonly<Record<string, string | undefined>>

/**
 * Reads the configuration from the environment.
 * @param files reads the file that DINGTALK_APPS_FILE names
 * @throws {TrackerError} `INVALID_CONFIG` with a line for each wrong variable: what was given and what is accepted, never a secret
 */
export function parseConfig(env: Environment, files: (path: string) => string = noFiles): Config {
  // An empty value is how docker-compose and CI systems spell "not set".
  const given: Given = Object.fromEntries(VARIABLES.map(({ name, key }) => [key, env[name]?.trim() || undefined]))
  const privateHosts = rightOrUndefined(variablesSchema([]).shape.dingtalkPrivateHosts, given['dingtalkPrivateHosts']) ?? []
  const schema = variablesSchema(privateHosts)
  const { data: settings, error } = schema.safeParse(given)
  const path = rightOrUndefined(schema.shape.dingtalkAppsFile, given['dingtalkAppsFile']) ?? null
  const file = path === null ? { apps: [], faults: [] } : readAppsFile(path, files, privateHosts)
  const faults = [
    ...(error?.issues ?? []).map((issue) => `${variableName(String(issue.path[0]))}: ${issue.message}`),
    ...credentialFaults(given),
    ...[...file.faults, ...repeatedAppNames(given, file.apps)].map((fault) => `DINGTALK_APPS_FILE: ${fault}`),
    ...retentionFaults(
      { name: 'RETAIN_DETAILS_DAYS', days: rightOrUndefined(schema.shape.retainDetailsDays, given['retainDetailsDays']) },
      { name: 'RETAIN_TOTALS_DAYS', days: rightOrUndefined(schema.shape.retainTotalsDays, given['retainTotalsDays']) },
    ),
  ]
  if (settings === undefined || faults.length > 0)
    throw invalidConfig(`${faults.length === 1 ? 'One variable is' : `${faults.length} things are`} wrong in the environment`, faults)
  return completeConfig(settings, file.apps)
}

function noFiles(path: string): string {
  throw new Error(`no reader was given for ${path}`)
}

function credentialFaults({ dingtalkAppKey: key, dingtalkAppSecret: secret, dingtalkAccessToken: token }: Given): string[] {
  const faults: string[] = []
  if (token !== undefined && (key ?? secret) !== undefined)
    faults.push('DINGTALK_ACCESS_TOKEN is set beside DINGTALK_APP_KEY or DINGTALK_APP_SECRET. Give the fixed token, or key and secret.')
  if ((key === undefined) !== (secret === undefined))
    faults.push(`DINGTALK_APP_${key === undefined ? 'KEY' : 'SECRET'} is missing: key and secret belong together.`)
  return faults
}

const DEFAULT_APP = 'default'

function repeatedAppNames({ dingtalkAppKey, dingtalkAccessToken }: Given, apps: readonly AppEntry[]): string[] {
  const hasDefault = (dingtalkAppKey ?? dingtalkAccessToken) !== undefined
  return repeatedNames([...(hasDefault ? [DEFAULT_APP] : []), ...apps.map(({ name }) => name)], (name) =>
    name === DEFAULT_APP ? ` (DINGTALK_APP_KEY or DINGTALK_ACCESS_TOKEN make the app named "${DEFAULT_APP}")` : '',
  )
}

function completeConfig(settings: Settings, entries: readonly AppEntry[]): Config {
  const { queueUrl, queueName, queuePrefix, maxCallsPerSecond: callsPerSecond, dingtalkAppsFile, ...rest } = settings
  const { dingtalkRegion, dingtalkOapiUrl, dingtalkApiUrl, dingtalkPrivateHosts, ...others } = rest
  const { dingtalkAppKey: appKey, dingtalkAppSecret: appSecret, dingtalkAgentId, dingtalkAccessToken: accessToken, ...plain } = others
  const hosts = hostsOf(dingtalkRegion)
  const defaults = {
    ...{ oapiUrl: dingtalkOapiUrl ?? hosts.oapiUrl, apiUrl: dingtalkApiUrl ?? hosts.apiUrl, callsPerSecond },
    monthlyCallBudget: plain.monthlyCallBudget,
  }
  const app = { name: DEFAULT_APP, agentId: dingtalkAgentId }
  const apps: AppEntry[] = [...entries]
  if (appKey !== null && appSecret !== null) apps.unshift({ ...app, credentials: { kind: 'internal', appKey, appSecret, endpoint: 'new' } })
  else if (accessToken !== null) apps.unshift({ ...app, credentials: { kind: 'fixed', accessToken } })
  const url = queueUrl ?? plain.databaseUrl
  return {
    ...plain,
    privateHosts: dingtalkPrivateHosts,
    queue: url === null ? null : queueConfig(url, queueName, queuePrefix),
    apps: apps.map((entry) => completeApp(entry, defaults)),
  }
}

export function queueConfig(url: string, name: string, prefix: string): QueueConfig {
  return { url, backend: url.startsWith('redis') ? 'redis' : 'postgres', name, prefix }
}

/** The configuration as the log shows it: addresses without user info and query, no keys, no tokens. */
export function describeConfig(config: Config): Record<string, unknown> {
  const { databaseUrl, queue, apps, apiToken, ...plain } = config
  return {
    ...plain,
    database: databaseUrl === null ? 'embedded' : showAddress(databaseUrl),
    queue: queue === null ? 'embedded' : { url: showAddress(queue.url), backend: queue.backend, name: queue.name, prefix: queue.prefix },
    apps: apps.map(({ credentials, ...app }) => ({ ...app, credentials: credentials.kind })),
    apiProtected: apiToken !== null,
  }
}
