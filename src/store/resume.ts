import type { TaskKey } from '../domain/delivery.ts'
import type { ProblemCode } from '../domain/problems.ts'
import type { PauseDetail } from '../domain/reasons.ts'
import type { ResumedApp, ResumedTask, Resuming, WorkerApp } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { Prisma, type PrismaClient } from './generated/client.ts'

/**
 * Statements that bring polls forward. Raw: they use the database's clock, and lock rows in the order of their keys, which models cannot.
 * Each statement is a transaction, so rows of two tables are never locked at once.
 */

/** The task is due, and a worker moves its job. A task that no worker has scheduled yet has no job to be moved. */
const BROUGHT_FORWARD = Prisma.sql`next_poll_at = clock_timestamp(), resumed = task.resumed OR task.scheduled_at IS NOT NULL, scheduled_at = NULL,
  delay_code = NULL, delay_detail = NULL`

/** A person asked for it: earlier failures do not count. */
const BEGUN_AGAIN = Prisma.sql`${BROUGHT_FORWARD}, problem_polls = 0, failures_in_row = 0, timeouts_in_row = 0`

/** Open, or stopped inside its window by 0.1.0: there only its recipients, the deadline or a person ends a task now. */
const CAN_BE_POLLED = Prisma.sql`(status = 'tracking' OR (status = 'stopped' AND deadline_at > clock_timestamp() AND names_removed_at IS NULL))`

/** Of an app or a pair: the next call is the probe. */
const PROBE_DUE = Prisma.sql`paused_until = clock_timestamp(), probing = false`

/** Of an app or a pair. */
const NOT_PAUSED = Prisma.sql`
  pause_code = NULL, pause_detail = NULL, pause_since = NULL, pause_set_at = NULL, paused_until = NULL, probing = false, probes = 0,
  witness_code = NULL, witness_task = NULL, witness_since = NULL, witness_polls = 0, witness_agrees = false`

async function updatePairs(prisma: PrismaClient, app: string, condition: Prisma.Sql, set: Prisma.Sql): Promise<void> {
  await retrying(
    () => prisma.$executeRaw`/* update_pairs */
WITH chosen AS MATERIALIZED (
  SELECT app, agent_id FROM delivery_pair WHERE app = ${app}::text AND ${condition} ORDER BY app, agent_id FOR UPDATE
)
UPDATE delivery_pair AS pair SET ${set}, updated_at = clock_timestamp()
FROM chosen WHERE pair.app = chosen.app AND pair.agent_id = chosen.agent_id`,
  )
}

// After a pause -------------------------------------------------------------------------------------------------------------

/** Tasks in one statement of {@link resumeTasks}. */
const BATCH = 1_000
/** Bounds one call; what is left is polled when it is due. */
const MAX_BATCHES = 100

/** What is over: the pause of a scope, and the problems that the scope had. */
export interface Resumed {
  readonly app: string
  readonly scope: PauseDetail['scope']
  readonly problems: readonly ProblemCode[]
  /** Of a pair: the agent id. Null: whatever the agent id. */
  readonly agentId: string | null
}

/**
 * Brings forward the open tasks that a pause delayed, and those that had its problem themselves. They are scheduled again, so that their timers
 * move. Tasks with another problem are left alone: each of their polls is a call. A row that another statement has locked is skipped: it is being
 * polled.
 * @returns how many
 */
export async function resumeTasks(prisma: PrismaClient, { app, scope, problems, agentId }: Resumed): Promise<number> {
  let total = 0
  for (let i = 0; i < MAX_BATCHES; i++) {
    const resumed = await retrying(
      () => prisma.$executeRaw`/* resume_tasks */
WITH waiting AS MATERIALIZED (
  SELECT id FROM delivery_task
  WHERE app = ${app}::text AND status = 'tracking' AND next_poll_at > clock_timestamp() AND scheduled_at IS NOT NULL AND (
    (
      delay_code = 'paused' AND delay_detail ->> 'scope' = ${scope}::text
      AND (${agentId}::text IS NULL OR delay_detail ->> 'agentId' = ${agentId}::text)
    ) OR (
      problem_code = ANY (${[...problems]}::text[]) AND (${agentId}::text IS NULL OR problem_detail ->> 'agentId' = ${agentId}::text)
    )
  )
  ORDER BY app, task_id LIMIT ${BATCH}::integer
  FOR UPDATE SKIP LOCKED
)
UPDATE delivery_task AS task SET ${BROUGHT_FORWARD} FROM waiting WHERE task.id = waiting.id`,
    )
    total += resumed
    if (resumed < BATCH) break
  }
  return total
}

