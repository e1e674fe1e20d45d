import { z } from 'zod'
import { STATES, STATUSES } from '../../domain/delivery.ts'
import { DELAY_CODES, END_CODES } from '../../domain/messages.ts'
import { OUTCOMES, PROBLEM_CODES, SCOPES } from '../../domain/problems.ts'
import { COMPARED_FIELDS, type ComparedField } from '../../domain/track-outcome.ts'
import type { PeopleCounts } from '../../polling/ports.ts'
import type { ResumedTaskRates } from '../../polling/task-commands.ts'
import type { CampaignComparison } from '../../report/compare.ts'
import {
  type BoundsStep,
  type CampaignRates,
  type CampaignRecipient,
  type CurvePoint,
  type DepartmentRates,
  type ForbiddenCount,
  type KnownState,
  type Person,
  type PersonHistory,
  type PersonPoll,
  type PersonTask,
  type Poll,
  type RecipientStatus,
  RISKS,
  type TaskAtRisk,
  type TaskRates,
} from '../../report/rates.ts'
import type { TimeToRead } from '../../report/time-to-read.ts'

/**
 * Schemas of the answers: each serialises and documents. A field of a type that is missing here does not compile. All fields are always there; a
 * value that is not known is null.
 */

export type Schema<T> = z.ZodType<T>

export const text = (description?: string): Schema<string> => describe(z.string(), description)
export const time = (description?: string): Schema<Date> => describe(z.date(), description)
export const count = (description?: string): Schema<number> => describe(z.int().min(0), description)
export const flag = (description: string): Schema<boolean> => z.boolean().describe(description)
/** The bounds are documented and not checked: the last digit of an estimate must not turn an answer into an error. */
export const share: Schema<number> = z.number().meta({ minimum: 0, maximum: 1 })
const ms: Schema<number> = z.number().meta({ minimum: 0, description: 'Milliseconds after the send.' })
/** Codes of this version. A newer version may store others, so the document does not close the list. */
export const openList = (values: readonly string[]): Schema<string> => z.string().meta({ examples: [...values] })
export const list = <T>(items: Schema<T>): Schema<readonly T[]> => z.array(items)
export const orNull = <T>(schema: Schema<T>, description?: string): Schema<T | null> => describe(schema.nullable(), description)
const detail = (description: string) => orNull(z.record(z.string(), z.unknown()), description)
export const problemDetail = detail(
  'What DingTalk or the network answered: said (the effective code), message, scope, requestId, agentId, ip.',
)

function describe<T>(schema: Schema<T>, description: string | undefined): Schema<T> {
  return description === undefined ? schema : schema.describe(description)
}

/** @param id its name in the document */
export function component<T>(id: string, schema: Schema<T>, description?: string): Schema<T> {
  return schema.meta({ id, ...(description !== undefined && { description }) })
}

const state = z.enum(STATES)
const status = z.enum(STATUSES)
const outcome = z.enum(OUTCOMES)

const figures = {
  targeted: count('All known people: the sum of the six states.'),
  delivered: count('read + unread'),
  read: count(),
  unread: count('Each as of their `lastUnreadAt`, never "now".'),
  pending: count('Listed nowhere by DingTalk so far: neither delivered nor unread.'),
  failed: count(),
  forbidden: count(),
  invalid: count(),
  readRate: orNull(share, 'read / delivered; null where `delivered` is 0.'),
  readRateOfTargeted: orNull(share, 'read / targeted; null where `targeted` is 0.'),
}

const task = {
  app: text(),
  taskId: text(),
  agentId: orNull(text()),
  campaign: orNull(text()),
  status,
  reason: orNull(text(), 'Why it ended: `reasonCode`, or the text that 0.1.0 stored; null while it is tracked.'),
  reasonCode: orNull(openList(END_CODES), 'Why it ended.'),
  reasonDetail: detail('Details of `reasonCode`.'),
  problemCode: orNull(openList(PROBLEM_CODES), 'Why it cannot be polled now. Null: its last poll succeeded, or none was made.'),
  problemDetail,
  problemSince: orNull(time(), 'When the answer of the first failed poll with this problem arrived.'),
  sentAt: time('Where `sentAtGiven` is false, when it was enqueued: the message was sent before.'),
  sentAtGiven: flag('The sender gave the send time. False: no bracket relies on `sentAt`.'),
  deadlineAt: time('The end of the 24 hours in which DingTalk answers polls of it.'),
  lastObservedAt: orNull(time(), 'The figures are as of then; null before the first successful poll.'),
  finishedAt: orNull(time()),
  polls: count('Polls so far.'),
  goodPolls: count('Polls that succeeded.'),
  trackedAt: time(),
  nextPollAt: orNull(time()),
  calls: count('Calls of getsendresult that were made for it.'),
  delayReason: orNull(text(), '`delayCode`, or the text that 0.1.0 stored.'),
  delayCode: orNull(openList(DELAY_CODES), 'Why its next poll is later than planned. Null: it is not.'),
  delayDetail: detail('Details of `delayCode`.'),
  recipientsKnown: flag('The sender named the recipients.'),
  namesRemovedAt: orNull(time(), 'When the user ids of its people were replaced by pseudonyms; null: they were not.'),
  pollOffsets: orNull(
    z.array(z.int()),
    'The poll plan: milliseconds from `sentAt` to each poll, the final one last. Null: an earlier version planned it, or no worker has yet.',
  ),
  plan: detail(
    'Why the polls are where they are: `placedBy`, `people`, `law` (its version), `price` of a call, `expectedCalls`, `widthMs`.',
  ),
  admitted: flag('False: the monthly call budget had no call left for its final poll.'),
  ...figures,
}

