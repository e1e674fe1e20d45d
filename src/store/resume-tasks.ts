import { PROBLEM_CODES, PROBLEM_RULES, type Scope } from '../core/problems.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'

/** Tasks in one statement: each is a row, locked in the order of the keys. */
const BATCH = 1_000
/** Bounds one call; what is left is polled when its own time comes. */
const MAX_BATCHES = 100

/**
 * Brings forward the open tasks of an app that wait because of a problem of these scopes. They are scheduled anew, so that their timers move.
 * A row that another statement holds is skipped: it is being polled.
 * @returns how many
 */
export async function resumeTasks(
  prisma: PrismaClient,
  wanted: { readonly app: string; readonly scopes: readonly Scope[] },
): Promise<number> {
  const problems = PROBLEM_CODES.filter((code) => wanted.scopes.includes(PROBLEM_RULES[code].scope))
  let total = 0
  for (let i = 0; i < MAX_BATCHES; i++) {
    const resumed = await retrying(
      () => prisma.$executeRaw`/* resume_tasks */
WITH waiting AS MATERIALIZED (
  SELECT id FROM delivery_task
  WHERE app = ${wanted.app}::text AND status = 'tracking' AND next_poll_at > clock_timestamp() AND adopted_at IS NOT NULL AND (
    (delay_code = 'paused' AND delay_detail ->> 'problem' = ANY (${problems}::text[])) OR problem_code = ANY (${problems}::text[])
  )
  ORDER BY app, task_id LIMIT ${BATCH}::integer
  FOR UPDATE SKIP LOCKED
)
UPDATE delivery_task AS task SET next_poll_at = clock_timestamp(), adopted_at = NULL, resumed = true, delay_code = NULL, delay_detail = NULL
FROM waiting WHERE task.id = waiting.id`,
    )
    total += resumed
    if (resumed < BATCH) break
  }
  return total
}