/**
 * A configuration may have been repaired. The pauses of the app with one of the problems `codes` are due at once, and so is one task of each
 * problem, as the probe. Tasks that were refused with another agent id than the one that this worker uses now are all due.
 */
export async function probeRepairedApp(prisma: PrismaClient, { name, agentId }: WorkerApp, codes: readonly ProblemCode[]): Promise<void> {
  const isRepairable = Prisma.sql`pause_code = ANY (${[...codes]}::text[])`
  await retrying(
    () => prisma.$executeRaw`/* probe_app */ UPDATE delivery_app SET ${PROBE_DUE} WHERE app = ${name}::text AND ${isRepairable}`,
  )
  await updatePairs(prisma, name, isRepairable, PROBE_DUE)
  await retrying(
    () => prisma.$executeRaw`/* probe_tasks */
WITH waiting AS MATERIALIZED (
  SELECT id, app, task_id,
    agent_id IS NULL AND coalesce(problem_detail ->> 'agentId', delay_detail ->> 'agentId') IS DISTINCT FROM ${agentId}::text AS is_repaired,
    row_number() OVER (
      PARTITION BY agent_id, coalesce(problem_code, delay_detail ->> 'problem') ORDER BY (good_polls > 0) DESC, deadline_at, task_id
    ) AS place
  FROM delivery_task
  WHERE app = ${name}::text AND status = 'tracking' AND scheduled_at IS NOT NULL
    AND coalesce(problem_code, delay_detail ->> 'problem') = ANY (${[...codes]}::text[])
), mine AS MATERIALIZED (
  SELECT task.id FROM delivery_task AS task JOIN waiting ON waiting.id = task.id
  WHERE waiting.is_repaired OR waiting.place = 1
  ORDER BY task.app, task.task_id
  FOR UPDATE OF task SKIP LOCKED
)
UPDATE delivery_task AS task
SET ${BROUGHT_FORWARD}, problem_polls = CASE WHEN waiting.is_repaired THEN 0 ELSE task.problem_polls END
FROM mine JOIN waiting USING (id) WHERE task.id = mine.id`,
  )
}

// At a person's request -----------------------------------------------------------------------------------------------------

/** Tasks in one statement, so that it locks their rows for a short time. */
const PART = 500

export function createResuming(prisma: PrismaClient): Resuming {
  return { task: (key) => resumeTask(prisma, key), app: (app) => resumeApp(prisma, app) }
}

/** The scopes come first, so that the poll finds them due. Repeating all of it changes nothing more. */
async function resumeTask(prisma: PrismaClient, key: TaskKey): Promise<ResumedTask | null> {
  const agentIds = await readAgentIds(prisma, key)
  if (agentIds === null) return null
  await makeAppDue(prisma, key.app)
  const isMeant = Prisma.sql`pause_code IS NOT NULL AND (${agentIds.length === 0} OR agent_id = ANY (${agentIds}::text[]))`
  await updatePairs(prisma, key.app, isMeant, PROBE_DUE)
  return await bringForward(prisma, key)
}

const AGENT = { agentId: column.nullable(column.text('agent_id')) }

/**
 * The agent ids that the task was or will be polled with. Empty: not known, since only workers know the app's own one.
 * Null: there is no such task, or it has ended for good.
 */
async function readAgentIds(prisma: PrismaClient, { app, taskId }: TaskKey): Promise<string[] | null> {
  const [row] = await retrying(
    () => prisma.$queryRaw<column.Row[]>`/* find_task_to_resume */
SELECT coalesce(agent_id, problem_detail ->> 'agentId', delay_detail ->> 'agentId') AS "agentId"
FROM delivery_task WHERE app = ${app}::text AND task_id = ${taskId}::text AND ${CAN_BE_POLLED}`,
  )
  if (row === undefined) return null
  const { agentId } = column.decodeRow(AGENT, row)
  return agentId === null ? [] : [agentId]
}

