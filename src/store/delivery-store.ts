import { QUERY_WINDOW_MS, type TaskKey } from '../domain/delivery.ts'
import { TrackerError } from '../domain/errors.ts'
import type { TaskUpdate, WritePlan } from '../domain/plan.ts'
import { isFinalPoll, timingOf } from '../domain/poll-times.ts'
import type { Delay, DeliveryStore, LoadedTask, Timer } from '../polling/ports.ts'
import { createBatcher } from './batcher.ts'
import { retrying } from './database-errors.ts'
import { renameIn } from './erase-people.ts'
import type { PrismaClient } from './generated/client.ts'
import { withLease } from './lease.ts'
import { type AgentIdOf, loadTasks } from './load-tasks.ts'
import type { Database } from './prisma.ts'
import { chosen, iso, millis, type Row, text, time } from './rows.ts'
import { claimUnscheduled, unscheduleTasks } from './schedule-tasks.ts'
import { byKey, nameOf, trackTasks } from './track-tasks.ts'
import { type Written, writePolls } from './write-polls.ts'

export interface PostgresDeliveryStore extends DeliveryStore {
  /** Ends a task as `cancelled`; false when it had ended before, or is not there. */
  cancel(key: TaskKey): Promise<boolean>
}

/** Polls in one statement at most: some 0.1 s of the database's time when each has a hundred new people. */
const MAX_LOOKS = 200
const MAX_LOADS = 100

/** One failing row fails its whole statement; a database that does not answer fails every row alike. */
const mayBePoisoned = (error: unknown): boolean => !(error instanceof TrackerError)

/** A poll takes longer than this by far, and nobody waits for it. */
const GAP_MS = 10

/** One statement at a time, so that what comes meanwhile shares the next. */
const WRITES = { maxItems: MAX_LOOKS, parallel: 1, gapMs: GAP_MS, mayBePoisoned }

export interface DeliveryStoreOptions {
  /** How long a worker that died while it held the lease of {@link DeliveryStore.exclusively} keeps the others out. Default: 30,000 ms. */
  readonly leaseMs?: number
  /** The agent id for tasks of an app that do not bring their own: that of the worker's configuration. Default: none. */
  readonly agentIdOf?: AgentIdOf
}

/** The store on PostgreSQL. Every write to an open task names the `poll_no` it expected. */
export function createDeliveryStore(
  { prisma, pool }: Pick<Database, 'prisma' | 'pool'>,
  { leaseMs = 30_000, agentIdOf = () => null }: DeliveryStoreOptions = {},
): PostgresDeliveryStore {
  const load = createBatcher<TaskKey, LoadedTask | null>({
    run: (keys) => loadTasks(prisma, keys, agentIdOf),
    maxItems: MAX_LOADS,
    parallel: 2,
    gapMs: GAP_MS,
    mayBePoisoned,
  })
  const apply = createBatcher<WritePlan, Written>({
    run: (plans) => writePolls(prisma, plans),
    ...WRITES,
    keyOf: (plan) => nameOf(plan.key),
  })
  const delay = createBatcher<Delayed, Written>({
    run: (items) => delayPolls(prisma, items),
    ...WRITES,
    keyOf: (item) => nameOf(item.key),
  })
  return {
    track: async (requests) => (requests.length === 0 ? [] : await trackTasks(prisma, requests)),
    schedule: (plan, limit) => claimUnscheduled(prisma, plan, limit),
    unschedule: (keys) => unscheduleTasks(prisma, keys),
    load,
    apply,
    end: (key, expected, update) => endTask(prisma, key, expected.pollNo, update),
    delay: (key, expected, columns) => delay({ ...columns, key, pollNo: expected.pollNo }),
    rename: (key, userId, pseudonym) => renameIn(prisma, key, userId, pseudonym),
    exclusively: (work) => withLease({ pool }, { name: 'reconcile', leaseMs }, work),
    overdue: (before, limit, after) => overdueTasks(prisma, before, limit, after),
    cancel: (key) => cancelTask(prisma, key),
  }
}

/** Nobody's state changes without a poll, so only the task's own end is written. */
async function endTask(prisma: PrismaClient, key: TaskKey, pollNo: number, { status, reason }: TaskUpdate): Promise<Written> {
  const detail = reason === null || reason.detail === null ? null : JSON.stringify(reason.detail)
  return await retrying(async ({ maybeCommitted }) => {
    const written = await prisma.$executeRaw`/* end_task */
UPDATE delivery_task SET
  status = ${status}::text, reason_code = ${reason?.code ?? null}::text, reason_detail = ${detail}::jsonb, next_poll_at = NULL,
  finished_at = clock_timestamp()
WHERE app = ${key.app}::text AND task_id = ${key.taskId}::text AND poll_no = ${pollNo}::integer AND status = 'tracking'`
    if (written > 0 || !maybeCommitted) return written > 0 ? 'stored' : 'stale'
    // The reply to an earlier attempt was lost: is the end that we find ours?
    const ended = await prisma.$queryRaw<Row[]>`/* find_end */
SELECT 1 AS found FROM delivery_task
WHERE app = ${key.app}::text AND task_id = ${key.taskId}::text AND poll_no = ${pollNo}::integer AND status = ${status}::text
  AND reason_code IS NOT DISTINCT FROM ${reason?.code ?? null}::text`
    return ended.length > 0 ? 'stored' : 'stale'
  })
}

