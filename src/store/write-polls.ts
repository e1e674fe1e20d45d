import type { Recipient, RecipientState } from '../domain/delivery.ts'
import type { WritePlan } from '../domain/plan.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { chosen, iso, type Row } from './rows.ts'
import { byKey } from './track-tasks.ts'

export type Written = 'stored' | 'stale'

/**
 * Writes polls, each whole or not at all, in one statement. No two of them may be of one task.
 * @returns for each plan, in their order, whether it was stored
 */
export async function writePolls(prisma: PrismaClient, plans: readonly WritePlan[]): Promise<Written[]> {
  const sorted = plans.toSorted((a, b) => byKey(a.key, b.key))
  return await retrying(async ({ maybeCommitted }) => {
    const stored = chosen(sorted, await insertPolls(prisma, sorted))
    // The reply to an earlier attempt was lost. What polls stale now may be our own poll.
    if (maybeCommitted && stored.size < plans.length) {
      for (const plan of chosen(sorted, await findPolls(prisma, sorted))) stored.add(plan)
    }
    return plans.map((plan) => (stored.has(plan) ? 'stored' : 'stale'))
  })
}

/**
 * The fence: only a task that is open and whose `poll_no` is what the plan expected is locked, and all else hangs on it.
 * Nor does a poll that does not heed the latest erasure write anything: it may name who was erased. FOR KEY SHARE is for its lock on the table,
 * which a new erasure waits for, and which the next statements wait for; it comes before the snapshot, so nobody slips in between.
 * Tasks are locked in the order of their keys (the plans are sorted), people written in the order of theirs, as everywhere.
 * LATERAL with LIMIT makes it a look-up by key for each plan: left to itself the planner reads every open task when its statistics are old.
 */
