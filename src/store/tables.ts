import { z } from 'zod'
import { type Recipient, type RecipientState, STATES, STATUSES, type TaskKey, type TaskProblem } from '../domain/delivery.ts'
import type { WritePlan } from '../domain/plan.ts'
import { OUTCOMES, PROBLEM_CODES, type Problem, SCOPES } from '../domain/problems.ts'
import type { DelayReason } from '../domain/reasons.ts'
import * as column from './columns.ts'
import { Prisma } from './generated/client.ts'

/**
 * The columns of the tables that statements of our own read and write. A new column is one line here, beside its migration, its line in
 * schema.prisma and the type of the core. A code and its details are two columns here and one property there.
 */

// Codes with details -------------------------------------------------------------------------------------------------------

const PROBLEM_DETAIL = z.object({
  said: z.string(),
  message: z.string(),
  scope: z.enum(SCOPES),
  requestId: z.string().nullable(),
  agentId: z.string().nullable(),
  ip: z.string().nullable(),
  assumedRegion: z.enum(['intl', 'cn']).optional(),
})

const PAUSE_DETAIL = PROBLEM_DETAIL.omit({ scope: true }).extend({
  scope: z.enum(['pair', 'worker', 'app']),
  problem: z.enum(PROBLEM_CODES),
  until: z.string(),
})

const DELAY = z.discriminatedUnion('code', [
  z.object({ code: z.literal('call_rate'), detail: z.null() }),
  z.object({
    code: z.literal('call_budget'),
    detail: z.object({ budget: z.number(), used: z.number(), reserved: z.number(), month: z.string() }),
  }),
  z.object({ code: z.literal('paused'), detail: PAUSE_DETAIL }),
  z.object({ code: z.literal('calls_used_up'), detail: z.object({ calls: z.number() }) }),
  z.object({ code: z.literal('write_refused'), detail: z.null() }),
  z.object({ code: z.literal('earlier_version'), detail: z.object({ text: z.string() }) }),
])

function problemColumns(name: 'problem' | 'pause') {
  return {
    code: column.nullable(column.oneOf(`${name}_code`, PROBLEM_CODES)),
    detail: column.nullable(
      column.json(`${name}_detail`, (value) => {
        const parsed = PROBLEM_DETAIL.safeParse(value)
        return parsed.success ? parsed.data : column.unexpected(`${name}_detail`, value, 'the details of a problem')
      }),
    ),
  }
}

/** @throws Error where there are no details */
export function decodeProblem(code: Problem['code'] | null, detail: Problem['detail'] | null): Problem | null {
  return code === null ? null : { code, detail: detail ?? column.unexpected(`detail of ${code}`, null, 'the details of a problem') }
}

function decodeDelay(code: string | null, detail: unknown): DelayReason | null {
  if (code === null) return null
  const parsed = DELAY.safeParse({ code, detail })
  return parsed.success ? parsed.data : column.unexpected('delay_code', code, 'a known reason with its details')
}

const anyJson = (name: string) => column.nullable(column.json<unknown>(name, (value) => value))

// delivery_task ------------------------------------------------------------------------------------------------------------

export const TASK_KEY = { app: column.text('app'), taskId: column.text('task_id') }

const PROBLEM = problemColumns('problem')

/** What a delayed poll writes. */
export const TASK_DELAY = {
  nextPollAt: column.nullable(column.time('next_poll_at')),
  failuresInRow: column.integer('failures_in_row'),
  calls: column.integer('calls'),
  finalCalls: column.integer('final_calls'),
  problemCode: PROBLEM.code,
  problemDetail: PROBLEM.detail,
  problemSince: column.nullable(column.time('problem_since')),
  problemPolls: column.integer('problem_polls'),
  delayCode: column.nullable(column.text('delay_code')),
  delayDetail: anyJson('delay_detail'),
}

/** What every poll reads and writes. */
const TASK_STATE = {
  ...TASK_DELAY,
  status: column.oneOf('status', STATUSES),
  lastGoodRequestedAt: column.nullable(column.time('last_good_requested_at')),
  lastObservedAt: column.nullable(column.time('last_observed_at')),
  goodPolls: column.integer('good_polls'),
  listedFingerprint: column.nullable(column.text('listed_fingerprint')),
  listedSince: column.nullable(column.time('listed_since')),
  answerDigest: column.nullable(column.text('answer_digest')),
}

export const COUNTS = {
  pending: column.integer('pending'),
  invalid: column.integer('invalid'),
  failed: column.integer('failed'),
  forbidden: column.integer('forbidden'),
  unread: column.integer('unread'),
  read: column.integer('read'),
}

