import type { OldDetails } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { type Database, readCommitted } from './prisma.ts'

/** Bounds of one recount: another worker may wait to do the same, and the database has other work. */
const MAX_CAMPAIGNS = 500
const MAX_SECONDS = 2

const RECOUNTED = { campaigns: column.integer('campaigns') }
const NAMES_REMOVED = { tasks: column.integer('tasks') }
const FORGOTTEN = { people: column.integer('people') }

/**
 * Counts the campaigns whose figures have changed, so that a read does not have to. Until then a read counts them itself, so its figures are right.
 * Safe to run from many workers at once; one works, the others do nothing.
 * @returns how many campaigns were counted
 */
export async function recountCampaigns({ pool }: Pick<Database, 'pool'>): Promise<number> {
  const [row = {}] = await readCommitted(pool, 'SELECT delivery_recount_campaigns($1, $2) AS campaigns', [MAX_CAMPAIGNS, MAX_SECONDS])
  return column.decodeRow(RECOUNTED, row).campaigns
}

/** Each is one short transaction, and finds its work by an index. */
export function createOldDetails({ prisma, pool }: Pick<Database, 'prisma' | 'pool'>): OldDetails {
  return {
    async removeNames(before, limit) {
      const [row = {}] = await readCommitted(pool, 'SELECT delivery_remove_names($1, $2) AS tasks', [before.toISOString(), limit])
      return column.decodeRow(NAMES_REMOVED, row).tasks
    },
    // Raw: rows are locked in the order of their keys. Their recipients, polls and transitions are deleted with them, and campaigns are recounted.
    removeTasks: (before, limit) =>
      retrying(
        () => prisma.$executeRaw`/* remove_tasks */
WITH old AS MATERIALIZED (
  SELECT id, app, task_id FROM delivery_task WHERE finished_at < ${before.toISOString()}::timestamptz AND names_removed_at IS NOT NULL
  ORDER BY finished_at, id LIMIT ${limit}::integer
), locked AS MATERIALIZED (
  SELECT task.id FROM delivery_task AS task JOIN old ON old.id = task.id ORDER BY task.app, task.task_id FOR UPDATE OF task
)
DELETE FROM delivery_task WHERE id IN (SELECT id FROM locked)`,
      ),
    async forgetPeople(before, limit) {
      const [row = {}] = await readCommitted(pool, 'SELECT delivery_forget_people($1, $2) AS people', [before.toISOString(), limit])
      return column.decodeRow(FORGOTTEN, row).people
    },
    async forgetErasures(before) {
      await retrying(
        () => prisma.$executeRaw`/* forget_erasures */ DELETE FROM delivery_erasure WHERE erased_at < ${before.toISOString()}::timestamptz`,
      )
    },
  }
}
