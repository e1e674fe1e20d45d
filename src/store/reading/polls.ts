import { STATES, type TaskKey } from '../../domain/delivery.ts'
import { buildPersonPolls, type StateChange } from '../../report/person-history.ts'
import { rateOf } from '../../report/rate.ts'
import type { CurvePoint, PersonHistory, Poll } from '../../report/rates.ts'
import { decodeRow, selectList } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { millis, number, oneOf, time } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import { POLL_COLUMNS } from './columns.ts'
import { readPerson } from './people.ts'
import type { Source } from './source.ts'

export async function readPolls(source: Source, { app, taskId }: TaskKey): Promise<Poll[]> {
  const rows = await source(Prisma.sql`
SELECT ${selectList(POLL_COLUMNS)} FROM delivery_poll_history WHERE app = ${app}::text AND task_id = ${taskId}::text ORDER BY poll_no`)
  return rows.map((row) => decodeRow(POLL_COLUMNS, row))
}

/** @throws {TrackerError} `RECIPIENT_NOT_FOUND` */
export async function explainPerson(source: Source, key: TaskKey, userId: string): Promise<PersonHistory> {
  const person = await readPerson(source, key, userId)
  const [polls, changes] = [await readPolls(source, key), await readChanges(source, key, userId)]
  return { person, polls: buildPersonPolls(polls, changes) }
}

async function readChanges(source: Source, { app, taskId }: TaskKey, userId: string): Promise<StateChange[]> {
  const rows = await source(Prisma.sql`
SELECT to_state, poll_no FROM delivery_state_changes WHERE app = ${app}::text AND task_id = ${taskId}::text AND user_id = ${userId}::text`)
  return rows.map((row) => ({ to: oneOf(STATES, row, 'to_state'), pollNo: number(row, 'poll_no') }))
}

/**
 * A person counts as delivered when the first of the campaign's tasks is delivered, and as read when the first of them is read. Most people of a task
 * share a poll, so they are counted together.
 * The states are in FILTER: in WHERE, PostgreSQL 18 sees the key's last column, estimates a look-up by key a hundred times too high, and reads the
 * changes of all tasks. OFFSET keeps it to look-ups by key, each in one partition of the polls: the planner counts on all partitions for each, and
 * would read all polls instead.
 */
export async function readCampaignCurve(source: Source, { app, campaign }: CampaignKey): Promise<CurvePoint[]> {
  const rows = await source(Prisma.sql`
SELECT ${millis('at')} AS at_ms, delivered, read FROM (
  SELECT at, (sum(sum(delivered)) OVER (ORDER BY at))::integer AS delivered, (sum(sum(read)) OVER (ORDER BY at))::integer AS read
  FROM (
    SELECT delivered_at, read_at, count(*) AS people FROM (
      SELECT min(at) FILTER (WHERE to_state IN ('unread', 'read')) AS delivered_at, min(at) FILTER (WHERE to_state = 'read') AS read_at
      FROM delivery_task_rates AS task
      CROSS JOIN LATERAL (
        SELECT user_id, to_state, at FROM delivery_state_changes AS each WHERE each.app = task.app AND each.task_id = task.task_id OFFSET 0
      ) AS change
      WHERE task.app = ${app}::text AND task.campaign = ${campaign}::text
      GROUP BY user_id
    ) AS person GROUP BY delivered_at, read_at
  ) AS alike
  CROSS JOIN LATERAL (VALUES (delivered_at, people, 0), (read_at, 0, people)) AS event (at, delivered, read)
  WHERE at IS NOT NULL
  GROUP BY at
) AS point ORDER BY at`)
  return rows.map((row) => {
    const [delivered, read] = [number(row, 'delivered'), number(row, 'read')]
    return { at: time(row, 'at_ms'), delivered, read, readRate: rateOf(read, delivered) }
  })
}
