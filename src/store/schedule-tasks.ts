import type { TaskKey } from '../domain/delivery.ts'
import { callBudgetUsedUp, type DelayReason } from '../domain/reasons.ts'
import { admitTasks } from '../domain/schedule/budget.ts'
import { byKey } from '../intake/track-rows.ts'
import type { Admission, Scheduled, TaskStart, UnscheduledTask } from '../polling/ports.ts'
import { type CallClock, encodeCallClock } from './call-clock.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { Prisma, type PrismaClient } from './generated/client.ts'
import { TASK, TASK_DELAY, TASK_KEY } from './tables.ts'

type PlanTask = (task: UnscheduledTask) => TaskStart | Promise<TaskStart>

/** A task with its plan, before it is claimed. */
interface Planned extends Omit<UnscheduledTask, 'pollOffsetsMs'>, TaskStart {}

/** What is stored with the claim. */
interface Claim extends Omit<Planned, 'admission'> {
  readonly delay: DelayReason | null
}

type Client = Pick<PrismaClient, '$queryRaw'>

/**
 * Reads tasks that no worker has claimed, plans them, and claims them with their plan in one statement. Of two workers that read the same tasks
 * one gets each; the other gets fewer. No task is claimed without its plan, so a crash in between loses nothing.
 */
export async function claimUnscheduled(
  prisma: PrismaClient,
  plan: PlanTask,
  limit: number,
  callClock: CallClock | null,
): Promise<Scheduled[]> {
  const tasks = await retrying(() => readUnscheduled(prisma, limit))
  if (tasks.length === 0) return []
  const planned = await Promise.all(tasks.map(async (task): Promise<Planned> => ({ ...task, ...(await plan(task)) })))
  const { claims, rows } = await retrying(() => admitAndClaim(prisma, planned, callClock))
  const mine = column.chosen(claims, rows)
  return claims.filter((each) => mine.has(each)).map(({ key, deadlineAt, first, resumed }) => ({ key, deadlineAt, resumed, poll: first }))
}

const UNSCHEDULED = {
  ...TASK_KEY,
  campaign: TASK.campaign,
  sentAt: TASK.sentAt,
  sentAtGiven: TASK.sentAtGiven,
  pollOffsetsMs: TASK.pollOffsetsMs,
  admitted: TASK.admitted,
  resumed: column.flag('resumed'),
  people: column.integer('people'),
}

/** Raw: a model reads a list that is NULL as an empty one. */
async function readUnscheduled(prisma: Client, limit: number): Promise<UnscheduledTask[]> {
  const rows = await prisma.$queryRaw<column.Row[]>`/* unscheduled_tasks */
SELECT ${column.selectList(UNSCHEDULED)}
FROM (
  SELECT *, CASE WHEN recipients_known THEN pending + invalid + failed + forbidden + unread + read ELSE 0 END AS people
  FROM delivery_task WHERE scheduled_at IS NULL AND status = 'tracking' ORDER BY id LIMIT ${limit}::integer
) AS task
ORDER BY id`
  return rows.map((row) => {
    const { app, taskId, ...task } = column.decodeRow(UNSCHEDULED, row)
    return { key: { app, taskId }, ...task }
  })
}

interface Claimed {
  readonly claims: readonly Claim[]
  readonly rows: column.Row[]
}

/** Where a budget decides, in one transaction: the app's row is locked until what is admitted is stored, and so reserved. */
async function admitAndClaim(prisma: PrismaClient, planned: readonly Planned[], callClock: CallClock | null): Promise<Claimed> {
  const budgets = new Map(planned.flatMap(({ key, admission }) => (admission === undefined ? [] : [[key.app, admission.budget] as const])))
  if (budgets.size === 0) {
    const claims = planned.map(toClaim)
    return { claims, rows: await claim(prisma, claims) }
  }
  return await prisma.$transaction(async (transaction) => {
    const claims = planned.filter(({ admission }) => admission === undefined).map(toClaim)
    // In one order, so that two workers cannot deadlock.
    for (const [app, budget] of [...budgets].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const month = await readAdmission(transaction, app, budget, callClock)
      claims.push(...decide(planned.filter(isToAdmit(app)), budget, month))
    }
    return { claims, rows: await claim(transaction, claims) }
  })
}

