import type { CallOutlook, CallOutlooks } from '../polling/call-outlook.ts'
import { type CallClock, encodeCallClock } from './call-clock.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { Prisma } from './generated/client.ts'
import type { Database } from './prisma.ts'

/** Days before the month from which sends are counted: as many as a rate is estimated from. */
const HISTORY_DAYS = 28
const DAY_HOURS = 24
/** The price needs a sum over all open tasks; so many tell it to a few per cent. */
const SAMPLE = 200
const RECENT = 40
/** Of this many days the latest tasks are read, so that an app that sends little does not cost a walk over all that others sent. */
const RECENT_DAYS = 60

const OPEN_PLAN = {
  sentAt: column.time('sent_at'),
  unread: column.integer('unread'),
  pollOffsetsMs: column.nullable(column.integers('poll_offsets')),
}
const SENT_COUNT = { hour: column.integer('hour'), tasks: column.integer('tasks') }
const SENT_TASK = { sentAt: column.time('sent_at'), people: column.integer('people') }

const OUTLOOK = {
  startsAt: column.time('starts'),
  endsAt: column.time('ends'),
  used: column.integer('used'),
  finalPolls: column.integer('final_polls'),
  openTasks: column.integer('open_tasks'),
  openSample: column.json('open_sample', (value) => column.decodeArrays(OPEN_PLAN, value)),
  waiting: column.integer('waiting'),
  isOld: column.flag('is_old'),
  sent: column.json('sent', (value) => column.decodeArrays(SENT_COUNT, value)),
  recent: column.json('recent', (value) => column.decodeArrays(SENT_TASK, value)),
}

const PEOPLE = 'pending + invalid + failed + forbidden + unread + read'

/** @param callClock by which months pass; null: the real one */
export function createCallOutlooks({ prisma }: Pick<Database, 'prisma'>, callClock: CallClock | null = null): CallOutlooks {
  return {
    async read(app, { budget, hours, sinceHour }) {
      const statement = outlookOf({ app, budget, sinceHour, originMs: hours.originAt.getTime(), hourMs: hours.lengthMs, callClock })
      const [row = {}] = await retrying(() => prisma.$queryRaw<column.Row[]>(statement))
      return toOutlook(column.decodeRow(OUTLOOK, row))
    },
    async recentTasks(app) {
      const rows = await retrying(
        () => prisma.$queryRaw<column.Row[]>`/* recent_tasks */
SELECT ${column.selectList(SENT_TASK)} FROM ${recentTasks(Prisma.sql`${app}::text`, Prisma.sql`now() - make_interval(days => ${RECENT_DAYS}::integer)`)}`,
      )
      return rows.map((row) => column.decodeRow(SENT_TASK, row))
    },
  }
}

function toOutlook({ startsAt, endsAt, openTasks, openSample, ...plain }: column.Decoded<typeof OUTLOOK>): CallOutlook {
  return { ...plain, month: { startsAt, endsAt }, open: { tasks: openTasks, sample: openSample } }
}

/** Through the index on sent_at, so the cost depends on the days and not on the age of the data. */
function recentTasks(app: Prisma.Sql, from: Prisma.Sql): Prisma.Sql {
  return Prisma.sql`(
  SELECT sent_at, ${Prisma.raw(PEOPLE)} AS people FROM delivery_task AS task
  WHERE task.app = ${app} AND task.sent_at >= ${from} AND task.scheduled_at IS NOT NULL AND ${Prisma.raw(PEOPLE)} > 0
  ORDER BY task.sent_at DESC LIMIT ${RECENT}::integer
) AS recent_task`
}

interface Question {
  readonly app: string
  readonly budget: number
  readonly sinceHour: number | null
  readonly originMs: number
  readonly hourMs: number
  readonly callClock: CallClock | null
}

/**
 * Raw: one statement, so all parts are of the same moment. Sends are counted through the index on sent_at alone, without the tasks that wait, which
 * are few.
 */
function outlookOf({ app, budget, sinceHour, originMs, hourMs, callClock }: Question): Prisma.Sql {
  const hour = Prisma.sql`floor((extract(epoch FROM task.sent_at) * 1000 - ${originMs}::double precision) / ${hourMs}::double precision)::integer`
  return Prisma.sql`/* call_outlook */
WITH month AS MATERIALIZED (
  SELECT *, starts - make_interval(secs => ${(HISTORY_DAYS * DAY_HOURS * hourMs) / 1_000}::double precision) AS history_starts
  FROM delivery_call_month(clock_timestamp(), ${encodeCallClock(callClock)}::jsonb)
),
since AS MATERIALIZED (
  SELECT CASE WHEN ${sinceHour}::integer IS NULL THEN month.history_starts
    ELSE to_timestamp((${originMs}::double precision + ${sinceHour}::integer * ${hourMs}::double precision) / 1000) END AS at
  FROM month
),
open AS MATERIALIZED (
  SELECT
    sent_at, poll_offsets, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS tasks,
    greatest(1, CASE WHEN good_polls > 0 OR recipients_known THEN pending + unread ELSE coalesce((plan ->> 'people')::integer, 1) END) AS unread
  FROM delivery_task AS task
  WHERE task.app = ${app}::text AND task.status = 'tracking' AND task.scheduled_at IS NOT NULL
),
waiting AS MATERIALIZED (
  SELECT sent_at FROM delivery_task AS task WHERE task.app = ${app}::text AND task.status = 'tracking' AND task.scheduled_at IS NULL
),
sent AS (
  SELECT hour, sum(tasks)::integer AS tasks
  FROM (
    SELECT ${hour} AS hour, count(*) AS tasks FROM delivery_task AS task, since
    WHERE task.app = ${app}::text AND task.sent_at >= since.at GROUP BY 1
    UNION ALL
    SELECT ${hour}, -1 FROM waiting AS task, since WHERE task.sent_at >= since.at
  ) AS counted
  GROUP BY hour HAVING sum(tasks) > 0
)
SELECT ${column.selectList(OUTLOOK)}
FROM (
  SELECT
    month.starts, month.ends,
    coalesce((SELECT calls_used FROM delivery_app AS app WHERE app.app = ${app}::text AND app.calls_month = month.name), 0)::integer AS used,
    delivery_reserved_calls(${app}::text, '-infinity', month.ends + month.final_ms * interval '1 ms', ${budget}::integer) AS final_polls,
    (SELECT count(*)::integer FROM open) AS open_tasks,
    (
      SELECT json_agg(${column.jsonArray(OPEN_PLAN)}) FROM open
      WHERE n % greatest(1, ceil(tasks / ${SAMPLE}::double precision)::integer) = 0
    ) AS open_sample,
    (SELECT count(*)::integer FROM waiting) AS waiting,
    ${sinceHour}::integer IS NULL AND EXISTS (
      SELECT FROM delivery_task AS task WHERE task.app = ${app}::text AND task.sent_at < month.history_starts
    ) AS is_old,
    (SELECT json_agg(${column.jsonArray(SENT_COUNT)}) FROM sent) AS sent,
    (SELECT json_agg(${column.jsonArray(SENT_TASK)} ORDER BY recent_task.sent_at DESC) FROM ${recentTasks(Prisma.sql`${app}::text`, Prisma.sql`month.history_starts`)}) AS recent
  FROM month
) AS outlook`
}
