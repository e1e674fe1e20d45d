import type { Pool } from 'pg'
import * as column from './columns.ts'
import { type MeasuredClock, measureDatabaseClock } from './database-clock.ts'

const PENDING = {
  /** There are tasks that no worker has planned yet. */
  isUnscheduled: column.flag('is_unscheduled'),
  /** There are campaigns whose kept figures are not those of their people any more. */
  isUncounted: column.flag('is_uncounted'),
  /** There are open tasks whose poll was due longer ago than was asked for. */
  isOverdue: column.flag('is_overdue'),
}

export type PendingWork = column.Decoded<typeof PENDING>

/**
 * All that a worker at rest asks, the time included, in one statement. Each part reads at most one entry of an index.
 * @param overdueMs milliseconds
 * @throws when the database does not answer
 */
export async function readPendingWork(pool: Pool, overdueMs: number): Promise<{ clock: MeasuredClock; work: PendingWork }> {
  const clock = await measureDatabaseClock(pool, { text: PENDING_WORK, values: [overdueMs], samples: 1 })
  return { clock, work: column.decodeRow(PENDING, clock.row) }
}

const PENDING_WORK = `/* pending_work */
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS ms,
  EXISTS (SELECT FROM delivery_task WHERE scheduled_at IS NULL AND status = 'tracking') AS "isUnscheduled",
  EXISTS (SELECT FROM delivery_campaign_change) AS "isUncounted",
  EXISTS (
    SELECT FROM delivery_task WHERE status = 'tracking' AND next_poll_at < now() - make_interval(secs => $1::double precision / 1000)
  ) AS "isOverdue"`