/** The next call of the app is its probe, and workers drop what they have stored against it. */
async function makeAppDue(prisma: PrismaClient, app: string): Promise<void> {
  await retrying(
    () => prisma.$executeRaw`/* make_app_due */
INSERT INTO delivery_app AS known (app, resumed_at) VALUES (${app}::text, clock_timestamp())
ON CONFLICT (app) DO UPDATE SET
  resumed_at = clock_timestamp(), updated_at = clock_timestamp(),
  paused_until = CASE WHEN known.pause_code IS NOT NULL THEN clock_timestamp() END,
  probing = false`,
  )
}

const RESUMED_TASK = { isWithoutBudget: column.flag('without_budget') }

async function bringForward(prisma: PrismaClient, { app, taskId }: TaskKey): Promise<ResumedTask | null> {
  const [row] = await retrying(
    () => prisma.$queryRaw<column.Row[]>`/* resume_task */
WITH open AS MATERIALIZED (
  SELECT id, delay_code FROM delivery_task WHERE app = ${app}::text AND task_id = ${taskId}::text AND ${CAN_BE_POLLED} FOR UPDATE
)
UPDATE delivery_task AS task SET status = 'tracking', finished_at = NULL, reason_code = NULL, reason_detail = NULL, ${BEGUN_AGAIN}
FROM open WHERE task.id = open.id
RETURNING coalesce(open.delay_code = 'call_budget', false) AS "isWithoutBudget"`,
  )
  return row === undefined ? null : column.decodeRow(RESUMED_TASK, row)
}

async function resumeApp(prisma: PrismaClient, app: string): Promise<ResumedApp | null> {
  if (!(await liftPauses(prisma, app))) return null
  let resumed: ResumedApp = { app, tasks: 0, tasksWithoutBudget: 0 }
  for (let after = ''; ; ) {
    const { last, tasks, tasksWithoutBudget } = await bringPartForward(prisma, app, after)
    resumed = { app, tasks: resumed.tasks + tasks, tasksWithoutBudget: resumed.tasksWithoutBudget + tasksWithoutBudget }
    if (tasks < PART) return resumed
    after = last
  }
}

/** False: there is no such app. */
async function liftPauses(prisma: PrismaClient, app: string): Promise<boolean> {
  const known = await retrying(
    () => prisma.$executeRaw`/* lift_pause_of_app */
INSERT INTO delivery_app (app, resumed_at)
SELECT ${app}::text, clock_timestamp()
WHERE EXISTS (SELECT FROM delivery_app WHERE app = ${app}::text) OR EXISTS (SELECT FROM delivery_task WHERE app = ${app}::text)
ON CONFLICT (app) DO UPDATE SET resumed_at = clock_timestamp(), updated_at = clock_timestamp(), ${NOT_PAUSED}`,
  )
  if (known === 0) return false
  await updatePairs(prisma, app, Prisma.sql`true`, NOT_PAUSED)
  return true
}

const PART_RESULT = {
  tasks: column.integer('tasks'),
  tasksWithoutBudget: column.integer('without_budget'),
  /** The greatest task id of the part. */
  last: column.text('last'),
}

async function bringPartForward(prisma: PrismaClient, app: string, after: string): Promise<column.Decoded<typeof PART_RESULT>> {
  const [row = {}] = await retrying(
    () => prisma.$queryRaw<column.Row[]>`/* resume_tasks_of_app */
WITH part AS MATERIALIZED (
  SELECT id, task_id, delay_code FROM delivery_task
  WHERE app = ${app}::text AND task_id > ${after}::text AND status = 'tracking' AND (delay_code IS NOT NULL OR problem_code IS NOT NULL)
  ORDER BY app, task_id LIMIT ${PART}::integer FOR UPDATE
), resumed AS (
  UPDATE delivery_task AS task SET ${BEGUN_AGAIN} FROM part WHERE task.id = part.id
  RETURNING part.task_id, part.delay_code
)
SELECT count(*) AS tasks, count(*) FILTER (WHERE delay_code = 'call_budget') AS "tasksWithoutBudget",
  coalesce(max(task_id COLLATE "C"), '') AS last
FROM resumed`,
  )
  return column.decodeRow(PART_RESULT, row)
}
