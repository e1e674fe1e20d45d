import { ownSchema, qualify } from '../../lib/own-schema.ts'
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

/**
 * The caller's own client, for statements without a schema. Connections of ours do that themselves; here the schema is asked for with the first query.
 * @param schema of the views; null: the one that is found
 */
export function withOwnSchema(client: RawClient, schema: string | null): RawClient {
  let found: Promise<string> | null = null
  const find = async (): Promise<string> => {
    const [row] = await client.$queryRawUnsafe<Array<{ schema: string }>>(FIND_SCHEMA, schema)
    if (row === undefined) throw new TypeError('the query returns one row')
    return row.schema
  }
  return {
    async $queryRawUnsafe(query, ...values) {
      found ??= find().catch((error: unknown) => {
        found = null
        throw error
      })
      return await client.$queryRawUnsafe(qualify(query, await found), ...values)
    },
  }
}

const FIND_SCHEMA = `SELECT ${ownSchema('$1::text')} AS schema`
