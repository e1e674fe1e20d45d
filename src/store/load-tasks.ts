import {
  type Recipient,
  type RecipientState,
  type ScopeState,
  STATES,
  STATUSES,
  type TaskKey,
  type TaskProblem,
} from '../domain/delivery.ts'
import type { Erasure } from '../domain/erasure.ts'
import type { LoadedTask } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { delayFrom, problemFrom } from './problem-rows.ts'
import { flag, millis, number, oneOf, type Row, text, textOrNull, time, timeOrNull, unexpected } from './rows.ts'

/** The agent id for tasks of an app that do not bring their own. */
export type AgentIdOf = (app: string) => string | null

/** Many tasks with their recipients in one query, in the order of the keys; null for those that are not there. */
export async function loadTasks(prisma: PrismaClient, keys: readonly TaskKey[], agentIdOf: AgentIdOf): Promise<Array<LoadedTask | null>> {
  const rows = await retrying(() => selectTasks(prisma, keys, agentIdOf))
  const tasks = new Map(rows.map((row) => [number(row, 'n'), taskOf(row)]))
  return keys.map((_, n) => tasks.get(n) ?? null)
}

async function selectTasks(prisma: PrismaClient, keys: readonly TaskKey[], agentIdOf: AgentIdOf): Promise<Row[]> {
  return await prisma.$queryRaw<Row[]>`/* load_tasks */
SELECT
  wanted.n, task.app, task.task_id, task.agent_id, task.campaign, task.status, task.sent_at_given, task.recipients_known, task.poll_no,
  (SELECT coalesce(max(id), 0) FROM delivery_erasure) AS erasure_no,
  (
    SELECT json_agg(json_build_array(erasure.salt, erasure.digest, erasure.pseudonym) ORDER BY erasure.id)
    FROM delivery_erasure AS erasure WHERE (erasure.app IS NULL OR erasure.app = task.app) AND task.sent_at <= erasure.erased_at
  ) AS erasures,
  task.good_polls, task.failures_in_row, task.calls, task.final_calls, task.listed_fingerprint,
  task.problem_code, task.problem_detail, task.problem_polls, ${millis('task.problem_since')} AS problem_since, task.delay_code, task.delay_detail,
  coalesce(task.agent_id, wanted.agent_id) AS used_agent_id,
  ${millis('app.last_good_at')} AS app_good_at, app.pause_code AS app_pause_code, app.pause_detail AS app_pause_detail,
  ${millis('app.paused_until')} AS app_paused_until, app.witness_code IS NOT NULL AS app_has_witness, ${millis('app.resumed_at')} AS app_resumed_at,
  ${millis('pair.last_good_at')} AS pair_good_at, pair.pause_code AS pair_pause_code, pair.pause_detail AS pair_pause_detail,
  ${millis('pair.paused_until')} AS pair_paused_until, pair.witness_code IS NOT NULL AS pair_has_witness,
  ${millis('task.sent_at')} AS sent_at,
  ${millis('task.deadline_at')} AS deadline_at,
  ${millis('task.next_poll_at')} AS next_poll_at,
  ${millis('task.last_good_requested_at')} AS last_good_requested_at,
  ${millis('task.last_observed_at')} AS last_observed_at,
  ${millis('task.listed_since')} AS listed_since,
  (
    SELECT json_agg(json_build_array(
      person.user_id, person.state, ${millis('person.first_seen_at')}, ${millis('person.last_unread_at')}, ${millis('person.first_read_at')},
      person.forbidden_code, person.forbidden_count
    ) ORDER BY person.user_id)
    FROM delivery_recipient AS person WHERE person.task_pk = task.id
  ) AS people
FROM unnest(
  ${keys.map((_, n) => n)}::integer[],
  ${keys.map((key) => key.app)}::text[],
  ${keys.map((key) => key.taskId)}::text[],
  ${keys.map((key) => agentIdOf(key.app))}::text[]
) AS wanted (n, app, task_id, agent_id)
CROSS JOIN LATERAL (
  SELECT * FROM delivery_task AS stored WHERE stored.app = wanted.app AND stored.task_id = wanted.task_id LIMIT 1
) AS task
LEFT JOIN delivery_app AS app ON app.app = task.app
LEFT JOIN delivery_pair AS pair ON pair.app = task.app AND pair.agent_id = coalesce(task.agent_id, wanted.agent_id)`
}

