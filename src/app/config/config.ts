import { hostsOf } from '../../dingtalk/hosts.ts'
import { type Proxies, showProxy } from '../../dingtalk/proxy.ts'
import { schemaFaults, withSchema } from '../../lib/database-schema.ts'
import { FileError, type ReadTextFile } from '../../lib/read-text-file.ts'
import { showAddress } from '../../lib/redact.ts'
import type { GivenRedis } from '../../queue/given-redis.ts'
import { type AppConfig, type AppDefaults, type AppEntry, completeApp, readAppsFile, repeatedNames } from './apps.ts'
import { invalidConfig, retentionFaults, rightOrUndefined } from './fields.ts'
import { describeSource, type Environment, type Given, readGiven, type Values } from './given.ts'
import { type Settings, VARIABLES, variablesSchema } from './variables.ts'

export type { AppConfig } from './apps.ts'
export { VARIABLES } from './variables.ts'

/** The configuration: what `VARIABLES` names, and what several of them make together. */
export interface Config
  extends Omit<
    Settings,
    | 'databaseSchema'
    | 'queueUrl'
    | 'queueName'
    | 'queuePrefix'
    | 'queueSchema'
    | 'queueConnections'
    | 'maxCallsPerSecond'
    | Extract<keyof Settings, `dingtalk${string}` | `${string}Proxy`>
  > {
  /** Null: neither QUEUE_URL nor DATABASE_URL is set. */
  readonly queue: QueueConfig | null
  readonly apps: readonly AppConfig[]
  /** Names and addresses in private networks, in lower case, that base URLs of apps may lead to. */
  readonly privateHosts: readonly string[]
  /** Outgoing proxies for calls to DingTalk; left out where none is set. */
  readonly proxies?: Proxies
  /** The files that secrets came from, by variable; left out where none did. */
  readonly secretFiles?: Readonly<Record<string, string>>
}

export interface QueueConfig {
  readonly url: string
  readonly backend: 'redis' | 'postgres'
  readonly name: string
  readonly prefix: string
  readonly schema: string
  /** To a queue in PostgreSQL. Null: the default. */
  readonly connections: number | null
  /** Instead of the URL; a program's own client of Redis. */
  readonly given?: GivenRedis | undefined
}

/**
 * Reads the configuration from the environment.
 * @param readFile reads the files that DINGTALK_APPS_FILE and the variables of secrets name
 * @throws {TrackerError} `INVALID_CONFIG` with a line for each wrong variable: what was given and what is accepted, never a secret
 */
export function parseConfig(env: Environment, readFile: ReadTextFile = noFiles): Config {
  const given = readGiven(env, readFile)
  const { values } = given
  const privateHosts = rightOrUndefined(variablesSchema([]).shape.dingtalkPrivateHosts, values['dingtalkPrivateHosts']) ?? []
  const schema = variablesSchema(privateHosts)
  const { data: settings, error } = schema.safeParse(values)
  const path = rightOrUndefined(schema.shape.dingtalkAppsFile, values['dingtalkAppsFile']) ?? null
  const file = path === null ? { apps: [], faults: [] } : readAppsFile(path, readFile, privateHosts)
  const faults = [
    ...given.faults,
    ...(error?.issues ?? []).map((issue) => `${describeSource(given, String(issue.path[0]))} ${issue.message}`),
    ...databaseFaults(schema, values),
    ...credentialFaults(given),
    ...[...file.faults, ...repeatedAppNames(values, file.apps)].map((fault) => `DINGTALK_APPS_FILE: ${fault}`),
    ...retentionFaults(
      { name: 'RETAIN_DETAILS_DAYS', days: rightOrUndefined(schema.shape.retainDetailsDays, values['retainDetailsDays']) },
      { name: 'RETAIN_TOTALS_DAYS', days: rightOrUndefined(schema.shape.retainTotalsDays, values['retainTotalsDays']) },
    ),
    ...proxyFaults(values),
  ]
  if (settings === undefined || faults.length > 0)
    throw invalidConfig(`${faults.length === 1 ? 'One variable is' : `${faults.length} things are`} wrong in the environment`, faults)
  return { ...completeConfig(settings, file.apps, values['dingtalkRegion'] === undefined), ...describeSecretFiles(given) }
}

function describeSecretFiles({ files }: Given): Pick<Config, 'secretFiles'> {
  const named = VARIABLES.flatMap(({ name, key }) => (files[key] === undefined ? [] : [[name, files[key]] as const]))
  return named.length === 0 ? {} : { secretFiles: Object.fromEntries(named) }
}

function noFiles(): never {
  throw new FileError('NOT_A_FILE')
}

