import type { TaskKey } from '../domain/delivery.ts'
import type { PlannedPoll } from '../domain/poll-times.ts'
import type { Scheduled, UnscheduledTask } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { chosen, flag, iso, millis, type Row, text, time } from './rows.ts'
import { byKey } from './track-tasks.ts'

type PlanStart = (task: UnscheduledTask) => { readonly deadlineAt: Date; readonly first: PlannedPoll }

interface Start extends UnscheduledTask {
  readonly deadlineAt: Date
  readonly first: PlannedPoll
}

/**
 * Reads what nobody has claimed, plans it, and claims it with the plan in one statement. Of two workers that read the same tasks
 * one gets each; the other gets fewer. Nothing is claimed without its plan, so a crash in between loses nothing.
 */
export async function claimUnscheduled(prisma: PrismaClient, plan: PlanStart, limit: number): Promise<Scheduled[]> {
  const rows = await retrying(() => selectUnscheduled(prisma, limit))
  const starts = rows.map((row): Start => {
    const task: UnscheduledTask = {
      key: { app: text(row, 'app'), taskId: text(row, 'task_id') },
      sentAt: time(row, 'sent_at'),
      sentAtGiven: flag(row, 'sent_at_given'),
      resumed: flag(row, 'resumed'),
    }
    return { ...task, ...plan(task) }
  })
  if (starts.length === 0) return []
  const claimed = await retrying(() => claim(prisma, starts))
  const mine = chosen(starts, claimed)
  return starts.filter((start) => mine.has(start)).map(({ key, deadlineAt, first, resumed }) => ({ key, deadlineAt, resumed, poll: first }))
}

async function selectUnscheduled(prisma: PrismaClient, limit: number): Promise<Row[]> {
  return await prisma.$queryRaw<Row[]>`/* select_unscheduled */
SELECT app, task_id, ${millis('sent_at')} AS sent_at, sent_at_given, resumed
FROM delivery_task WHERE scheduled_at IS NULL AND status = 'tracking'
ORDER BY id LIMIT ${limit}::integer`
}

async function claim(prisma: PrismaClient, starts: readonly Start[]): Promise<Row[]> {
  return await prisma.$queryRaw<Row[]>`/* claim_tasks */
WITH open AS MATERIALIZED (
  SELECT task.id, start.n, start.deadline_at, start.next_poll_at
  FROM unnest(
    ${starts.map((_, n) => n)}::integer[],
    ${starts.map((start) => start.key.app)}::text[],
    ${starts.map((start) => start.key.taskId)}::text[],
    ${starts.map((start) => iso(start.deadlineAt))}::timestamptz[],
    ${starts.map((start) => iso(start.first.at))}::timestamptz[]
  ) AS start (n, app, task_id, deadline_at, next_poll_at)
  CROSS JOIN LATERAL (
    SELECT id, scheduled_at, status FROM delivery_task AS stored WHERE stored.app = start.app AND stored.task_id = start.task_id
    LIMIT 1 FOR UPDATE SKIP LOCKED
  ) AS task
  WHERE task.scheduled_at IS NULL AND task.status = 'tracking'
)
UPDATE delivery_task AS task SET scheduled_at = now(), resumed = false, deadline_at = open.deadline_at, next_poll_at = open.next_poll_at
FROM open WHERE task.id = open.id
RETURNING open.n`
}

/** Tasks that no poll was recorded for; the timers of others are put right by the reconciler. */
export async function unscheduleTasks(prisma: PrismaClient, keys: readonly TaskKey[]): Promise<void> {
  if (keys.length === 0) return
  const sorted = keys.toSorted(byKey)
  await retrying(
    () => prisma.$executeRaw`/* unschedule_tasks */
WITH mine AS MATERIALIZED (
  SELECT task.id
  FROM unnest(${sorted.map((key) => key.app)}::text[], ${sorted.map((key) => key.taskId)}::text[]) AS given (app, task_id)
  CROSS JOIN LATERAL (
    SELECT id, poll_no, status FROM delivery_task AS stored WHERE stored.app = given.app AND stored.task_id = given.task_id
    LIMIT 1 FOR UPDATE
  ) AS task
  WHERE task.status = 'tracking' AND task.poll_no = 0
)
UPDATE delivery_task AS task SET scheduled_at = NULL FROM mine WHERE task.id = mine.id`,
  )
}
