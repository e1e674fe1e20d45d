import type { TaskKey } from '../../domain/delivery.ts'
import { TrackerError } from '../../domain/errors.ts'
import { OVERDUE_SHARE_OF_WINDOW } from '../../report/polls-ahead.ts'
import { type Page, RISKS, type TaskAtRisk, type TaskFilter, type TaskRates, type TaskRef } from '../../report/rates.ts'
import { decodeRow, type Row, selectList } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { oneOf, text } from '../rows.ts'
import { TASK_COLUMNS } from './columns.ts'
import { buildPage, isText, isTime, parseSlice } from './paging.ts'
import type { Source } from './source.ts'
import { during, equals, timestamp, where } from './sql.ts'

const TASK = selectList(TASK_COLUMNS)

function decodeTaskRates(row: Row): TaskRates {
  return decodeRow(TASK_COLUMNS, row)
}

/** Every app that has a task, by leaps over the index on app and task id: with a task id alone the whole index would be read. */
export const APPS_WITH_TASKS = Prisma.sql`
apps (app) AS (
  (SELECT app FROM delivery_task_rates ORDER BY app LIMIT 1)
  UNION ALL
  SELECT next.app FROM apps CROSS JOIN LATERAL (SELECT app FROM delivery_task_rates WHERE app > apps.app ORDER BY app LIMIT 1) AS next
)`

/** @throws {TrackerError} `TASK_NOT_FOUND`, `SEVERAL_APPS` */
export async function readTask(source: Source, { taskId, app }: TaskRef): Promise<TaskRates> {
  const rows = await source(
    app === undefined
      ? Prisma.sql`WITH RECURSIVE ${APPS_WITH_TASKS}
SELECT task.* FROM apps CROSS JOIN LATERAL (
  SELECT ${TASK} FROM delivery_task_rates WHERE app = apps.app AND task_id = ${taskId}::text
) AS task ORDER BY app`
      : Prisma.sql`SELECT ${TASK} FROM delivery_task_rates WHERE app = ${app}::text AND task_id = ${taskId}::text`,
  )
  const [task, another] = rows.map(decodeTaskRates)
  if (another !== undefined) throw severalApps(`task ${taskId}`, rows)
  if (task !== undefined) return task
  throw new TrackerError('TASK_NOT_FOUND', `Task ${taskId}${app === undefined ? '' : ` of app ${app}`} is not tracked.`)
}

/** A row that was read is its own key: it exists. @throws {TrackerError} `TASK_NOT_FOUND`, `SEVERAL_APPS` */
export async function readTaskKey(source: Source, ref: TaskRef): Promise<TaskKey> {
  const { app, taskId } = ref
  return 'goodPolls' in ref && app !== undefined ? { app, taskId } : await readTask(source, ref)
}

export function severalApps(what: string, rows: readonly Row[]): TrackerError {
  return new TrackerError('SEVERAL_APPS', `Several apps have ${what}: ${rows.map((row) => text(row, 'app')).join(', ')}.`)
}

/** Reads the index on the send time backwards; the tasks of one id are read by their key. */
export async function readTasks(source: Source, filter: TaskFilter): Promise<Page<TaskRates>> {
  const slice = parseSlice(filter, 'tasks', [isTime, isText, isText])
  const { app, taskId, campaign, status } = filter
  const [sentAt, ...id] = slice.after ?? []
  const rows = await source(Prisma.sql`
SELECT ${TASK} FROM delivery_task_rates
WHERE ${where([
    equals('app', app),
    equals('task_id', taskId),
    taskId === undefined || app !== undefined ? null : Prisma.sql`app IN (WITH RECURSIVE ${APPS_WITH_TASKS} SELECT app FROM apps)`,
    equals('campaign', campaign),
    equals('status', status),
    during('sent_at', filter),
    sentAt === undefined
      ? null
      : Prisma.sql`(sent_at, app, task_id) < (${timestamp(new Date(sentAt))}, ${Prisma.join(id.map((each) => Prisma.sql`${each}::text`))})`,
  ])}
ORDER BY sent_at DESC, app DESC, task_id DESC LIMIT ${slice.limit + 1}::integer`)
  return buildPage(rows.map(decodeTaskRates), slice, 'tasks', (task) => [task.sentAt.toISOString(), task.app, task.taskId])
}

/** Where more tasks are at risk, they have a common cause. */
const MOST_AT_RISK = 100

const LATELY = Prisma.raw("interval '7 days'")

/** The end of the time in which DingTalk answers: the deadline, or earlier where the message was sent before the assumed send time. */
const WINDOW_END = Prisma.raw(
  "CASE WHEN task.reason_code = 'window_closed_early' THEN (task.reason_detail ->> 'refusedSince')::timestamptz ELSE task.deadline_at END",
)

const OVERDUE = Prisma.raw(`task.next_poll_at < now() - (task.deadline_at - task.sent_at) * ${OVERDUE_SHARE_OF_WINDOW}::double precision`)

/**
 * `overdue` and `blind` are measured in shares of the window, which `TIME_SCALE` shortens. A task has one risk: the first that matches.
 * The outcome of the last poll is read as a value: with EXISTS the planner may hash all failed polls of the table.
 */
export async function readAttention(source: Source): Promise<TaskAtRisk[]> {
  const rows = await source(Prisma.sql`
SELECT ${TASK}, risk FROM (
  SELECT task.*, CASE
    WHEN ${OVERDUE} THEN 'overdue'
    ELSE 'delayed'
  END AS risk
  FROM delivery_task_rates AS task
  WHERE task.status = 'tracking' AND (
    ${OVERDUE}
    OR task.problem_code IS NOT NULL
    OR task.delay_code IS NOT NULL
    OR task.polls > task.good_polls AND 'observed' <> (
      SELECT outcome FROM delivery_poll_history AS poll WHERE poll.app = task.app AND poll.task_id = task.task_id AND poll.poll_no = task.polls
    )
  )
  UNION ALL
  SELECT task.*, CASE
    WHEN task.status = 'stopped' THEN 'stopped'
    WHEN task.last_observed_at IS NULL THEN 'never_observed'
    ELSE 'blind'
  END
  FROM delivery_task_rates AS task
  WHERE task.sent_at > now() - ${LATELY} - interval '1 day' AND task.finished_at > now() - ${LATELY} AND (
    task.status = 'stopped'
    OR task.status = 'expired' AND (
      task.last_observed_at IS NULL OR task.last_observed_at < ${WINDOW_END} - (task.deadline_at - task.sent_at) / 24
    )
  )
) AS at_risk
ORDER BY CASE WHEN status = 'tracking' THEN deadline_at END NULLS LAST, deadline_at DESC, app, task_id
LIMIT ${MOST_AT_RISK}::integer`)
  return rows.map((row) => ({ ...decodeTaskRates(row), risk: oneOf(RISKS, row, 'risk') }))
}
