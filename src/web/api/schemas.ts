import type { StateKind } from '../../domain/delivery.ts'
import { DELAY_CODES, END_CODES } from '../../domain/messages.ts'
import { OUTCOMES, PROBLEM_CODES, SCOPES } from '../../domain/problems.ts'
import { COMPARED_FIELDS, type ComparedField } from '../../domain/track-outcome.ts'
import type { ResumedApp } from '../../polling/ports.ts'
import type { ResumedTaskRates } from '../../polling/task-commands.ts'
import {
  type AppUsage,
  type BandStep,
  type CampaignRates,
  type CampaignRecipient,
  type CurvePoint,
  type ForbiddenCount,
  type KnownState,
  PAUSE_KINDS,
  type PairStatus,
  type Pause,
  type PersonHistory,
  type PersonPoll,
  type Poll,
  type RateColumns,
  type RecipientStatus,
  RISKS,
  type TaskAtRisk,
  type TaskRates,
  type WorkerProblem,
} from '../../report/rates.ts'
import type { ReadQuantile, ShareBounds, ShareWithin, TimeBounds, TimeToRead } from '../../report/time-to-read.ts'
import { state, status } from './parameters.ts'

/** JSON Schemas of the answers, each under the name that the document gives it. A field of a type that is missing here does not compile. */

export type Schema = Readonly<Record<string, unknown>>

const text = (description?: string): Schema => ({ type: 'string', ...(description !== undefined && { description }) })
const time = (description?: string): Schema => ({ ...text(description), format: 'date-time' })
const count = (description?: string): Schema => ({ type: 'integer', minimum: 0, ...(description !== undefined && { description }) })
const yes = (description: string): Schema => ({ type: 'boolean', description })
const share: Schema = { type: 'number', minimum: 0, maximum: 1 }
const ms: Schema = { type: 'number', minimum: 0, description: 'Milliseconds after the send.' }
const oneOf = (values: readonly string[], description?: string): Schema => ({ ...text(description), enum: values })
/** Codes that are known here. A newer version may store others, so the document does not close the list. */
const openList = (values: readonly string[], description: string): Schema => ({ ...text(description), examples: values })
const detail = (description: string): Schema => ({ type: ['object', 'null'], description, additionalProperties: true })
const problemDetail = (): Schema =>
  detail('What DingTalk or the network answered: said (the effective code), message, scope, requestId, agentId, ip.')
const list = (items: Schema): Schema => ({ type: 'array', items })

function orNull({ type, ...rest }: Schema): Schema {
  const values: unknown = rest['enum']
  return { ...rest, type: [type, 'null'], ...(Array.isArray(values) && { enum: [...(values as readonly unknown[]), null] }) }
}

/** All fields are always there; what is not known is null. */
function object<T>(properties: Readonly<Record<keyof T & string, Schema>>, description?: string): Schema {
  return { type: 'object', ...(description !== undefined && { description }), required: Object.keys(properties), properties }
}

export const ref = (name: keyof typeof SCHEMAS): Schema => ({ $ref: `${name}#` })

const { description: _status, ...statusSchema } = status.schema
const { description: _state, ...stateSchema } = state.schema

const rateColumns: Readonly<Record<keyof RateColumns, Schema>> = {
  targeted: count('All known people: the sum of the six states.'),
  delivered: count('read + unread'),
  read: count(),
  unread: count('Each as of their `lastUnreadAt`, never "now".'),
  pending: count('Listed nowhere by DingTalk so far: neither delivered nor unread.'),
  failed: count(),
  forbidden: count(),
  invalid: count(),
  readRate: { ...orNull(share), description: 'read / delivered; null where nobody was delivered.' },
  readRateOfTargeted: { ...orNull(share), description: 'read / targeted; null where nobody is known.' },
}

const task: Readonly<Record<keyof TaskRates, Schema>> = {
  app: text(),
  taskId: text(),
  agentId: orNull(text()),
  campaign: orNull(text()),
  status: statusSchema,
  reason: orNull(text('Why it ended: `reasonCode`, or the text that 0.1.0 stored; null while it is tracked.')),
  reasonCode: orNull(openList(END_CODES, 'Why it ended.')),
  reasonDetail: detail('Details of `reasonCode`.'),
  problemCode: orNull(openList(PROBLEM_CODES, 'Why it cannot be polled now. Null: its last poll succeeded, or none was made.')),
  problemDetail: problemDetail(),
  problemSince: orNull(time('When the request of the first failed poll with this problem was sent.')),
  sentAt: time('Where `sentAtGiven` is false, when it was enqueued: the message was sent before.'),
  sentAtGiven: yes('The sender gave the send time. False: no bracket relies on `sentAt`.'),
  deadlineAt: time('DingTalk forgets then.'),
  lastObservedAt: orNull(time('The figures are as of then; null before the first successful poll.')),
  finishedAt: orNull(time()),
  polls: count('Polls so far.'),
  goodPolls: count('Polls that brought lists.'),
  trackedAt: time(),
  nextPollAt: orNull(time()),
  calls: count('Calls of getsendresult that were made for it.'),
  delayReason: orNull(text('`delayCode`, or the text that 0.1.0 stored.')),
  delayCode: orNull(openList(DELAY_CODES, 'Why its next poll is later than planned. Null: it is not.')),
  delayDetail: detail('Details of `delayCode`.'),
  recipientsKnown: yes('The sender named the recipients.'),
  namesRemovedAt: orNull(time('The names of its people were replaced by pseudonyms then; null: they were not.')),
  ...rateColumns,
}

