import { hostsOf } from '../../dingtalk/hosts.ts'
import { type Proxies, showProxy } from '../../dingtalk/proxy.ts'
import { DEFAULT_POLLS } from '../../domain/schedule/place.ts'
import { schemaFaults, withSchema } from '../../lib/database-schema.ts'
import { shardFaults, showServers } from '../../lib/queue-shards.ts'
import { FileError, type ReadTextFile } from '../../lib/read-text-file.ts'
import { showAddress } from '../../lib/redact.ts'
import type { GivenRedis } from '../../queue/given-redis.ts'
import { type AppConfig, type AppDefaults, type AppEntry, completeApp, readAppsFile, repeatedNames } from './apps.ts'
import { appBudgetFaults, budgetFaults, splitBudget } from './budgets.ts'
import { invalidConfig, retentionFaults, rightOrUndefined } from './fields.ts'
import { type GivenDays, NO_DAYS, readFreeDays } from './free-days.ts'
import { describeSource, type Environment, type Given, readGiven, type Values } from './given.ts'
import { completeSchedule, describeSchedule, type GivenSchedule, type ScheduleSettings, scheduleFaults } from './schedule.ts'
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
    | 'queueShards'
    | 'queuePrefix'
    | 'queueSchema'
    | 'queueConnections'
    | 'maxCallsPerSecond'
    | 'callsUsedElsewhere'
    | 'freeDaysFile'
    | keyof GivenSchedule
    | Extract<keyof Settings, `dingtalk${string}` | `${string}Proxy`>
  > {
  /** Null: neither QUEUE_URL nor DATABASE_URL is set. */
  readonly queue: QueueConfig | null
  readonly apps: readonly AppConfig[]
  readonly schedule: ScheduleSettings
  /** Of a plan with growing gaps. */
  readonly pollsPerTask: number
  /** Names and addresses in private networks, in lower case, that base URLs of apps may lead to. */
  readonly privateHosts: readonly string[]
  /** Outgoing proxies for calls to DingTalk; left out where none is set. */
  readonly proxies?: Proxies
  /** The files that secrets came from, by variable; left out where none did. */
  readonly secretFiles?: Readonly<Record<string, string>>
}

export interface QueueConfig {
  /** Several servers of Redis are separated by spaces. */
  readonly url: string
  readonly backend: 'redis' | 'postgres'
  readonly name: string
  /** How many queues share the apps. Default 1. */
  readonly shards?: number
  readonly prefix: string
  readonly schema: string
  /** To a queue in PostgreSQL. Null: the default. */
  readonly connections: number | null
  /** Instead of the URL; a program's own client of Redis. */
  readonly given?: GivenRedis | undefined
}

/**
 * Reads the configuration from the environment.
 * @param readFile reads the files that DINGTALK_APPS_FILE, FREE_DAYS_FILE and the variables of secrets name
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
  const daysPath = rightOrUndefined(schema.shape.freeDaysFile, values['freeDaysFile']) ?? null
  const daysFile = daysPath === null ? { days: NO_DAYS, faults: [] } : readFreeDays(daysPath, readFile)
  const faults = [
    ...given.faults,
    ...(error?.issues ?? []).map((issue) => `${describeSource(given, String(issue.path[0]))} ${issue.message}`),
    ...databaseFaults(schema, values),
    ...queueFaults(schema, values),
    ...credentialFaults(given),
    ...[...file.faults, ...repeatedAppNames(values, file.apps)].map((fault) => `DINGTALK_APPS_FILE: ${fault}`),
    ...daysFile.faults.map((fault) => `FREE_DAYS_FILE: ${fault}`),
    ...callFaults(schema, values, file.apps),
    ...planFaults(schema, values, file.apps),
    ...retentionFaults(
      { name: 'RETAIN_DETAILS_DAYS', days: rightOrUndefined(schema.shape.retainDetailsDays, values['retainDetailsDays']) },
      { name: 'RETAIN_TOTALS_DAYS', days: rightOrUndefined(schema.shape.retainTotalsDays, values['retainTotalsDays']) },
    ),
    ...proxyFaults(values),
  ]
  if (settings === undefined || faults.length > 0)
    throw invalidConfig(`${faults.length === 1 ? 'One variable is' : `${faults.length} things are`} wrong in the environment`, faults)
  return { ...completeConfig(settings, file.apps, daysFile.days, values['dingtalkRegion'] === undefined), ...describeSecretFiles(given) }
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

function queueFaults({ shape }: ReturnType<typeof variablesSchema>, values: Values): string[] {
  const { queueUrl, databaseUrl } = values
  const url = queueUrl === undefined ? rightOrUndefined(shape.databaseUrl, databaseUrl) : rightOrUndefined(shape.queueUrl, queueUrl)
  const shards = rightOrUndefined(shape.queueShards, values['queueShards'])
  return shards === undefined ? [] : shardFaults(url ?? undefined, shards, { url: 'QUEUE_URL', shards: 'QUEUE_SHARDS' })
}

/** Without a proxy that is trusted, every program that reaches the port could send the header. */
function proxyFaults({ authHeader, trustedProxies }: Values): string[] {
  if (authHeader === undefined || trustedProxies !== undefined) return []
  return ['AUTH_HEADER is set without TRUSTED_PROXIES, so the header of no peer counts. Give the address of the proxy that signs users in.']
}

