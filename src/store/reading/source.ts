import { retrying } from '../database-errors.ts'
import type { Prisma } from '../generated/client.ts'
import type { Row } from '../rows.ts'

/** What of a Prisma client the reader uses; that of any schema will do, generated anywhere. */
export interface RawClient {
  $queryRawUnsafe<T = unknown>(query: string, ...values: unknown[]): PromiseLike<T>
}

/** Runs one query on the public views. Rejects with `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`. */
export type Source = (query: Prisma.Sql) => Promise<Row[]>

/** Whoever may read the views alone (docs/queries.md has such a role) can be behind it: no query names a table. */
export function sourceOf(client: RawClient): Source {
  return ({ text, values }) => retrying(async () => client.$queryRawUnsafe<Row[]>(text, ...values))
}
