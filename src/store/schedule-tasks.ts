import type { TaskKey } from '../domain/delivery.ts'
import type { PlannedPoll } from '../domain/poll-times.ts'
import { byKey } from '../intake/track-rows.ts'
import type { Scheduled, UnscheduledTask } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { TASK, TASK_KEY } from './tables.ts'

type PlanStart = (task: UnscheduledTask) => { readonly deadlineAt: Date; readonly first: PlannedPoll }

interface Start extends UnscheduledTask {
  readonly deadlineAt: Date
  readonly first: PlannedPoll
}

/**
 * Reads tasks that no worker has claimed, plans them, and claims them with their plan in one statement. Of two workers that read the same tasks
 * one gets each; the other gets fewer. No task is claimed without its plan, so a crash in between loses nothing.
 */
export async function claimUnscheduled(prisma: PrismaClient, plan: PlanStart, limit: number): Promise<Scheduled[]> {
  const select = { app: true, taskId: true, sentAt: true, sentAtGiven: true, resumed: true }
  const where = { scheduledAt: null, status: 'tracking' }
  const rows = await retrying(() => prisma.task.findMany({ select, where, orderBy: { id: 'asc' }, take: limit }))
  const starts = rows.map(({ app, taskId, ...times }): Start => {
    const task: UnscheduledTask = { key: { app, taskId }, ...times }
    return { ...task, ...plan(task) }
  })
  if (starts.length === 0) return []
  const mine = column.chosen(starts, await retrying(() => claim(prisma, starts)))
  return starts.filter((start) => mine.has(start)).map(({ key, deadlineAt, first, resumed }) => ({ key, deadlineAt, resumed, poll: first }))
}

const START = { n: column.integer('n'), ...TASK_KEY, deadlineAt: TASK.deadlineAt, nextPollAt: column.time('next_poll_at') }

/** Raw: models have no SKIP LOCKED. A row that is locked is being claimed by another worker. */
async function claim(prisma: PrismaClient, starts: readonly Start[]): Promise<column.Row[]> {
  const rows = starts.map(({ key, deadlineAt, first }, n) => ({ n, ...key, deadlineAt, nextPollAt: first.at }))
  return await prisma.$queryRaw<column.Row[]>`/* claim_tasks */
WITH open AS MATERIALIZED (
  SELECT task.id, start.n, start.deadline_at, start.next_poll_at
  FROM ${column.unnest(START, rows, 'start')}
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

/** Only tasks without a recorded poll; the reconciler restores the timers of the others. Raw: the rows are locked in the order of their keys. */
export async function unscheduleTasks(prisma: PrismaClient, keys: readonly TaskKey[]): Promise<void> {
  if (keys.length === 0) return
  await retrying(
    () => prisma.$executeRaw`/* unschedule_tasks */
WITH mine AS MATERIALIZED (
  SELECT task.id
  FROM ${column.unnest(TASK_KEY, keys.toSorted(byKey), 'given')}
  CROSS JOIN LATERAL (
    SELECT id, poll_no, status FROM delivery_task AS stored WHERE stored.app = given.app AND stored.task_id = given.task_id
    LIMIT 1 FOR UPDATE
  ) AS task
  WHERE task.status = 'tracking' AND task.poll_no = 0
)
UPDATE delivery_task AS task SET scheduled_at = NULL FROM mine WHERE task.id = mine.id`,
  )
}