const recipient: Readonly<Record<keyof RecipientStatus, Schema>> = {
  app: text(),
  taskId: text(),
  campaign: orNull(text()),
  userId: text(),
  state: stateSchema,
  firstSeenAt: orNull(time()),
  lastUnreadAt: orNull(time('When the request of the last poll that listed the person as unread was sent.')),
  firstReadAt: orNull(time()),
  forbiddenCode: orNull(text()),
  forbiddenCount: orNull(count()),
  readAfter: orNull(
    time(
      'A person who has read did so after this; null for all others, and where no poll saw the person unread and the send time was not given.',
    ),
  ),
  readBefore: orNull(time('And not later than this.')),
  named: yes('The sender named the person.'),
  asOf: orNull(time('The state is as of then, but for unread, which is as of `lastUnreadAt`.')),
}

const pollCounts: Readonly<Record<StateKind, Schema>> = {
  pending: orNull(count()),
  invalid: orNull(count()),
  failed: orNull(count()),
  forbidden: orNull(count()),
  unread: orNull(count()),
  read: orNull(count()),
}

const pollFields = {
  pollNo: count(),
  requestedAt: time(),
  respondedAt: orNull(time()),
  outcome: oneOf(OUTCOMES),
  code: text(),
  message: orNull(text()),
}

const pause: Readonly<Record<keyof Pause, Schema>> = {
  pauseCode: orNull(openList(PROBLEM_CODES, 'Why nothing in it is polled, but for one probe at a time. Null: it is not paused.')),
  pauseDetail: problemDetail(),
  pauseSince: orNull(time('When the request of the first failed poll with this problem was sent.')),
  pausedUntil: orNull(time('When the next probe is due.')),
  lastGoodAt: orNull(time('When the request of the latest successful poll was sent, to a minute; null: none succeeded.')),
}

const timeBounds: Readonly<Record<keyof TimeBounds, Schema>> = {
  afterMs: ms,
  beforeMs: { ...orNull(ms), description: 'Null: not reached as far as is known.' },
}
const shareBounds: Readonly<Record<keyof ShareBounds, Schema>> = { atLeast: share, atMost: share }

/** `POST /v1/tasks` answers with it. */
export interface TrackAnswer {
  readonly app: string
  readonly taskId: string
  readonly status: TaskRates['status']
  readonly duplicate: boolean
  readonly conflict: readonly ComparedField[]
  readonly updated: readonly ComparedField[]
}

/** An app as this server knows it. */
export interface AppAnswer extends AppUsage {
  readonly monthlyCallBudget: number | null
}

