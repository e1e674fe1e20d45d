import { TrackerError, withRemedy } from './domain/errors.ts'
import { parseUserId } from './intake/track-request.ts'
import { assertAddress, DATABASE_SCHEMES } from './lib/address.ts'
import { assertOptions } from './lib/options.ts'
import {
  campaignFilter,
  campaignRecipientFilter,
  campaignRef,
  moment,
  type OfApp,
  oneRef,
  type Population,
  population,
  recipientFilter,
  type TaskId,
  type TaskRef,
  taskFilter,
  taskRef,
} from './report/questions.ts'
import type {
  AppUsage,
  BandStep,
  CampaignFilter,
  CampaignRates,
  CampaignRecipient,
  CampaignRef,
  CurvePoint,
  ForbiddenCount,
  KnownState,
  Page,
  PageFilter,
  PersonHistory,
  Poll,
  RateReader,
  RecipientFilter,
  RecipientStatus,
  TaskAtRisk,
  TaskFilter,
  TaskRates,
} from './report/rates.ts'
import type { TimeToRead } from './report/time-to-read.ts'
import { openDatabase } from './store/prisma.ts'
import { createRateReader, type RawClient } from './store/rate-reader.ts'

export type { StateKind, TaskStatus } from './domain/delivery.ts'
export { InvalidInputError, TrackerError, type TrackerErrorCode } from './domain/errors.ts'
export type { PollOutcome } from './domain/problems.ts'
export type { OfApp, Population, SentIn, TaskId, TaskRef } from './report/questions.ts'
export type {
  AppUsage,
  BandStep,
  CampaignFilter,
  CampaignRates,
  CampaignRecipient,
  CampaignRef,
  CurvePoint,
  ForbiddenCount,
  KnownState,
  Page,
  PageFilter,
  PairStatus,
  Pause,
  PersonHistory,
  PersonPoll,
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
export type { RawClient } from './store/rate-reader.ts'

/** Exactly one of `databaseUrl` and `prisma`. */
export interface RatesOptions {
  /** `postgres://`. The role needs to read the views only. */
  readonly databaseUrl?: string | undefined
  /** A Prisma 7 client of the caller's, of whatever schema, on a database with our views. It stays the caller's: `close` leaves it open. */
  readonly prisma?: RawClient | undefined
}

/**
 * Questions about what became of messages. "Unread" is always as of `lastUnreadAt` of a person, or `unreadAsOf` of all, never "now"; a rate is null
 * where its denominator is 0.
 *
 * All reject with `InvalidInputError`, `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH`, `NOT_PERMITTED` or `CLOSED`; those about one task or campaign with
 * `TASK_NOT_FOUND` or `CAMPAIGN_NOT_FOUND`, or with `SEVERAL_APPS` where several have it and `app` does not say which.
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
  /** Everybody in a task by user id; with `state`, only those in it. */
  recipients(taskId: TaskId, filter?: RecipientFilter & OfApp): Promise<RecipientStatus[]>
  /** Everybody in a campaign by user id, each once, a page at a time. */
  campaignRecipients(name: string, filter?: RecipientFilter & PageFilter & OfApp): Promise<Page<CampaignRecipient>>
  /** A point for each successful poll, oldest first. */
  curve(taskId: TaskId, of?: OfApp): Promise<CurvePoint[]>
  /** A point for each moment at which something became known about anybody, oldest first. */
  campaignCurve(name: string, of?: OfApp): Promise<CurvePoint[]>
  /** How many had read at a time: at least, and at most. */
  band(of: TaskRef | CampaignRef): Promise<BandStep[]>
  /** When people read: quantiles and shares, each with its bounds. Of a task, a campaign, or everything sent in a time. */
  timeToRead(of: Population): Promise<TimeToRead>
  /** Everybody who is unread is so as of this time at least: the earliest `lastUnreadAt` of them. Null where nobody is unread. */
  unreadAsOf(of: TaskRef | CampaignRef): Promise<Date | null>
  /** Forbidden people by DingTalk's code, most first. */
  forbidden(of: TaskRef | CampaignRef): Promise<ForbiddenCount[]>
  /** What was known about each person at that moment, by user id. */
  stateAt(taskId: TaskId, at: Date, of?: OfApp): Promise<KnownState[]>
  /** Every look at a task, good or failed, oldest first. */
  polls(taskId: TaskId, of?: OfApp): Promise<Poll[]>
  /** What each poll said about one person. `RECIPIENT_NOT_FOUND` where the task has no such person. */
  explain(taskId: TaskId, userId: string, of?: OfApp): Promise<PersonHistory>
  /** Calls used this month and pauses, by app. */
  apps(): Promise<AppUsage[]>
  /** Tasks that do not go as planned. */
  attention(): Promise<TaskAtRisk[]>
  /** Waits for the questions that were asked before, and closes the connections that were opened here. Safe to call twice. */
  close(): Promise<void>
}

/**
 * The door for whoever asks about read rates. Connects with the first question, and loads no queue.
 * @throws {TrackerError} `INVALID_CONFIG` when not exactly one of `databaseUrl` and `prisma` is given, or the URL is none
 */
export function createRates(options: RatesOptions): Rates {
  assertOptions('createRates', options, ['databaseUrl', 'prisma'])
  const { reader, close } = openReader(options)
  const open = new Set<Promise<unknown>>()
  let closed: Promise<void> | null = null
  /** What is wrong with a question rejects, as everything else that goes wrong does. */
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
    band: (of) => ask((rates) => rates.band(oneRef(of))),
    timeToRead: (of) => ask((rates) => rates.timeToRead(population(of))),
    unreadAsOf: (of) => ask((rates) => rates.unreadAsOf(oneRef(of))),
    forbidden: (of) => ask((rates) => rates.forbidden(oneRef(of))),
    stateAt: (taskId, at, of) => ask((rates) => rates.stateAt(taskRef(taskId, of), moment('at', at))),
    polls: (taskId, of) => ask((rates) => rates.polls(taskRef(taskId, of))),
    explain: (taskId, userId, of) => ask((rates) => rates.explain(taskRef(taskId, of), parseUserId('userId', userId))),
    apps: () => ask((rates) => rates.apps()),
    attention: () => ask((rates) => rates.attention()),
    close: () => (closed ??= Promise.allSettled(open).then(close)),
  }
}

function addRemedy(error: unknown): never {
  throw error instanceof TrackerError ? withRemedy(error, 'library') : error
}

function openReader({ databaseUrl, prisma }: RatesOptions): { readonly reader: RateReader; close(): Promise<void> } {
  if ((databaseUrl === undefined) === (prisma === undefined)) {
    const message = 'createRates needs exactly one of databaseUrl and prisma. Is the environment variable set?'
    throw new TrackerError('INVALID_CONFIG', message)
  }
  if (prisma !== undefined) {
    if (typeof prisma?.$queryRawUnsafe !== 'function')
      throw new TrackerError('INVALID_CONFIG', 'prisma must be a client of Prisma, one with $queryRawUnsafe.')
    return { reader: createRateReader({ prisma }), close: () => Promise.resolve() }
  }
  const url = databaseUrl ?? ''
  assertAddress('databaseUrl', url, DATABASE_SCHEMES)
  const database = openDatabase(url, { max: 4, applicationName: 'dingtalk-delivery rates' })
  return { reader: createRateReader(database), close: () => database.close() }
}

function appOf({ app }: OfApp): OfApp {
  return { app }
}
