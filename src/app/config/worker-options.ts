import { z } from 'zod'
import type { Credentials } from '../../dingtalk/app.ts'
import { hostsOf } from '../../dingtalk/hosts.ts'
import { TrackerError } from '../../domain/errors.ts'
import { kindOf } from '../../domain/quote.ts'
import { DATABASE_SCHEMES, QUEUE_NAME, QUEUE_PREFIX, QUEUE_SCHEMES } from '../../lib/address.ts'
import { appFields, completeApp, exactly, faultsOf, given, IN_CODE, listOf, nameTwice, queueConfig, repeatedNames } from './app-schema.ts'
import {
  APP_NAME,
  address,
  CALLS_PER_SECOND,
  DEFAULT_CALLS_PER_SECOND,
  DEFAULT_QUEUE,
  matching,
  PRIVATE_HOST,
  RETENTION_DAYS,
  retentionFault,
  SECRET,
  TOKEN_ENDPOINT,
  WHOLE_DAYS,
  WORKER_SETTINGS,
} from './rules.ts'
import type { AppConfig, Config } from './types.ts'

/** An app as a program may give it: its tokens may come from a function. */
export interface ProgramApp extends Omit<AppConfig, 'credentials'> {
  readonly credentials: Credentials
}

/** What of the configuration `createWorker` is called with, checked and complete. */
export interface ProgramConfig
  extends Pick<
    Config,
    | 'queue'
    | 'privateHosts'
    | 'pollsPerTask'
    | 'timeScale'
    | 'workerConcurrency'
    | 'shutdownGraceSeconds'
    | 'retainDetailsDays'
    | 'retainTotalsDays'
  > {
  readonly databaseUrl: string
  readonly apps: readonly ProgramApp[]
}

/**
 * Checks what a program calls `createWorker` with, by the rules of the environment and of DINGTALK_APPS_FILE.
 * @throws {TrackerError} `INVALID_CONFIG` with a line for each wrong option: its path, what was given and what is accepted, never a secret
 */
export function parseWorkerOptions(options: unknown): ProgramConfig {
  const hosts = privateHostsIn(options)
  const parsed = optionsSchema(hosts).safeParse(options)
  const contradictions = contradictionsIn(options)
  if (!parsed.success) throw invalidOptions([...faultsOf(parsed.error, 'the argument'), ...contradictions])
  if (contradictions.length > 0) throw invalidOptions(contradictions)
  return configOf(parsed.data, options)
}

const text = IN_CODE.text(SECRET)

/** A function that the program brings; what it gives is checked when it is called. */
const callback = <T extends (...args: never[]) => unknown>(gives: string): z.ZodType<T> =>
  z.custom<T>((value) => typeof value === 'function', {
    error: (issue) =>
      issue.input === undefined
        ? `is missing. Accepted: a function that gives ${gives}.`
        : `must be a function that gives ${gives}, not ${kindOf(issue.input)}.`,
  })

type TicketFunction = Extract<Extract<Credentials, { kind: 'thirdParty' }>['suiteTicket'], (...args: never[]) => unknown>

/** A ticket of its own, or a function that gives the latest. */
const ticket = z.unknown().transform((value, context): string | TicketFunction => {
  const parsed = typeof value === 'function' ? callback<TicketFunction>('the latest suite ticket').safeParse(value) : text.safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) context.addIssue(issue.message)
  return z.NEVER
})

const KINDS = {
  internal: exactly({
    kind: z.literal('internal'),
    appKey: text,
    appSecret: text,
    /** Without a default: with the old one the secret travels in a URL, so a program says which. */
    endpoint: IN_CODE.text(TOKEN_ENDPOINT),
  }),
  thirdParty: exactly({ kind: z.literal('thirdParty'), suiteKey: text, suiteSecret: text, authCorpId: text, suiteTicket: ticket }),
  fixed: exactly({ kind: z.literal('fixed'), accessToken: text }),
  function: exactly({
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
      return `${given(at(issue.input, 'kind'))} is not a kind of credentials. Accepted: ${ACCEPTED_KINDS}.`
    if (issue.input === undefined) return `are missing. Accepted: an object whose kind is one of ${ACCEPTED_KINDS}.`
    return `must be an object, not ${kindOf(issue.input)}. Accepted: one whose kind is one of ${ACCEPTED_KINDS}.`
  },
})

const DEFAULT_APP = 'default'
const name = IN_CODE.text(APP_NAME).default(DEFAULT_APP)

const appSchema = (privateHosts: readonly string[]) =>
  exactly({
    name,
    ...appFields(IN_CODE, privateHosts),
    callsPerSecond: IN_CODE.number(CALLS_PER_SECOND).optional(),
    credentials,
  })

const { pollsPerTask, timeScale, concurrency, shutdownGrace } = WORKER_SETTINGS
const LOG_METHODS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
/** Null: never. */
const days = IN_CODE.number(WHOLE_DAYS).nullable()
const retainDetailsDays = days.default(RETENTION_DAYS.details)
const retainTotalsDays = days.default(RETENTION_DAYS.totals)
const privateHostList = listOf(IN_CODE.text(PRIVATE_HOST), 'host names and IP addresses')