const recipient = {
  app: text(),
  taskId: text(),
  campaign: orNull(text()),
  userId: text(),
  state,
  firstSeenAt: orNull(time()),
  lastUnreadAt: orNull(time(), 'When the request of the last poll that listed the person as unread was sent.'),
  firstReadAt: orNull(time()),
  forbiddenCode: orNull(text()),
  forbiddenCount: orNull(count()),
  readAfter: orNull(
    time(),
    'A person who has read did so after this; null for all others, and where no poll listed the person as unread and the send time was not given.',
  ),
  readBefore: orNull(time(), 'And not later than this.'),
  named: flag('The sender named the person.'),
  name: orNull(text(), 'Null: not known, or the caller may not see names.'),
  department: orNull(text(), 'Paths of departments, separated by `; `. Null: not known, or the caller may not see names.'),
  asOf: orNull(time(), 'The state is as of then, but for unread, which is as of `lastUnreadAt`.'),
}

const poll = {
  pollNo: count(),
  requestedAt: time(),
  respondedAt: orNull(time()),
  outcome,
  code: text(),
  message: orNull(text()),
}

export const pause = {
  pauseCode: orNull(openList(PROBLEM_CODES), 'Why nothing in it is polled, but for one probe at a time. Null: it is not paused.'),
  pauseDetail: problemDetail,
  pauseSince: orNull(time(), 'When the request of the first failed poll with this problem was sent.'),
  pausedUntil: orNull(time(), 'When the next probe is due.'),
  lastGoodAt: orNull(time(), 'When the request of the latest successful poll was sent, to a minute; null: none succeeded.'),
}

const timeBounds = { afterMs: ms, beforeMs: orNull(ms, 'Null: not reached as far as is known.') }
const shareBounds = { atLeast: share, atMost: share }
const CERTAIN = 'What holds without any estimate.'

/** `POST /v1/tasks` answers with it. */
interface TrackAnswer {
  readonly app: string
  readonly taskId: string
  readonly status: TaskRates['status']
  readonly duplicate: boolean
  readonly conflict: readonly ComparedField[]
  readonly updated: readonly ComparedField[]
}

export const Task = component<TaskRates>('Task', z.object(task))
export const AtRisk = component<TaskAtRisk>(
  'TaskAtRisk',
  z.object({ ...task, risk: z.enum(RISKS).describe('What does not go as planned.') }),
)
export const ResumedTask = component<ResumedTaskRates>(
  'ResumedTask',
  z.object({
    ...task,
    isWithoutBudget: flag(
      'It was delayed by the monthly call budget, which is not lifted: it will be delayed again while no call is left.',
    ),
  }),
)
export const Tracked = component<TrackAnswer>(
  'Tracked',
  z.object({
    app: text(),
    taskId: text(),
    status,
    duplicate: flag('It was tracked already.'),
    conflict: list(z.enum(COMPARED_FIELDS)).describe(
      'Fields that differ from what is stored and were not taken: a poll of it has succeeded, or it has ended.',
    ),
    updated: list(z.enum(COMPARED_FIELDS)).describe('Fields that differed and were taken; it is polled at once.'),
  }),
)

