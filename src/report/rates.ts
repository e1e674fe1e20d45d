import type { StateKind, TaskStatus } from '../domain/delivery.ts'
import type { Detail } from '../domain/message-parts.ts'
import type { ForbiddenReason, PollOutcome } from '../domain/problems.ts'
import type { TimeToRead } from './time-to-read.ts'

/**
 * What can be asked about tasks, campaigns and people. One reader answers the package's `./rates`, the HTTP API, the dashboard
 * and the commands, so all of them give the same figures. Field names are the camelCase of the SQL names.
 *
 * Every method rejects with `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`, and those that name one task or campaign with
 * `TASK_NOT_FOUND` or `CAMPAIGN_NOT_FOUND` (an empty list must mean "nobody", never a misspelt name), or with
 * `SEVERAL_APPS` where several apps have it and none was named.
 */
export interface RateReader {
  task(ref: TaskRef): Promise<TaskRates>
  /** Latest sent first. */
  tasks(filter: TaskFilter): Promise<Page<TaskRates>>
  campaign(ref: CampaignRef): Promise<CampaignRates>
  /** Latest sent first. People in several tasks of a campaign count once. */
  campaigns(filter: CampaignFilter): Promise<Page<CampaignRates>>
  /** Everybody in a task by user id; at most a hundred or so. */
  recipients(ref: TaskRef, filter: RecipientFilter): Promise<RecipientStatus[]>
  /** Everybody in a campaign by user id, each once, with the best state (read > unread > pending > forbidden > failed > invalid). */
  campaignRecipients(ref: CampaignRef, filter: RecipientFilter & PageFilter): Promise<Page<CampaignRecipient>>
  /** A point for each successful poll, oldest first. */
  curve(ref: TaskRef): Promise<CurvePoint[]>
  /** A point for each moment at which something became known about anybody, oldest first. */
  campaignCurve(ref: CampaignRef): Promise<CurvePoint[]>
  /** How many had read at a time: at least, and at most. Steps, oldest first. */
  band(of: TaskRef | CampaignRef): Promise<BandStep[]>
  timeToRead(of: Population): Promise<TimeToRead>
  /** `band` and `timeToRead` of the same people at the same moment, from one reading of their brackets, which is what both cost. */
  readTimes(of: TaskRef | CampaignRef): Promise<ReadTimes>
  /** Everybody who is unread is so as of this time at least: the earliest `lastUnreadAt` of them. Null where nobody is unread. */
  unreadAsOf(of: TaskRef | CampaignRef): Promise<Date | null>
  /** Forbidden people by DingTalk's code, most first. */
  forbidden(of: TaskRef | CampaignRef): Promise<ForbiddenCount[]>
  /** What was known about each person at that moment, by user id. */
  stateAt(ref: TaskRef, at: Date): Promise<KnownState[]>
  /** Every look at a task, oldest first. */
  polls(ref: TaskRef): Promise<Poll[]>
  /** Every look at a task, and what was known about one person after it. `RECIPIENT_NOT_FOUND` where the task has no such person. */
  explain(ref: TaskRef, userId: string): Promise<PersonHistory>
  /** Every app that has a task or ever called, by name. */
  apps(): Promise<AppUsage[]>
  /** Open tasks that do not go as planned, and those that ended lately without an answer; nearest deadline first. */
  attention(): Promise<TaskAtRisk[]>
}

/** A task by its id. Without `app`, the only app that has it. */
export interface TaskRef {
  readonly taskId: string
  readonly app?: string | undefined
}

/** A campaign by its name. Without `app`, the only app that has it. */
export interface CampaignRef {
  readonly campaign: string
  readonly app?: string | undefined
}

/** Whose time to read: of one task, of one campaign, or of everything that an app (or all apps) sent in a time. */
export type Population =
  | TaskRef
  | CampaignRef
  | { readonly app?: string | undefined; readonly since?: Date | undefined; readonly until?: Date | undefined }

export interface PageFilter {
  /** Rows of this page at most, 1 to {@link MAX_PAGE}. Default {@link DEFAULT_PAGE}. */
  readonly limit?: number | undefined
  /** `nextCursor` of the page before. `INVALID_INPUT` when it is not one. */
  readonly cursor?: string | undefined
}

export const DEFAULT_PAGE = 100
export const MAX_PAGE = 1_000

