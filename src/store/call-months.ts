import type { CallMonth } from '../domain/schedule/call-forecast.ts'
import { type CallClock, encodeCallClock } from './call-clock.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { Prisma } from './generated/client.ts'
import type { Database } from './prisma.ts'

const DAY_MS = 86_400_000

const GIVEN = { app: column.text('app'), budget: column.integer('budget') }

const MONTH = {
  app: column.text('app'),
  budget: column.integer('budget'),
  used: column.integer('used'),
  finalPolls: column.integer('final_polls'),
  finalPollsNext: column.integer('final_polls_next'),
  planned: column.integer('planned'),
  refused: column.integer('refused'),
  month: column.text('month'),
  now: column.time('now'),
  monthStartsAt: column.time('starts'),
  monthEndsAt: column.time('ends'),
  callsByDay: column.integers('calls_by_day'),
  tasksInWeek: column.integer('tasks_in_week'),
  firstSentAt: column.nullable(column.time('first_sent_at')),
}

/**
 * What the apps with a budget have used of this month, in the order of their names. It costs what is open and what was sent in four weeks,
 * however much is stored. Rejects with `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`.
 * @param budgets calls a month by app
 * @param callClock by which months pass; null: the real one
 */
export async function readCallMonths(
  { prisma }: Pick<Database, 'prisma'>,
  budgets: ReadonlyMap<string, number>,
  callClock: CallClock | null = null,
): Promise<CallMonth[]> {
  if (budgets.size === 0) return []
  const dayMs = DAY_MS / (callClock?.scale ?? 1)
  const given = Array.from(budgets, ([app, budget]) => ({ app, budget }))
  const rows = await retrying(() => prisma.$queryRaw<column.Row[]>(selectMonths(given, dayMs, callClock)))
  return rows.map((row) => ({ ...column.decodeRow(MONTH, row), dayMs }))
}

/** Raw: one statement, so all figures are of the same moment. */
function selectMonths(given: ReadonlyArray<column.Decoded<typeof GIVEN>>, dayMs: number, callClock: CallClock | null): Prisma.Sql {
  return Prisma.sql`/* call_months */
WITH given AS MATERIALIZED (SELECT * FROM ${column.unnest(GIVEN, given, 'given')}),
month AS MATERIALIZED (
  SELECT moment.now, call_month.*, make_interval(secs => ${dayMs / 1_000}::double precision) AS one_day
  FROM (SELECT clock_timestamp() AS now) AS moment, delivery_call_month(moment.now, ${encodeCallClock(callClock)}::jsonb) AS call_month
),
open AS (
  SELECT app, count(*) FILTER (WHERE NOT admitted) AS refused, sum(planned.polls) FILTER (WHERE admitted) AS planned
  FROM delivery_task AS task CROSS JOIN month CROSS JOIN LATERAL (
    SELECT count(*) AS polls
    FROM unnest(task.poll_offsets) AS planned (ms), LATERAL (SELECT task.sent_at + planned.ms * interval '1 ms' AS at) AS poll
    WHERE poll.at > month.now AND poll.at < month.ends
  ) AS planned
  WHERE task.status = 'tracking' AND task.scheduled_at IS NOT NULL AND task.app IN (SELECT app FROM given)
  GROUP BY app
),
sent AS (
  SELECT app, count(*) FILTER (WHERE task.sent_at > month.now - 7 * month.one_day) AS in_week, min(task.sent_at) AS first_at
  FROM delivery_task AS task CROSS JOIN month
  WHERE task.sent_at > month.now - 28 * month.one_day AND task.sent_at <= month.now AND task.app IN (SELECT app FROM given)
  GROUP BY app
)
SELECT ${column.selectList(MONTH)} FROM (
  SELECT given.app, given.budget, month.name AS month, month.now, month.starts, month.ends,
    coalesce(CASE WHEN usage.calls_month = month.name THEN usage.calls_used END, 0) AS used,
    delivery_reserved_calls(given.app, '-infinity', month.ends + month.final_ms * interval '1 ms', given.budget) AS final_polls,
    delivery_reserved_calls(given.app, month.ends + month.final_ms * interval '1 ms', 'infinity', given.budget) AS final_polls_next,
    coalesce(open.planned, 0)::integer AS planned, coalesce(open.refused, 0)::integer AS refused,
    CASE WHEN usage.calls_day IS NULL THEN '{}'
      ELSE delivery_calls_by_day(usage.calls_by_day, usage.calls_day, greatest(month.day, usage.calls_day), 0) END AS calls_by_day,
    coalesce(sent.in_week, 0)::integer AS tasks_in_week, sent.first_at AS first_sent_at
  FROM given CROSS JOIN month
  LEFT JOIN delivery_app AS usage ON usage.app = given.app
  LEFT JOIN open ON open.app = given.app
  LEFT JOIN sent ON sent.app = given.app
) AS call_months ORDER BY app COLLATE "C"`
}
