import { QUERY_WINDOW_MS, type TaskKey } from '../core/delivery.ts'
import type { Tracked } from '../core/ports.ts'
import type { TrackRequest } from '../core/track-request.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { chosen, iso, type Row } from './rows.ts'

/** Many requests in one statement; a task that is there already stays as it is. The same rows as the SQL function `track_delivery` writes. */
export async function trackTasks(prisma: PrismaClient, requests: readonly TrackRequest[]): Promise<Tracked[]> {
  const first = firstOfEach(requests)
  const sorted = [...first.values()].sort(byKey)
  const rows = await retrying(() => insertTasks(prisma, sorted))
  const fresh = chosen(sorted, rows)
  return requests.map((request) => ({
    key: { app: request.app, taskId: request.taskId },
    isNew: first.get(nameOf(request)) === request && fresh.has(request),
  }))
}

function firstOfEach(requests: readonly TrackRequest[]): Map<string, TrackRequest> {
  const first = new Map<string, TrackRequest>()
  for (const request of requests) if (!first.has(nameOf(request))) first.set(nameOf(request), request)
  return first
}

/** An app's name holds no space. */
export function nameOf(key: TaskKey): string {
  return `${key.app} ${key.taskId}`
}

/** The order in which every writer inserts and locks tasks, so that no two can wait for each other. Code units, as COLLATE "C" has them for these ids. */
export function byKey(a: TaskKey, b: TaskKey): number {
  if (a.app !== b.app) return a.app < b.app ? -1 : 1
  return a.taskId < b.taskId ? -1 : a.taskId > b.taskId ? 1 : 0
}

async function insertTasks(prisma: PrismaClient, requests: readonly TrackRequest[]): Promise<Row[]> {
  const people = requests.flatMap((request, n) => (request.userIds ?? []).map((userId) => ({ n, userId })))
  return await prisma.$queryRaw<Row[]>`/* track_tasks */
WITH request AS (
  SELECT * FROM unnest(
    ${requests.map((_, n) => n)}::integer[],
    ${requests.map((request) => request.app)}::text[],
    ${requests.map((request) => request.taskId)}::text[],
    ${requests.map((request) => request.agentId)}::text[],
    ${requests.map((request) => request.campaign)}::text[],
    ${requests.map((request) => iso(request.sentAt))}::timestamptz[],
    ${requests.map((request) => request.userIds !== null)}::boolean[],
    ${requests.map((request) => request.userIds?.length ?? 0)}::integer[]
  ) AS given (n, app, task_id, agent_id, campaign, sent_at, recipients_known, people)
), task AS (
  INSERT INTO delivery_task (app, task_id, agent_id, campaign, sent_at, deadline_at, recipients_known, next_poll_at, pending)
  SELECT app, task_id, agent_id, campaign, sent_at, sent_at + make_interval(secs => ${QUERY_WINDOW_MS / 1000}::integer), recipients_known, now(), people
  FROM request
  ORDER BY n
  ON CONFLICT (app, task_id) DO NOTHING
  RETURNING id, app, task_id
), fresh AS (
  SELECT task.id, request.n FROM task JOIN request ON request.app = task.app AND request.task_id = task.task_id
), person AS (
  INSERT INTO delivery_recipient (task_pk, user_id, named, state)
  SELECT fresh.id, given.user_id, true, 'pending'
  FROM unnest(${people.map((person) => person.n)}::integer[], ${people.map((person) => person.userId)}::text[]) AS given (n, user_id)
  JOIN fresh USING (n)
  ORDER BY fresh.id, given.user_id COLLATE "C"
)
SELECT n FROM fresh`
}
