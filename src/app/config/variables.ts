import { z } from 'zod'
import { DATABASE_SCHEMES } from '../../lib/address.ts'
import { ROLES } from '../../web/access.ts'
import { byPrivateHosts, optionalField } from './fields.ts'
import { API_TOKENS, AUTH_HEADER, BASE_PATH, TRUSTED_PROXIES } from './http-values.ts'
import {
  CALLS_USED_ELSEWHERE,
  DEFAULT_REPORT_AGES_MS,
  FREE_DAYS_PATH,
  POLL_TIMES,
  REPORT_AGES,
  SCHEDULE_SETTINGS,
} from './schedule-values.ts'
import {
  AGENT_ID,
  address,
  baseUrl,
  CALLS_PER_SECOND,
  DATABASE_SCHEMA,
  DAYS_OR_NEVER,
  DEFAULT_REGION,
  HOST_NAMES,
  LOG_LEVELS,
  MONTHLY_CALL_BUDGET,
  matching,
  NO_PROXY,
  oneOf,
  PRIVATE_HOSTS,
  PROXY,
  queueAddress,
  REGION,
  RETENTION_DAYS,
  SECRET,
  type Setting,
  SWITCH,
  setting,
  type Value,
  WORKER_SETTINGS,
  wholeNumber,
} from './values.ts'

/** What the help and the documentation show of a variable. */
interface VariableFacts {
  /** One line, in Markdown. */
  readonly meaning: string
  /** What holds where it is not set, in Markdown: the default in code marks, or words. */
  readonly fallback: string
  readonly secret: boolean
}

const FACTS = z.registry<VariableFacts>()

/** @param otherwise what holds where it is not set, in words */
function variable<T, Fallback>(value: Setting<T, Fallback>, meaning: string, otherwise?: string): z.ZodType<T | Fallback> {
  const { fallback, secret } = value
  const shown = (typeof fallback === 'string' && fallback !== '') || typeof fallback === 'number' ? `\`${fallback}\`` : ''
  return optionalField(value, 'environment').register(FACTS, { meaning, fallback: otherwise ?? shown, secret })
}

const optional = <T>(value: Value<T>): Setting<T, null> => setting(value, null)

/** TCP ports. 0: the system chooses a free one. */
const PORT = wholeNumber(0, 65_535)

/** What is in front of the HTTP server. */
const PROXY_VARIABLES = {
  basePath: variable(
    setting(BASE_PATH, ''),
    'path under which browsers find the dashboard and the API, such as `/dingtalk`; the proxy may remove it or not',
    '`/`',
  ),
  trustedProxies: variable(
    setting<readonly string[], readonly string[]>(TRUSTED_PROXIES, []),
    'IP addresses and networks of proxies, separated by commas, whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` are read',
  ),
  authHeader: variable(
    optional(AUTH_HEADER),
    'header in which a proxy of `TRUSTED_PROXIES` names the user whom it has signed in; it opens the dashboard',
  ),
  authHeaderRole: variable(setting(oneOf(ROLES), 'read'), 'what these users may do: `read`, `write`, `read+names` or `write+names`'),
}

const QUEUE_URL_MEANING = '`redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` or `postgres://`; docs/queue.md has every form'

/** Database and queue. */
const SERVERS = {
  databaseUrl: variable(optional(address(DATABASE_SCHEMES)), '`postgres://…`', 'embedded (`start`, `demo`)'),
  databaseSchema: variable(
    optional(DATABASE_SCHEMA),
    "schema of the tracker's tables; the same as `?schema=` in `DATABASE_URL`, where both are given",
    'where they are, else `dingtalk`',
  ),
  queueUrl: variable(optional(queueAddress()), QUEUE_URL_MEANING, '`DATABASE_URL`'),
  queueName: variable(WORKER_SETTINGS.queueName, 'name of the queue, the same for all processes'),
  queueShards: variable(
    WORKER_SETTINGS.queueShards,
    'how many queues share the apps, for Redis only: with more than one they are `NAME-0`, `NAME-1` and so on; the same for all processes',
  ),
  queuePrefix: variable(WORKER_SETTINGS.queuePrefix, 'prefix of the keys, for Redis only; on a cluster `bull` becomes `{bull}`'),
  queueSchema: variable(WORKER_SETTINGS.queueSchema, "schema of the queue's tables, for PostgreSQL only"),
  databaseConnections: variable(
    WORKER_SETTINGS.databaseConnections,
    'connections of one process to the database at most, in each of its pools',
    '`connection_limit` of `DATABASE_URL`, else 3 for a worker, 8 for `serve`',
  ),
  queueConnections: variable(
    WORKER_SETTINGS.queueConnections,
    'connections of one worker to a queue in PostgreSQL at most, 3 at least',
    '`connection_limit` of `QUEUE_URL`, else 3',
  ),
}

