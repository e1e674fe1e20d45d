import { PROBLEM_CODES, PROBLEM_RULES } from '../domain/problems.ts'
import type { WorkerApp, WorkerRegistry } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'
import type { Database } from './prisma.ts'
import { type Resumed, resumeTasks } from './resume-tasks.ts'
import { flag, iso, type Row } from './rows.ts'

/** Rows of workers that crashed are kept this long: they may explain a mistake. */
const KEEP_GONE = '1 hour'
/** What a person repairs in the configuration of a worker, or meanwhile at DingTalk. */
const REPAIRABLE = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].outcome === 'configuration' || code === 'parameters')

/** What only one worker cannot do. */
const WORKERS = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].scope === 'worker')

function waitingForWorker(app: string): Resumed {
  return { app, scope: 'worker', problems: WORKERS, agentId: null }
}

/** The rows of `delivery_worker`, by the database's clock. */
export function createWorkerRegistry({ prisma }: Pick<Database, 'prisma'>): WorkerRegistry {
  return {
    async heartbeat({ workerId, startedAt, apps, problems }, forMs) {
      await retrying(
        () => prisma.$executeRaw`/* worker_seen */
WITH gone AS (
  DELETE FROM delivery_worker WHERE expires_at < clock_timestamp() - ${KEEP_GONE}::interval AND worker_id <> ${workerId}::text
)
INSERT INTO delivery_worker (worker_id, started_at, seen_at, expires_at, apps, problems)
VALUES (
  ${workerId}::text, ${iso(startedAt)}::timestamptz, clock_timestamp(), clock_timestamp() + make_interval(secs => ${forMs}::double precision / 1000),
  ${apps}::text[], ${JSON.stringify(problems)}::jsonb
)
ON CONFLICT (worker_id) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at, problems = excluded.problems`,
      )
    },
    async isServedByOthers(workerId, app) {
      const rows = await retrying(
        () => prisma.$queryRaw<Row[]>`/* is_served */
SELECT EXISTS (
  SELECT FROM delivery_worker
  WHERE worker_id <> ${workerId}::text AND expires_at > clock_timestamp() AND ${app}::text = ANY (apps) AND NOT problems ? ${app}::text
) AS served`,
      )
      return rows.some((row) => flag(row, 'served'))
    },
    async resumeWaiting(app) {
      await resumeTasks(prisma, waitingForWorker(app))
    },
    async probeRepaired(apps) {
      for (const app of apps) await probeRepairedApp(prisma, app)
    },
    async remove(workerId) {
      await prisma.$executeRaw`/* worker_gone */ DELETE FROM delivery_worker WHERE worker_id = ${workerId}::text`
    },
  }
}

/**
 * The pauses of the app are due at once, and so is one task of each problem, as the probe. All tasks are due that waited for a worker like this
 * one, or that were refused with another agent id than the one that this worker would use now.
 */
async function probeRepairedApp(prisma: Database['prisma'], { name, agentId }: WorkerApp): Promise<void> {
  await resumeTasks(prisma, waitingForWorker(name))
  // Two statements: in one the order of its locks would not be that of the others, which lock an app before its pairs.
  await retrying(
    () => prisma.$executeRaw`/* app_due */
UPDATE delivery_app SET paused_until = clock_timestamp(), probing = false
WHERE app = ${name}::text AND pause_code = ANY (${REPAIRABLE}::text[])`,
  )
  await retrying(
    () => prisma.$executeRaw`/* pairs_due */
WITH paused AS MATERIALIZED (
  SELECT app, agent_id FROM delivery_pair WHERE app = ${name}::text AND pause_code = ANY (${REPAIRABLE}::text[])
  ORDER BY app, agent_id FOR UPDATE
)
UPDATE delivery_pair AS pair SET paused_until = clock_timestamp(), probing = false
FROM paused WHERE pair.app = paused.app AND pair.agent_id = paused.agent_id`,
  )
  await retrying(
    () => prisma.$executeRaw`/* probe_repaired */
WITH waiting AS MATERIALIZED (
  SELECT id, app, task_id,
    agent_id IS NULL AND coalesce(problem_detail ->> 'agentId', delay_detail ->> 'agentId') IS DISTINCT FROM ${agentId}::text AS is_repaired,
    row_number() OVER (
      PARTITION BY agent_id, coalesce(problem_code, delay_detail ->> 'problem') ORDER BY (good_polls > 0) DESC, deadline_at, task_id
    ) AS place
  FROM delivery_task
  WHERE app = ${name}::text AND status = 'tracking' AND scheduled_at IS NOT NULL
    AND coalesce(problem_code, delay_detail ->> 'problem') = ANY (${REPAIRABLE}::text[])
), mine AS MATERIALIZED (
  SELECT task.id FROM delivery_task AS task JOIN waiting ON waiting.id = task.id
  WHERE waiting.is_repaired OR waiting.place = 1
  ORDER BY task.app, task.task_id
  FOR UPDATE OF task SKIP LOCKED
)
UPDATE delivery_task AS task
SET next_poll_at = clock_timestamp(), scheduled_at = NULL, resumed = true, delay_code = NULL, delay_detail = NULL,
  problem_polls = CASE WHEN waiting.is_repaired THEN 0 ELSE task.problem_polls END
FROM mine JOIN waiting USING (id) WHERE task.id = mine.id`,
  )
}
