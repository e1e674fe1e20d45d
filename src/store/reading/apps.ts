import type { AppUsage } from '../../report/rates.ts'
import { type Columns, type Decoded, decodeRow, type Row, selectList } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { text } from '../rows.ts'
import { APP_COLUMNS, PAIR_COLUMNS, WORKER_PROBLEM_COLUMNS } from './columns.ts'
import type { Source } from './source.ts'
import { APPS_WITH_TASKS } from './tasks.ts'

export async function readApps(source: Source): Promise<AppUsage[]> {
  const [apps, pairs, problems] = await Promise.all([readUsage(source), readPairs(source), readWorkerProblems(source)])
  return apps.map((row) => ({
    ...decodeRow(APP_COLUMNS, row),
    pairs: rowsOfApp(PAIR_COLUMNS, pairs, row),
    workerProblems: rowsOfApp(WORKER_PROBLEM_COLUMNS, problems, row),
  }))
}

function rowsOfApp<C extends Columns>(columns: C, rows: readonly Row[], usage: Row): Array<Decoded<C>> {
  const app = text(usage, 'app')
  return rows.filter((row) => row['app'] === app).map((row) => decodeRow(columns, row))
}

async function readUsage(source: Source): Promise<Row[]> {
  return await source(Prisma.sql`
WITH RECURSIVE ${APPS_WITH_TASKS}, open AS (
  SELECT app, count(*) AS tasks, count(problem_code) AS with_problem, count(delay_code) AS delayed
  FROM delivery_task_rates WHERE status = 'tracking' GROUP BY app
)
SELECT ${selectList(APP_COLUMNS)} FROM (
  SELECT app, coalesce(open.tasks, 0) AS open_tasks, coalesce(open.with_problem, 0) AS tasks_with_problem,
    coalesce(open.delayed, 0) AS tasks_delayed, coalesce(usage.calls_used, 0) AS calls_used,
    to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month,
    pause_kind, pause_reason, pause_code, pause_detail, pause_since, paused_until, last_good_at
  FROM apps FULL JOIN delivery_app_usage AS usage USING (app) LEFT JOIN open USING (app)
) AS app ORDER BY app`)
}

async function readPairs(source: Source): Promise<Row[]> {
  return await source(Prisma.sql`SELECT app, ${selectList(PAIR_COLUMNS)} FROM delivery_pair_status ORDER BY app, agent_id`)
}

/** Of the workers that run. */
async function readWorkerProblems(source: Source): Promise<Row[]> {
  return await source(Prisma.sql`
SELECT app, ${selectList(WORKER_PROBLEM_COLUMNS)} FROM (
  SELECT problem.key AS app, worker_id, started_at, problem.value ->> 'code' AS problem_code, problem.value -> 'detail' AS problem_detail,
    (problem.value ->> 'since')::timestamptz AS problem_since
  FROM delivery_worker_status CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(problems) WHEN 'object' THEN problems ELSE '{}' END) AS problem
  WHERE is_alive AND problem.value ->> 'code' IS NOT NULL
) AS problem ORDER BY app, started_at DESC, worker_id`)
}