/** What every poll reads. */
export const TASK = {
  ...TASK_KEY,
  ...TASK_STATE,
  agentId: column.nullable(column.text('agent_id')),
  campaign: column.nullable(column.text('campaign')),
  sentAt: column.time('sent_at'),
  sentAtGiven: column.flag('sent_at_given'),
  deadlineAt: column.time('deadline_at'),
  pollOffsetsMs: column.nullable(column.integers('poll_offsets')),
  admitted: column.flag('admitted'),
  recipientsKnown: column.flag('recipients_known'),
  pollNo: column.integer('poll_no'),
}

/** What every poll writes. */
export const TASK_UPDATE = {
  ...TASK_STATE,
  reasonCode: column.nullable(column.text('reason_code')),
  reasonDetail: anyJson('reason_detail'),
  ...COUNTS,
}

type TaskDelay = Pick<WritePlan['task'], 'problem' | 'delay' | 'nextPollAt' | 'failuresInRow' | 'calls' | 'finalCalls'>

export function taskDelayRow(task: TaskDelay): column.Decoded<typeof TASK_DELAY> {
  return { ...task, ...codes(task) }
}

function codes({ problem, delay }: Pick<TaskDelay, 'problem' | 'delay'>) {
  return {
    problemCode: problem?.code ?? null,
    problemDetail: problem?.detail ?? null,
    problemSince: problem?.since ?? null,
    problemPolls: problem?.polls ?? 0,
    delayCode: delay?.code ?? null,
    delayDetail: delay?.detail ?? null,
  }
}

export function taskUpdateRow(task: WritePlan['task']): column.Decoded<typeof TASK_UPDATE> {
  const { reason, counts } = task
  return { ...task, ...codes(task), ...counts, reasonCode: reason?.code ?? null, reasonDetail: reason?.detail ?? null }
}

/** The properties of a task that {@link TASK} has the columns of. */
export function buildTask(row: column.Decoded<typeof TASK>) {
  const { app, taskId, problemCode, problemDetail, problemSince, problemPolls, delayCode, delayDetail, ...columns } = row
  const key: TaskKey = { app, taskId }
  const problem = decodeProblem(problemCode, problemDetail)
  const delay = decodeDelay(delayCode, delayDetail)
  return { ...columns, key, delay, problem: problem === null ? null : taskProblem(problem, problemSince, problemPolls) }
}

function taskProblem(problem: Problem, since: Date | null, polls: number): TaskProblem {
  return { ...problem, polls, since: since ?? column.unexpected('problem_since', null, 'a time') }
}

// delivery_recipient, delivery_poll, delivery_erasure -------------------------------------------------

export const RECIPIENT_STATE = {
  state: column.oneOf('state', STATES),
  firstSeenAt: column.nullable(column.time('first_seen_at')),
  lastUnreadAt: column.nullable(column.time('last_unread_at')),
  firstReadAt: column.nullable(column.time('first_read_at')),
  forbiddenCode: column.nullable(column.text('forbidden_code')),
  forbiddenCount: column.nullable(column.integer('forbidden_count')),
}

export const RECIPIENT = { userId: column.text('user_id'), ...RECIPIENT_STATE }

export function recipientRow({ userId, firstSeenAt, state }: Recipient): column.Decoded<typeof RECIPIENT> {
  return {
    userId,
    firstSeenAt,
    state: state.kind,
    lastUnreadAt: storedLastUnread(state),
    firstReadAt: state.kind === 'read' ? state.firstReadAt : null,
    forbiddenCode: state.kind === 'forbidden' ? state.code : null,
    forbiddenCount: state.kind === 'forbidden' ? state.count : null,
  }
}

/** Null for a person whom the last successful poll listed as unread: the task's row says when that was, so an unchanged poll writes no recipient. */
function storedLastUnread(state: RecipientState): Date | null {
  if (state.kind === 'unread') return state.listed ? null : state.lastUnreadAt
  return state.kind === 'read' ? state.lastUnreadAt : null
}

/** Between the values of a person, and between people. No user id and no code of DingTalk holds a control character. */
const VALUE_END = '\u001f'
const PERSON_END = '\u001e'

/**
 * SQL: all people of `person` as one text, for {@link decodePeople}; NULL without any. As JSON a hundred of them cost PostgreSQL five times as much.
 * `date_part` is a double, and far cheaper than the numeric of `extract`.
 */
export const PEOPLE_TEXT = Prisma.raw(`string_agg(concat_ws(
    E'\\u001f', person.user_id, person.state, coalesce((date_part('epoch', person.first_seen_at) * 1000)::text, ''),
    coalesce((date_part('epoch', person.last_unread_at) * 1000)::text, ''), coalesce((date_part('epoch', person.first_read_at) * 1000)::text, ''),
    coalesce(person.forbidden_code, ''), coalesce(person.forbidden_count::text, '')
  ), E'\\u001e' ORDER BY person.user_id)`)

