import { type AppUsage, PAUSE_KINDS, type PairStatus, type Pause, type WorkerProblem } from '../../report/rates.ts'
import { Prisma } from '../generated/client.ts'
import { detailOrNull, millis, number, oneOf, type Row, text, textOrNull, time, timeOrNull } from '../rows.ts'
import type { Source } from './source.ts'
import { APPS_WITH_TASKS } from './tasks.ts'

const PAUSE = Prisma.sql`pause_code, pause_detail, ${millis('pause_since')} AS pause_since_ms, ${millis('paused_until')} AS paused_until_ms,
  ${millis('last_good_at')} AS last_good_at_ms`

export async function readApps(source: Source): Promise<AppUsage[]> {
  const [apps, pairs, problems] = await Promise.all([readUsage(source), readPairs(source), readWorkerProblems(source)])
  return apps.map((row) => usageOf(row, of(pairs, row), of(problems, row)))
}

async function readUsage(source: Source): Promise<Row[]> {
  return await source(Prisma.sql`
WITH RECURSIVE ${APPS_WITH_TASKS}, open AS (
  SELECT app, count(*) AS tasks, count(problem_code) AS with_problem, count(delay_code) AS delayed
  FROM delivery_task_rates WHERE status = 'tracking' GROUP BY app
)
SELECT app, coalesce(open.tasks, 0) AS open_tasks, coalesce(open.with_problem, 0) AS with_problem,
  coalesce(open.delayed, 0) AS delayed, coalesce(usage.calls_used, 0) AS calls_used,
  to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month, usage.pause_kind, usage.pause_reason, ${PAUSE}
FROM apps FULL JOIN delivery_app_usage AS usage USING (app) LEFT JOIN open USING (app)
ORDER BY app`)
}

async function readPairs(source: Source): Promise<Array<OfApp<PairStatus>>> {
  const rows = await source(Prisma.sql`SELECT app, agent_id, ${PAUSE} FROM delivery_pair_status ORDER BY app, agent_id`)
  return rows.map((row) => ({ app: text(row, 'app'), of: { agentId: text(row, 'agent_id'), ...pauseOf(row) } }))
}

/** What a worker that is gone could not poll is history. */
async function readWorkerProblems(source: Source): Promise<Array<OfApp<WorkerProblem>>> {
  const rows = await source(Prisma.sql`
SELECT problem.key AS app, worker_id, ${millis('started_at')} AS started_at_ms, problem.value ->> 'code' AS code, problem.value -> 'detail' AS detail,
  ${millis("(problem.value ->> 'since')::timestamptz")} AS since_ms
FROM delivery_worker_status CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(problems) WHEN 'object' THEN problems ELSE '{}' END) AS problem
WHERE is_alive AND problem.value ->> 'code' IS NOT NULL ORDER BY app, started_at DESC, worker_id`)
  return rows.map((row) => ({ app: text(row, 'app'), of: problemOf(row) }))
}

interface OfApp<Value> {
  readonly app: string
  readonly of: Value
}

function of<Value>(values: ReadonlyArray<OfApp<Value>>, row: Row): Value[] {
  return values.filter(({ app }) => app === row['app']).map((value) => value.of)
}

function usageOf(row: Row, pairs: readonly PairStatus[], workerProblems: readonly WorkerProblem[]): AppUsage {
  return {
    app: text(row, 'app'),
    openTasks: number(row, 'open_tasks'),
    tasksWithProblem: number(row, 'with_problem'),
    tasksDelayed: number(row, 'delayed'),
    callsUsed: number(row, 'calls_used'),
    month: text(row, 'month'),
    pauseKind: row['pause_kind'] === null ? null : oneOf(PAUSE_KINDS, row, 'pause_kind'),
    pauseReason: textOrNull(row, 'pause_reason'),
    ...pauseOf(row),
    pairs,
    workerProblems,
  }
}

function pauseOf(row: Row): Pause {
  return {
    pauseCode: textOrNull(row, 'pause_code'),
    pauseDetail: detailOrNull(row, 'pause_detail'),
    pauseSince: timeOrNull(row, 'pause_since_ms'),
    pausedUntil: timeOrNull(row, 'paused_until_ms'),
    lastGoodAt: timeOrNull(row, 'last_good_at_ms'),
  }
}

function problemOf(row: Row): WorkerProblem {
  return {
    workerId: text(row, 'worker_id'),
    startedAt: time(row, 'started_at_ms'),
    problemCode: text(row, 'code'),
    problemDetail: detailOrNull(row, 'detail'),
    problemSince: timeOrNull(row, 'since_ms'),
  }
}
