import type { WritePlan } from '../domain/plan.ts'
import { byKey } from '../intake/track-rows.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import type { Database } from './prisma.ts'
import { MOVED, movedRow, POLL, pollRow, RECIPIENT, RECIPIENT_STATE, recipientRow, TASK_KEY, TASK_UPDATE, taskUpdateRow } from './tables.ts'

export type Written = 'stored' | 'stale'

/**
 * Writes polls, each whole or not at all, in one statement. No two of them may be of one task.
 * @returns for each plan, in their order, whether it was stored
 */
export async function writePolls(database: Pick<Database, 'prisma'>, plans: readonly WritePlan[]): Promise<Written[]> {
  const sorted = plans.toSorted((a, b) => byKey(a.key, b.key))
  return await retrying(async ({ maybeCommitted }) => {
    const stored = column.chosen(sorted, await insertPolls(database, sorted))
    // The reply to an earlier attempt was lost: a plan that is stale now may have been stored by it.
    if (maybeCommitted && stored.size < plans.length) {
      for (const plan of column.chosen(sorted, await findPolls(database, sorted))) stored.add(plan)
    }
    return plans.map((plan) => (stored.has(plan) ? 'stored' : 'stale'))
  })
}

/** The place of the plan that a row belongs to. */
const PLACE = { n: column.integer('n') }
const EXPECTED = { ...PLACE, ...TASK_KEY, pollNo: column.integer('poll_no'), erasureSeen: column.bigint('erasure_seen') }

/**
 * Raw: many tasks with their polls, recipients and transitions in one statement, which is also one transaction.
 * Transitions are in the row of their poll. The fence keeps them from being stored twice: a plan is only written onto the states that it was made from,
 * and each of its transitions leads to a better one.
 *
 * `fenced` locks the tasks that are open and have the `poll_no` that their plan expected; everything else is joined to it. It also excludes a
 * poll that has not seen the latest erasure, which may name the person who was erased. FOR KEY SHARE is there for its lock on the table: a new
 * erasure waits for it, and the next statements wait for the erasure. It comes before the snapshot, so no erasure is missed in between.
 * Tasks are locked in the order of their keys (the plans are sorted), recipients are written in the order of theirs, as in every writer.
 * LATERAL with LIMIT makes it a look-up by key for each plan: without it the planner reads every open task when its statistics are old.
 */
async function insertPolls(database: Pick<Database, 'prisma'>, plans: readonly WritePlan[]): Promise<column.Row[]> {
  const expected = plans.map(({ key, expected: { pollNo, erasureNo } }, n) => ({ n, ...key, pollNo, erasureSeen: erasureNo }))
  const tasks = plans.map(({ task }, n) => ({ n, ...taskUpdateRow(task) }))
  const polls = plans.map((plan, n) => ({ n, ...pollRow(plan), ...movedRow(plan) }))
  const people = plans.flatMap(({ changed }, n) => changed.map((recipient) => ({ n, ...recipientRow(recipient) })))
  return await database.prisma.$queryRaw<column.Row[]>`/* write_polls */
WITH fenced AS MATERIALIZED (
  SELECT task.id, expected.n, expected.poll_no
  FROM ${column.unnest(EXPECTED, expected, 'expected')}
  CROSS JOIN LATERAL (
    SELECT id, poll_no, status FROM delivery_task AS stored WHERE stored.app = expected.app AND stored.task_id = expected.task_id
    LIMIT 1 FOR UPDATE
  ) AS task
  WHERE task.poll_no = expected.poll_no AND task.status = 'tracking'
    AND NOT EXISTS (SELECT FROM delivery_erasure AS erasure WHERE erasure.id > expected.erasure_seen FOR KEY SHARE)
), updated AS (
  UPDATE delivery_task AS task SET
    poll_no = fenced.poll_no + 1,
    finished_at = CASE WHEN given.status <> 'tracking' THEN clock_timestamp() END,
    ${column.assignments(TASK_UPDATE, 'given')}
  FROM fenced JOIN ${column.unnest({ ...PLACE, ...TASK_UPDATE }, tasks, 'given')} USING (n)
  WHERE task.id = fenced.id
), poll AS (
  INSERT INTO delivery_poll (task_pk, ${column.names(POLL)}, ${column.names(MOVED)})
  SELECT fenced.id, ${column.names(POLL, 'given')}, given.moved_user_ids, given.moved_states::smallint[], given.moved_after::timestamptz[]
  FROM fenced JOIN ${column.unnest({ ...PLACE, ...POLL, ...MOVED }, polls, 'given')} USING (n)
  ORDER BY fenced.id
), person AS (
  INSERT INTO delivery_recipient AS known (task_pk, named, ${column.names(RECIPIENT)})
  SELECT fenced.id, false, ${column.names(RECIPIENT, 'given')}
  FROM ${column.unnest({ ...PLACE, ...RECIPIENT }, people, 'given')} JOIN fenced USING (n)
  ORDER BY fenced.id, given.user_id COLLATE "C"
  ON CONFLICT (task_pk, user_id) DO UPDATE SET ${column.assignments(RECIPIENT_STATE, 'excluded')}
  WHERE (${column.names(RECIPIENT_STATE, 'known')}) IS DISTINCT FROM (${column.names(RECIPIENT_STATE, 'excluded')})
)
SELECT n FROM fenced`
}

const SENT = { ...PLACE, ...TASK_KEY, pollNo: POLL.pollNo, requestedAt: POLL.requestedAt, respondedAt: POLL.respondedAt }

/** Polls that are recorded as these plans say: two workers do not send their requests in the same millisecond for the same number. */
async function findPolls(database: Pick<Database, 'prisma'>, plans: readonly WritePlan[]): Promise<column.Row[]> {
  const sent = plans.map(({ key, poll }, n) => ({ n, ...key, ...poll }))
  return await database.prisma.$queryRaw<column.Row[]>`/* find_polls */
SELECT given.n
FROM ${column.unnest(SENT, sent, 'given')}
JOIN delivery_task AS task ON task.app = given.app AND task.task_id = given.task_id
JOIN delivery_poll AS poll ON poll.task_pk = task.id AND poll.poll_no = given.poll_no
WHERE poll.requested_at = given.requested_at AND poll.responded_at IS NOT DISTINCT FROM given.responded_at`
}
