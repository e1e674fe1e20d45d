import { STATES, type TaskKey } from '../../domain/delivery.ts'
import { OUTCOMES } from '../../domain/problems.ts'
import { type StateChange, whatPollsSaid } from '../../report/person-history.ts'
import type { CurvePoint, PersonHistory, Poll } from '../../report/rates.ts'
import { Prisma } from '../generated/client.ts'
import { millis, number, numberOrNull, oneOf, type Row, text, textOrNull, time, timeOrNull } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import { readPerson } from './people.ts'
import type { Source } from './source.ts'

export async function readPolls(source: Source, { app, taskId }: TaskKey): Promise<Poll[]> {
  const rows = await source(Prisma.sql`
SELECT poll_no, outcome, code, message, request_id, problem_code, scope, calls, changed, anomalies, ${Prisma.raw(STATES.join(', '))},
  ${millis('due_at')} AS due_at_ms, ${millis('requested_at')} AS requested_at_ms, ${millis('responded_at')} AS responded_at_ms
FROM delivery_poll_history WHERE app = ${app}::text AND task_id = ${taskId}::text ORDER BY poll_no`)
  return rows.map(pollRecordOf)
}

function pollRecordOf(row: Row): Poll {
  return {
    pollNo: number(row, 'poll_no'),
    dueAt: timeOrNull(row, 'due_at_ms'),
    requestedAt: time(row, 'requested_at_ms'),
    respondedAt: timeOrNull(row, 'responded_at_ms'),
    outcome: oneOf(OUTCOMES, row, 'outcome'),
    code: text(row, 'code'),
    message: textOrNull(row, 'message'),
    requestId: textOrNull(row, 'request_id'),
    problemCode: textOrNull(row, 'problem_code'),
    scope: textOrNull(row, 'scope'),
    calls: number(row, 'calls'),
    changed: number(row, 'changed'),
    anomalies: number(row, 'anomalies'),
    pending: numberOrNull(row, 'pending'),
    invalid: numberOrNull(row, 'invalid'),
    failed: numberOrNull(row, 'failed'),
    forbidden: numberOrNull(row, 'forbidden'),
    unread: numberOrNull(row, 'unread'),
    read: numberOrNull(row, 'read'),
  }
}

/** @throws {TrackerError} `RECIPIENT_NOT_FOUND` */
export async function explainPerson(source: Source, key: TaskKey, userId: string): Promise<PersonHistory> {
  const person = await readPerson(source, key, userId)
  const [polls, changes] = [await readPolls(source, key), await readChanges(source, key, userId)]
  return { person, polls: whatPollsSaid(polls, changes) }
}

async function readChanges(source: Source, { app, taskId }: TaskKey, userId: string): Promise<StateChange[]> {
  const rows = await source(Prisma.sql`
SELECT to_state, poll_no FROM delivery_state_changes WHERE app = ${app}::text AND task_id = ${taskId}::text AND user_id = ${userId}::text`)
  return rows.map((row) => ({ to: oneOf(STATES, row, 'to_state'), pollNo: number(row, 'poll_no') }))
}

export async function readCurve(source: Source, { app, taskId }: TaskKey): Promise<CurvePoint[]> {
  const rows = await source(Prisma.sql`
SELECT ${millis('at')} AS at_ms, delivered, read, read_rate FROM delivery_read_curve
WHERE app = ${app}::text AND task_id = ${taskId}::text ORDER BY poll_no`)
  return rows.map(pointOf)
}

/**
 * A person is delivered when the first of the campaign's tasks is, and has read when the first of them is read.
 * Which states count is said behind FILTER: behind WHERE, PostgreSQL 18 sees the key's last column in it, thinks a look-up by key a hundred
 * times dearer than it is, and reads the changes of all tasks.
 */
export async function readCampaignCurve(source: Source, { app, campaign }: CampaignKey): Promise<CurvePoint[]> {
  const rows = await source(Prisma.sql`
SELECT ${millis('at')} AS at_ms, delivered, read, read::double precision / nullif(delivered, 0) AS read_rate FROM (
  SELECT at, (sum(sum(delivered)) OVER (ORDER BY at))::integer AS delivered, (sum(sum(read)) OVER (ORDER BY at))::integer AS read
  FROM (
    SELECT min(at) FILTER (WHERE to_state IN ('unread', 'read')) AS delivered_at, min(at) FILTER (WHERE to_state = 'read') AS read_at
    FROM delivery_state_changes
    WHERE app = ${app}::text AND campaign = ${campaign}::text
    GROUP BY user_id
  ) AS person
  CROSS JOIN LATERAL (VALUES (delivered_at, 1, 0), (read_at, 0, 1)) AS event (at, delivered, read)
  WHERE at IS NOT NULL
  GROUP BY at
) AS point ORDER BY at`)
  return rows.map(pointOf)
}

function pointOf(row: Row): CurvePoint {
  return {
    at: time(row, 'at_ms'),
    delivered: number(row, 'delivered'),
    read: number(row, 'read'),
    readRate: numberOrNull(row, 'read_rate'),
  }
}