const BUDGET_NAMES = { monthlyCallBudget: 'MONTHLY_CALL_BUDGET', callsUsedElsewhere: 'CALLS_USED_ELSEWHERE' }

/** What other programs use, for all apps and for each app of the file. */
function callFaults({ shape }: ReturnType<typeof variablesSchema>, values: Values, entries: readonly AppEntry[]): string[] {
  const monthlyCallBudget = rightOrUndefined(shape.monthlyCallBudget, values['monthlyCallBudget'])
  const callsUsedElsewhere = rightOrUndefined(shape.callsUsedElsewhere, values['callsUsedElsewhere'])
  if (monthlyCallBudget === undefined || callsUsedElsewhere === undefined) return []
  const defaults = { monthlyCallBudget, callsUsedElsewhere }
  const isOfApps = monthlyCallBudget === null && entries.some((entry) => typeof entry.monthlyCallBudget === 'number')
  return [
    ...(isOfApps ? [] : budgetFaults(defaults, BUDGET_NAMES)),
    ...entries.flatMap((entry, i) => appBudgetFaults(entry, `DINGTALK_APPS_FILE: apps[${i}]`, defaults, BUDGET_NAMES)),
  ]
}

const SCHEDULE_NAMES = {
  schedule: 'SCHEDULE',
  pollsPerTask: 'POLLS_PER_TASK',
  targetWidth: 'TARGET_WIDTH',
  maxGap: 'MAX_GAP',
  pollTimes: 'POLL_TIMES',
}

function planFaults({ shape }: ReturnType<typeof variablesSchema>, values: Values, entries: readonly AppEntry[]): string[] {
  const given = {
    schedule: rightOrUndefined(shape.schedule, values['schedule']),
    pollsPerTask: rightOrUndefined(shape.pollsPerTask, values['pollsPerTask']),
    targetWidth: rightOrUndefined(shape.targetWidth, values['targetWidth']),
    maxGap: rightOrUndefined(shape.maxGap, values['maxGap']),
    pollTimes: rightOrUndefined(shape.pollTimes, values['pollTimes']),
  }
  const haveBudgets = entries.length > 0 && entries.every(({ monthlyCallBudget }) => typeof monthlyCallBudget === 'number')
  return scheduleFaults(SCHEDULE_NAMES, given, values['monthlyCallBudget'] !== undefined || haveBudgets)
}

const DEFAULT_APP = 'default'

function repeatedAppNames({ dingtalkAppKey, dingtalkAccessToken }: Values, apps: readonly AppEntry[]): string[] {
  const hasDefault = (dingtalkAppKey ?? dingtalkAccessToken) !== undefined
  return repeatedNames([...(hasDefault ? [DEFAULT_APP] : []), ...apps.map(({ name }) => name)], (name) =>
    name === DEFAULT_APP ? ` (DINGTALK_APP_KEY or DINGTALK_ACCESS_TOKEN make the app named "${DEFAULT_APP}")` : '',
  )
}

