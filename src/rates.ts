import { STATES, STATUSES } from './domain/delivery.ts'
import { InvalidInputError, TrackerError, withRemedy } from './domain/errors.ts'
import { quote } from './domain/quote.ts'
import { parseApp, parseCampaignName, parseOneOf, parseTaskId, parseUserId } from './intake/track-request.ts'
import { assertAddress, assertConnections, assertName, DATABASE_SCHEMES } from './lib/address.ts'
import { SCHEMA_NAME, withSchema } from './lib/database-schema.ts'
import { assertOptions } from './lib/options.ts'
import { poolSize } from './lib/postgres-client.ts'
import { assertComparable, type CampaignComparison, loadComparison } from './report/compare.ts'
import { parseDepartment } from './report/departments.ts'
import type {
  AppUsage,
  BoundsStep,
  CampaignFilter,
  CampaignRates,
  CampaignRecipient,
  CampaignRef,
  CurvePoint,
  DepartmentRates,
  ForbiddenCount,
  KnownState,
  Page,
  PageFilter,
  PeopleFilter,
  Person,
  PersonHistory,
  PersonRef,
  PersonTask,
  Poll,
  RateReader,
  RecipientFilter,
  RecipientStatus,
  TaskRef as ReportTaskRef,
  TaskAtRisk,
  TaskFilter,
  TaskRates,
} from './report/rates.ts'
import type { TimeToRead } from './report/time-to-read.ts'
import { openDatabase, POOL_SIZES } from './store/prisma.ts'
import { createRateReader, withOwnSchema } from './store/rate-reader.ts'
import type { RawClient } from './store/raw-client.ts'

export type { StateKind, TaskStatus } from './domain/delivery.ts'
export { InvalidInputError, TrackerError, type TrackerErrorCode } from './domain/errors.ts'
export type { PollOutcome } from './domain/problems.ts'
export type { CampaignComparison, ComparedPoint } from './report/compare.ts'
export type {
  AppUsage,
  BoundsStep,
  CampaignFilter,
  CampaignRates,
  CampaignRecipient,
  CampaignRef,
  CurvePoint,
  DepartmentRates,
  ForbiddenCount,
  KnownState,
  Page,
  PageFilter,
  PairStatus,
  Pause,
  PeopleFilter,
  Person,
  PersonHistory,
  PersonPoll,
  PersonTask,
  Poll,
  RateColumns,
  RecipientFilter,
  RecipientStatus,
  RiskKind,
  TaskAtRisk,
  TaskFilter,
  TaskRates,
  WorkerProblem,
} from './report/rates.ts'
export type { ReadQuantile, ShareBounds, ShareWithin, TimeBounds, TimeToRead } from './report/time-to-read.ts'
export type { RawClient } from './store/raw-client.ts'

/** As it came back from `asyncsend_v2`: digits in a string, a safe integer or a bigint. */
export type TaskId = string | number | bigint

/** The app, where several apps have a task or campaign of the same name. */
export interface OfApp {
  readonly app?: string | undefined
}

/** A task by its id. Without `app`, the only app that has it. */
export interface TaskRef extends OfApp {
  readonly taskId: TaskId
}

/** Everything that an app (or all apps) sent at `since` or later, and before `until`. */
export interface SentIn extends OfApp {
  readonly since?: Date | undefined
  readonly until?: Date | undefined
}

/** Whose time to read. */
export type Population = TaskRef | CampaignRef | SentIn

/** Exactly one of `databaseUrl` and `prisma`. */
export interface RatesOptions {
  /** `postgres://`. The role needs to read the views only. */
  readonly databaseUrl?: string | undefined
  /** Connections at most, with `databaseUrl`. Default: its `connection_limit`, else 4. */
  readonly connections?: number | undefined
  /** A Prisma 7 client of the caller, of any schema, on a database with our views. `close` leaves it open. */
  readonly prisma?: RawClient | undefined
  /** The schema of the tracker's views. Default: that of `?schema=` in `databaseUrl`, else the one that is found in the database. */
  readonly schema?: string | undefined
}

/**
 * Reads the figures of tasks, campaigns and people. "Unread" is always as of `lastUnreadAt` of a person, or `unreadAsOf` of all, never "now"; a rate
 * is null where its denominator is 0.
 *
 * All methods reject with `InvalidInputError`, `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH`, `NOT_PERMITTED` or `CLOSED`; those for one task or campaign with
 * `TASK_NOT_FOUND` or `CAMPAIGN_NOT_FOUND`, or with `SEVERAL_APPS` where several have it and `app` is not given.
 */
