import type { Stored } from '../domain/messages.ts'
import { type CallForecast, forecastCalls } from '../domain/schedule/call-forecast.ts'
import { type CallClock, encodeCallClock } from './call-clock.ts'
import { readCallMonths } from './call-months.ts'
import * as column from './columns.ts'
import type { Database } from './prisma.ts'

/** What the metrics page and the checks count. Statements are raw where the database's clock decides, or where one row is to be read for many. */

/** What the metrics page shows of the database. */
export interface Gauges {
  readonly tasks: ReadonlyArray<{ readonly app: string; readonly status: string; readonly count: number }>
  /** Open tasks whose poll was due more than a minute ago. */
  readonly overdue: number
  readonly blind: Pick<BlindGaps, 'open' | 'ended'>
  /** Of apps with a monthly call budget. */
  readonly calls: readonly CallForecast[]
  /** Apps for which calls were made or refused. `callsUsed`: this month; `pauseKind`: null while calls are made. */
  readonly apps: ReadonlyArray<{ readonly app: string; readonly callsUsed: number; readonly pauseKind: string | null }>
  /** Open tasks by what keeps them from being polled. */
  readonly problems: ReadonlyArray<{ readonly app: string; readonly problem: string; readonly count: number }>
  /** The newest law of each app: from how many ended tasks of its own it was learned, and how long ago. */
  readonly laws: ReadonlyArray<{ readonly app: string; readonly tasks: number; readonly ageSeconds: number }>
  /** Agent ids that are paused, and running workers that cannot poll the app: 0 for each app where there is none. */
  readonly pausedScopes: ReadonlyArray<{ readonly app: string; readonly pairs: number; readonly workers: number }>
}

/**
 * Counts for a scrape.
 * @param budgets monthly call budgets by app; apps without one have no gauge
 * @param limits from when on an open task counts as blind
 * @param callClock by which months pass; null: the real one
 */
export async function readGauges(
  { prisma, pool }: Pick<Database, 'prisma' | 'pool'>,
  budgets: ReadonlyMap<string, number>,
  limits: BlindLimits,
  callClock: CallClock | null = null,
): Promise<Gauges> {
  const [endedTasks, open, blindEnded, apps, pausedScopes, calls, laws] = await Promise.all([
    pool.query<Gauges['tasks'][number]>(ENDED_TASKS),
    readOpen({ pool }, limits),
    pool.query<{ tasks: number }>(BLIND_ENDED),
    readUsage({ pool }, callClock),
    pool.query<Gauges['pausedScopes'][number]>(PAUSED_SCOPES),
    readCallForecasts({ prisma }, budgets, callClock),
    pool.query<Gauges['laws'][number]>(LAWS),
  ])
  return {
    tasks: [...open.tasks, ...endedTasks.rows],
    overdue: open.overdue,
    blind: { open: open.blind, ended: blindEnded.rows[0]?.tasks ?? 0 },
    calls,
    apps,
    problems: open.problems,
    pausedScopes: pausedScopes.rows,
    laws: laws.rows,
  }
}

/** How long the calls of each app with a budget last, by name. */
export async function readCallForecasts(
  database: Pick<Database, 'prisma'>,
  budgets: ReadonlyMap<string, number>,
  callClock: CallClock | null = null,
): Promise<CallForecast[]> {
  return (await readCallMonths(database, budgets, callClock)).map(forecastCalls)
}

async function readUsage({ pool }: Pick<Database, 'pool'>, callClock: CallClock | null): Promise<Gauges['apps']> {
  // The view counts by the real clock, and may be read by those who may not read the table.
  if (callClock === null) return (await pool.query<Gauges['apps'][number]>(REAL_USAGE)).rows
  return (await pool.query<Gauges['apps'][number]>(USAGE, [encodeCallClock(callClock)])).rows
}

const REAL_USAGE = `SELECT app, calls_used AS "callsUsed", pause_kind AS "pauseKind" FROM delivery_app_usage`

