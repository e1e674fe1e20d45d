import { z } from 'zod'
import type { Credentials } from '../../dingtalk/app.ts'
import { hostsOf } from '../../dingtalk/hosts.ts'
import { NO_PROXIES } from '../../dingtalk/proxy.ts'
import { describeKind } from '../../domain/quote.ts'
import { DEFAULT_POLLS } from '../../domain/schedule/place.ts'
import { DATABASE_SCHEMES } from '../../lib/address.ts'
import { schemaFaults, withSchema } from '../../lib/database-schema.ts'
import { shardFaults } from '../../lib/queue-shards.ts'
import { describeGivenRedis, findRedisFault, type GivenRedis } from '../../queue/given-redis.ts'
import { type AppDefaults, appFields, completeApp, repeatedNames } from './apps.ts'
import { type Config, proxyConfig, queueConfig } from './config.ts'
import {
  byPrivateHosts,
  callback,
  describeFaults,
  exactObject,
  field,
  invalidConfig,
  listOf,
  optionalField,
  quoteScalar,
  retentionFaults,
  rightOrUndefined,
  valueAt,
} from './fields.ts'
import { completeSchedule } from './schedule.ts'
import {
  APP_NAME,
  address,
  CALLS_PER_SECOND,
  DATABASE_SCHEMA,
  DEFAULT_REGION,
  NO_PROXY,
  PRIVATE_HOST,
  PROXY,
  queueAddress,
  RETENTION_DAYS,
  SECRET,
  setting,
  TOKEN_ENDPOINT,
  WHOLE_DAYS,
  WORKER_SETTINGS,
} from './values.ts'
import { callFaults, PLAN_FIELDS, planFaults } from './worker-plan.ts'

/** What a worker needs of the configuration. */
export type WorkerConfig = Pick<
  Config,
  | 'databaseUrl'
  | 'queue'
  | 'apps'
  | 'privateHosts'
  | 'proxies'
  | 'schedule'
  | 'pollsPerTask'
  | 'timeScale'
  | 'workerConcurrency'
  | 'databaseConnections'
  | 'shutdownGraceSeconds'
  | 'retainDetailsDays'
  | 'retainTotalsDays'
>

/**
 * Checks what a program calls `createWorker` with, by the rules of the environment and of DINGTALK_APPS_FILE.
 * @throws {TrackerError} `INVALID_CONFIG` with a line for each wrong option: its path, what was given and what is accepted, never a secret
 */
export function parseWorkerOptions(given: unknown): WorkerConfig {
  const privateHosts = rightOrUndefined(privateHostList, valueAt(given, 'privateHosts')) ?? []
  const { data: options, error } = optionsSchema(privateHosts).safeParse(given)
  const faults = [...describeFaults(error, 'the argument'), ...crossFaults(given)]
  if (options === undefined || faults.length > 0)
    throw invalidConfig(
      `${faults.length === 1 ? 'One option' : `${faults.length} options`} of createWorker ${faults.length === 1 ? 'is' : 'are'} wrong`,
      faults,
    )
  const {
    databaseUrl,
    schema,
    queueUrl = databaseUrl,
    queue: client,
    queueName,
    queueShards,
    queuePrefix,
    queueSchema,
    queueConnections,
    ...others
  } = options
  const { apps, concurrency: workerConcurrency, logger: _, proxy, ...planned } = others
  const { schedule, pollsPerTask, targetWidth, reportAges, maxGap, pollTimes, organisationTimeZone, clockStart, ...dated } = planned
  const { freeDays, workDays, ...rest } = dated
  const times = typeof pollTimes === 'function' ? pollTimes.bind(given) : pollTimes
  const plan = { schedule, pollsPerTask, targetWidth, reportAges, maxGap, pollTimes: times, organisationTimeZone, clockStart }
  const names = { name: queueName, shards: queueShards, prefix: queuePrefix, schema: queueSchema, connections: queueConnections }
  const queue = queueConfig(client === undefined ? queueUrl : describeGivenRedis(client), names)
  return {
    ...{ schedule: completeSchedule(plan, { freeDays, workDays }), pollsPerTask: pollsPerTask ?? DEFAULT_POLLS },
    ...{ ...rest, databaseUrl: withSchema(SCHEMA_NAMES, databaseUrl, schema), workerConcurrency },
    queue: client === undefined ? queue : { ...queue, given: client },
    ...proxyConfig(proxy ?? NO_PROXIES),
    apps: apps.map((app, i) => {
      const credentials = bindFunctions(app.credentials, valueAt(given, 'apps', i, 'credentials'))
      return completeApp({ ...app, credentials }, DEFAULTS)
    }),
  }
}