/** @throws Error where the text is of another form */
export function decodePeople(text: string | null, lastGoodRequestedAt: Date | null): Recipient[] {
  return (text ?? '').split(PERSON_END).flatMap((person): Recipient[] => {
    if (person === '') return []
    const [userId, state, firstSeenAt = '', lastUnreadAt = '', firstReadAt = '', code = '', count] = person.split(VALUE_END)
    if (userId === undefined || count === undefined) column.unexpected('people', person, 'seven values')
    const row = {
      state: RECIPIENT_STATE.state.decode(state),
      firstSeenAt: toTime(firstSeenAt),
      lastUnreadAt: toTime(lastUnreadAt),
      firstReadAt: toTime(firstReadAt),
      forbiddenCode: code === '' ? null : code,
      forbiddenCount: count === '' ? null : Number(count),
    }
    return [{ userId, firstSeenAt: row.firstSeenAt, state: recipientState(row, lastGoodRequestedAt) }]
  })
}

function toTime(ms: string): Date | null {
  return ms === '' ? null : new Date(Math.round(Number(ms)))
}

function recipientState(row: column.Decoded<typeof RECIPIENT_STATE>, lastGoodRequestedAt: Date | null): RecipientState {
  const { state: kind, lastUnreadAt, firstReadAt } = row
  switch (kind) {
    case 'unread':
      return {
        kind,
        listed: lastUnreadAt === null,
        lastUnreadAt: lastUnreadAt ?? lastGoodRequestedAt ?? column.unexpected('last_unread_at', null, 'a time'),
      }
    case 'read':
      return { kind, lastUnreadAt, firstReadAt: firstReadAt ?? column.unexpected('first_read_at', null, 'a time') }
    case 'forbidden':
      return { kind, code: row.forbiddenCode, count: row.forbiddenCount }
    default:
      return { kind }
  }
}

export const POLL = {
  pollNo: column.integer('poll_no'),
  dueAt: column.nullable(column.time('due_at')),
  requestedAt: column.time('requested_at'),
  respondedAt: column.nullable(column.time('responded_at')),
  outcome: column.oneOf('outcome', OUTCOMES),
  code: column.text('code'),
  message: column.nullable(column.text('message')),
  requestId: column.nullable(column.text('request_id')),
  anomalies: column.integer('anomalies'),
  problemCode: column.nullable(column.text('problem_code')),
  scope: column.nullable(column.text('scope')),
  calls: column.integer('calls'),
  changed: column.integer('changed'),
  pending: column.nullable(column.integer('pending')),
  invalid: column.nullable(column.integer('invalid')),
  failed: column.nullable(column.integer('failed')),
  forbidden: column.nullable(column.integer('forbidden')),
  unread: column.nullable(column.integer('unread')),
  read: column.nullable(column.integer('read')),
}

/**
 * The changes of people's states that a poll showed; null: none. Lists are texts here, since a list of lists is no parameter of `unnest`:
 * user ids by lines (no user id has a control character), and one value for all people, or one for each.
 */
export const MOVED = {
  movedUserIds: column.nullable(column.text('moved_user_ids')),
  movedStates: column.nullable(column.text('moved_states')),
  movedAfter: column.nullable(column.text('moved_after')),
}

/** `at` is not stored: it is when the answer of the poll arrived. */
export function movedRow({ transitions }: WritePlan): column.Decoded<typeof MOVED> {
  if (transitions.length === 0) return { movedUserIds: null, movedStates: null, movedAfter: null }
  return {
    movedUserIds: transitions.map(({ userId }) => userId).join('\n'),
    movedStates: oneOrEach(transitions.map(({ from, to }) => String(STATES.indexOf(from) * 10 + STATES.indexOf(to)))),
    movedAfter: oneOrEach(transitions.map(({ afterAt }) => afterAt?.toISOString() ?? 'NULL')),
  }
}

function oneOrEach(values: readonly string[]): string {
  const distinct = new Set(values)
  return `{${[...(distinct.size === 1 ? distinct : values)].join(',')}}`
}

const NO_COUNTS = { pending: null, invalid: null, failed: null, forbidden: null, unread: null, read: null }

/** A failed poll is no observation, so it has no counts. */
export function pollRow({ poll, task, changed }: WritePlan): column.Decoded<typeof POLL> {
  return { ...poll, changed: changed.length, ...(poll.outcome === 'observed' ? task.counts : NO_COUNTS) }
}

export const ERASURE = { salt: column.text('salt'), digest: column.text('digest'), pseudonym: column.text('pseudonym') }

// delivery_app, delivery_pair ----------------------------------------------------------------------------------------------

const PAUSE = problemColumns('pause')

/** Of a scope that may be paused. */
export const SCOPE = {
  lastGoodAt: column.nullable(column.time('last_good_at')),
  pauseCode: PAUSE.code,
  pauseDetail: PAUSE.detail,
  pausedUntil: column.nullable(column.time('paused_until')),
  witnessCode: column.nullable(column.text('witness_code')),
}

export const APP_SCOPE = { ...SCOPE, resumedAt: column.nullable(column.time('resumed_at')) }