function taskOf(row: Row): LoadedTask {
  const lastGoodRequestedAt = timeOrNull(row, 'last_good_requested_at')
  return {
    key: { app: text(row, 'app'), taskId: text(row, 'task_id') },
    agentId: textOrNull(row, 'agent_id'),
    campaign: textOrNull(row, 'campaign'),
    status: oneOf(STATUSES, row, 'status'),
    sentAt: time(row, 'sent_at'),
    sentAtGiven: flag(row, 'sent_at_given'),
    deadlineAt: time(row, 'deadline_at'),
    recipientsKnown: flag(row, 'recipients_known'),
    pollNo: number(row, 'poll_no'),
    nextPollAt: timeOrNull(row, 'next_poll_at'),
    lastGoodRequestedAt,
    lastObservedAt: timeOrNull(row, 'last_observed_at'),
    goodPolls: number(row, 'good_polls'),
    failuresInRow: number(row, 'failures_in_row'),
    calls: number(row, 'calls'),
    finalCalls: number(row, 'final_calls'),
    problem: taskProblemOf(row),
    delay: row['delay_code'] === null ? null : delayFrom(text(row, 'delay_code'), row['delay_detail']),
    scopes: {
      agentId: textOrNull(row, 'used_agent_id'),
      app: { ...scopeOf(row, 'app'), resumedAt: timeOrNull(row, 'app_resumed_at') },
      pair: scopeOf(row, 'pair'),
    },
    listedFingerprint: textOrNull(row, 'listed_fingerprint'),
    listedSince: timeOrNull(row, 'listed_since'),
    erasureNo: number(row, 'erasure_no'),
    erasures: listOf(row, 'erasures').map(erasureOf),
    recipients: listOf(row, 'people').map((person) => recipientOf(person, lastGoodRequestedAt)),
  }
}

function taskProblemOf(row: Row): TaskProblem | null {
  if (row['problem_code'] === null) return null
  const problem = problemFrom(text(row, 'problem_code'), row['problem_detail'])
  return { ...problem, since: time(row, 'problem_since'), polls: number(row, 'problem_polls') }
}

function scopeOf(row: Row, scope: 'app' | 'pair'): ScopeState {
  const until = timeOrNull(row, `${scope}_paused_until`)
  return {
    lastGoodAt: timeOrNull(row, `${scope}_good_at`),
    hasWitness: flag(row, `${scope}_has_witness`),
    pause: until === null ? null : { problem: problemFrom(text(row, `${scope}_pause_code`), row[`${scope}_pause_detail`]), until },
  }
}

/** What `json_agg` of lists made; of no rows it makes null. */
function listOf(row: Row, name: string): Array<readonly unknown[]> {
  const value = row[name]
  if (value === null) return []
  if (!Array.isArray(value)) return unexpected(name, value, 'a list')
  return value.map((item: unknown) => listIn(item, name))
}

function listIn(item: unknown, name: string): readonly unknown[] {
  return Array.isArray(item) ? item : unexpected(name, item, 'lists')
}

function erasureOf([salt, digest, pseudonym]: readonly unknown[]): Erasure {
  const row: Row = { salt, digest, pseudonym }
  return { salt: text(row, 'salt'), digest: text(row, 'digest'), pseudonym: text(row, 'pseudonym') }
}

function recipientOf(columns: readonly unknown[], lastGoodRequestedAt: Date | null): Recipient {
  const [user_id, state, first_seen_at, last_unread_at, first_read_at, code, count] = columns
  const row: Row = { user_id, state, first_seen_at, last_unread_at, first_read_at, code, count }
  return { userId: text(row, 'user_id'), firstSeenAt: timeOrNull(row, 'first_seen_at'), state: stateOf(row, lastGoodRequestedAt) }
}

function stateOf(row: Row, lastGoodRequestedAt: Date | null): RecipientState {
  const kind = oneOf(STATES, row, 'state')
  switch (kind) {
    case 'unread': {
      const own = timeOrNull(row, 'last_unread_at')
      return { kind, listed: own === null, lastUnreadAt: own ?? lastGoodRequestedAt ?? unexpected('last_unread_at', null, 'a time') }
    }
    case 'read':
      return { kind, lastUnreadAt: timeOrNull(row, 'last_unread_at'), firstReadAt: time(row, 'first_read_at') }
    case 'forbidden':
      return { kind, code: textOrNull(row, 'code'), count: row['count'] === null ? null : number(row, 'count') }
    default:
      return { kind }
  }
}
