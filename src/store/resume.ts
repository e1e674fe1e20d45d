import type { TaskKey } from '../domain/delivery.ts'
import type { ResumedApp, ResumedTask, Resuming } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { flag, number, type Row, text } from './rows.ts'

/** Tasks in one statement at most, so that it holds their rows for a short time. */
const MAX_TASKS = 500

export function createResuming(prisma: PrismaClient): Resuming {
  return {
    task: (key) => retrying(() => resumeTask(prisma, key)),
    app: (app) => resumeApp(prisma, app),
  }
}

/**
 * Each statement is a transaction: no two rows of different tables are locked at once. The scopes come first, so that the poll finds them
 * due. Repeating all of it changes nothing more.
 */
async function resumeTask(prisma: PrismaClient, key: TaskKey): Promise<ResumedTask | null> {
  const agentIds = await agentIdsOf(prisma, key)
  if (agentIds === null) return null
  await makeAppDue(prisma, key.app)
  await makePairsDue(prisma, key.app, agentIds)
  return await bringForward(prisma, key)
}

/**
 * The agent ids that the task was or will be polled with. Empty: not known, since only workers know the app's own one.
 * Null: there is no such task, or it has ended for good.
 */
async function agentIdsOf(prisma: PrismaClient, { app, taskId }: TaskKey): Promise<string[] | null> {
  const rows = await prisma.$queryRaw<Row[]>`/* find_task_to_resume */
SELECT coalesce(agent_id, problem_detail ->> 'agentId', delay_detail ->> 'agentId') AS agent_id
FROM delivery_task
WHERE app = ${app}::text AND task_id = ${taskId}::text
  AND (status = 'tracking' OR (status = 'stopped' AND deadline_at > clock_timestamp() AND names_removed_at IS NULL))`
  const [row] = rows
  if (row === undefined) return null
  return row['agent_id'] === null ? [] : [text(row, 'agent_id')]
}

/** The next call of the app is its probe, and workers drop what they hold against it. */
async function makeAppDue(prisma: PrismaClient, app: string): Promise<void> {
  await prisma.$executeRaw`/* make_app_due */
INSERT INTO delivery_app AS known (app, resumed_at) VALUES (${app}::text, clock_timestamp())
ON CONFLICT (app) DO UPDATE SET
  resumed_at = clock_timestamp(), updated_at = clock_timestamp(),
  paused_until = CASE WHEN known.pause_code IS NOT NULL THEN clock_timestamp() END,
  probing = false`
}

/** @param agentIds empty: all pairs of the app */
async function makePairsDue(prisma: PrismaClient, app: string, agentIds: readonly string[]): Promise<void> {
  await prisma.$executeRaw`/* make_pairs_due */
WITH paused AS MATERIALIZED (
  SELECT app, agent_id FROM delivery_pair
  WHERE app = ${app}::text AND pause_code IS NOT NULL AND (${agentIds.length === 0} OR agent_id = ANY (${agentIds}::text[]))
  ORDER BY app, agent_id FOR UPDATE
)
UPDATE delivery_pair AS pair SET paused_until = clock_timestamp(), probing = false, updated_at = clock_timestamp()
FROM paused WHERE pair.app = paused.app AND pair.agent_id = paused.agent_id`
}

/**
 * The task is due, and a worker moves its job. One that 0.1.0 stopped inside its window is open again: nothing but its people, the
 * deadline or a person ends a task there. A task that no worker has planned yet has no job to be moved.
 */
async function bringForward(prisma: PrismaClient, { app, taskId }: TaskKey): Promise<ResumedTask | null> {
  const rows = await prisma.$queryRaw<Row[]>`/* resume_task */
WITH task AS MATERIALIZED (
  SELECT id, delay_code FROM delivery_task
  WHERE app = ${app}::text AND task_id = ${taskId}::text
    AND (status = 'tracking' OR (status = 'stopped' AND deadline_at > clock_timestamp() AND names_removed_at IS NULL))
  FOR UPDATE
)
UPDATE delivery_task AS resumed SET
  status = 'tracking', finished_at = NULL, reason_code = NULL, reason_detail = NULL,
  next_poll_at = clock_timestamp(), resumed = resumed.resumed OR resumed.scheduled_at IS NOT NULL, scheduled_at = NULL,
  delay_code = NULL, delay_detail = NULL, problem_polls = 0, failures_in_row = 0, timeouts_in_row = 0
FROM task WHERE resumed.id = task.id
RETURNING coalesce(task.delay_code = 'call_budget', false) AS without_budget`
  const [row] = rows
  return row === undefined ? null : { isWithoutBudget: flag(row, 'without_budget') }
}