export interface Rates {
  /** Counts, rates, status. */
  task(taskId: TaskId, of?: OfApp): Promise<TaskRates>
  /** Latest sent first. */
  tasks(filter?: TaskFilter): Promise<Page<TaskRates>>
  /** People, not rows: one person in several tasks counts once, with the best state. */
  campaign(name: string, of?: OfApp): Promise<CampaignRates>
  /** Latest sent first. */
  campaigns(filter?: CampaignFilter): Promise<Page<CampaignRates>>
  /** The recipients of a task by user id; with `state`, only those in it. */
  recipients(taskId: TaskId, filter?: RecipientFilter & OfApp): Promise<RecipientStatus[]>
  /** The people of a campaign by user id, each once, a page at a time. */
  campaignRecipients(name: string, filter?: RecipientFilter & PageFilter & OfApp): Promise<Page<CampaignRecipient>>
  /** A point for each successful poll, oldest first. */
  curve(taskId: TaskId, of?: OfApp): Promise<CurvePoint[]>
  /** A point for each time at which a count changed, oldest first. */
  campaignCurve(name: string, of?: OfApp): Promise<CurvePoint[]>
  /** The bounds of the read curve: at least and at most how many had read at a time. */
  bounds(of: TaskRef | CampaignRef): Promise<readonly BoundsStep[]>
  /** When people read: quantiles and shares, each with its bounds. Of a task, a campaign, or everything sent in a time. */
  timeToRead(of: Population): Promise<TimeToRead>
  /** The earliest `lastUnreadAt` of the unread people: all of them are unread as of this time at least. Null: no person is unread. */
  unreadAsOf(of: TaskRef | CampaignRef): Promise<Date | null>
  /** Forbidden people by DingTalk's code, most first. */
  forbidden(of: TaskRef | CampaignRef): Promise<readonly ForbiddenCount[]>
  /** The state of each recipient at that time as the polls until then showed it, by user id. */
  stateAt(taskId: TaskId, at: Date, of?: OfApp): Promise<KnownState[]>
  /** Every poll of a task, successful or failed, oldest first. */
  polls(taskId: TaskId, of?: OfApp): Promise<Poll[]>
  /** Every poll of a task, and the state of one recipient after it. `RECIPIENT_NOT_FOUND` where the task has no such recipient. */
  explain(taskId: TaskId, userId: string, of?: OfApp): Promise<PersonHistory>
  /** People whose name or department is known, by app and user id. Needs the right to see names. */
  people(filter?: PeopleFilter): Promise<Page<Person>>
  /** Who has this user id, an entry for each app that knows the name or sent to it. `RECIPIENT_NOT_FOUND` where none does. */
  person(userId: string, of?: OfApp): Promise<Person[]>
  /** Everything that was sent to a person, latest sent first. */
  personTasks(userId: string, filter?: PageFilter & OfApp): Promise<Page<PersonTask>>
  /** People by department, in the order of the paths; people whose department is not known come last. A person of several counts once in each. */
  campaignDepartments(name: string, of?: OfApp): Promise<DepartmentRates[]>
  /** Two to six campaigns side by side: rates, curves by the time since the send, time to read. */
  compare(names: readonly string[], of?: OfApp): Promise<CampaignComparison[]>
  /** Calls used this month and pauses, by app. */
  apps(): Promise<AppUsage[]>
  /** Tasks that do not go as planned. */
  attention(): Promise<TaskAtRisk[]>
  /** Waits for the open calls, and closes the connections that were opened here. Safe to call twice. */
  close(): Promise<void>
}

/**
 * Reads rates from a program. Connects with the first call, and loads no queue.
 * @throws {TrackerError} `INVALID_CONFIG` when not exactly one of `databaseUrl` and `prisma` is given, the URL is none, or the schema is no name
 */
