import { type Pool, types } from 'pg'
import { Prisma, type PrismaClient } from './generated/client.ts'

/**
 * Lets the raw statements of a client run on the pool under it. Through Prisma's engine they would be the same statements on the same connections,
 * but the engine takes 28 MB and 0.1 s of CPU when it is first used, and a tenth of all CPU of a poll, since it turns each parameter and each value into
 * JSON and back (docs/decisions.md). Polls and an idle worker make raw statements only. Models and transactions are Prisma's.
 */
export function withRawStatements(prisma: PrismaClient, pool: Pool): PrismaClient {
  const run = (text: string, values: readonly unknown[]) => pool.query({ text, values: [...values], types: { getTypeParser } })
  const raw: Readonly<Record<string, (query: never, ...values: readonly unknown[]) => Promise<unknown>>> = {
    $queryRaw: async (query: Tagged, ...values) => rowsOf(run, toSql(query, values)),
    $executeRaw: async (query: Tagged, ...values) => countOf(run, toSql(query, values)),
    $queryRawUnsafe: async (text: string, ...values) => rowsOf(run, { text, values: [...values] }),
    $executeRawUnsafe: async (text: string, ...values) => countOf(run, { text, values: [...values] }),
  }
  return new Proxy(prisma, {
    get: (client, name): unknown => (typeof name === 'string' && Object.hasOwn(raw, name) ? raw[name] : Reflect.get(client, name)),
  })
}

type TypeId = Parameters<typeof types.getTypeParser>[0]
type Run = (text: string, values: readonly unknown[]) => Promise<{ readonly rows: unknown[]; readonly rowCount: number | null }>
type Statement = Pick<Prisma.Sql, 'text' | 'values'>
type Tagged = TemplateStringsArray | Prisma.Sql

function toSql(query: Tagged, values: readonly unknown[]): Statement {
  return 'raw' in query ? Prisma.sql(query, ...values) : query
}

async function rowsOf(run: Run, { text, values }: Statement): Promise<unknown[]> {
  return (await run(text, values)).rows
}

async function countOf(run: Run, { text, values }: Statement): Promise<number> {
  return (await run(text, values)).rowCount ?? 0
}

/** As Prisma reads them; `pg` alone returns text. */
function getTypeParser(oid: TypeId, format?: 'text' | 'binary'): (value: string) => unknown {
  // oxlint-disable-next-line typescript/no-unsafe-return -- a function, for which the types of pg have `any`
  return oid === types.builtins.INT8 ? BigInt : types.getTypeParser(oid, format)
}