async function insertPolls(prisma: PrismaClient, plans: readonly WritePlan[]): Promise<Row[]> {
  const [tasks, polls] = [plans.map((plan) => plan.task), plans.map((plan) => plan.poll)]
  const people = plans.flatMap((plan, n) => plan.changed.map((recipient) => recipientRow(n, recipient)))
  const moves = plans.flatMap((plan, n) => plan.transitions.map((transition) => ({ n, ...transition })))
  return await prisma.$queryRaw<Row[]>`/* write_polls */
WITH plan AS (
  SELECT * FROM unnest(
    ${plans.map((_, n) => n)}::integer[],
    ${plans.map((plan) => plan.key.app)}::text[],
    ${plans.map((plan) => plan.key.taskId)}::text[],
    ${plans.map((plan) => plan.expected.pollNo)}::integer[],
    ${plans.map((plan) => plan.expected.erasureNo)}::bigint[],
    ${tasks.map((task) => task.status)}::text[],
    ${tasks.map((task) => task.reason?.code ?? null)}::text[],
    ${tasks.map((task) => json(task.reason?.detail))}::jsonb[],
    ${tasks.map((task) => iso(task.nextPollAt))}::timestamptz[],
    ${tasks.map((task) => iso(task.lastGoodRequestedAt))}::timestamptz[],
    ${tasks.map((task) => iso(task.lastObservedAt))}::timestamptz[],
    ${tasks.map((task) => task.goodPolls)}::integer[],
    ${tasks.map((task) => task.failuresInRow)}::integer[],
    ${tasks.map((task) => task.calls)}::integer[],
    ${tasks.map((task) => task.finalCalls)}::integer[],
    ${tasks.map((task) => task.problem?.code ?? null)}::text[],
    ${tasks.map((task) => json(task.problem?.detail))}::jsonb[],
    ${tasks.map((task) => iso(task.problem?.since ?? null))}::timestamptz[],
    ${tasks.map((task) => task.problem?.polls ?? 0)}::integer[],
    ${tasks.map((task) => task.delay?.code ?? null)}::text[],
    ${tasks.map((task) => json(task.delay?.detail))}::jsonb[],
    ${tasks.map((task) => task.listedFingerprint)}::text[],
    ${tasks.map((task) => iso(task.listedSince))}::timestamptz[],
    ${tasks.map((task) => task.counts.pending)}::integer[],
    ${tasks.map((task) => task.counts.invalid)}::integer[],
    ${tasks.map((task) => task.counts.failed)}::integer[],
    ${tasks.map((task) => task.counts.forbidden)}::integer[],
    ${tasks.map((task) => task.counts.unread)}::integer[],
    ${tasks.map((task) => task.counts.read)}::integer[],
    ${polls.map((poll) => iso(poll.dueAt))}::timestamptz[],
    ${polls.map((poll) => iso(poll.requestedAt))}::timestamptz[],
    ${polls.map((poll) => iso(poll.respondedAt))}::timestamptz[],
    ${polls.map((poll) => poll.outcome)}::text[],
    ${polls.map((poll) => poll.code)}::text[],
    ${polls.map((poll) => poll.message)}::text[],
    ${polls.map((poll) => poll.requestId)}::text[],
    ${polls.map((poll) => poll.anomalies)}::integer[],
    ${polls.map((poll) => poll.problemCode)}::text[],
    ${polls.map((poll) => poll.scope)}::text[],
    ${polls.map((poll) => poll.calls)}::integer[],
    ${plans.map((plan) => plan.changed.length)}::integer[]
  ) AS given (
    n, app, task_id, expected, erasure_seen,
    status, reason_code, reason_detail, next_poll_at, last_good_requested_at, last_observed_at, good_polls, failures_in_row, calls, final_calls,
    problem_code, problem_detail, problem_since, problem_polls, delay_code, delay_detail, listed_fingerprint, listed_since,
    pending, invalid, failed, forbidden, unread, read,
    due_at, requested_at, responded_at, outcome, code, message, request_id, anomalies, poll_problem_code, poll_scope, poll_calls, changed
  )
), fenced AS MATERIALIZED (
  SELECT task.id, plan.*
  FROM plan
  CROSS JOIN LATERAL (
    SELECT id, poll_no, status FROM delivery_task AS stored WHERE stored.app = plan.app AND stored.task_id = plan.task_id
    LIMIT 1 FOR UPDATE
  ) AS task
  WHERE task.poll_no = plan.expected AND task.status = 'tracking'
    AND NOT EXISTS (SELECT FROM delivery_erasure AS erasure WHERE erasure.id > plan.erasure_seen FOR KEY SHARE)
), updated AS (
  UPDATE delivery_task AS task SET
    poll_no = fenced.expected + 1,
    status = fenced.status,
    reason_code = fenced.reason_code,
    reason_detail = fenced.reason_detail,
    next_poll_at = fenced.next_poll_at,
    last_good_requested_at = fenced.last_good_requested_at,
    last_observed_at = fenced.last_observed_at,
    good_polls = fenced.good_polls,
    failures_in_row = fenced.failures_in_row,
    calls = fenced.calls,
    final_calls = fenced.final_calls,
    problem_code = fenced.problem_code,
    problem_detail = fenced.problem_detail,
    problem_since = fenced.problem_since,
    problem_polls = fenced.problem_polls,
    delay_code = fenced.delay_code,
    delay_detail = fenced.delay_detail,
    listed_fingerprint = fenced.listed_fingerprint,
    listed_since = fenced.listed_since,
    finished_at = CASE WHEN fenced.status <> 'tracking' THEN clock_timestamp() END,
    pending = fenced.pending, invalid = fenced.invalid, failed = fenced.failed, forbidden = fenced.forbidden, unread = fenced.unread, read = fenced.read
  FROM fenced
  WHERE task.id = fenced.id
), poll AS (
  INSERT INTO delivery_poll (
    task_pk, poll_no, due_at, requested_at, responded_at, outcome, code, message, request_id,
    pending, invalid, failed, forbidden, unread, read, changed, anomalies, problem_code, scope, calls
  )
  SELECT
    id, expected + 1, due_at, requested_at, responded_at, outcome, code, message, request_id,
    CASE WHEN outcome = 'observed' THEN pending END, CASE WHEN outcome = 'observed' THEN invalid END,
    CASE WHEN outcome = 'observed' THEN failed END, CASE WHEN outcome = 'observed' THEN forbidden END,
    CASE WHEN outcome = 'observed' THEN unread END, CASE WHEN outcome = 'observed' THEN read END,
    changed, anomalies, poll_problem_code, poll_scope, poll_calls
  FROM fenced
  ORDER BY id
), person AS (
  INSERT INTO delivery_recipient AS known (
    task_pk, user_id, named, state, first_seen_at, last_unread_at, first_read_at, forbidden_code, forbidden_count
  )
  SELECT fenced.id, given.user_id, false, given.state, given.first_seen_at, given.last_unread_at, given.first_read_at, given.forbidden_code, given.forbidden_count
  FROM unnest(
    ${people.map((person) => person.n)}::integer[],
    ${people.map((person) => person.userId)}::text[],
    ${people.map((person) => person.state)}::text[],
    ${people.map((person) => person.firstSeenAt)}::timestamptz[],
    ${people.map((person) => person.lastUnreadAt)}::timestamptz[],
    ${people.map((person) => person.firstReadAt)}::timestamptz[],
    ${people.map((person) => person.forbiddenCode)}::text[],
    ${people.map((person) => person.forbiddenCount)}::integer[]
  ) AS given (n, user_id, state, first_seen_at, last_unread_at, first_read_at, forbidden_code, forbidden_count)
  JOIN fenced USING (n)
  ORDER BY fenced.id, given.user_id COLLATE "C"
  ON CONFLICT (task_pk, user_id) DO UPDATE SET
    state = excluded.state,
    first_seen_at = excluded.first_seen_at,
    last_unread_at = excluded.last_unread_at,
    first_read_at = excluded.first_read_at,
    forbidden_code = excluded.forbidden_code,
    forbidden_count = excluded.forbidden_count
  WHERE (known.state, known.first_seen_at, known.last_unread_at, known.first_read_at, known.forbidden_code, known.forbidden_count)
    IS DISTINCT FROM (excluded.state, excluded.first_seen_at, excluded.last_unread_at, excluded.first_read_at, excluded.forbidden_code, excluded.forbidden_count)
), move AS (
  INSERT INTO delivery_transition (task_pk, user_id, to_state, from_state, after_at, at, poll_no)
  SELECT fenced.id, given.user_id, given.to_state, given.from_state, given.after_at, given.at, fenced.expected + 1
  FROM unnest(
    ${moves.map((move) => move.n)}::integer[],
    ${moves.map((move) => move.userId)}::text[],
    ${moves.map((move) => move.to)}::text[],
    ${moves.map((move) => move.from)}::text[],
    ${moves.map((move) => iso(move.afterAt))}::timestamptz[],
    ${moves.map((move) => iso(move.at))}::timestamptz[]
  ) AS given (n, user_id, to_state, from_state, after_at, at)
  JOIN fenced USING (n)
  ORDER BY fenced.id, given.user_id COLLATE "C"
  ON CONFLICT DO NOTHING
)
SELECT n FROM fenced`
}

