import { hostsOf } from '../../dingtalk/hosts.ts'
import { TrackerError } from '../../domain/errors.ts'
import { DATABASE_SCHEMES, QUEUE_NAME, QUEUE_PREFIX, QUEUE_SCHEMES } from '../../lib/address.ts'
import { showAddress } from '../../lib/redact.ts'
import { type AppDefaults, nameTwice, queueConfig, repeatedNames } from './app-schema.ts'
import { readAppsFile } from './apps-file.ts'
import {
  AGENT_ID,
  API_TOKEN,
  address,
  baseUrl,
  CALLS_PER_SECOND,
  DAYS,
  DEFAULT_CALLS_PER_SECOND,
  DEFAULT_QUEUE,
  HOST_NAMES,
  MONTHLY_CALL_BUDGET,
  matching,
  oneOf,
  PRIVATE_HOSTS,
  REGION,
  RETENTION_DAYS,
  retentionFault,
  SECRET,
  SWITCH,
  WORKER_SETTINGS,
  wholeNumber,
} from './rules.ts'
import { type AppConfig, type Config, type Credentials, LOG_LEVELS, type QueueConfig } from './types.ts'
import { findTypos } from './typos.ts'
import { type Environment, type Variables, variablesOf } from './variables.ts'

export type { Config, QueueConfig } from './types.ts'
export { findTypos, VARIABLES } from './typos.ts'

/** TCP ports; 0 lets the system choose a free one. */
const PORT = wholeNumber(0, 65_535)

/**
 * Reads the whole configuration from the environment.
 * @param files reads the file that DINGTALK_APPS_FILE names
 * @throws {TrackerError} `INVALID_CONFIG` with a line for each wrong variable: what was given and what is accepted, never a secret
 */
export function parseConfig(env: Environment, files: (path: string) => string = noFiles): Config {
  const variables = variablesOf(env)
  const config = readConfig(variables, files)
  if (variables.faults.length > 0) throw invalidConfig(variables.faults, findTypos(env))
  return config
}

function readConfig(variables: Variables, files: (path: string) => string): Config {
  const databaseUrl = variables.read('DATABASE_URL', address(DATABASE_SCHEMES), null)
  const privateHosts = variables.read('DINGTALK_PRIVATE_HOSTS', PRIVATE_HOSTS, [])
  const monthlyCallBudget = variables.read('MONTHLY_CALL_BUDGET', MONTHLY_CALL_BUDGET, null)
  const { pollsPerTask, timeScale, concurrency, shutdownGrace } = WORKER_SETTINGS
  return {
    databaseUrl,
    queue: readQueue(variables, databaseUrl),
    apps: readApps(variables, files, { monthlyCallBudget, privateHosts }),
    privateHosts,
    monthlyCallBudget,
    pollsPerTask: variables.read('POLLS_PER_TASK', pollsPerTask.rule, pollsPerTask.fallback),
    timeScale: variables.read('TIME_SCALE', timeScale.rule, timeScale.fallback),
    workerConcurrency: variables.read('WORKER_CONCURRENCY', concurrency.rule, concurrency.fallback),
    host: variables.read('HOST', matching(/^[A-Za-z0-9.:_-]{1,253}$/, 'an IP address or a host name'), '127.0.0.1'),
    port: variables.read('PORT', PORT, 8080),
    healthPort: variables.read('HEALTH_PORT', PORT, 9090),
    apiToken: variables.read('API_TOKEN', API_TOKEN, null),
    allowedHosts: variables.read('ALLOWED_HOSTS', HOST_NAMES, []),
    logLevel: variables.read('LOG_LEVEL', oneOf(LOG_LEVELS), 'info'),
    logPretty: variables.read('LOG_PRETTY', SWITCH, 'auto'),
    shutdownGraceSeconds: variables.read('SHUTDOWN_GRACE_SECONDS', shutdownGrace.rule, shutdownGrace.fallback),
    ...readRetention(variables),
  }
}

/** Totals without their details is what is left for a while; details without totals is nothing that could be left. */
function readRetention(variables: Variables): Pick<Config, 'retainDetailsDays' | 'retainTotalsDays'> {
  const retainDetailsDays = variables.read('RETAIN_DETAILS_DAYS', DAYS, RETENTION_DAYS.details)
  const retainTotalsDays = variables.read('RETAIN_TOTALS_DAYS', DAYS, RETENTION_DAYS.totals)
  const fault = retentionFault(
    { name: 'RETAIN_DETAILS_DAYS', days: retainDetailsDays },
    { name: 'RETAIN_TOTALS_DAYS', days: retainTotalsDays },
  )
  if (fault !== null) variables.fault(fault)
  return { retainDetailsDays, retainTotalsDays }
}