const USAGE = `
  SELECT usage.app, CASE WHEN app.calls_month = month.name THEN app.calls_used ELSE 0 END AS "callsUsed", usage.pause_kind AS "pauseKind"
  FROM delivery_app AS app JOIN delivery_app_usage AS usage USING (app), delivery_call_month(clock_timestamp(), $1::jsonb) AS month`

/** Ended tasks were counted when they ended. */
const ENDED_TASKS = `
  SELECT app, status, sum(tasks)::int AS count FROM (
    SELECT app, status, tasks FROM delivery_ended_tasks
    UNION ALL SELECT app, status, tasks FROM delivery_task_end
  ) AS part GROUP BY app, status HAVING sum(tasks) > 0`

const OVERDUE_MS = 60_000

interface OpenTasks extends Pick<Gauges, 'tasks' | 'overdue' | 'problems'> {
  readonly blind: number
}

interface OpenRow extends Record<'tasks' | 'overdue' | 'blind', number> {
  readonly app: string
  readonly problem: string | null
}

/** All that is counted of open tasks, in one reading of them: no index has when they are due. */
async function readOpen({ pool }: Pick<Database, 'pool'>, { missedMs, minGapMs, blindMs }: BlindLimits): Promise<OpenTasks> {
  const { rows } = await pool.query<OpenRow>(OPEN, [blindMs, missedMs, minGapMs, OVERDUE_MS])
  const byApp = new Map<string, number>()
  for (const { app, tasks } of rows) byApp.set(app, (byApp.get(app) ?? 0) + tasks)
  return {
    tasks: Array.from(byApp, ([app, count]) => ({ app, status: 'tracking', count })),
    problems: rows.flatMap(({ app, problem, tasks }) => (problem === null ? [] : [{ app, problem, count: tasks }])),
    overdue: rows.reduce((sum, row) => sum + row.overdue, 0),
    blind: rows.reduce((sum, row) => sum + row.blind, 0),
  }
}

const PAUSED_SCOPES = `
  SELECT app.app,
    (SELECT count(*)::int FROM delivery_pair AS pair WHERE pair.app = app.app AND pair.pause_code IS NOT NULL) AS pairs,
    (SELECT count(*)::int FROM delivery_worker AS worker WHERE worker.expires_at >= now() AND worker.problems ? app.app) AS workers
  FROM delivery_app AS app`

/** A few laws an app are kept. */
const LAWS = `
  SELECT DISTINCT ON (app) app, tasks, greatest(extract(epoch FROM now() - learned_at), 0)::double precision AS "ageSeconds"
  FROM delivery_laws ORDER BY app, version DESC`

/**
 * How many open tasks wait for a poll that was due more than `lateMs` ago, by the database's clock, and how late the oldest is.
 * @param lateMs milliseconds
 */
export async function readOverdue({ pool }: Pick<Database, 'pool'>, lateMs: number): Promise<{ tasks: number; oldestMs: number }> {
  const { rows } = await pool.query<{ tasks: number; oldestMs: number }>(OVERDUE, [lateMs])
  return rows[0] ?? { tasks: 0, oldestMs: 0 }
}

const OVERDUE = `
  SELECT count(*)::int AS tasks, coalesce(extract(epoch FROM now() - min(next_poll_at)) * 1000, 0)::double precision AS "oldestMs"
  FROM delivery_task WHERE status = 'tracking' AND next_poll_at < now() - make_interval(secs => $1::double precision / 1000)`

/** Tasks of which nothing was learned while DingTalk could answer. */
export interface BlindGaps {
  /** Tasks that expired in the last 24 hours without an observation near their deadline. */
  readonly ended: number
  /** When the latest of them did, ISO 8601; null where there is none. */
  readonly latest: string | null
  /** Open tasks of which no poll succeeded since one was due, and that is longer ago than its retries take. */
  readonly open: number
}