const SCHEMA_NAMES = { url: 'databaseUrl', schema: 'schema', queueSchema: 'queueSchema' }

const DEFAULTS: AppDefaults = {
  ...hostsOf(DEFAULT_REGION),
  ...{ assumedRegion: DEFAULT_REGION, assumedHosts: ['oapiUrl', 'apiUrl'] },
  ...{ callsPerSecond: CALLS_PER_SECOND.fallback, monthlyCallBudget: null, callsUsedElsewhere: null },
}

const secret = field(SECRET, 'program')
type TicketFunction = Extract<Extract<Credentials, { kind: 'thirdParty' }>['suiteTicket'], (...args: never[]) => unknown>

/** A ticket, or a function that returns the latest one. */
const ticket = z.unknown().transform((value, context): string | TicketFunction => {
  const schema = typeof value === 'function' ? callback<TicketFunction>('the latest suite ticket') : secret
  const parsed = z.safeParse<z.ZodType<string | TicketFunction>>(schema, value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) context.addIssue(issue.message)
  return z.NEVER
})

const KINDS = {
  internal: exactObject({
    kind: z.literal('internal'),
    appKey: secret,
    appSecret: secret,
    /** It has no default: the old endpoint takes the secret in a URL, so the program has to choose. */
    endpoint: field(TOKEN_ENDPOINT, 'program'),
  }),
  thirdParty: exactObject({
    kind: z.literal('thirdParty'),
    suiteKey: secret,
    suiteSecret: secret,
    authCorpId: secret,
    suiteTicket: ticket,
  }),
  fixed: exactObject({ kind: z.literal('fixed'), accessToken: secret }),
  function: exactObject({
    kind: z.literal('function'),
    getToken: callback<Extract<Credentials, { kind: 'function' }>['getToken']>('an access token'),
  }),
} as const satisfies Record<Credentials['kind'], z.ZodType<Credentials>>

const ACCEPTED_KINDS = Object.keys(KINDS)
  .map((kind) => `"${kind}"`)
  .join(', ')

const credentials = z.discriminatedUnion('kind', [KINDS.internal, KINDS.thirdParty, KINDS.fixed, KINDS.function], {
  error: (issue) => {
    if (issue.code === 'invalid_union')
      return `${quoteScalar(valueAt(issue.input, 'kind'))} is not a kind of credentials. Accepted: ${ACCEPTED_KINDS}.`
    if (issue.input === undefined) return `are missing. Accepted: an object whose kind is one of ${ACCEPTED_KINDS}.`
    return `must be an object, not ${describeKind(issue.input)}. Accepted: one whose kind is one of ${ACCEPTED_KINDS}.`
  },
})

const name = optionalField(setting(APP_NAME, 'default'), 'program')
/** Null: never. */
const days = field(WHOLE_DAYS, 'program').nullable()
const retainDetailsDays = days.default(RETENTION_DAYS.details)
const retainTotalsDays = days.default(RETENTION_DAYS.totals)
const privateHostList = listOf(field(PRIVATE_HOST, 'program'), 'host names and IP addresses')
const databaseUrlField = field(address(DATABASE_SCHEMES), 'program')
const databaseSchema = field(DATABASE_SCHEMA, 'program')
const queueUrlField = field(queueAddress(), 'program')
const queueShardsField = optionalField(WORKER_SETTINGS.queueShards, 'program')
const queueSchema = optionalField(WORKER_SETTINGS.queueSchema, 'program')

const PROXY_FIELDS = exactObject({
  https: field(PROXY, 'program').nullable().default(null),
  http: field(PROXY, 'program').nullable().default(null),
  no: field(NO_PROXY, 'program').default(''),
})
/** One proxy for everything, or what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say. */
const proxies = z.unknown().transform((value, context): z.output<typeof PROXY_FIELDS> => {
  if (value === null) return NO_PROXIES
  const { data, error } = PROXY_FIELDS.safeParse(typeof value === 'string' ? { https: value, http: value } : value)
  // A text is wrong once, not for https and for http.
  const issues = typeof value === 'string' ? (error?.issues ?? []).slice(0, 1) : (error?.issues ?? [])
  for (const { path, message } of issues) context.addIssue({ code: 'custom', message, path: typeof value === 'string' ? [] : [...path] })
  return data ?? z.NEVER
})
const LOG_METHODS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