/** How polls are planned, and the organisation's calendar. */
const SCHEDULE = {
  schedule: variable(
    SCHEDULE_SETTINGS.schedule,
    'how polls are planned: `learned` from when people read, `growing` gaps that are the same for all tasks, `custom` at `POLL_TIMES`',
  ),
  pollsPerTask: variable(
    SCHEDULE_SETTINGS.pollsPerTask,
    'polls of a task in its window, the final poll included; with `SCHEDULE=learned` and a budget or a target width: at most',
    '24; at most 64 where a budget or a width decides',
  ),
  targetWidth: variable(
    SCHEDULE_SETTINGS.targetWidth,
    'mean bracket of those who read, such as `15m`, that a learned plan reaches with the fewest polls',
  ),
  reportAges: variable(
    setting<readonly number[], readonly number[]>(REPORT_AGES, DEFAULT_REPORT_AGES_MS),
    'ages of a task at which the share of readers is reported, separated by commas; a learned plan of 24 polls or more has a poll at each. `none` for none',
    '`1h,4h`',
  ),
  maxGap: variable(SCHEDULE_SETTINGS.maxGap, 'longest time between two polls of a learned plan; one that is given is always kept', '6h'),
  pollTimes: variable(
    optional(POLL_TIMES),
    'polls of a task since its send, separated by commas, such as `5m,1h,4h`, for `SCHEDULE=custom`; the final poll is added',
  ),
  organisationTimeZone: variable(
    SCHEDULE_SETTINGS.organisationTimeZone,
    'time zone in which people work; in those of mainland China holidays and made-up work days are known',
  ),
  freeDaysFile: variable(optional(FREE_DAYS_PATH), 'JSON file with other days off and work days'),
  clockStart: variable(
    SCHEDULE_SETTINGS.clockStart,
    'local time at a real moment, from which time runs `TIME_SCALE` times as fast: `2026-12-01T10:00@2026-11-30T15:44:00.000Z`; for demos and tests',
    'the real clock',
  ),
}

/** When what is known of people is removed. */
const RETENTION = {
  retainDetailsDays: variable(
    setting(DAYS_OR_NEVER, RETENTION_DAYS.details),
    "days from a task's end until its user ids are replaced by pseudonyms; the figures stay. Names go when no import has had them for so long. `never` keeps both",
  ),
  retainTotalsDays: variable(
    setting(DAYS_OR_NEVER, RETENTION_DAYS.totals),
    "days from a task's end until it is deleted; not less than `RETAIN_DETAILS_DAYS`",
    '`never`',
  ),
}

/**
 * Every variable of the program, once: parsing, the help, the table in docs/configuration.md and the list of names come from here.
 * The name of a variable is that of the property in capitals: `pollsPerTask` is POLLS_PER_TASK.
 * @param privateHosts which the base URLs are checked against
 */
