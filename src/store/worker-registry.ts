import { PROBLEM_CODES, PROBLEM_RULES } from '../domain/problems.ts'
import type { WorkerRegistry } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import type { Database } from './prisma.ts'
import { probeRepairedApp, type Resumed, resumeTasks } from './resume.ts'

/** Rows of workers that crashed are kept this long: they may explain a mistake. */
const KEEP_GONE = '1 hour'
/** What a person repairs in the configuration of a worker, or meanwhile at DingTalk. */
const REPAIRABLE = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].outcome === 'configuration' || code === 'parameters')

/** Problems of one worker that another worker may not have. */
const OF_WORKER = PROBLEM_CODES.filter((code) => PROBLEM_RULES[code].scope === 'worker')

function waitingForWorker(app: string): Resumed {
  return { app, scope: 'worker', problems: OF_WORKER, agentId: null }
}

const SERVED = { isServed: column.flag('is_served') }

/** The rows of `delivery_worker`. Raw where the database's clock says who is alive. */
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
  ${workerId}::text, ${startedAt.toISOString()}::timestamptz, clock_timestamp(),
  clock_timestamp() + make_interval(secs => ${forMs}::double precision / 1000), ${apps}::text[], ${JSON.stringify(problems)}::jsonb
)
ON CONFLICT (worker_id) DO UPDATE SET seen_at = excluded.seen_at, expires_at = excluded.expires_at, problems = excluded.problems`,
      )
    },
    async isServedByOthers(workerId, app) {
      const rows = await retrying(
        () => prisma.$queryRaw<column.Row[]>`/* is_served */
SELECT EXISTS (
  SELECT FROM delivery_worker
  WHERE worker_id <> ${workerId}::text AND expires_at > clock_timestamp() AND ${app}::text = ANY (apps) AND NOT problems ? ${app}::text
) AS "isServed"`,
      )
      return rows.some((row) => column.decodeRow(SERVED, row).isServed)
    },
    async resumeWaiting(app) {
      await resumeTasks(prisma, waitingForWorker(app))
    },
    async probeRepaired(apps) {
      for (const app of apps) {
        await resumeTasks(prisma, waitingForWorker(app.name))
        await probeRepairedApp(prisma, app, REPAIRABLE)
      }
    },
    async remove(workerId) {
      await prisma.$executeRaw`/* worker_gone */ DELETE FROM delivery_worker WHERE worker_id = ${workerId}::text`
    },
  }
}
