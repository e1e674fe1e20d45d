import type { Database } from './prisma.ts'

export interface BlindGaps {
  /** Tasks that expired in the last 24 hours, and of which nothing is known near the deadline. */
  readonly ended: number
  /** When the latest of them did, ISO 8601; null where there is none. */
  readonly latest: string | null
  /** Open tasks without a successful poll for longer than asked for. */
  readonly open: number
}

/**
 * Where nobody saw what DingTalk would have told.
 * @param blindMs how long an open task may be without a successful poll, in milliseconds
 */
export async function readBlindGaps({ pool }: Pick<Database, 'pool'>, blindMs: number): Promise<BlindGaps> {
  const { rows } = await pool.query<BlindGaps>(BLIND_GAPS, [blindMs])
  return rows[0] ?? { ended: 0, latest: null, open: 0 }
}

/** A task expires 24 hours after its send, or as much later as everything was down: two days of that are looked at, through the index on sent_at. */
const BLIND_GAPS = `
  SELECT ended.tasks AS ended, ended.latest, open.tasks AS open
  FROM (
    SELECT count(*)::int AS tasks, to_char(max(finished_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS latest
    FROM delivery_task
    WHERE sent_at > now() - interval '3 days' AND finished_at > now() - interval '24 hours' AND status = 'expired'
      AND reason_code IN ('blind_before_deadline', 'never_observed')
  ) AS ended, (
    SELECT count(*)::int AS tasks FROM delivery_task
    WHERE status = 'tracking' AND scheduled_at IS NOT NULL
      AND greatest(last_observed_at, sent_at, scheduled_at) < now() - make_interval(secs => $1::double precision / 1000)
  ) AS open`