export const variablesSchema = byPrivateHosts((privateHosts) =>
  z.object({
    ...SERVERS,
    dingtalkRegion: variable(
      setting(REGION, DEFAULT_REGION),
      '`intl` (the developer console is at dingtalk.io) or `cn` (at dingtalk.com): which hosts of DingTalk. Set it: the default is only assumed',
    ),
    dingtalkOapiUrl: variable(optional(baseUrl(privateHosts)), 'another host: https, or http on loopback', 'from the region'),
    dingtalkApiUrl: variable(optional(baseUrl(privateHosts)), 'another host: https, or http on loopback', 'from the region'),
    dingtalkPrivateHosts: variable(
      setting<readonly string[], readonly string[]>(PRIVATE_HOSTS, []),
      'host names and IP addresses in private networks, separated by commas, that those may lead to',
    ),
    httpsProxy: variable(optional(PROXY), 'outgoing proxy for calls to DingTalk: `http://USER:PASSWORD@HOST:PORT`', '`HTTP_PROXY`'),
    httpProxy: variable(optional(PROXY), 'the same, where `HTTPS_PROXY` is not set'),
    noProxy: variable(setting(NO_PROXY, ''), 'hosts that are reached without a proxy, separated by commas; `*` for all'),
    dingtalkAppKey: variable(optional(SECRET), 'key of the app named `default`'),
    dingtalkAppSecret: variable(optional(SECRET), 'secret of the app named `default`'),
    dingtalkAgentId: variable(optional(AGENT_ID), 'agent id of the app named `default`'),
    dingtalkAccessToken: variable(optional(SECRET), 'a fixed token instead of key and secret'),
    dingtalkAppsFile: variable(optional(matching(/^\P{Cc}+$/u, 'the path of a JSON file')), 'JSON file with many apps'),
    maxCallsPerSecond: variable(CALLS_PER_SECOND, 'calls of an app in a second, over all workers together'),
    monthlyCallBudget: variable(
      optional(MONTHLY_CALL_BUDGET),
      'calls of an app in a month, which are never exceeded; calls for the final polls are reserved',
      'none',
    ),
    callsUsedElsewhere: variable(
      optional(CALLS_USED_ELSEWHERE),
      'calls a month of `MONTHLY_CALL_BUDGET` that other programs of the organisation make, or their share, such as `20%`; they are taken off',
      '`0`',
    ),
    ...SCHEDULE,
    workerConcurrency: variable(WORKER_SETTINGS.concurrency, 'polls that run at the same time in one worker'),
    port: variable(setting(PORT, 8080), 'port of the HTTP API and the dashboard'),
    healthPort: variable(setting(PORT, 9090), 'port of `/livez`, `/readyz` and `/metrics` of a worker'),
    host: variable(
      setting(matching(/^[A-Za-z0-9.:_-]{1,253}$/, 'an IP address or a host name'), '127.0.0.1'),
      'address on which both ports listen',
    ),
    apiToken: variable(
      optional(API_TOKENS),
      'bearer token of the HTTP API and password of the dashboard, 16 characters or more, or a list such as `read:TOKEN,write:TOKEN`; without it the server listens on loopback only',
    ),
    allowedHosts: variable(
      setting<readonly string[], readonly string[]>(HOST_NAMES, []),
      'host names, separated by commas, that a Host header may have besides loopback, IP addresses and `HOST`, and whose pages may sign in behind a proxy',
    ),
    ...PROXY_VARIABLES,
    logLevel: variable(setting(oneOf(LOG_LEVELS), 'info'), `JSON lines on stderr: ${LOG_LEVELS.join(', ')}`),
    logPretty: variable(setting(SWITCH, 'auto'), 'log lines for people instead of JSON', 'on for a terminal'),
    shutdownGraceSeconds: variable(WORKER_SETTINGS.shutdownGraceSeconds, 'seconds that running polls may take after SIGTERM'),
    ...RETENTION,
    timeScale: variable(WORKER_SETTINGS.timeScale, 'divides every duration of the poll plan; for demos and tests'),
  }),
)

/** The value of each variable. */
export type Settings = z.output<ReturnType<typeof variablesSchema>>

const SHAPE: Readonly<Record<string, z.ZodType>> = variablesSchema([]).shape

/** Every variable, in the order of the documentation. */
export const VARIABLES: ReadonlyArray<VariableFacts & { readonly name: string; readonly key: string }> = Object.entries(SHAPE).flatMap(
  ([key, schema]) => {
    const facts = FACTS.get(schema)
    return facts === undefined ? [] : [{ name: variableName(key), key, ...facts }]
  },
)

/** `POLLS_PER_TASK` for `pollsPerTask`. */
export function variableName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}
