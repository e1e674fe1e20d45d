import type { ProblemCode } from '../domain/problems.ts'
import type { PauseDetail } from '../domain/reasons.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'

/** Tasks in one statement: each is a row, locked in the order of the keys. */
const BATCH = 1_000
/** Bounds one call; what is left is polled when its own time comes. */
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
 * Brings forward the open tasks that a pause delayed, and those that had its problem themselves. They are scheduled anew, so that their timers
 * move. Tasks with another problem are left alone: each of their polls is a call. A row that another statement holds is skipped: it is being polled.
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
UPDATE delivery_task AS task SET next_poll_at = clock_timestamp(), scheduled_at = NULL, resumed = true, delay_code = NULL, delay_detail = NULL
FROM waiting WHERE task.id = waiting.id`,
    )
    total += resumed
    if (resumed < BATCH) break
  }
  return total
}