interface ToAdmit extends Planned {
  readonly admission: Admission
}

function isToAdmit(app: string): (task: Planned) => task is ToAdmit {
  return (task): task is ToAdmit => task.admission !== undefined && task.key.app === app
}

/** Without a budget every task is. */
function toClaim({ admission: _, ...task }: Planned): Claim {
  return { ...task, admitted: true, delay: null }
}

const MONTH = {
  callsLeft: column.integer('calls_left'),
  reserved: column.integer('reserved'),
  reservedNext: column.integer('reserved_next'),
  used: column.integer('used'),
  month: column.text('month'),
  monthEndsAt: column.time('month_ends'),
  finalMs: column.double('final_ms'),
}

/** Raw: a function, which locks the app's row. */
async function readAdmission(
  transaction: Client,
  app: string,
  budget: number,
  callClock: CallClock | null,
): Promise<column.Decoded<typeof MONTH>> {
  const [row = {}] = await transaction.$queryRaw<column.Row[]>`/* admission */
SELECT ${column.selectList(MONTH)} FROM delivery_admission(${app}::text, ${budget}::integer, ${encodeCallClock(callClock)}::jsonb)`
  return column.decodeRow(MONTH, row)
}

function decide(tasks: readonly ToAdmit[], budget: number, month: column.Decoded<typeof MONTH>): Claim[] {
  const { used, reserved, monthEndsAt } = month
  const isNext = tasks.map(({ deadlineAt }) => deadlineAt.getTime() >= monthEndsAt.getTime() + month.finalMs)
  const admitted = admitTasks({ budget, ...month }, isNext)
  const delay = callBudgetUsedUp({ budget, used, reserved, month: month.month })
  return tasks.map((task, i) => {
    if (admitted[i] === true) return toClaim(task)
    return { ...toClaim(task), ...task.admission.refuse(monthEndsAt), admitted: false, delay }
  })
}

const START = {
  n: column.integer('n'),
  ...TASK_KEY,
  deadlineAt: TASK.deadlineAt,
  nextPollAt: column.time('next_poll_at'),
  // A list of lists is no parameter of unnest.
  pollOffsets: column.text('poll_offsets'),
  plan: column.nullable(column.json('plan', (value) => value)),
  admitted: TASK.admitted,
  delayCode: TASK_DELAY.delayCode,
  delayDetail: TASK_DELAY.delayDetail,
}

/** Raw: models have no SKIP LOCKED. A row that is locked is being claimed by another worker. */
async function claim(prisma: Client, claims: readonly Claim[]): Promise<column.Row[]> {
  const rows = claims.map(({ key, deadlineAt, first, pollOffsetsMs, plan, admitted, delay }, n) => ({
    ...{ n, ...key, deadlineAt, nextPollAt: first.at, pollOffsets: `{${pollOffsetsMs.join(',')}}`, plan: plan ?? null, admitted },
    ...{ delayCode: delay?.code ?? null, delayDetail: delay?.detail ?? null },
  }))
  return await prisma.$queryRaw<column.Row[]>`/* claim_tasks */
WITH open AS MATERIALIZED (
  SELECT task.id, ${Prisma.raw(CLAIMED)}
  FROM ${column.unnest(START, rows, 'start')}
  CROSS JOIN LATERAL (
    SELECT id, scheduled_at, status FROM delivery_task AS stored WHERE stored.app = start.app AND stored.task_id = start.task_id
    LIMIT 1 FOR UPDATE SKIP LOCKED
  ) AS task
  WHERE task.scheduled_at IS NULL AND task.status = 'tracking'
)
UPDATE delivery_task AS task SET scheduled_at = now(), resumed = false, deadline_at = open.deadline_at, next_poll_at = open.next_poll_at,
  poll_offsets = open.poll_offsets::integer[], plan = coalesce(open.plan, task.plan), admitted = open.admitted,
  delay_code = open.delay_code, delay_detail = open.delay_detail
FROM open WHERE task.id = open.id
RETURNING open.n`
}

const CLAIMED =
  'start.n, start.deadline_at, start.next_poll_at, start.poll_offsets, start.plan, start.admitted, start.delay_code, start.delay_detail'

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