function completeConfig(settings: Settings, entries: readonly AppEntry[], days: GivenDays, isRegionAssumed: boolean): Config {
  const {
    databaseSchema,
    queueUrl,
    queueName: name,
    queueShards: shards,
    queuePrefix: prefix,
    queueSchema,
    queueConnections: connections,
    maxCallsPerSecond: callsPerSecond,
    dingtalkAppsFile,
    ...rest
  } = settings
  const { dingtalkRegion, dingtalkOapiUrl, dingtalkApiUrl, dingtalkPrivateHosts, ...others } = rest
  const { dingtalkAppKey: appKey, dingtalkAppSecret: appSecret, dingtalkAgentId, dingtalkAccessToken: accessToken, ...remaining } = others
  const { httpsProxy, httpProxy, noProxy, ...unplanned } = remaining
  const { schedule, pollsPerTask, targetWidth, reportAges, maxGap, pollTimes, organisationTimeZone, clockStart, ...counted } = unplanned
  const { callsUsedElsewhere, freeDaysFile: _, ...plain } = counted
  const plan = { schedule, pollsPerTask, targetWidth, reportAges, maxGap, pollTimes, organisationTimeZone, clockStart }
  const hosts = hostsOf(dingtalkRegion)
  const defaults: AppDefaults = {
    assumedRegion: isRegionAssumed ? dingtalkRegion : null,
    assumedHosts: [...(dingtalkOapiUrl === null ? (['oapiUrl'] as const) : []), ...(dingtalkApiUrl === null ? (['apiUrl'] as const) : [])],
    ...{ oapiUrl: dingtalkOapiUrl ?? hosts.oapiUrl, apiUrl: dingtalkApiUrl ?? hosts.apiUrl, callsPerSecond },
    ...{ monthlyCallBudget: plain.monthlyCallBudget, callsUsedElsewhere },
  }
  const app = { name: DEFAULT_APP, agentId: dingtalkAgentId }
  const apps: AppEntry[] = [...entries]
  if (appKey !== null && appSecret !== null) apps.unshift({ ...app, credentials: { kind: 'internal', appKey, appSecret, endpoint: 'new' } })
  else if (accessToken !== null) apps.unshift({ ...app, credentials: { kind: 'fixed', accessToken } })
  const url = queueUrl ?? plain.databaseUrl
  return {
    ...{ ...plain, monthlyCallBudget: splitBudget(defaults).monthlyCallBudget },
    ...{ schedule: completeSchedule(plan, days), pollsPerTask: pollsPerTask ?? DEFAULT_POLLS },
    databaseUrl: plain.databaseUrl === null ? null : withSchema(SCHEMA_NAMES, plain.databaseUrl, databaseSchema ?? undefined),
    privateHosts: dingtalkPrivateHosts,
    ...proxyConfig({ https: httpsProxy, http: httpProxy, no: noProxy }),
    queue: url === null ? null : queueConfig(url, { name, shards, prefix, schema: queueSchema, connections }),
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
  const { databaseUrl, queue, apps, apiToken, proxies, schedule, pollsPerTask: _, ...plain } = config
  return {
    ...plain,
    schedule: describeSchedule(schedule),
    ...(proxies && { proxies: describeProxies(proxies) }),
    database: databaseUrl === null ? 'embedded' : showAddress(databaseUrl),
    queue:
      queue === null
        ? 'embedded'
        : { url: showServers(queue.url), backend: queue.backend, name: queue.name, shards: queue.shards, prefix: queue.prefix },
    apps: apps.map(({ credentials, ...app }) => ({ ...app, credentials: credentials.kind })),
    apiTokens: (apiToken ?? []).map(({ role, name }) => ({ role, name })),
    apiProtected: apiToken !== null || config.authHeader !== null,
  }
}
