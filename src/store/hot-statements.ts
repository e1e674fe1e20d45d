import type { Row } from './columns.ts'
import type { Prisma } from './generated/client.ts'
import type { Database } from './prisma.ts'

/**
 * The statements that every poll makes go to the pool under Prisma directly: loading, reserving calls, reporting a success, writing. Prisma turns each
 * parameter and each value of a result into JSON and back, which cost a tenth of all CPU of a poll (docs/decisions.md). Everything else goes through
 * Prisma. The SQL, the maps of columns, the schema's name and the classes of errors are the same for both. `pg` returns a `bigint` as text: cast it.
 */
export async function runHot({ pool }: Pick<Database, 'pool'>, { text, values }: Prisma.Sql): Promise<Row[]> {
  const { rows } = await pool.query<Row>({ text, values })
  return rows
}