export const SCHEMAS = {
  Task: object<TaskRates>(task),
  TaskAtRisk: object<TaskAtRisk>({
    ...task,
    risk: oneOf(RISKS, 'What does not go as planned.'),
  }),
  Campaign: object<CampaignRates>(
    {
      app: text(),
      campaign: text(),
      tasks: count(),
      openTasks: count(),
      firstSentAt: time(),
      lastSentAt: time(),
      lastDeadlineAt: time(),
      lastObservedAt: orNull(time('The latest successful poll of any of its tasks; null before the first.')),
      namesRemovedAt: orNull(time('Names in one of its tasks were last replaced by pseudonyms then; null: in none so far.')),
      ...rateColumns,
    },
    'People, not rows: one person in several tasks counts once, with the best state.',
  ),
  Recipient: object<RecipientStatus>(recipient),
  CampaignRecipient: object<CampaignRecipient>({ ...recipient, tasks: count('In how many tasks of the campaign the person is.') }),
  CurvePoint: object<CurvePoint>({ at: time(), delivered: count(), read: count(), readRate: orNull(share) }),
  BandStep: object<BandStep>({ at: time(), atLeast: count('Known to have read by then.'), atMost: count() }, 'Holds until the next step.'),
  ForbiddenCount: object<ForbiddenCount>({ code: orNull(text()), reason: text(), people: count() }),
  KnownState: object<KnownState>({ userId: text(), state: stateSchema, since: time() }),
  Poll: object<Poll>({
    ...pollFields,
    dueAt: orNull(time()),
    requestId: orNull(text()),
    problemCode: orNull(openList(PROBLEM_CODES, 'What the failed poll means; null after a successful one.')),
    scope: orNull(openList(SCOPES, 'What the failed poll says something about.')),
    calls: count('Calls of getsendresult that it took: 2 where the first token was refused.'),
    changed: count('People whose row changed.'),
    anomalies: count(),
    ...pollCounts,
  }),
  PersonPoll: object<PersonPoll>({ ...pollFields, state: stateSchema, isChange: yes('The poll changed what was known.') }),
  PersonHistory: object<PersonHistory>({ person: { $ref: 'Recipient#' }, polls: list({ $ref: 'PersonPoll#' }) }),
  TimeToRead: object<TimeToRead>({
    people: count('Delivered people.'),
    read: count(),
    assumedSendTimes: count(
      'Tasks whose send time was not given. The times of their people count from the enqueue, so from the send they are longer.',
    ),
    method: oneOf(
      ['polls', 'turnbull'],
      'polls: straight from the polls of one task. turnbull: estimated over tasks with different polls.',
    ),
    asOf: orNull(time()),
    quantiles: list(
      object<ReadQuantile>({ share, ...timeBounds, certain: object<TimeBounds>(timeBounds, 'What holds without any estimate.') }),
    ),
    within: list(
      object<ShareWithin>({
        hours: count(),
        ...shareBounds,
        certain: object<ShareBounds>(shareBounds, 'What holds without any estimate.'),
      }),
    ),
  }),
  ResumedTask: object<ResumedTaskRates>({
    ...task,
    isWithoutBudget: yes('It was delayed by the monthly call budget, which is not lifted: it will be delayed again while no call is left.'),
  }),
  ResumedApp: object<ResumedApp>({
    app: text(),
    tasks: count('Tasks that were brought forward.'),
    tasksWithoutBudget: count('Of these: delayed by the monthly call budget, which is not lifted.'),
  }),
  Pair: object<PairStatus>({ agentId: text(), ...pause }, 'An app with one agent id.'),
  WorkerProblem: object<WorkerProblem>(
    {
      workerId: text('Random for each start of a worker.'),
      startedAt: time(),
      problemCode: openList(PROBLEM_CODES, 'Why this worker cannot poll the app.'),
      problemDetail: problemDetail(),
      problemSince: orNull(time()),
    },
    'A running worker that cannot poll the app; others may.',
  ),
  App: object<AppAnswer>({
    app: text(),
    openTasks: count(),
    tasksWithProblem: count('Open tasks with a problem of their own.'),
    tasksDelayed: count('Open tasks whose next poll is later than planned.'),
    callsUsed: count('In this month, China time.'),
    month: text(),
    pauseKind: orNull(oneOf(PAUSE_KINDS)),
    pauseReason: orNull(text('The same as `pauseCode`.')),
    ...pause,
    pairs: list({ $ref: 'Pair#' }),
    workerProblems: list({ $ref: 'WorkerProblem#' }),
    monthlyCallBudget: { ...orNull(count()), description: 'Null: none is configured here.' },
  }),
  Tracked: object<TrackAnswer>({
    app: text(),
    taskId: text(),
    status: statusSchema,
    duplicate: yes('It was tracked already.'),
    conflict: list(
      oneOf(COMPARED_FIELDS, 'Fields that differ from what is stored and were not taken: it was polled with success, or has ended.'),
    ),
    updated: list(oneOf(COMPARED_FIELDS, 'Fields that differed and were taken; it is polled at once.')),
  }),
  Error: object<{ error: unknown }>({
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: text('Stable: switch on it, not on the message.'),
        message: text('With the value and the remedy.'),
        field: text('What of the request is wrong.'),
      },
    },
  }),
} as const satisfies Readonly<Record<string, Schema>>

/** One page of a list under its name. */
export function pageOf(name: string, items: keyof typeof SCHEMAS): Schema {
  return object<Record<string, unknown>>({
    [name]: list(ref(items)),
    nextCursor: { ...orNull(text('For the next page; null on the last one.')) },
  })
}

export function listOf(name: string, items: keyof typeof SCHEMAS): Schema {
  return object<Record<string, unknown>>({ [name]: list(ref(items)) })
}

export const CURVE = object<{ curve: unknown; band: unknown }>({ curve: list(ref('CurvePoint')), band: list(ref('BandStep')) })

export const STATE_AT = object<{ at: unknown; recipients: unknown }>({ at: time(), recipients: list(ref('KnownState')) })