/** Polls that are recorded as these plans say: two workers do not send their requests in the same millisecond for the same number. */
async function findPolls(prisma: PrismaClient, plans: readonly WritePlan[]): Promise<Row[]> {
  return await prisma.$queryRaw<Row[]>`/* find_polls */
SELECT given.n
FROM unnest(
  ${plans.map((_, n) => n)}::integer[],
  ${plans.map((plan) => plan.key.app)}::text[],
  ${plans.map((plan) => plan.key.taskId)}::text[],
  ${plans.map((plan) => plan.poll.pollNo)}::integer[],
  ${plans.map((plan) => iso(plan.poll.requestedAt))}::timestamptz[],
  ${plans.map((plan) => iso(plan.poll.respondedAt))}::timestamptz[]
) AS given (n, app, task_id, poll_no, requested_at, responded_at)
JOIN delivery_task AS task ON task.app = given.app AND task.task_id = given.task_id
JOIN delivery_poll AS poll ON poll.task_pk = task.id AND poll.poll_no = given.poll_no
WHERE poll.requested_at = given.requested_at AND poll.responded_at IS NOT DISTINCT FROM given.responded_at`
}

/** As a parameter of the type `jsonb`; no details are SQL's NULL. */
function json(detail: object | null | undefined): string | null {
  return detail === null || detail === undefined ? null : JSON.stringify(detail)
}

function recipientRow(n: number, { userId, firstSeenAt, state }: Recipient) {
  return {
    n,
    userId,
    state: state.kind,
    firstSeenAt: iso(firstSeenAt),
    lastUnreadAt: storedLastUnread(state),
    firstReadAt: state.kind === 'read' ? iso(state.firstReadAt) : null,
    forbiddenCode: state.kind === 'forbidden' ? state.code : null,
    forbiddenCount: state.kind === 'forbidden' ? state.count : null,
  }
}

/** Null for whom the last successful poll listed as unread: the task's row says when that was, so that an unchanged poll writes no person. */
function storedLastUnread(state: RecipientState): string | null {
  if (state.kind === 'unread') return state.listed ? null : iso(state.lastUnreadAt)
  return state.kind === 'read' ? iso(state.lastUnreadAt) : null
}