export function createRates(options: RatesOptions): Rates {
  assertOptions('createRates', options, ['databaseUrl', 'prisma', 'schema', 'connections'])
  const { reader, close } = openReader(options)
  const open = new Set<Promise<unknown>>()
  let closed: Promise<void> | null = null
  const ask = async <Answer>(question: (reader: RateReader) => Promise<Answer>): Promise<Answer> => {
    if (closed !== null) throw new TrackerError('CLOSED', 'These rates are closed. Create others.')
    const answer = question(reader).catch(addRemedy)
    open.add(answer)
    return await answer.finally(() => open.delete(answer))
  }
  return {
    task: (taskId, of) => ask((rates) => rates.task(taskRef(taskId, of))),
    tasks: (filter = {}) => ask((rates) => rates.tasks(taskFilter(filter))),
    campaign: (name, of) => ask((rates) => rates.campaign(campaignRef(name, of))),
    campaigns: (filter = {}) => ask((rates) => rates.campaigns(campaignFilter(filter))),
    recipients: (taskId, filter = {}) => ask((rates) => rates.recipients(taskRef(taskId, appOf(filter)), recipientFilter(filter))),
    campaignRecipients: (name, filter = {}) =>
      ask((rates) => rates.campaignRecipients(campaignRef(name, appOf(filter)), campaignRecipientFilter(filter))),
    curve: (taskId, of) => ask((rates) => rates.curve(taskRef(taskId, of))),
    campaignCurve: (name, of) => ask((rates) => rates.campaignCurve(campaignRef(name, of))),
    bounds: (of) => ask(async (rates) => (await rates.readTimes(oneRef(of))).bounds),
    timeToRead: (of) => ask((rates) => rates.timeToRead(population(of))),
    unreadAsOf: (of) => ask(async (rates) => (await rates.stateDetails(oneRef(of))).unreadAsOf),
    forbidden: (of) => ask(async (rates) => (await rates.stateDetails(oneRef(of))).forbidden),
    stateAt: (taskId, at, of) => ask((rates) => rates.stateAt(taskRef(taskId, of), moment('at', at))),
    polls: (taskId, of) => ask((rates) => rates.polls(taskRef(taskId, of))),
    explain: (taskId, userId, of) => ask((rates) => rates.explain(taskRef(taskId, of), parseUserId('userId', userId))),
    people: (filter = {}) => ask((rates) => rates.people(peopleFilter(filter))),
    person: (userId, of) => ask((rates) => rates.person(personRef(userId, of))),
    personTasks: (userId, filter = {}) => ask((rates) => rates.personTasks(personRef(userId, appOf(filter)), personTasksFilter(filter))),
    campaignDepartments: (name, of) => ask((rates) => rates.campaignDepartments(campaignRef(name, of))),
    compare: (names, of) => ask((rates) => loadComparison(rates, comparedRefs(names, of), new Date())),
    apps: () => ask((rates) => rates.apps()),
    attention: () => ask((rates) => rates.attention()),
    close: () => (closed ??= Promise.allSettled(open).then(close)),
  }
}

function addRemedy(error: unknown): never {
  throw error instanceof TrackerError ? withRemedy(error, 'library') : error
}

function openReader({ databaseUrl, prisma, schema, connections }: RatesOptions): { readonly reader: RateReader; close(): Promise<void> } {
  if ((databaseUrl === undefined) === (prisma === undefined)) {
    const message = 'createRates needs exactly one of databaseUrl and prisma. Is the environment variable set?'
    throw new TrackerError('INVALID_CONFIG', message)
  }
  if (prisma !== undefined) {
    if (connections !== undefined)
      throw new TrackerError('INVALID_CONFIG', 'connections goes with databaseUrl: the size of your own client is set there.')
    if (typeof prisma?.$queryRawUnsafe !== 'function')
      throw new TrackerError('INVALID_CONFIG', 'prisma must be a client of Prisma, one with $queryRawUnsafe.')
    if (schema !== undefined) assertName('schema', schema, SCHEMA_NAME)
    return { reader: createRateReader({ prisma: withOwnSchema(prisma, schema ?? null) }), close: () => Promise.resolve() }
  }
  assertAddress('databaseUrl', databaseUrl, DATABASE_SCHEMES)
  assertConnections(connections)
  const url = withSchema({ url: 'databaseUrl', schema: 'schema' }, databaseUrl, schema)
  const database = openDatabase(url, { max: connections ?? poolSize(url, POOL_SIZES.rates), applicationName: 'dingtalk-delivery rates' })
  return { reader: createRateReader(database), close: () => database.close() }
}

function appOf({ app }: OfApp): OfApp {
  return { app }
}

function taskRef(taskId: unknown, of: OfApp = {}): ReportTaskRef {
  rejectUnknownFields(of, ['app'])
  return { taskId: parseTaskId(taskId), app: given(of.app, parseApp) }
}

function campaignRef(name: unknown, of: OfApp = {}): CampaignRef {
  rejectUnknownFields(of, ['app'])
  return { campaign: parseCampaignName(name, 'campaign'), app: given(of.app, parseApp) }
}

function personRef(userId: unknown, of: OfApp = {}): PersonRef {
  rejectUnknownFields(of, ['app'])
  return { userId: parseUserId('userId', userId), app: given(of.app, parseApp) }
}