export const Campaign = component<CampaignRates>(
  'Campaign',
  z.object({
    app: text(),
    campaign: text(),
    tasks: count(),
    openTasks: count(),
    firstSentAt: time(),
    lastSentAt: time(),
    lastDeadlineAt: time(),
    lastObservedAt: orNull(time(), 'The latest successful poll of any of its tasks; null before the first.'),
    namesRemovedAt: orNull(time(), 'When user ids in one of its tasks were last replaced by pseudonyms; null: in none so far.'),
    ...figures,
  }),
  'People, not rows: one person in several tasks counts once, with the best state.',
)
export const Recipient = component<RecipientStatus>('Recipient', z.object(recipient))
export const InDepartment = component<DepartmentRates>(
  'DepartmentRates',
  z.object({
    app: text(),
    campaign: text(),
    department: orNull(text(), 'A path, highest department first. Null: people whose department is not known.'),
    ...figures,
  }),
  'The people of a campaign in a department and those below it. A person of several departments counts once in each, so rows add up to more than the campaign.',
)
export const Someone = component<Person>(
  'Person',
  z.object({
    app: text(),
    userId: text(),
    name: orNull(text(), 'Null: not known, or the caller may not see names.'),
    departments: list(text()).describe('Paths, highest department first.'),
    managerUserId: orNull(text()),
    updatedAt: orNull(time(), 'When name, departments or manager last changed. Null: nothing is known but the user id.'),
  }),
  'Who has a user id in an app.',
)
export const SentTo = component<PersonTask>(
  'PersonTask',
  z.object({
    ...recipient,
    sentAt: time('Of the task.'),
    deadlineAt: time('The end of the 24 hours in which DingTalk answers polls of the task.'),
    status,
  }),
  'One task that was sent to a person.',
)
export const InCampaign = component<CampaignRecipient>(
  'CampaignRecipient',
  z.object({ ...recipient, tasks: count('In how many tasks of the campaign the person is.') }),
)

const Point = component<CurvePoint>('CurvePoint', z.object({ at: time(), delivered: count(), read: count(), readRate: orNull(share) }))
const Step = component<BoundsStep>(
  'BoundsStep',
  z.object({ at: time(), atLeast: count('Known to have read by then.'), atMost: count() }),
  'Holds until the next step.',
)
export const Curve = z.object({ curve: list(Point), bounds: list(Step) })

export const TimesToRead = component<TimeToRead>(
  'TimeToRead',
  z.object({
    people: count('Delivered people.'),
    read: count(),
    assumedSendTimes: count(
      'Tasks whose send time was not given. The times of their people count from the enqueue, so from the send they are longer.',
    ),
    method: z
      .enum(['polls', 'turnbull'])
      .describe('polls: straight from the polls of one task. turnbull: estimated over tasks with different polls.'),
    asOf: orNull(time()),
    quantiles: list(z.object({ share, ...timeBounds, certain: z.object(timeBounds).describe(CERTAIN) })),
    within: list(z.object({ hours: count(), ...shareBounds, certain: z.object(shareBounds).describe(CERTAIN) })),
  }),
)
export const Compared = component<CampaignComparison>(
  'CampaignComparison',
  z.object({
    campaign: Campaign,
    points: list(
      z.object({
        minutes: z.number().meta({ minimum: 0, description: 'Since the first send.' }),
        read: count('Known to have read by then.'),
        readRate: orNull(share, '`read` by all people that are delivered by now, so that a curve never falls.'),
      }),
    ).describe('From minute 0 to the last observation; none before the first one.'),
    timeToRead: TimesToRead,
  }),
  'One of several campaigns, by the time since the send.',
)
export const Forbidden = component<ForbiddenCount>(
  'ForbiddenCount',
  z.object({ code: orNull(text()), reason: z.custom<ForbiddenCount['reason']>().meta({ type: 'string' }), people: count() }),
)

export const State = component<KnownState>('KnownState', z.object({ userId: text(), state, since: time() }))
export const TaskPoll = component<Poll>(
  'Poll',
  z.object({
    ...poll,
    dueAt: orNull(time()),
    requestId: orNull(text()),
    problemCode: orNull(openList(PROBLEM_CODES), 'What the failed poll means; null after a successful one.'),
    scope: orNull(openList(SCOPES), 'What the failed poll says something about.'),
    calls: count('Calls of getsendresult that it took: 2 where the first token was refused.'),
    changed: count('People whose row changed.'),
    anomalies: count(),
    pending: orNull(count()),
    invalid: orNull(count()),
    failed: orNull(count()),
    forbidden: orNull(count()),
    unread: orNull(count()),
    read: orNull(count()),
  }),
)
const OfPerson = component<PersonPoll>('PersonPoll', z.object({ ...poll, state, isChange: flag('The poll changed what was known.') }))
export const History = component<PersonHistory>('PersonHistory', z.object({ person: Recipient, polls: list(OfPerson) }))

export const StoredPeople = component<PeopleCounts & { readonly app: string }>(
  'StoredPeople',
  z.object({
    app: text(),
    created: count('People who were not known before.'),
    changed: count('Their name, departments or manager are others now.'),
    unchanged: count('They were stored like this.'),
    erased: count('They were erased less than a day ago, so they were left out.'),
  }),
)

export const ErrorBody = component(
  'Error',
  z.object({
    error: z.object({
      code: text('Stable: switch on it, not on the message.'),
      message: text('With the value and the remedy.'),
      field: text('What of the request is wrong.').optional(),
    }),
  }),
)

/** @param items the list under its name */
export function page<Items extends z.ZodRawShape>(items: Items) {
  return z.object({ ...items, nextCursor: orNull(text(), 'For the next page; null on the last one.') })
}
