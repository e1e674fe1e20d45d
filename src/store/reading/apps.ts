import { type AppUsage, PAUSE_KINDS } from '../../core/rates.ts'
import { Prisma } from '../generated/client.ts'
import { millis, number, oneOf, type Row, text, textOrNull, timeOrNull } from '../rows.ts'
import type { Source } from './source.ts'
import { APPS_WITH_TASKS } from './tasks.ts'

export async function readApps(source: Source): Promise<AppUsage[]> {
  const rows = await source(Prisma.sql`
WITH RECURSIVE ${APPS_WITH_TASKS}, open AS (
  SELECT app, count(*) AS tasks FROM delivery_task_rates WHERE status = 'tracking' GROUP BY app
)
SELECT app, coalesce(open.tasks, 0) AS open_tasks, coalesce(usage.calls_used, 0) AS calls_used,
  to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month,
  usage.pause_kind, usage.pause_reason, ${millis('usage.paused_until')} AS paused_until_ms
FROM apps FULL JOIN delivery_app_usage AS usage USING (app) LEFT JOIN open USING (app)
ORDER BY app`)
  return rows.map(usageOf)
}

function usageOf(row: Row): AppUsage {
  return {
    app: text(row, 'app'),
    openTasks: number(row, 'open_tasks'),
    callsUsed: number(row, 'calls_used'),
    month: text(row, 'month'),
    pauseKind: row['pause_kind'] === null ? null : oneOf(PAUSE_KINDS, row, 'pause_kind'),
    pauseReason: textOrNull(row, 'pause_reason'),
    pausedUntil: timeOrNull(row, 'paused_until_ms'),
  }
}
