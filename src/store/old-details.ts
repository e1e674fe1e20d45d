import type { OldDetails } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'
import type { Database } from './prisma.ts'
import { readCommitted } from './read-committed.ts'
import { iso, number } from './rows.ts'

/** Each is one short transaction, and finds its work by an index. */
export function createOldDetails({ prisma, pool }: Pick<Database, 'prisma' | 'pool'>): OldDetails {
  return {
    async removeNames(before, limit) {
      const [row] = await readCommitted(pool, 'SELECT delivery_remove_names($1, $2) AS tasks', [iso(before), limit])
      return row === undefined ? 0 : number(row, 'tasks')
    },
    // Their people, polls and changes go with them, and their campaigns are counted again.
    removeTasks: (before, limit) =>
      retrying(
        () => prisma.$executeRaw`/* remove_tasks */
WITH old AS MATERIALIZED (
  SELECT id, app, task_id FROM delivery_task WHERE finished_at < ${iso(before)}::timestamptz AND names_removed_at IS NOT NULL
  ORDER BY finished_at, id LIMIT ${limit}::integer
), locked AS MATERIALIZED (
  SELECT task.id FROM delivery_task AS task JOIN old ON old.id = task.id ORDER BY task.app, task.task_id FOR UPDATE OF task
)
DELETE FROM delivery_task WHERE id IN (SELECT id FROM locked)`,
      ),
    async forgetErasures(before) {
      await retrying(
        () => prisma.$executeRaw`/* forget_erasures */ DELETE FROM delivery_erasure WHERE erased_at < ${iso(before)}::timestamptz`,
      )
    },
  }
}
