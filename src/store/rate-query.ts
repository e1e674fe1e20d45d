import type { StateKind, TaskKey, TaskStatus } from '../core/delivery.ts'
import type { Poll, PollOutcome } from '../core/look-plan.ts'
import { retrying } from './database-errors.ts'
import { Prisma, type PrismaClient } from './generated/client.ts'
import { STATES, STATUSES } from './load-tasks.ts'
import { millis, number, numberOrNull, oneOf, type Row, text, textOrNull, time, timeOrNull } from './rows.ts'

/** Typed reads of the public views. Field names are the camelCase of the SQL names. */
export interface RateQueries {
  /** Latest sent first. */
  taskRates(filter: TaskFilter): Promise<TaskRates[]>
  /** Latest sent first. People in several tasks of a campaign count once. */
  campaignRates(filter: CampaignFilter): Promise<CampaignRates[]>
  /** Everybody in a task, or in all tasks of a campaign, by user id. */
  recipients(of: RecipientFilter): Promise<RecipientStatus[]>
  /** Who was delivered but has not read: of a campaign, those who have read in none of its tasks, each once. */
  unreadOf(
    of: { readonly app?: string | undefined } & ({ readonly taskId: string } | { readonly campaign: string }),
  ): Promise<RecipientStatus[]>
  /** Every look at a task, oldest first. */
  pollsOf(key: TaskKey): Promise<PollRow[]>
  /** A point for each good look. */
  curveOf(key: TaskKey): Promise<CurvePoint[]>
}

export interface TaskFilter {
  readonly app?: string | undefined
  readonly taskId?: string | undefined
  readonly campaign?: string | undefined
  /** Sent at this time or later. */
  readonly since?: Date | undefined
  readonly limit?: number | undefined
}

export interface CampaignFilter {
  readonly app?: string | undefined
  readonly campaign?: string | undefined
  /** Campaigns of which a task was sent at this time or later; they are counted whole. */
  readonly since?: Date | undefined
  readonly limit?: number | undefined
}

export interface RecipientFilter {
  readonly app?: string | undefined
  readonly taskId?: string | undefined
  readonly campaign?: string | undefined
  readonly state?: StateKind | undefined
}

/** People by state, and the rates; a rate is null where its denominator is 0. */
export interface RateColumns extends Readonly<Record<StateKind | 'targeted' | 'delivered', number>> {
  readonly readRate: number | null
  readonly readRateOfTargeted: number | null
}

export interface TaskRates extends RateColumns {
  readonly app: string
  readonly taskId: string
  readonly agentId: string | null
  readonly campaign: string | null
  readonly status: TaskStatus
  readonly reason: string | null
  readonly sentAt: Date
  readonly deadlineAt: Date
  readonly lastObservedAt: Date | null
  readonly finishedAt: Date | null
  readonly polls: number
  readonly trackedAt: Date
  readonly nextPollAt: Date | null
  readonly hindrance: string | null
}

export interface CampaignRates extends RateColumns {
  readonly app: string
  readonly campaign: string
  readonly tasks: number
  readonly openTasks: number
  readonly firstSentAt: Date
  readonly lastDeadlineAt: Date
}

export interface RecipientStatus {
  readonly app: string
  readonly taskId: string
  readonly campaign: string | null
  readonly userId: string
  readonly state: StateKind
  readonly firstSeenAt: Date | null
  readonly lastUnreadAt: Date | null
  readonly firstReadAt: Date | null
  readonly forbiddenCode: string | null
  readonly forbiddenCount: number | null
  /** A person who has read did so after `readAfter` and not later than `readBefore`. */
  readonly readAfter: Date | null
  readonly readBefore: Date | null
}

/** One look as it was recorded; the counts are null after a failed one. */
export interface PollRow extends Poll, Readonly<Record<StateKind, number | null>> {
  readonly changed: number
}

export interface CurvePoint {
  readonly at: Date
  readonly delivered: number
  readonly read: number
  readonly readRate: number | null
}

const ALL = 2 ** 31 - 1

/** All methods reject with `DATABASE_UNAVAILABLE` or `SCHEMA_MISMATCH`. */
export function createRateQueries(prisma: PrismaClient): RateQueries {
  const rows = (query: Prisma.Sql): Promise<Row[]> => retrying(() => prisma.$queryRaw<Row[]>(query))
  return {
    taskRates: async (filter) => (await rows(taskQuery(filter))).map(taskRatesOf),
    campaignRates: async (filter) => (await rows(campaignQuery(filter))).map(campaignRatesOf),
    recipients: async (of) => (await rows(recipientQuery(of))).map(recipientStatusOf),
    unreadOf: async (of) => (await rows(unreadQuery(of))).map(recipientStatusOf),
    pollsOf: async (key) => (await rows(pollQuery(key))).map(pollOf),
    curveOf: async (key) => (await rows(curveQuery(key))).map(curvePointOf),
  }
}