const optionsSchema = byPrivateHosts((privateHosts) => {
  const callsPerSecond = field(CALLS_PER_SECOND, 'program').optional()
  const app = exactObject({ name, ...appFields('program', privateHosts), callsPerSecond, credentials })
  return exactObject({
    databaseUrl: databaseUrlField,
    schema: databaseSchema.optional(),
    queueUrl: queueUrlField.optional(),
    queue: givenRedis.optional(),
    queueName: optionalField(WORKER_SETTINGS.queueName, 'program'),
    queueShards: queueShardsField,
    queuePrefix: optionalField(WORKER_SETTINGS.queuePrefix, 'program'),
    queueSchema,
    apps: listOf(app, 'apps').min(1, 'is empty: name at least one DingTalk app with its credentials.'),
    privateHosts: privateHostList.default([]),
    proxy: proxies.optional(),
    ...PLAN_FIELDS,
    concurrency: optionalField(WORKER_SETTINGS.concurrency, 'program'),
    databaseConnections: optionalField(WORKER_SETTINGS.databaseConnections, 'program'),
    queueConnections: optionalField(WORKER_SETTINGS.queueConnections, 'program'),
    shutdownGraceSeconds: optionalField(WORKER_SETTINGS.shutdownGraceSeconds, 'program'),
    retainDetailsDays,
    retainTotalsDays,
    timeScale: optionalField(WORKER_SETTINGS.timeScale, 'program'),
    logger: z
      .custom<unknown>(isLogger, {
        error: (issue) => `must be a pino logger, not ${describeKind(issue.input)}: it needs the methods ${LOG_METHODS.join(', ')}.`,
      })
      .optional(),
  })
})

/** Not copied: a client is an object with a connection. */
const givenRedis = z.custom<GivenRedis>((value) => findRedisFault(value) === null, {
  error: (issue) => findRedisFault(issue.input) ?? 'is wrong.',
})

function isLogger(value: unknown): boolean {
  return typeof value === 'object' && value !== null && LOG_METHODS.every((method) => typeof Reflect.get(value, method) === 'function')
}

/** Options that are right each in itself and contradict each other. They are found whatever else is wrong. */
function crossFaults(given: unknown): string[] {
  const apps = valueAt(given, 'apps')
  const names = (Array.isArray(apps) ? apps : []).flatMap((app: unknown) =>
    typeof app === 'object' && app !== null && !Array.isArray(app) ? (rightOrUndefined(name, valueAt(app, 'name')) ?? []) : [],
  )
  const isQueueTwice = valueAt(given, 'queueUrl') !== undefined && valueAt(given, 'queue') !== undefined
  return [
    ...schemaFaults(SCHEMA_NAMES, {
      url: rightOrUndefined(databaseUrlField, valueAt(given, 'databaseUrl')),
      schema: rightOrUndefined(databaseSchema, valueAt(given, 'schema')),
      queueSchema: rightOrUndefined(queueSchema, valueAt(given, 'queueSchema')),
    }),
    ...shardFaults(
      valueAt(given, 'queue') === undefined
        ? (rightOrUndefined(queueUrlField, valueAt(given, 'queueUrl')) ?? rightOrUndefined(databaseUrlField, valueAt(given, 'databaseUrl')))
        : undefined,
      rightOrUndefined(queueShardsField, valueAt(given, 'queueShards')) ?? 1,
      { url: 'queueUrl', shards: 'queueShards' },
    ),
    ...(isQueueTwice ? ['queue: is given beside queueUrl. Give one of them.'] : []),
    ...repeatedNames(names).map((fault) => `apps: ${fault}`),
    ...callFaults(apps),
    ...planFaults(given),
    ...retentionFaults(
      { name: 'retainDetailsDays', days: rightOrUndefined(retainDetailsDays, valueAt(given, 'retainDetailsDays')) },
      { name: 'retainTotalsDays', days: rightOrUndefined(retainTotalsDays, valueAt(given, 'retainTotalsDays')) },
    ),
  ]
}

/** The schema copies the object of the caller, so a method is bound to the object that it came with. */
function bindFunctions(checked: Credentials, owner: unknown): Credentials {
  if (checked.kind === 'function') return { ...checked, getToken: checked.getToken.bind(owner) }
  if (checked.kind === 'thirdParty' && typeof checked.suiteTicket === 'function')
    return { ...checked, suiteTicket: checked.suiteTicket.bind(owner) }
  return checked
}