function readQueue(variables: Variables, databaseUrl: string | null): QueueConfig | null {
  const url = variables.read('QUEUE_URL', address(QUEUE_SCHEMES), databaseUrl)
  const name = variables.read('QUEUE_NAME', matching(QUEUE_NAME.pattern, QUEUE_NAME.accepted), DEFAULT_QUEUE.name)
  const prefix = variables.read('QUEUE_PREFIX', matching(QUEUE_PREFIX.pattern, QUEUE_PREFIX.accepted), DEFAULT_QUEUE.prefix)
  return url === null ? null : queueConfig(url, name, prefix)
}

/** What holds for every app. */
type ForApps = Pick<Config, 'monthlyCallBudget' | 'privateHosts'>

function readApps(variables: Variables, files: (path: string) => string, { monthlyCallBudget, privateHosts }: ForApps): AppConfig[] {
  const region = hostsOf(variables.read('DINGTALK_REGION', REGION, 'intl'))
  const defaults: AppDefaults = {
    oapiUrl: variables.read('DINGTALK_OAPI_URL', baseUrl(privateHosts), region.oapiUrl),
    apiUrl: variables.read('DINGTALK_API_URL', baseUrl(privateHosts), region.apiUrl),
    callsPerSecond: variables.read('MAX_CALLS_PER_SECOND', CALLS_PER_SECOND, DEFAULT_CALLS_PER_SECOND),
    monthlyCallBudget,
  }
  const path = variables.read('DINGTALK_APPS_FILE', matching(/^\P{Cc}+$/u, 'the path of a JSON file'), null)
  const apps = [
    ...readDefaultApp(variables, defaults),
    ...(path === null ? [] : readAppsFile({ path, files, privateHosts }, variables, defaults)),
  ]
  for (const name of repeatedNames(apps)) {
    const because = name === 'default' ? ' (DINGTALK_APP_KEY or DINGTALK_ACCESS_TOKEN make the app named "default")' : ''
    variables.fault(`DINGTALK_APPS_FILE: ${nameTwice(name, because)}`)
  }
  return apps
}

function readDefaultApp(variables: Variables, defaults: AppDefaults): AppConfig[] {
  const agentId = variables.read('DINGTALK_AGENT_ID', AGENT_ID, null)
  const credentials = readCredentials(variables)
  return credentials === null ? [] : [{ name: 'default', agentId, credentials, ...defaults }]
}

function readCredentials(variables: Variables): Credentials | null {
  const appKey = variables.read('DINGTALK_APP_KEY', SECRET, null)
  const appSecret = variables.read('DINGTALK_APP_SECRET', SECRET, null)
  const accessToken = variables.read('DINGTALK_ACCESS_TOKEN', SECRET, null)
  const [hasKey, hasSecret] = [variables.has('DINGTALK_APP_KEY'), variables.has('DINGTALK_APP_SECRET')]
  if (variables.has('DINGTALK_ACCESS_TOKEN') && (hasKey || hasSecret)) {
    variables.fault('DINGTALK_ACCESS_TOKEN is set beside DINGTALK_APP_KEY or DINGTALK_APP_SECRET. Give the fixed token, or key and secret.')
  }
  if (hasKey !== hasSecret) variables.fault(`DINGTALK_APP_${hasKey ? 'SECRET' : 'KEY'} is missing: key and secret belong together.`)
  if (accessToken !== null) return { kind: 'fixed', accessToken }
  return appKey === null || appSecret === null ? null : { kind: 'internal', appKey, appSecret, endpoint: 'new' }
}

function invalidConfig(faults: readonly string[], typos: readonly string[]): TrackerError {
  const count = faults.length === 1 ? 'One variable is' : `${faults.length} things are`
  return new TrackerError(
    'INVALID_CONFIG',
    [`${count} wrong in the environment:`, ...[...faults, ...typos].map((line) => `  - ${line}`)].join('\n'),
  )
}

function noFiles(path: string): string {
  throw new Error(`no reader was given for ${path}`)
}

/** The configuration as the start log may show it: addresses without user info and query, no keys, no tokens. */
export function describeConfig(config: Config): Record<string, unknown> {
  const { databaseUrl, queue, apps, apiToken, ...plain } = config
  return {
    ...plain,
    database: databaseUrl === null ? 'embedded' : showAddress(databaseUrl),
    queue: queue === null ? 'embedded' : { ...queue, url: showAddress(queue.url) },
    apps: apps.map(({ credentials, ...app }) => ({ ...app, credentials: credentials.kind })),
    apiProtected: apiToken !== null,
  }
}
