import { hash } from 'node:crypto'
import type { TaskKey } from '../domain/delivery.ts'
import type { Digest } from '../domain/erasure.ts'
import type { ErasedRows } from '../polling/erase.ts'
import type { Person } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import { type Database, readCommitted } from './prisma.ts'

/** As the SQL function `delivery_digest` makes it. */
export const computeDigest: Digest = (salt, name) => hash('sha256', salt + name)

const BEGUN = { pseudonym: column.text('pseudonym') }

/**
 * Removes the person's name and departments, and them as the manager of others. From now on no import adds them, and no poll writes their user id into
 * a task whose message was sent before. Doing so again keeps the pseudonym.
 */
export async function beginErasure({ pool }: Pick<Database, 'pool'>, { userId, app }: Person): Promise<string> {
  const [row = {}] = await readCommitted(pool, 'SELECT delivery_begin_erasure($1, $2) AS pseudonym', [userId, app])
  return column.decodeRow(BEGUN, row).pseudonym
}

/** Tasks that are searched in one transaction: some 20 ms of the database's time where the person is in none of them. */
const PAGE = 2_000

const ERASED = { lastId: column.nullable(column.text('last_id')) }

/**
 * Replaces the person in all tasks, a bounded part at a time. Safe to run twice, also after a crash in the middle.
 * @returns in how many tasks the person was replaced since the erasure began, and how many rows of people it removed or changed
 */
export async function erasePerson(
  database: Pick<Database, 'pool' | 'prisma'>,
  { userId, app }: Person,
  pseudonym: string,
): Promise<ErasedRows> {
  for (let after = '0'; ; ) {
    const values = [userId, pseudonym, app, after, PAGE]
    const [row] = await readCommitted(
      database.pool,
      'SELECT last_id::text AS "lastId" FROM delivery_erase_page($1, $2, $3, $4, $5)',
      values,
    )
    const lastId = row === undefined ? null : column.decodeRow(ERASED, row).lastId
    if (lastId === null) break
    after = lastId
  }
  // The count includes tasks in which a poll has replaced the person.
  const latest = { where: { pseudonym }, orderBy: { id: 'desc' }, select: { tasks: true, people: true } } as const
  const erasure = await retrying(() => database.prisma.erasure.findFirst(latest))
  return erasure ?? { tasks: 0, people: 0 }
}

/** In one task, and in the others of its campaign. */
export async function renameIn(prisma: PrismaClient, { app, taskId }: TaskKey, userId: string, pseudonym: string): Promise<void> {
  await retrying(
    () => prisma.$queryRaw<column.Row[]>`/* rename_in */
SELECT renamed.tasks
FROM delivery_task AS task
CROSS JOIN LATERAL delivery_erase_page(${userId}::text, ${pseudonym}::text, ${app}::text, task.id - 1, 1) AS renamed
WHERE task.app = ${app}::text AND task.task_id = ${taskId}::text`,
  )
}
