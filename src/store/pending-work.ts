import type { Pool } from 'pg'
import * as column from './columns.ts'
import { type MeasuredClock, measureDatabaseClock } from './database-clock.ts'

const PENDING = {
  /** There are tasks that no worker has planned yet. */
  isUnscheduled: column.flag('is_unscheduled'),
  /** There are campaigns whose kept figures are not those of their people any more, or ended tasks that are not counted. */
  isUncounted: column.flag('is_uncounted'),
  /** There are tasks that are polled. */
  isOpen: column.flag('is_open'),
}

export type PendingWork = column.Decoded<typeof PENDING>

/**
 * All that a worker at rest asks, the time included, in one statement. Each part reads at most one entry of an index.
 * @throws when the database does not answer
 */
export async function readPendingWork(pool: Pool): Promise<{ clock: MeasuredClock; work: PendingWork }> {
  const clock = await measureDatabaseClock(pool, { text: PENDING_WORK, samples: 1 })
  return { clock, work: column.decodeRow(PENDING, clock.row) }
}

const PENDING_WORK = `/* pending_work */
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS ms,
  EXISTS (SELECT FROM delivery_task WHERE scheduled_at IS NULL AND status = 'tracking') AS "isUnscheduled",
  EXISTS (SELECT FROM delivery_campaign_change) OR EXISTS (SELECT FROM delivery_task_end) AS "isUncounted",
  EXISTS (SELECT FROM delivery_task WHERE status = 'tracking') AS "isOpen"`