/** Only the conditions whose value is given. */
function where(
  conditions: ReadonlyArray<readonly [column: string, value: string | undefined]>,
  more: readonly Prisma.Sql[] = [],
): Prisma.Sql {
  const given = conditions.flatMap(([column, value]) => (value === undefined ? [] : [Prisma.sql`${Prisma.raw(column)} = ${value}::text`]))
  return Prisma.join([Prisma.sql`true`, ...given, ...more], ' AND ')
}

function sentSince(column: string, since: Date | undefined): Prisma.Sql[] {
  return since === undefined ? [] : [Prisma.sql`${Prisma.raw(column)} >= ${since.toISOString()}::timestamptz`]
}

const COUNTS = Prisma.raw('targeted, delivered, read, unread, pending, failed, forbidden, invalid, read_rate, read_rate_of_targeted')

function countsOf(row: Row): RateColumns {
  return {
    targeted: number(row, 'targeted'),
    delivered: number(row, 'delivered'),
    read: number(row, 'read'),
    unread: number(row, 'unread'),
    pending: number(row, 'pending'),
    failed: number(row, 'failed'),
    forbidden: number(row, 'forbidden'),
    invalid: number(row, 'invalid'),
    readRate: numberOrNull(row, 'read_rate'),
    readRateOfTargeted: numberOrNull(row, 'read_rate_of_targeted'),
  }
}

function taskQuery({ app, taskId, campaign, since, limit = ALL }: TaskFilter): Prisma.Sql {
  return Prisma.sql`
SELECT app, task_id, agent_id, campaign, status, reason, polls, hindrance, ${COUNTS},
  ${millis('sent_at')} AS sent_at_ms, ${millis('deadline_at')} AS deadline_at, ${millis('last_observed_at')} AS last_observed_at,
  ${millis('finished_at')} AS finished_at, ${millis('tracked_at')} AS tracked_at, ${millis('next_poll_at')} AS next_poll_at
FROM delivery_task_rates
WHERE ${where(
    [
      ['app', app],
      ['task_id', taskId],
      ['campaign', campaign],
    ],
    sentSince('sent_at', since),
  )}
ORDER BY sent_at DESC, app, task_id LIMIT ${limit}::integer`
}

function taskRatesOf(row: Row): TaskRates {
  return {
    app: text(row, 'app'),
    taskId: text(row, 'task_id'),
    agentId: textOrNull(row, 'agent_id'),
    campaign: textOrNull(row, 'campaign'),
    status: oneOf(STATUSES, row, 'status'),
    reason: textOrNull(row, 'reason'),
    sentAt: time(row, 'sent_at_ms'),
    deadlineAt: time(row, 'deadline_at'),
    lastObservedAt: timeOrNull(row, 'last_observed_at'),
    finishedAt: timeOrNull(row, 'finished_at'),
    polls: number(row, 'polls'),
    ...countsOf(row),
    trackedAt: time(row, 'tracked_at'),
    nextPollAt: timeOrNull(row, 'next_poll_at'),
    hindrance: textOrNull(row, 'hindrance'),
  }
}

function campaignQuery({ app, campaign, since, limit = ALL }: CampaignFilter): Prisma.Sql {
  return Prisma.sql`
SELECT app, campaign, tasks, open_tasks, ${COUNTS}, ${millis('first_sent_at')} AS first_sent_at, ${millis('last_deadline_at')} AS last_deadline_at
FROM delivery_campaign_rates
WHERE ${where(
    [
      ['app', app],
      ['campaign', campaign],
    ],
    sentSince('last_sent_at', since),
  )}
ORDER BY last_sent_at DESC, app, campaign LIMIT ${limit}::integer`
}

function campaignRatesOf(row: Row): CampaignRates {
  return {
    app: text(row, 'app'),
    campaign: text(row, 'campaign'),
    tasks: number(row, 'tasks'),
    openTasks: number(row, 'open_tasks'),
    firstSentAt: time(row, 'first_sent_at'),
    lastDeadlineAt: time(row, 'last_deadline_at'),
    ...countsOf(row),
  }
}