async function resumeApp(prisma: PrismaClient, app: string): Promise<ResumedApp | null> {
  if (!(await retrying(() => liftPauses(prisma, app)))) return null
  let resumed: ResumedApp = { app, tasks: 0, tasksWithoutBudget: 0 }
  let part: Part = { last: '', tasks: 0, tasksWithoutBudget: 0 }
  do {
    const after = part.last
    part = await retrying(() => bringPartForward(prisma, app, after))
    const { tasks, tasksWithoutBudget } = part
    resumed = { app, tasks: resumed.tasks + tasks, tasksWithoutBudget: resumed.tasksWithoutBudget + tasksWithoutBudget }
  } while (part.tasks === MAX_TASKS)
  return resumed
}

/** False: there is no such app. */
async function liftPauses(prisma: PrismaClient, app: string): Promise<boolean> {
  const known = await prisma.$executeRaw`/* lift_pause_of_app */
INSERT INTO delivery_app (app, resumed_at)
SELECT ${app}::text, clock_timestamp()
WHERE EXISTS (SELECT FROM delivery_app WHERE app = ${app}::text) OR EXISTS (SELECT FROM delivery_task WHERE app = ${app}::text)
ON CONFLICT (app) DO UPDATE SET
  resumed_at = clock_timestamp(), updated_at = clock_timestamp(),
  pause_code = NULL, pause_detail = NULL, pause_since = NULL, pause_set_at = NULL, paused_until = NULL, probing = false, probes = 0,
  witness_code = NULL, witness_task = NULL, witness_since = NULL, witness_polls = 0, witness_agrees = false`
  if (known === 0) return false
  await prisma.$executeRaw`/* lift_pauses_of_pairs */
WITH pair AS MATERIALIZED (SELECT app, agent_id FROM delivery_pair WHERE app = ${app}::text ORDER BY app, agent_id FOR UPDATE)
UPDATE delivery_pair AS lifted SET
  updated_at = clock_timestamp(),
  pause_code = NULL, pause_detail = NULL, pause_since = NULL, pause_set_at = NULL, paused_until = NULL, probing = false, probes = 0,
  witness_code = NULL, witness_task = NULL, witness_since = NULL, witness_polls = 0, witness_agrees = false
FROM pair WHERE lifted.app = pair.app AND lifted.agent_id = pair.agent_id`
  return true
}

interface Part extends Omit<ResumedApp, 'app'> {
  /** The last task id of the part, in order. */
  readonly last: string
}

async function bringPartForward(prisma: PrismaClient, app: string, after: string): Promise<Part> {
  const rows = await prisma.$queryRaw<Row[]>`/* resume_tasks */
WITH part AS MATERIALIZED (
  SELECT id, task_id, delay_code FROM delivery_task
  WHERE app = ${app}::text AND task_id > ${after}::text AND status = 'tracking' AND (delay_code IS NOT NULL OR problem_code IS NOT NULL)
  ORDER BY app, task_id LIMIT ${MAX_TASKS}::integer FOR UPDATE
), resumed AS (
  UPDATE delivery_task AS task SET
    next_poll_at = clock_timestamp(), resumed = task.resumed OR task.scheduled_at IS NOT NULL, scheduled_at = NULL,
    delay_code = NULL, delay_detail = NULL, problem_polls = 0, failures_in_row = 0, timeouts_in_row = 0
  FROM part WHERE task.id = part.id
  RETURNING part.task_id, part.delay_code
)
SELECT count(*) AS tasks, count(*) FILTER (WHERE delay_code = 'call_budget') AS without_budget, coalesce(max(task_id COLLATE "C"), '') AS last FROM resumed`
  const [row = {}] = rows
  return { last: text(row, 'last'), tasks: number(row, 'tasks'), tasksWithoutBudget: number(row, 'without_budget') }
}