const optionsSchema = (privateHosts: readonly string[]) =>
  exactly({
    databaseUrl: IN_CODE.text(address(DATABASE_SCHEMES)),
    queueUrl: IN_CODE.text(address(QUEUE_SCHEMES)).optional(),
    queueName: IN_CODE.text(matching(QUEUE_NAME.pattern, QUEUE_NAME.accepted)).default(DEFAULT_QUEUE.name),
    queuePrefix: IN_CODE.text(matching(QUEUE_PREFIX.pattern, QUEUE_PREFIX.accepted)).default(DEFAULT_QUEUE.prefix),
    apps: listOf(appSchema(privateHosts), 'apps').min(1, 'is empty: name at least one DingTalk app with its credentials.'),
    privateHosts: privateHostList.default([]),
    pollsPerTask: IN_CODE.number(pollsPerTask.rule).default(pollsPerTask.fallback),
    concurrency: IN_CODE.number(concurrency.rule).default(concurrency.fallback),
    shutdownGraceSeconds: IN_CODE.number(shutdownGrace.rule).default(shutdownGrace.fallback),
    retainDetailsDays,
    retainTotalsDays,
    timeScale: IN_CODE.number(timeScale.rule).default(timeScale.fallback),
    logger: z
      .custom<unknown>(isLogger, {
        error: (issue) => `must be a pino logger, not ${kindOf(issue.input)}: it needs the methods ${LOG_METHODS.join(', ')}.`,
      })
      .optional(),
  })

type Options = z.infer<ReturnType<typeof optionsSchema>>

function isLogger(value: unknown): boolean {
  return typeof value === 'object' && value !== null && LOG_METHODS.every((method) => typeof Reflect.get(value, method) === 'function')
}

/** Read before everything else: the base URLs of apps are checked against them. What is wrong with them is said with the rest. */
function privateHostsIn(options: unknown): readonly string[] {
  const parsed = privateHostList.safeParse(at(options, 'privateHosts'))
  return parsed.success ? parsed.data : []
}

/** What is wrong of options that are right each for itself, whatever else is wrong. */
function contradictionsIn(options: unknown): string[] {
  const apps = at(options, 'apps')
  const names = (Array.isArray(apps) ? apps : []).flatMap((app: unknown) => {
    const parsed = name.safeParse(at(app, 'name'))
    return parsed.success && typeof app === 'object' && app !== null && !Array.isArray(app) ? [{ name: parsed.data }] : []
  })
  const [details, totals] = [
    retainDetailsDays.safeParse(at(options, 'retainDetailsDays')),
    retainTotalsDays.safeParse(at(options, 'retainTotalsDays')),
  ]
  const retention =
    details.success && totals.success
      ? retentionFault({ name: 'retainDetailsDays', days: details.data }, { name: 'retainTotalsDays', days: totals.data })
      : null
  return [...Array.from(repeatedNames(names), (each) => `apps: ${nameTwice(each)}`), ...(retention === null ? [] : [retention])]
}

function at(value: unknown, ...path: ReadonlyArray<string | number>): unknown {
  return path.reduce<unknown>((inner, part) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, part) : undefined), value)
}

function configOf(checked: Options, options: unknown): ProgramConfig {
  const {
    databaseUrl,
    queueUrl = databaseUrl,
    queueName,
    queuePrefix,
    apps,
    concurrency: workerConcurrency,
    logger: _,
    ...settings
  } = checked
  return {
    ...settings,
    databaseUrl,
    queue: queueConfig(queueUrl, queueName, queuePrefix),
    workerConcurrency,
    apps: apps.map((app, i) => ({
      ...completeApp(app, DEFAULTS),
      credentials: withOwner(app.credentials, at(options, 'apps', i, 'credentials')),
    })),
  }
}

const DEFAULTS = { ...hostsOf('intl'), callsPerSecond: DEFAULT_CALLS_PER_SECOND, monthlyCallBudget: null }

/** A function that is a method goes on being one: what was checked is a copy, and `this` is what was given. */
function withOwner(checked: Credentials, owner: unknown): Credentials {
  if (checked.kind === 'function') return { ...checked, getToken: checked.getToken.bind(owner) }
  if (checked.kind === 'thirdParty' && typeof checked.suiteTicket === 'function') {
    return { ...checked, suiteTicket: checked.suiteTicket.bind(owner) }
  }
  return checked
}

function invalidOptions(faults: readonly string[]): TrackerError {
  const count = faults.length === 1 ? 'One option' : `${faults.length} options`
  return new TrackerError(
    'INVALID_CONFIG',
    [`${count} of createWorker ${faults.length === 1 ? 'is' : 'are'} wrong:`, ...faults.map((fault) => `  - ${fault}`)].join('\n'),
  )
}