function credentialFaults({ values, unreadable }: Given): string[] {
  const has = (key: keyof Settings): boolean => values[key] !== undefined || unreadable.has(key)
  const [hasKey, hasSecret] = [has('dingtalkAppKey'), has('dingtalkAppSecret')]
  const faults: string[] = []
  if (has('dingtalkAccessToken') && (hasKey || hasSecret))
    faults.push('DINGTALK_ACCESS_TOKEN is set beside DINGTALK_APP_KEY or DINGTALK_APP_SECRET. Give the fixed token, or key and secret.')
  if (hasKey !== hasSecret) faults.push(`DINGTALK_APP_${hasKey ? 'SECRET' : 'KEY'} is missing: key and secret belong together.`)
  return faults
}

const SCHEMA_NAMES = { url: 'DATABASE_URL', schema: 'DATABASE_SCHEMA', queueSchema: 'QUEUE_SCHEMA' }

function databaseFaults({ shape }: ReturnType<typeof variablesSchema>, values: Values): string[] {
  return schemaFaults(SCHEMA_NAMES, {
    url: rightOrUndefined(shape.databaseUrl, values['databaseUrl']) ?? undefined,
    schema: rightOrUndefined(shape.databaseSchema, values['databaseSchema']) ?? undefined,
    queueSchema: rightOrUndefined(shape.queueSchema, values['queueSchema']),
  })
}

/** Without a proxy that is trusted, every program that reaches the port could send the header. */
function proxyFaults({ authHeader, trustedProxies }: Values): string[] {
  if (authHeader === undefined || trustedProxies !== undefined) return []
  return ['AUTH_HEADER is set without TRUSTED_PROXIES, so the header of no peer counts. Give the address of the proxy that signs users in.']
}

const DEFAULT_APP = 'default'

function repeatedAppNames({ dingtalkAppKey, dingtalkAccessToken }: Values, apps: readonly AppEntry[]): string[] {
  const hasDefault = (dingtalkAppKey ?? dingtalkAccessToken) !== undefined
  return repeatedNames([...(hasDefault ? [DEFAULT_APP] : []), ...apps.map(({ name }) => name)], (name) =>
    name === DEFAULT_APP ? ` (DINGTALK_APP_KEY or DINGTALK_ACCESS_TOKEN make the app named "${DEFAULT_APP}")` : '',
  )
}

function completeConfig(settings: Settings, entries: readonly AppEntry[], isRegionAssumed: boolean): Config {
  const {
    databaseSchema,
    queueUrl,
    queueName,
    queuePrefix,
    queueSchema,
    queueConnections,
    maxCallsPerSecond: callsPerSecond,
    dingtalkAppsFile,
    ...rest
  } = settings
  const { dingtalkRegion, dingtalkOapiUrl, dingtalkApiUrl, dingtalkPrivateHosts, ...others } = rest
  const { dingtalkAppKey: appKey, dingtalkAppSecret: appSecret, dingtalkAgentId, dingtalkAccessToken: accessToken, ...remaining } = others
  const { httpsProxy, httpProxy, noProxy, ...plain } = remaining
  const hosts = hostsOf(dingtalkRegion)
  const defaults: AppDefaults = {
    assumedRegion: isRegionAssumed ? dingtalkRegion : null,
    assumedHosts: [...(dingtalkOapiUrl === null ? (['oapiUrl'] as const) : []), ...(dingtalkApiUrl === null ? (['apiUrl'] as const) : [])],
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
    databaseUrl: plain.databaseUrl === null ? null : withSchema(SCHEMA_NAMES, plain.databaseUrl, databaseSchema ?? undefined),
    privateHosts: dingtalkPrivateHosts,
    ...proxyConfig({ https: httpsProxy, http: httpProxy, no: noProxy }),
    queue:
      url === null ? null : queueConfig(url, { name: queueName, prefix: queuePrefix, schema: queueSchema, connections: queueConnections }),
    apps: apps.map((entry) => completeApp(entry, defaults)),
  }
}

export function queueConfig(url: string, names: Omit<QueueConfig, 'url' | 'backend'>): QueueConfig {
  return { url, backend: url.startsWith('redis') ? 'redis' : 'postgres', ...names }
}

export function proxyConfig(proxies: Proxies): Pick<Config, 'proxies'> {
  return proxies.https === null && proxies.http === null ? {} : { proxies }
}

/** Without user info. */
function describeProxies({ https, http, no }: Proxies): Proxies {
  return { https: https && showProxy(https), http: http && showProxy(http), no }
}

/** The configuration as the log shows it: addresses without user info and query, no keys, no tokens. */
export function describeConfig(config: Config): Record<string, unknown> {
  const { databaseUrl, queue, apps, apiToken, proxies, ...plain } = config
  return {
    ...plain,
    ...(proxies && { proxies: describeProxies(proxies) }),
    database: databaseUrl === null ? 'embedded' : showAddress(databaseUrl),
    queue: queue === null ? 'embedded' : { url: showAddress(queue.url), backend: queue.backend, name: queue.name, prefix: queue.prefix },
    apps: apps.map(({ credentials, ...app }) => ({ ...app, credentials: credentials.kind })),
    apiTokens: (apiToken ?? []).map(({ role, name }) => ({ role, name })),
    apiProtected: apiToken !== null || config.authHeader !== null,
  }
}
