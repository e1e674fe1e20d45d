import type { Database } from './prisma.ts'

/** What the metrics page shows of the database. */
export interface Gauges {
  readonly tasks: ReadonlyArray<{ readonly app: string; readonly status: string; readonly count: number }>
  /** Open tasks whose look was due more than a minute ago. */
  readonly overdue: number
  readonly budgets: ReadonlyArray<{ readonly app: string; readonly remaining: number }>
}

/**
 * Counts for a scrape.
 * @param budgets monthly call budgets by app; apps without one have no gauge
 */
export async function readGauges({ pool }: Pick<Database, 'pool'>, budgets: ReadonlyMap<string, number>): Promise<Gauges> {
  const [tasks, overdue, used] = await Promise.all([
    pool.query<{ app: string; status: string; count: number }>(
      'SELECT app, status, count(*)::int AS count FROM delivery_task GROUP BY app, status',
    ),
    pool.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM delivery_task WHERE status = 'tracking' AND next_poll_at < now() - interval '1 minute'",
    ),
    pool.query<{ app: string; used: number }>(USED_THIS_MONTH),
  ])
  const usedBy = new Map(used.rows.map((row) => [row.app, row.used]))
  return {
    tasks: tasks.rows,
    overdue: overdue.rows[0]?.count ?? 0,
    budgets: [...budgets].map(([app, budget]) => ({ app, remaining: Math.max(0, budget - (usedBy.get(app) ?? 0)) })),
  }
}

/** The quota's month is China's. */
const USED_THIS_MONTH = `
  SELECT app, calls_used AS used FROM delivery_app
  WHERE calls_month = to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM')`