export interface Page<Item> {
  readonly items: readonly Item[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

interface Sent {
  readonly app?: string | undefined
  /** Sent at this time or later, and before `until`. */
  readonly since?: Date | undefined
  readonly until?: Date | undefined
}

export interface TaskFilter extends Sent, PageFilter {
  readonly taskId?: string | undefined
  readonly campaign?: string | undefined
  readonly status?: TaskStatus | undefined
}

/** Campaigns of which a task was sent in the time; they are counted whole. */
export interface CampaignFilter extends Sent, PageFilter {
  readonly campaign?: string | undefined
  /** Only campaigns whose name contains this, whatever the case. */
  readonly search?: string | undefined
}

export interface RecipientFilter {
  readonly state?: StateKind | undefined
  /** Only user ids that contain this, whatever the case. */
  readonly search?: string | undefined
}

/** People by state, and the rates; a rate is null where its denominator is 0. `targeted` is the sum of the six states. */
export interface RateColumns extends Readonly<Record<StateKind | 'targeted' | 'delivered', number>> {
  /** `read / delivered`; `delivered = read + unread`. */
  readonly readRate: number | null
  /** `read / targeted`. */
  readonly readRateOfTargeted: number | null
}

export interface TaskRates extends RateColumns {
  readonly app: string
  readonly taskId: string
  readonly agentId: string | null
  readonly campaign: string | null
  readonly status: TaskStatus
  /** Why it ended: `reasonCode`, or the text that 0.1.0 stored; null while it is tracked. `endReasonText` makes a sentence of code and detail. */
  readonly reason: string | null
  /** A code of `EndReason`; one of a newer version is kept as it is. */
  readonly reasonCode: string | null
  readonly reasonDetail: Detail | null
  /** Why it cannot be polled now, a `ProblemCode`; null: its last poll succeeded, or none was made. */
  readonly problemCode: string | null
  /** What DingTalk or the network answered, see `ProblemDetail`. */
  readonly problemDetail: Detail | null
  /** When the request of the first failed poll with this problem was sent. */
  readonly problemSince: Date | null
  /** When the message was sent. Where `sentAtGiven` is false, when it was enqueued: the message was sent before. */
  readonly sentAt: Date
  readonly sentAtGiven: boolean
  readonly deadlineAt: Date
  /** The figures are as of then; null before the first successful poll. */
  readonly lastObservedAt: Date | null
  readonly finishedAt: Date | null
  readonly polls: number
  readonly goodPolls: number
  readonly trackedAt: Date
  readonly nextPollAt: Date | null
  /** Calls of getsendresult that were made for it. */
  readonly calls: number
  /** `delayCode`, or the text that 0.1.0 stored. */
  readonly delayReason: string | null
  /** Why its next poll is later than planned, a code of `DelayReason`; null: it is not. */
  readonly delayCode: string | null
  readonly delayDetail: Detail | null
  /** The sender named the recipients. */
  readonly recipientsKnown: boolean
  /** When the names of its people were replaced by pseudonyms because it ended long ago; null: they were not. */
  readonly namesRemovedAt: Date | null
}

export interface CampaignRates extends RateColumns {
  readonly app: string
  readonly campaign: string
  readonly tasks: number
  readonly openTasks: number
  readonly firstSentAt: Date
  readonly lastSentAt: Date
  readonly lastDeadlineAt: Date
  /** The latest successful poll of any of its tasks; null before the first. */
  readonly lastObservedAt: Date | null
  /** When names in one of its tasks were last replaced by pseudonyms; null: in none so far. */
  readonly namesRemovedAt: Date | null
}

export interface RecipientStatus {
  readonly app: string
  readonly taskId: string
  readonly campaign: string | null
  readonly userId: string
  readonly state: StateKind
  readonly firstSeenAt: Date | null
  /** When the request of the last poll that listed the person as unread was sent. "Unread" is as of then, never "now". */
  readonly lastUnreadAt: Date | null
  readonly firstReadAt: Date | null
  readonly forbiddenCode: string | null
  readonly forbiddenCount: number | null
  /**
   * A person who has read did so after `readAfter` and not later than `readBefore`; null for all others. `readAfter` is also null where no
   * poll saw the person unread and the send time was not given: not known.
   */
  readonly readAfter: Date | null
  readonly readBefore: Date | null
  /** The sender named the person. */
  readonly named: boolean
  /**
   * The last successful poll of the task that listed anybody; null before the first. The state is as of then, but for "unread": an answer may
   * leave an unread person out, so that is as of `lastUnreadAt`.
   */
  readonly asOf: Date | null
}

/** One person in a campaign. `taskId` and the state's columns are those of the task with the best state, the latest sent of several. */
export interface CampaignRecipient extends RecipientStatus {
  /** In how many of the campaign's tasks the person is. */
  readonly tasks: number
}

export interface CurvePoint {
  readonly at: Date
  readonly delivered: number
  readonly read: number
  readonly readRate: number | null
}

/**
 * From `at` on, until the next step: how many had read. Before the first step it was nobody; where a send time was not given, nothing is known
 * of the time before the enqueue.
 */
export interface BandStep {
  readonly at: Date
  /** Known to have read by then. */
  readonly atLeast: number
  /** Not known to have been unread after it. */
  readonly atMost: number
}

export interface ReadTimes {
  readonly band: readonly BandStep[]
  readonly timeToRead: TimeToRead
}

export interface ForbiddenCount {
  readonly code: string | null
  /** A word for the code, see `forbiddenReasonOf`. */
  readonly reason: ForbiddenReason
  readonly people: number
}

export interface KnownState {
  readonly userId: string
  readonly state: StateKind
  readonly since: Date
}

/** One look as it was recorded; the counts are null after a failed one. */
export interface Poll extends Readonly<Record<StateKind, number | null>> {
  readonly pollNo: number
  readonly dueAt: Date | null
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly outcome: PollOutcome
  readonly code: string
  readonly message: string | null
  readonly requestId: string | null
  /** What the failed poll means, a `ProblemCode`; null after a successful one, and after one that 0.1.0 made. */
  readonly problemCode: string | null
  /** What it says something about, a `Scope`. */
  readonly scope: string | null
  /** Calls of getsendresult that it took: 2 where the first token was refused. */
  readonly calls: number
  /** People whose row changed. */
  readonly changed: number
  readonly anomalies: number
}

export interface PersonHistory {
  readonly person: RecipientStatus
  readonly polls: readonly PersonPoll[]
}

/** What one poll said about one person. */
export interface PersonPoll {
  readonly pollNo: number
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly outcome: PollOutcome
  readonly code: string
  readonly message: string | null
  /** What is known after it. A failed poll tells nothing, and leaves it as it was; pending before the first successful poll that listed the person. */
  readonly state: StateKind
  /** The poll changed what was known. */
  readonly isChange: boolean
}

/** Why no calls are made for an app, in four groups of `ProblemCode`. */
export const PAUSE_KINDS = ['throttled', 'configuration', 'quota', 'outage'] as const
export type PauseKind = (typeof PAUSE_KINDS)[number]

/** Whether a scope is paused: nothing in it is polled, but for one probe at a time. */
export interface Pause {
  /** A `ProblemCode`; null: it is not paused. */
  readonly pauseCode: string | null
  /** What DingTalk or the network answered, see `ProblemDetail`. */
  readonly pauseDetail: Detail | null
  /** When the request of the first failed poll with this problem was sent. */
  readonly pauseSince: Date | null
  /** When the next probe is due. */
  readonly pausedUntil: Date | null
  /** When the request of the latest successful poll was sent, to a minute; null: none succeeded. */
  readonly lastGoodAt: Date | null
}

export interface AppUsage extends Pause {
  readonly app: string
  readonly openTasks: number
  /** Open tasks with a problem of their own. */
  readonly tasksWithProblem: number
  /** Open tasks whose next poll is later than planned. */
  readonly tasksDelayed: number
  /** Calls counted in this month, China time. */
  readonly callsUsed: number
  /** `2026-11` */
  readonly month: string
  readonly pauseKind: PauseKind | null
  /** The same as `pauseCode`. */
  readonly pauseReason: string | null
  /** Each agent id that it was polled with, by agent id. */
  readonly pairs: readonly PairStatus[]
  /** Workers that run and cannot poll it, the latest start first. */
  readonly workerProblems: readonly WorkerProblem[]
}

/** An app with one agent id. */
export interface PairStatus extends Pause {
  readonly agentId: string
}

/** A running worker that cannot poll an app: its credentials, its way out of the network, or an app that it does not know. */
export interface WorkerProblem {
  readonly workerId: string
  readonly startedAt: Date
  readonly problemCode: string
  readonly problemDetail: Detail | null
  readonly problemSince: Date | null
}

export const RISKS = [
  /** The next poll is overdue by more than a minute (of the plan): no worker makes it. */
  'overdue',
  /** Its last poll failed, or the next one is later than planned: `problemCode` and `delayCode` say why. */
  'hindered',
  /** DingTalk refused every poll until the deadline. */
  'stopped',
  /** The 24 hours passed without one successful poll. */
  'never_observed',
  /** The last successful poll was more than an hour (of the plan) before the deadline. */
  'blind',
] as const
export type RiskKind = (typeof RISKS)[number]

export interface TaskAtRisk extends TaskRates {
  readonly risk: RiskKind
}