function comparedRefs(names: readonly unknown[], of?: OfApp): CampaignRef[] {
  if (!Array.isArray(names)) throw new InvalidInputError('campaign', `campaign must be a list of names, not ${quote(names)}.`)
  const refs = names.map((name) => campaignRef(name, of))
  assertComparable(
    refs.map(({ campaign }) => campaign),
    'campaign',
  )
  return refs
}

function oneRef(of: TaskRef | CampaignRef): ReportTaskRef | CampaignRef {
  if (!('taskId' in of)) {
    const { campaign, ...app } = of
    return campaignRef(campaign, app)
  }
  const { taskId, ...app } = of
  return taskRef(taskId, app)
}

function population(of: Population): ReportTaskRef | CampaignRef | SentIn {
  if ('taskId' in of || 'campaign' in of) return oneRef(of)
  rejectUnknownFields(of, ['app', 'since', 'until'])
  return sentIn(of)
}

function taskFilter(filter: TaskFilter): TaskFilter {
  rejectUnknownFields(filter, ['app', 'taskId', 'campaign', 'status', 'since', 'until', 'limit', 'cursor'])
  return {
    ...sentIn(filter),
    ...slice(filter),
    taskId: given(filter.taskId, parseTaskId),
    campaign: given(filter.campaign, (name) => parseCampaignName(name, 'campaign')),
    status: given(filter.status, (status) => parseOneOf('status', STATUSES, status)),
  }
}

function campaignFilter(filter: CampaignFilter): CampaignFilter {
  rejectUnknownFields(filter, ['app', 'campaign', 'search', 'since', 'until', 'limit', 'cursor'])
  return {
    ...sentIn(filter),
    ...slice(filter),
    campaign: given(filter.campaign, (name) => parseCampaignName(name, 'campaign')),
    search: given(filter.search, text),
  }
}

const PEOPLE_FIELDS = ['state', 'search', 'department', 'searchIn']

function recipientFilter(filter: RecipientFilter & OfApp): RecipientFilter {
  rejectUnknownFields(filter, ['app', ...PEOPLE_FIELDS])
  return people(filter)
}

function campaignRecipientFilter(filter: RecipientFilter & PageFilter & OfApp): RecipientFilter & PageFilter {
  rejectUnknownFields(filter, ['app', ...PEOPLE_FIELDS, 'limit', 'cursor'])
  return { ...people(filter), ...slice(filter) }
}

function peopleFilter(filter: PeopleFilter): PeopleFilter {
  rejectUnknownFields(filter, ['app', 'search', 'department', 'limit', 'cursor'])
  return {
    ...slice(filter),
    app: given(filter.app, parseApp),
    search: given(filter.search, text),
    department: given(filter.department, (path) => parseDepartment(path, 'department')),
  }
}

function personTasksFilter(filter: PageFilter & OfApp): PageFilter {
  rejectUnknownFields(filter, ['app', 'limit', 'cursor'])
  return slice(filter)
}

function moment(field: string, at: unknown): Date {
  if (at instanceof Date && !Number.isNaN(at.getTime())) return at
  throw new InvalidInputError(field, `${field} must be a Date, and a valid one. A text becomes one by new Date("2026-11-23T01:00:00Z").`)
}

/** Rejects unknown fields: a misspelt filter such as `{ status: 'unread' }` would select all people. */
function rejectUnknownFields(asked: object, accepted: readonly string[]): void {
  const unknown = Object.keys(asked).find((name) => !accepted.includes(name))
  if (unknown === undefined) return
  throw new InvalidInputError(unknown, `Unknown field ${quote(unknown)}. Accepted: ${accepted.join(', ')}.`)
}

function sentIn({ app, since, until }: SentIn): SentIn {
  return {
    app: given(app, parseApp),
    since: given(since, (at) => moment('since', at)),
    until: given(until, (at) => moment('until', at)),
  }
}

/** The reader checks both itself, for every caller. */
function slice({ limit, cursor }: PageFilter): PageFilter {
  return { limit: limit ?? undefined, cursor: cursor ?? undefined }
}

function people({ state, search, department, searchIn }: RecipientFilter): RecipientFilter {
  return {
    state: given(state, (each) => parseOneOf('state', STATES, each)),
    search: given(search, text),
    department: given(department, (path) => parseDepartment(path, 'department')),
    searchIn: given(searchIn, (each) => parseOneOf('searchIn', SEARCHED, each)),
  }
}

const SEARCHED = ['both', 'userId'] as const

/** Null counts as not given, as in JSON. */
function given<Value>(value: unknown, parse: (value: unknown) => Value): Value | undefined {
  return value === undefined || value === null ? undefined : parse(value)
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new InvalidInputError('search', `search must be a string, not ${quote(value)}.`)
}
