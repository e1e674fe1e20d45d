import { QUERY_WINDOW_MS, type TaskKey } from '../domain/delivery.ts'
import type { TaskUpdate, WritePlan } from '../domain/plan.ts'
import { buildTiming, isFinalPoll } from '../domain/poll-times.ts'
import type { TrackRequest } from '../intake/track-request.ts'
import { byKey, decodeOutcome, refusedInput, requestsAsJson, TRACK, type TrackRow } from '../intake/track-rows.ts'
import type { Delay, DeliveryStore, LoadedBareTask, LoadedTask, Timer, Tracked } from '../polling/ports.ts'
import { createBatcher, mayBePoisoned } from './batcher.ts'
import type { CallClock } from './call-clock.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { renameIn } from './erase-people.ts'
import type { PrismaClient } from './generated/client.ts'
import { withLease } from './lease.ts'
import { type AgentIdOf, loadForPolls, loadTasks } from './load-tasks.ts'
import type { Database } from './prisma.ts'
import { claimUnscheduled, unscheduleTasks } from './schedule-tasks.ts'
import { TASK, TASK_DELAY, TASK_KEY, TASK_UPDATE, taskDelayRow } from './tables.ts'
import { type Written, writePolls } from './write-polls.ts'

export interface PostgresDeliveryStore extends DeliveryStore {
  /** Ends a task as `cancelled`; false when it had ended before, or is not there. */
  cancel(key: TaskKey): Promise<boolean>
}

/** Polls in one statement at most: some 0.1 s of the database's time when each has a hundred new people. */
const MAX_POLLS = 200
const MAX_LOADS = 100

/** A poll takes far longer than this. */
const GAP_MS = 10

const LOADS = { maxItems: MAX_LOADS, parallel: 2, gapMs: GAP_MS, mayBePoisoned }
/** One statement at a time, so that writes that come meanwhile share the next. */
const WRITES = { maxItems: MAX_POLLS, parallel: 1, gapMs: GAP_MS, mayBePoisoned }

const CANCELLED: End = { status: 'cancelled', reason: { code: 'cancelled', detail: null }, pollNo: null }

export interface DeliveryStoreOptions {
  /** How long a worker that died while it held the lease of {@link DeliveryStore.exclusively} keeps the others out. Default: 30,000 ms. */
  readonly leaseMs?: number
  /** The agent id for tasks of an app that do not bring their own: that of the worker's configuration. Default: none. */
  readonly agentIdOf?: AgentIdOf
  /** By which months pass. Default: the real one. */
  readonly callClock?: CallClock | null
}

/** The store on PostgreSQL. Every write to an open task names the `poll_no` it expected. */
export function createDeliveryStore(
  database: Pick<Database, 'prisma'>,
  { leaseMs = 30_000, agentIdOf = () => null, callClock = null }: DeliveryStoreOptions = {},
): PostgresDeliveryStore {
  const { prisma } = database
  const load = createBatcher<TaskKey, LoadedTask | null>({ run: (keys) => loadTasks(database, keys, agentIdOf), ...LOADS })
  const loadForPoll = createBatcher<TaskKey, LoadedTask | LoadedBareTask | null>({
    run: (keys) => loadForPolls(database, keys, agentIdOf),
    ...LOADS,
  })
  const apply = createBatcher<WritePlan, Written>({
    run: (plans) => writePolls(database, plans),
    ...WRITES,
    keyOf: ({ key }) => nameOf(key),
  })
  const delay = createBatcher<Delayed, Written>({
    run: (items) => delayPolls(prisma, items),
    ...WRITES,
    keyOf: ({ key }) => nameOf(key),
  })
  return {
    track: (requests) => trackTasks(prisma, requests),
    schedule: (plan, limit) => claimUnscheduled(prisma, plan, limit, callClock),
    unschedule: (keys) => unscheduleTasks(prisma, keys),
    load,
    loadForPoll,
    apply,
    end: (key, { pollNo }, { status, reason }) => endTask(prisma, key, { status, reason, pollNo }),
    delay: (key, expected, columns) => delay({ ...columns, key, pollNo: expected.pollNo }),
    rename: (key, userId, pseudonym) => renameIn(prisma, key, userId, pseudonym),
    exclusively: (work) => withLease({ prisma }, { name: 'reconcile', leaseMs }, work),
    overdue: (before, limit, after) => overdueTasks(prisma, before, limit, after),
    cancel: async (key) => (await endTask(prisma, key, CANCELLED)) === 'stored',
  }
}

/** An app's name holds no space. */
function nameOf({ app, taskId }: TaskKey): string {
  return `${app} ${taskId}`
}

/**
 * Stores requests through the SQL function `delivery_track`, as every way to enqueue does, in one statement.
 * @throws {InvalidInputError} where the function refuses a request; then nothing is stored
 */
async function trackTasks(prisma: PrismaClient, requests: readonly TrackRequest[]): Promise<Tracked[]> {
  if (requests.length === 0) return []
  const rows = await retrying(() => prisma.$queryRawUnsafe<TrackRow[]>(TRACK, requestsAsJson(requests))).catch((error: unknown) => {
    throw refusedInput(error) ?? error
  })
  return rows.flatMap((row, i) => {
    const request = requests[i]
    return request === undefined ? [] : [{ key: { app: request.app, taskId: request.taskId }, ...decodeOutcome(row) }]
  })
}