/** `poll_no` stays the number of polls: that the task is over is fence enough, for it never opens again. */
async function cancelTask(prisma: PrismaClient, key: TaskKey): Promise<boolean> {
  const cancelled = await retrying(
    () => prisma.$executeRaw`/* cancel_task */
UPDATE delivery_task
SET status = 'cancelled', reason_code = 'cancelled', reason_detail = NULL, next_poll_at = NULL, finished_at = clock_timestamp()
WHERE app = ${key.app}::text AND task_id = ${key.taskId}::text AND status = 'tracking'`,
  )
  return cancelled > 0
}

interface Delayed extends Delay {
  readonly key: TaskKey
  readonly pollNo: number
}

/** A paused app delays all its tasks at once. Repeating it is harmless: `poll_no` stays. */
async function delayPolls(prisma: PrismaClient, given: readonly Delayed[]): Promise<Written[]> {
  const items = given.toSorted((a, b) => byKey(a.key, b.key))
  const rows = await retrying(
    () => prisma.$queryRaw<Row[]>`/* delay_polls */
WITH fenced AS MATERIALIZED (
  SELECT task.id, given.*
  FROM unnest(
    ${items.map((_, n) => n)}::integer[],
    ${items.map((item) => item.key.app)}::text[],
    ${items.map((item) => item.key.taskId)}::text[],
    ${items.map((item) => item.pollNo)}::integer[],
    ${items.map((item) => iso(item.nextPollAt))}::timestamptz[],
    ${items.map((item) => item.reason?.code ?? null)}::text[],
    ${items.map((item) => (item.reason === null || item.reason.detail === null ? null : JSON.stringify(item.reason.detail)))}::jsonb[],
    ${items.map((item) => item.problem?.code ?? null)}::text[],
    ${items.map((item) => (item.problem === null ? null : JSON.stringify(item.problem.detail)))}::jsonb[],
    ${items.map((item) => iso(item.problem?.since ?? null))}::timestamptz[],
    ${items.map((item) => item.problem?.polls ?? 0)}::integer[],
    ${items.map((item) => item.failuresInRow)}::integer[],
    ${items.map((item) => item.calls)}::integer[],
    ${items.map((item) => item.finalCalls)}::integer[]
  ) AS given (
    n, app, task_id, poll_no, next_poll_at, delay_code, delay_detail, problem_code, problem_detail, problem_since, problem_polls,
    failures_in_row, calls, final_calls
  )
  CROSS JOIN LATERAL (
    SELECT id, poll_no, status, resumed FROM delivery_task AS stored WHERE stored.app = given.app AND stored.task_id = given.task_id
    LIMIT 1 FOR UPDATE
  ) AS task
  -- A task that was brought forward meanwhile is polled anyway, and keeps its new time.
  WHERE task.poll_no = given.poll_no AND task.status = 'tracking' AND NOT task.resumed
)
UPDATE delivery_task AS task SET
  next_poll_at = fenced.next_poll_at, delay_code = fenced.delay_code, delay_detail = fenced.delay_detail,
  problem_code = fenced.problem_code, problem_detail = fenced.problem_detail, problem_since = fenced.problem_since,
  problem_polls = fenced.problem_polls, failures_in_row = fenced.failures_in_row, calls = fenced.calls, final_calls = fenced.final_calls
FROM fenced WHERE task.id = fenced.id
RETURNING fenced.n`,
  )
  const stored = chosen(items, rows)
  return given.map((item) => (stored.has(item) ? 'stored' : 'stale'))
}

/** Tasks that no worker has planned yet are left to `schedule`, which gives them their deadline. */
async function overdueTasks(prisma: PrismaClient, before: Date, limit: number, after: Timer | null): Promise<Timer[]> {
  const rows = await retrying(
    () => prisma.$queryRaw<Row[]>`/* overdue_tasks */
SELECT app, task_id, ${millis('sent_at')} AS sent_at, ${millis('deadline_at')} AS deadline_at, ${millis('next_poll_at')} AS next_poll_at
FROM delivery_task
WHERE status = 'tracking' AND next_poll_at < ${iso(before)}::timestamptz AND scheduled_at IS NOT NULL
  AND (deadline_at, app, task_id) > (coalesce(${iso(after?.deadlineAt ?? null)}::timestamptz, '-infinity'), ${after?.key.app ?? ''}::text, ${after?.key.taskId ?? ''}::text)
ORDER BY deadline_at, app, task_id LIMIT ${limit}::integer`,
  )
  return rows.map(overdueOf)
}

function overdueOf(row: Row): Timer {
  const key = { app: text(row, 'app'), taskId: text(row, 'task_id') }
  const [deadlineAt, at] = [time(row, 'deadline_at'), time(row, 'next_poll_at')]
  return { key, deadlineAt, poll: { at, last: isLast(key, time(row, 'sent_at'), deadlineAt, at) } }
}

/** The time scale that a task was planned with is in its window; the number of its polls does not move the last one. */
function isLast(key: TaskKey, sentAt: Date, deadlineAt: Date, at: Date): boolean {
  const windowMs = deadlineAt.getTime() - sentAt.getTime()
  return windowMs <= 0 || isFinalPoll({ key, deadlineAt }, at, timingOf(1, QUERY_WINDOW_MS / windowMs))
}