const RECIPIENT = Prisma.sql`app, task_id, campaign, user_id, state, forbidden_code, forbidden_count,
  ${millis('first_seen_at')} AS first_seen_at, ${millis('last_unread_at')} AS last_unread_at, ${millis('first_read_at')} AS first_read_at,
  ${millis('read_after')} AS read_after, ${millis('read_before')} AS read_before`

function recipientQuery({ app, taskId, campaign, state }: RecipientFilter): Prisma.Sql {
  return Prisma.sql`
SELECT ${RECIPIENT} FROM delivery_recipient_status
WHERE ${where([
    ['app', app],
    ['task_id', taskId],
    ['campaign', campaign],
    ['state', state],
  ])}
ORDER BY app, user_id, task_id`
}

/** Of a person's rows in a campaign the latest unread one, unless one of them is read. */
function unreadQuery(
  of: { readonly app?: string | undefined } & ({ readonly taskId: string } | { readonly campaign: string }),
): Prisma.Sql {
  if ('taskId' in of) return recipientQuery({ app: of.app, taskId: of.taskId, state: 'unread' })
  return Prisma.sql`
SELECT ${RECIPIENT} FROM (
  SELECT DISTINCT ON (app, user_id) * FROM delivery_recipient_status
  WHERE ${where([
    ['app', of.app],
    ['campaign', of.campaign],
  ])} AND state IN ('read', 'unread')
  ORDER BY app, user_id, state, last_unread_at DESC
) AS person
WHERE state = 'unread'
ORDER BY app, user_id`
}

function recipientStatusOf(row: Row): RecipientStatus {
  return {
    app: text(row, 'app'),
    taskId: text(row, 'task_id'),
    campaign: textOrNull(row, 'campaign'),
    userId: text(row, 'user_id'),
    state: oneOf(STATES, row, 'state'),
    firstSeenAt: timeOrNull(row, 'first_seen_at'),
    lastUnreadAt: timeOrNull(row, 'last_unread_at'),
    firstReadAt: timeOrNull(row, 'first_read_at'),
    forbiddenCode: textOrNull(row, 'forbidden_code'),
    forbiddenCount: numberOrNull(row, 'forbidden_count'),
    readAfter: timeOrNull(row, 'read_after'),
    readBefore: timeOrNull(row, 'read_before'),
  }
}

const OUTCOMES: readonly PollOutcome[] = ['observed', 'empty', 'throttled', 'quota', 'configuration', 'task', 'call_timeout', 'transient']

function pollQuery({ app, taskId }: TaskKey): Prisma.Sql {
  return Prisma.sql`
SELECT poll.poll_no, poll.outcome, poll.code, poll.message, poll.request_id, poll.changed, poll.anomalies,
  poll.pending, poll.invalid, poll.failed, poll.forbidden, poll.unread, poll.read,
  ${millis('poll.due_at')} AS due_at, ${millis('poll.requested_at')} AS requested_at, ${millis('poll.responded_at')} AS responded_at
FROM delivery_poll AS poll JOIN delivery_task AS task ON task.id = poll.task_pk
WHERE task.app = ${app}::text AND task.task_id = ${taskId}::text
ORDER BY poll.poll_no`
}

function pollOf(row: Row): PollRow {
  return {
    pollNo: number(row, 'poll_no'),
    dueAt: timeOrNull(row, 'due_at'),
    requestedAt: time(row, 'requested_at'),
    respondedAt: timeOrNull(row, 'responded_at'),
    outcome: oneOf(OUTCOMES, row, 'outcome'),
    code: text(row, 'code'),
    message: textOrNull(row, 'message'),
    requestId: textOrNull(row, 'request_id'),
    pending: numberOrNull(row, 'pending'),
    invalid: numberOrNull(row, 'invalid'),
    failed: numberOrNull(row, 'failed'),
    forbidden: numberOrNull(row, 'forbidden'),
    unread: numberOrNull(row, 'unread'),
    read: numberOrNull(row, 'read'),
    changed: number(row, 'changed'),
    anomalies: number(row, 'anomalies'),
  }
}

function curveQuery({ app, taskId }: TaskKey): Prisma.Sql {
  return Prisma.sql`
SELECT ${millis('at')} AS at_ms, delivered, read, read_rate FROM delivery_read_curve
WHERE app = ${app}::text AND task_id = ${taskId}::text ORDER BY poll_no`
}

function curvePointOf(row: Row): CurvePoint {
  return {
    at: time(row, 'at_ms'),
    delivered: number(row, 'delivered'),
    read: number(row, 'read'),
    readRate: numberOrNull(row, 'read_rate'),
  }
}
