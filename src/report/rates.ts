import type { StateKind, TaskStatus } from '../domain/delivery.ts'
import type { Detail } from '../domain/message-parts.ts'
import type { ForbiddenReason, PollOutcome } from '../domain/problems.ts'
import type { BoundsStep, UnknownStep } from './read-brackets.ts'
import type { RiskKind } from './risks.ts'
import type { TimeToRead } from './time-to-read.ts'

export type { BoundsStep, UnknownStep } from './read-brackets.ts'
export { RISKS, type RiskKind } from './risks.ts'

/**
 * Reads the figures of tasks, campaigns and people. The package's `./rates`, the HTTP API, the dashboard and the commands use the same reader, so
 * they give the same figures. Field names are the camelCase of the SQL names.
 *
 * Every method rejects with `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`. A method that takes a reference to one task or campaign
 * also rejects with `TASK_NOT_FOUND` or `CAMPAIGN_NOT_FOUND` (an empty list must never mean a misspelt name), and with `SEVERAL_APPS` where
 * several apps have it and the reference has no app. A row that this reader returned is a reference that costs no statement to check.
 */
export interface RateReader {
  task(ref: TaskRef): Promise<TaskRates>
  /** Latest sent first. */
  tasks(filter: TaskFilter): Promise<Page<TaskRates>>
  campaign(ref: CampaignRef): Promise<CampaignRates>
  /** Latest sent first. People in several tasks of a campaign count once. */
  campaigns(filter: CampaignFilter): Promise<Page<CampaignRates>>
  /** The recipients of a task by user id; about a hundred at most. */
  recipients(ref: TaskRef, filter: RecipientFilter): Promise<RecipientStatus[]>
  /** The people of a campaign by user id, each once, with the best state (read > unread > pending > forbidden > failed > invalid). */
  campaignRecipients(ref: CampaignRef, filter: RecipientFilter & PageFilter): Promise<Page<CampaignRecipient>>
  /** A point for each successful poll, oldest first. */
  curve(ref: TaskRef): Promise<CurvePoint[]>
  /** A point for each time at which a count changed, oldest first. */
  campaignCurve(ref: CampaignRef): Promise<CurvePoint[]>
  timeToRead(of: Population): Promise<TimeToRead>
  /** The bounds of the read curve and the time to read of the same people at the same time. */
  readTimes(of: TaskRef | CampaignRef): Promise<ReadTimes>
  stateDetails(of: TaskRef | CampaignRef): Promise<StateDetails>
  /** The state of each recipient at that time as the polls until then showed it, by user id. */
  stateAt(ref: TaskRef, at: Date): Promise<KnownState[]>
  /** Every poll of a task, oldest first. */
  polls(ref: TaskRef): Promise<Poll[]>
  /** Every poll of a task, and the state of one recipient after it. `RECIPIENT_NOT_FOUND` where the task has no such recipient. */
  explain(ref: TaskRef, userId: string): Promise<PersonHistory>
  /** People by department of a campaign, in the order of the paths; people whose department is not known come last. */
  campaignDepartments(ref: CampaignRef): Promise<DepartmentRates[]>
  /** People whose name or department is known, by app and user id. */
  people(filter: PeopleFilter): Promise<Page<Person>>
  /** Who has this user id: one row for each app that knows the name of the person or sent to them. `RECIPIENT_NOT_FOUND` where none does. */
  person(ref: PersonRef): Promise<Person[]>
  /** Everything that was sent to a person, latest sent first. */
  personTasks(ref: PersonRef, filter: PageFilter): Promise<Page<PersonTask>>
  /** Every app that has a task or made a call, by name. */
  apps(): Promise<AppUsage[]>
  /** Open tasks that do not go as planned, and tasks that ended in the last 7 days without a final answer; nearest deadline first. */
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

/** Campaigns of which a task was sent in the time; their counts are of all their tasks. */
export interface CampaignFilter extends Sent, PageFilter {
  readonly campaign?: string | undefined
  /** Only campaigns whose name contains this, ignoring case. */
  readonly search?: string | undefined
}

export interface RecipientFilter {
  readonly state?: StateKind | undefined
  /** Only people whose user id or name contains this, ignoring case. */
  readonly search?: string | undefined
  /** Only people of this department or one below it: a path such as `Headquarters/Sales`. An empty text: people whose department is not known. */
  readonly department?: string | undefined
  /** What `search` is compared with. Default: both. */
  readonly searchIn?: 'both' | 'userId' | undefined
}

/** A person by user id. Without `app`, in all apps. */
export interface PersonRef {
  readonly userId: string
  readonly app?: string | undefined
}

export interface PeopleFilter extends PageFilter, Pick<RecipientFilter, 'search' | 'department'> {
  readonly app?: string | undefined
}

/** What is known of a person, besides their messages. */
export interface Person {
  readonly app: string
  readonly userId: string
  /** Null: not known. */
  readonly name: string | null
  /** Paths, highest department first, such as `Headquarters/Sales`. */
  readonly departments: readonly string[]
  readonly managerUserId: string | null
  /** When name, departments or manager last changed; null: nothing is known but the user id. */
  readonly updatedAt: Date | null
}

/** One task that was sent to a person. */
export interface PersonTask extends RecipientStatus {
  readonly sentAt: Date
  readonly deadlineAt: Date
  readonly status: TaskStatus
}

/** The people of a campaign in one department and those below it. Each person counts once in it, and in each of their departments. */
export interface DepartmentRates extends RateColumns {
  readonly app: string
  readonly campaign: string
  /** A path; null: people whose department is not known. */
  readonly department: string | null
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
  /** Why it ended: `reasonCode`, or the text that 0.1.0 stored; null while it is tracked. */
  readonly reason: string | null
  /** A code of `EndReason`; one of a newer version is kept as it is. */
  readonly reasonCode: string | null
  readonly reasonDetail: Detail | null
  /** Why it cannot be polled now, a `ProblemCode`; null: its last poll succeeded, or no poll was made. */
  readonly problemCode: string | null
  /** What DingTalk or the network answered, see `ProblemDetail`. */
  readonly problemDetail: Detail | null
  /** When the answer of the first failed poll with this problem arrived. */
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
  /** When its user ids were replaced by pseudonyms because it ended long ago; null: they were not. */
  readonly namesRemovedAt: Date | null
  /** The poll plan: milliseconds from `sentAt` to each poll, the final one last; null: an earlier version planned it, or no worker has yet. */
  readonly pollOffsets: readonly number[] | null
  /** Why the polls are where they are, see `PlanDetail`. */
  readonly plan: Detail | null
  /** False: the monthly call budget had no call left for its final poll. */
  readonly admitted: boolean
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
  /** When the user ids of one of its tasks were last replaced by pseudonyms; null: of none so far. */
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
   * A person in the state `read` read after `readAfter` and not later than `readBefore`; null in other states. `readAfter` is also null where
   * no poll listed the person as unread and the send time was not given.
   */
  readonly readAfter: Date | null
  readonly readBefore: Date | null
  /** The sender named the person. */
  readonly named: boolean
  /** Null: not known, or the reader may not see names. */
  readonly name: string | null
  /** Paths of departments, separated by `; `. Null: not known, or the reader may not see names. */
  readonly department: string | null
  /**
   * The last successful poll of the task that listed a recipient; null before the first. The state is as of then, except "unread": an answer may
   * leave an unread person out, so that state is as of `lastUnreadAt`.
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

export interface ReadTimes {
  /** Oldest first. */
  readonly bounds: readonly BoundsStep[]
  /** The part of `bounds` after the last poll of each unread person, oldest first. Empty: no person is unread. */
  readonly unknown: readonly UnknownStep[]
  readonly timeToRead: TimeToRead
}

export interface StateDetails {
  /** Forbidden people by DingTalk's code, most first. */
  readonly forbidden: readonly ForbiddenCount[]
  /** The earliest `lastUnreadAt` of the unread people: all of them are unread as of this time at least. Null: no person is unread. */
  readonly unreadAsOf: Date | null
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

/** One recorded poll; the counts are null where it failed. */
export interface Poll extends Readonly<Record<StateKind, number | null>> {
  readonly pollNo: number
  readonly dueAt: Date | null
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly outcome: PollOutcome
  readonly code: string
  readonly message: string | null
  readonly requestId: string | null
  /** The `ProblemCode` of a failed poll; null after a successful one, and after one that 0.1.0 made. */
  readonly problemCode: string | null
  /** The `Scope` of the problem. */
  readonly scope: string | null
  /** Calls of getsendresult that it made: 2 where the first token was refused. */
  readonly calls: number
  /** People whose row changed. */
  readonly changed: number
  readonly anomalies: number
}

export interface PersonHistory {
  readonly person: RecipientStatus
  readonly polls: readonly PersonPoll[]
}

/** One poll, and the state of one person after it. */
export interface PersonPoll {
  readonly pollNo: number
  readonly requestedAt: Date
  readonly respondedAt: Date | null
  readonly outcome: PollOutcome
  readonly code: string
  readonly message: string | null
  /** A failed poll does not change it; `pending` before the first successful poll that listed the person. */
  readonly state: StateKind
  /** The poll changed the state. */
  readonly isChange: boolean
}

/** Why no calls are made for an app, in four groups of `ProblemCode`. */
export const PAUSE_KINDS = ['throttled', 'configuration', 'quota', 'outage'] as const
export type PauseKind = (typeof PAUSE_KINDS)[number]

/** Whether a scope is paused. In a paused scope only one probe at a time is made. */
export interface Pause {
  /** A `ProblemCode`; null: it is not paused. */
  readonly pauseCode: string | null
  /** What DingTalk or the network answered, see `ProblemDetail`. */
  readonly pauseDetail: Detail | null
  /** When the request of the first failed poll with this problem was sent. */
  readonly pauseSince: Date | null
  /** When the next probe is due. */
  readonly pausedUntil: Date | null
  /** When the request of the latest successful poll was sent, to a minute; null: no poll succeeded. */
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

/** A running worker that cannot poll an app, because of its credentials, its network, or an app that is not in its configuration. */
export interface WorkerProblem {
  readonly workerId: string
  readonly startedAt: Date
  readonly problemCode: string
  readonly problemDetail: Detail | null
  readonly problemSince: Date | null
}

export interface TaskAtRisk extends TaskRates {
  readonly risk: RiskKind
}
