import type { TestStore } from './database.ts'

/** The rows of the public views, without what differs between two runs: times of the database's clock, pseudonyms, the day of the run. */

/** Each column once. A view may get more columns: they are not compared. */
export const VIEWS = {
  delivery_task_rates: `app, task_id, agent_id, campaign, status, reason, sent_at, deadline_at, last_observed_at, polls, targeted, delivered, read,
    unread, pending, failed, forbidden, invalid, read_rate, read_rate_of_targeted, next_poll_at, good_polls, recipients_known, reason_code, reason_detail,
    problem_code, problem_detail, problem_since, sent_at_given, calls, delay_code, delay_detail, poll_offsets, admitted`,
  delivery_campaign_rates: `app, campaign, tasks, open_tasks, first_sent_at, last_deadline_at, targeted, delivered, read, unread, pending, failed, forbidden,
    invalid, read_rate, read_rate_of_targeted, last_observed_at, last_sent_at`,
  delivery_recipient_status: `app, task_id, campaign, user_id, state, first_seen_at, last_unread_at, first_read_at, forbidden_code, forbidden_count, read_after,
    read_before, named, last_observed_at, status, forbidden_reason`,
  delivery_read_curve: 'app, task_id, campaign, at, delivered, read, read_rate, poll_no, unread, pending, failed, forbidden, invalid',
  delivery_poll_history: `app, task_id, campaign, poll_no, due_at, requested_at, responded_at, outcome, code, message, request_id, read, unread, pending, failed,
    forbidden, invalid, changed, anomalies, problem_code, scope, calls`,
  delivery_state_changes: 'app, task_id, campaign, user_id, from_state, to_state, after_at, at, poll_no',
} as const

export type View = keyof typeof VIEWS

interface ReadOptions {
  readonly from: Date
  /** By user id, as their erasure gave them. */
  readonly pseudonyms: ReadonlyMap<string, string>
}

/** All rows, sorted, one text a row. Times are milliseconds since `from`; the pseudonym of ann is `erased ann`. */
export async function readView({ pool }: TestStore, view: View, options: ReadOptions): Promise<string[]> {
  const { rows } = await pool.query<Record<string, unknown>>(`SELECT ${VIEWS[view]} FROM ${view}`)
  return rows.map((row) => rowText(row, options)).sort()
}

/** What was known of every person at a time. Pending is everybody since the enqueue, which is a time of the run. */
export async function readStatesAt({ pool }: TestStore, at: Date, options: ReadOptions): Promise<string[]> {
  const { rows } = await pool.query<Record<string, unknown>>(
    `SELECT task.app, task.task_id, known.user_id, known.state, CASE WHEN known.state <> 'pending' THEN known.since END AS since
     FROM delivery_task AS task CROSS JOIN LATERAL delivery_state_at(task.app, task.task_id, $1) AS known`,
    [at],
  )
  return rows.map((row) => rowText(row, options)).sort()
}

function rowText(row: Record<string, unknown>, { from, pseudonyms }: ReadOptions): string {
  const values = Object.values(row).map((value) => (value instanceof Date ? value.getTime() - from.getTime() : value))
  return [...pseudonyms].reduce((text, [userId, pseudonym]) => text.replaceAll(pseudonym, `erased ${userId}`), JSON.stringify(values))
}
