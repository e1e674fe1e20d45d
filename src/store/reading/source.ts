import type { Row } from '../columns.ts'
import { retrying } from '../database-errors.ts'
import type { Prisma } from '../generated/client.ts'
import type { RawClient } from '../raw-client.ts'

/** Runs one query on the public views. Rejects with `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`. */
export type Source = (query: Prisma.Sql) => Promise<Row[]>

/** No query names a table, so a role with rights on the views only (docs/queries.md has one) can be behind it. */
export function createSource(client: RawClient): Source {
  return ({ text, values }) => retrying(async () => client.$queryRawUnsafe<Row[]>(text, ...values))
}
