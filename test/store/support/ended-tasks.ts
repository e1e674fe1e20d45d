import { QUERY_WINDOW_MS } from '../../../src/domain/delivery.ts'
import type { ObservedTask } from '../../../src/domain/schedule/types.ts'
import type { TrackRequest } from '../../../src/intake/track-request.ts'
import type { TestStore } from './database.ts'
import { aRequest } from './polls.ts'

export interface EndedTasks {
  readonly app?: string
  /** Milliseconds of the 24-hour window in one real millisecond. Default: 1. */
  readonly timeScale?: number
  /** Default: now. */
  readonly endedAt?: Date
  /** Of the plan. Default: as many as were made. */
  readonly plannedPolls?: number
  readonly request?: Partial<TrackRequest>
}

/** Tasks that ended with these successful polls, without the rows of their people. Resolves with their ids. */
export async function storeEndedTasks(db: TestStore, tasks: readonly ObservedTask[], options: EndedTasks = {}): Promise<string[]> {
  const { app = 'default', timeScale = 1, endedAt = new Date(), plannedPolls, request } = options
  const requests = tasks.map(({ sentAt }) => aRequest({ app, sentAt, ...request }))
  await db.store.track(requests)
  const rows = tasks.map(({ people, polls, sentAt }, i) => {
    let read = 0
    const made = polls.map(({ offsetMs, newReads }, n) => {
      read += newReads
      return { no: n + 1, at: new Date(sentAt.getTime() + offsetMs / timeScale), read, unread: people - read }
    })
    const offsets = Array.from({ length: plannedPolls ?? polls.length }, (_, n) => Math.round((n + 1) * 1_000))
    const deadlineAt = new Date(sentAt.getTime() + QUERY_WINDOW_MS / timeScale)
    return { app, taskId: requests[i]?.taskId, deadlineAt, polls: made, read, unread: people - read, offsets, endedAt }
  })
  await db.pool.query(
    `WITH given AS (
      SELECT * FROM jsonb_to_recordset($1::jsonb) AS each
        (app text, "taskId" text, "deadlineAt" timestamptz, polls jsonb, read integer, unread integer, offsets jsonb, "endedAt" timestamptz)
    ), updated AS (
      UPDATE delivery_task AS task SET
        status = 'expired', reason_code = 'expired', finished_at = "endedAt", deadline_at = "deadlineAt", scheduled_at = sent_at, next_poll_at = NULL,
        poll_no = jsonb_array_length(polls), good_polls = jsonb_array_length(polls), read = given.read, unread = given.unread, pending = 0,
        poll_offsets = ARRAY(SELECT value::integer FROM jsonb_array_elements_text(offsets))
      FROM given WHERE task.app = given.app AND task.task_id = given."taskId"
      RETURNING task.id, given.polls
    )
    INSERT INTO delivery_poll (task_pk, poll_no, requested_at, responded_at, outcome, code, pending, invalid, failed, forbidden, unread, read, changed, anomalies)
    SELECT id, no, at, at, 'observed', '0', 0, 0, 0, 0, poll.unread, poll.read, 0, 0
    FROM updated CROSS JOIN LATERAL jsonb_to_recordset(polls) AS poll (no integer, at timestamptz, read integer, unread integer)`,
    [JSON.stringify(rows)],
  )
  return requests.map(({ taskId }) => taskId)
}

const WEEK_MS = 7 * QUERY_WINDOW_MS

/** The same tasks in whole weeks nearer to now, so that their days of the week stay. */
export function toLatestWeeks(tasks: readonly ObservedTask[]): ObservedTask[] {
  const latest = Math.max(...tasks.map(({ sentAt }) => sentAt.getTime()))
  const byMs = Math.floor((Date.now() - QUERY_WINDOW_MS - latest) / WEEK_MS) * WEEK_MS
  return tasks.map((task) => ({ ...task, sentAt: new Date(task.sentAt.getTime() + byMs) }))
}
