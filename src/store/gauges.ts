import { type BlindGaps, readBlindGaps } from './blind-gaps.ts'
import type { Database } from './prisma.ts'

/** What the metrics page shows of the database. */
export interface Gauges {
  readonly tasks: ReadonlyArray<{ readonly app: string; readonly status: string; readonly count: number }>
  /** Open tasks whose poll was due more than a minute ago. */
  readonly overdue: number
  /** Tasks of which nothing was learned when something could be. */
  readonly blind: Pick<BlindGaps, 'open' | 'ended'>
  readonly budgets: ReadonlyArray<{ readonly app: string; readonly remaining: number }>
  /** Apps for which calls were made or refused. `callsUsed`: this month; `pauseKind`: null while calls are made. */
  readonly apps: ReadonlyArray<{ readonly app: string; readonly callsUsed: number; readonly pauseKind: string | null }>
  /** Open tasks by what keeps them from being polled. */
  readonly problems: ReadonlyArray<{ readonly app: string; readonly problem: string; readonly count: number }>
  /** Agent ids that are paused, and running workers that cannot poll the app: 0 for each app where there is none. */
  readonly pausedScopes: ReadonlyArray<{ readonly app: string; readonly pairs: number; readonly workers: number }>
}

/**
 * Counts for a scrape.
 * @param budgets monthly call budgets by app; apps without one have no gauge
 * @param blindMs how long an open task may be without a successful poll, in milliseconds
 */
export async function readGauges(database: Pick<Database, 'pool'>, budgets: ReadonlyMap<string, number>, blindMs: number): Promise<Gauges> {
  const { pool } = database
  const [tasks, overdue, { open, ended }, known, problems, pausedScopes] = await Promise.all([
    pool.query<{ app: string; status: string; count: number }>(
      'SELECT app, status, count(*)::int AS count FROM delivery_task GROUP BY app, status',
    ),
    pool.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM delivery_task WHERE status = 'tracking' AND next_poll_at < now() - interval '1 minute'",
    ),
    readBlindGaps(database, blindMs),
    pool.query<Gauges['apps'][number]>(APPS),
    pool.query<Gauges['problems'][number]>(PROBLEMS),
    pool.query<Gauges['pausedScopes'][number]>(PAUSED_SCOPES),
  ])
  const usedBy = new Map(known.rows.map((row) => [row.app, row.callsUsed]))
  return {
    tasks: tasks.rows,
    overdue: overdue.rows[0]?.count ?? 0,
    blind: { open, ended },
    budgets: [...budgets].map(([app, budget]) => ({ app, remaining: Math.max(0, budget - (usedBy.get(app) ?? 0)) })),
    apps: known.rows,
    problems: problems.rows,
    pausedScopes: pausedScopes.rows,
  }
}

const PROBLEMS = `
  SELECT app, problem_code AS problem, count(*)::int AS count FROM delivery_task
  WHERE status = 'tracking' AND problem_code IS NOT NULL GROUP BY app, problem_code`

const PAUSED_SCOPES = `
  SELECT app.app,
    (SELECT count(*)::int FROM delivery_pair AS pair WHERE pair.app = app.app AND pair.pause_code IS NOT NULL) AS pairs,
    (SELECT count(*)::int FROM delivery_worker AS worker WHERE worker.expires_at >= now() AND worker.problems ? app.app) AS workers
  FROM delivery_app AS app`

const APPS = 'SELECT app, calls_used AS "callsUsed", pause_kind AS "pauseKind" FROM delivery_app_usage'

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