interface End extends Pick<TaskUpdate, 'status' | 'reason'> {
  /** Null: whatever it is. That the task is over is enough then, since a task that has ended is not polled. */
  readonly pollNo: number | null
}

/** Only the end itself is written: without a poll no recipient has another state. Raw: `finished_at` is a time of the database's clock. */
async function endTask(prisma: PrismaClient, key: TaskKey, { status, reason, pollNo }: End): Promise<Written> {
  const reasonCode = reason?.code ?? null
  const detail = TASK_UPDATE.reasonDetail.encode(reason?.detail ?? null)
  return await retrying(async ({ maybeCommitted }) => {
    const written = await prisma.$executeRaw`/* end_task */
UPDATE delivery_task SET
  status = ${status}::text, reason_code = ${reasonCode}::text, reason_detail = ${detail}::jsonb, next_poll_at = NULL, finished_at = clock_timestamp(),
  answer_digest = NULL
WHERE app = ${key.app}::text AND task_id = ${key.taskId}::text AND status = 'tracking'
  AND (${pollNo}::integer IS NULL OR poll_no = ${pollNo}::integer)`
    if (written > 0 || !maybeCommitted) return written > 0 ? 'stored' : 'stale'
    // The reply to an earlier attempt was lost: the end may be its own.
    const ended = await prisma.task.count({ where: { ...key, status, reasonCode, ...(pollNo !== null && { pollNo }) } })
    return ended > 0 ? 'stored' : 'stale'
  })
}

interface Delayed extends Delay {
  readonly key: TaskKey
  readonly pollNo: number
}

const DELAYED = { n: column.integer('n'), ...TASK_KEY, pollNo: column.integer('poll_no'), ...TASK_DELAY }

/** Raw: many tasks in one statement, since a paused app delays all its tasks at once. Repeating it is harmless: `poll_no` stays. */
async function delayPolls(prisma: PrismaClient, given: readonly Delayed[]): Promise<Written[]> {
  const items = given.toSorted((a, b) => byKey(a.key, b.key))
  const delayed = items.map(({ key, pollNo, reason, ...delay }, n) => ({ n, ...key, pollNo, ...taskDelayRow({ ...delay, delay: reason }) }))
  const rows = await retrying(
    () => prisma.$queryRaw<column.Row[]>`/* delay_polls */
WITH fenced AS MATERIALIZED (
  SELECT task.id, given.*
  FROM ${column.unnest(DELAYED, delayed, 'given')}
  CROSS JOIN LATERAL (
    SELECT id, poll_no, status, resumed FROM delivery_task AS stored WHERE stored.app = given.app AND stored.task_id = given.task_id
    LIMIT 1 FOR UPDATE
  ) AS task
  -- A task that was brought forward meanwhile is polled at once, and keeps its new time.
  WHERE task.poll_no = given.poll_no AND task.status = 'tracking' AND NOT task.resumed
)
UPDATE delivery_task AS task SET ${column.assignments(TASK_DELAY, 'fenced')}
FROM fenced WHERE task.id = fenced.id
RETURNING fenced.n`,
  )
  const stored = column.chosen(items, rows)
  return given.map((item) => (stored.has(item) ? 'stored' : 'stale'))
}

const OVERDUE = { ...TASK_KEY, sentAt: TASK.sentAt, deadlineAt: TASK.deadlineAt, at: column.time('next_poll_at') }

/**
 * Tasks that no worker has planned yet are left to `schedule`, which gives them their deadline.
 * Raw: the page begins behind a row of three columns, which a model can only say as three conditions that no index serves.
 */
async function overdueTasks(prisma: PrismaClient, before: Date, limit: number, after: Timer | null): Promise<Timer[]> {
  const rows = await retrying(
    () => prisma.$queryRaw<column.Row[]>`/* overdue_tasks */
SELECT ${column.selectList(OVERDUE)} FROM delivery_task
WHERE status = 'tracking' AND next_poll_at < ${before.toISOString()}::timestamptz AND scheduled_at IS NOT NULL
  AND (deadline_at, app, task_id) > (
    coalesce(${after?.deadlineAt.toISOString() ?? null}::timestamptz, '-infinity'), ${after?.key.app ?? ''}::text, ${after?.key.taskId ?? ''}::text
  )
ORDER BY deadline_at, app, task_id LIMIT ${limit}::integer`,
  )
  return rows.map((row) => {
    const { app, taskId, sentAt, deadlineAt, at } = column.decodeRow(OVERDUE, row)
    const key = { app, taskId }
    return { key, deadlineAt, poll: { at, last: isLast(key, sentAt, deadlineAt, at) } }
  })
}

/** The time scale that a task was planned with is in its window; the number of its polls does not move the final one. */
function isLast(key: TaskKey, sentAt: Date, deadlineAt: Date, at: Date): boolean {
  const windowMs = deadlineAt.getTime() - sentAt.getTime()
  return windowMs <= 0 || isFinalPoll({ key, deadlineAt }, at, buildTiming(1, QUERY_WINDOW_MS / windowMs))
}