/** From when on an open task counts as blind, in milliseconds. */
export interface BlindLimits {
  /** A planned poll is missed when it was due this long ago, and no poll succeeded since. */
  readonly missedMs: number
  /** A poll that is planned within this time after a successful one is skipped. */
  readonly minGapMs: number
  /** Of a task that an earlier version scheduled, whose plan is not stored: how long it may be without a successful poll. */
  readonly blindMs: number
}

export async function readBlindGaps({ pool }: Pick<Database, 'pool'>, { missedMs, minGapMs, blindMs }: BlindLimits): Promise<BlindGaps> {
  const { rows } = await pool.query<BlindGaps>(BLIND_GAPS, [blindMs, missedMs, minGapMs])
  return rows[0] ?? { ended: 0, latest: null, open: 0 }
}

/**
 * Of an open task. A planned poll was missed where more of the plan's times, which ascend, are before the one limit than up to the other. `width_bucket`
 * counts them by halving; a list of the times of each open task takes six times as long.
 */
const IS_BLIND = `scheduled_at IS NOT NULL
      AND CASE
        WHEN poll_offsets IS NULL THEN greatest(last_observed_at, sent_at, scheduled_at) < now() - make_interval(secs => $1::double precision / 1000)
        ELSE
          width_bucket(least(ceil(date_part('epoch', now() - sent_at) * 1000 - $2::double precision) - 1, 2e9)::integer, poll_offsets) > width_bucket(
            least(round(greatest(date_part('epoch', last_observed_at - sent_at) * 1000 + $3::double precision,
              date_part('epoch', scheduled_at - sent_at) * 1000)), 2e9)::integer, poll_offsets)
      END`

/** A task expires 24 hours after its send, or as much later as everything was down: two days of that are read, through the index on sent_at. */
const BLIND_ENDED = `
    SELECT count(*)::int AS tasks, to_char(max(finished_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS latest
    FROM delivery_task
    WHERE sent_at > now() - interval '3 days' AND finished_at > now() - interval '24 hours' AND status = 'expired'
      AND reason_code IN ('blind_before_deadline', 'never_observed')`

const BLIND_GAPS = `
  SELECT ended.tasks AS ended, ended.latest, open.tasks AS open
  FROM (${BLIND_ENDED}
  ) AS ended, (
    SELECT count(*)::int AS tasks FROM delivery_task WHERE status = 'tracking' AND ${IS_BLIND}
  ) AS open`

const OPEN = `
  SELECT app, problem_code AS problem, count(*)::int AS tasks, (count(*) FILTER (WHERE ${IS_BLIND}))::int AS blind,
    (count(*) FILTER (WHERE next_poll_at < now() - make_interval(secs => $4::double precision / 1000)))::int AS overdue
  FROM delivery_task WHERE status = 'tracking' GROUP BY app, problem_code`

const TASK_PROBLEM = {
  app: column.text('app'),
  /** Open tasks of the app with the problem. */
  tasks: column.integer('tasks'),
  /** The one with the nearest deadline. */
  taskId: column.text('task_id'),
  code: column.text('problem_code'),
  detail: column.detail('problem_detail'),
}

/** Open tasks of an app with the same problem, and the problem of the one with the nearest deadline. */
export interface TaskProblems extends Pick<column.Decoded<typeof TASK_PROBLEM>, 'app' | 'tasks' | 'taskId'> {
  readonly problem: Stored
}

export async function readTaskProblems({ prisma }: Pick<Database, 'prisma'>): Promise<TaskProblems[]> {
  const rows = await prisma.$queryRaw<column.Row[]>`
SELECT ${column.selectList(TASK_PROBLEM)} FROM (
  SELECT DISTINCT ON (app, problem_code)
    app, problem_code, task_id, problem_detail, (count(*) OVER (PARTITION BY app, problem_code))::integer AS tasks
  FROM delivery_task WHERE status = 'tracking' AND problem_code IS NOT NULL
  ORDER BY app, problem_code, deadline_at, task_id
) AS nearest`
  return rows.map((row) => {
    const { code, detail, ...task } = column.decodeRow(TASK_PROBLEM, row)
    return { ...task, problem: { code, detail } }
  })
}
