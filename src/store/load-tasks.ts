import { type Recipient, type RecipientState, STATES, STATUSES, type TaskKey } from '../core/delivery.ts'
import type { Erasure } from '../core/erasure.ts'
import type { LoadedTask } from '../core/ports.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { flag, millis, number, oneOf, type Row, text, textOrNull, time, timeOrNull, unexpected } from './rows.ts'

/** Many tasks with their recipients in one query, in the order of the keys; null for those that are not there. */
export async function loadTasks(prisma: PrismaClient, keys: readonly TaskKey[]): Promise<Array<LoadedTask | null>> {
  const rows = await retrying(() => selectTasks(prisma, keys))
  const tasks = new Map(rows.map((row) => [number(row, 'n'), taskOf(row)]))
  return keys.map((_, n) => tasks.get(n) ?? null)
}

async function selectTasks(prisma: PrismaClient, keys: readonly TaskKey[]): Promise<Row[]> {
  return await prisma.$queryRaw<Row[]>`/* load_tasks */
SELECT
  wanted.n, task.app, task.task_id, task.agent_id, task.campaign, task.status, task.reason, task.recipients_known, task.poll_no,
  (SELECT coalesce(max(id), 0) FROM delivery_erasure) AS erasure_no,
  (
    SELECT json_agg(json_build_array(erasure.salt, erasure.digest, erasure.pseudonym) ORDER BY erasure.id)
    FROM delivery_erasure AS erasure WHERE (erasure.app IS NULL OR erasure.app = task.app) AND task.sent_at <= erasure.erased_at
  ) AS erasures,
  task.good_polls, task.failures_in_row, task.timeouts_in_row, task.listed_fingerprint, task.hindrance,
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
  ${keys.map((key) => key.taskId)}::text[]
) AS wanted (n, app, task_id)
CROSS JOIN LATERAL (
  SELECT * FROM delivery_task AS stored WHERE stored.app = wanted.app AND stored.task_id = wanted.task_id LIMIT 1
) AS task`
}

function taskOf(row: Row): LoadedTask {
  const lastGoodRequestedAt = timeOrNull(row, 'last_good_requested_at')
  return {
    key: { app: text(row, 'app'), taskId: text(row, 'task_id') },
    agentId: textOrNull(row, 'agent_id'),
    campaign: textOrNull(row, 'campaign'),
    status: oneOf(STATUSES, row, 'status'),
    reason: textOrNull(row, 'reason'),
    sentAt: time(row, 'sent_at'),
    deadlineAt: time(row, 'deadline_at'),
    recipientsKnown: flag(row, 'recipients_known'),
    pollNo: number(row, 'poll_no'),
    nextPollAt: timeOrNull(row, 'next_poll_at'),
    lastGoodRequestedAt,
    lastObservedAt: timeOrNull(row, 'last_observed_at'),
    goodPolls: number(row, 'good_polls'),
    failuresInRow: number(row, 'failures_in_row'),
    timeoutsInRow: number(row, 'timeouts_in_row'),
    listedFingerprint: textOrNull(row, 'listed_fingerprint'),
    listedSince: timeOrNull(row, 'listed_since'),
    hindrance: textOrNull(row, 'hindrance'),
    erasureNo: number(row, 'erasure_no'),
    erasures: listOf(row, 'erasures').map(erasureOf),
    recipients: listOf(row, 'people').map((person) => recipientOf(person, lastGoodRequestedAt)),
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
