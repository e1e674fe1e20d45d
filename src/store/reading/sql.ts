import { Prisma } from '../generated/client.ts'

type Condition = Prisma.Sql | null

/** All conditions that are there. */
export function where(conditions: readonly Condition[]): Prisma.Sql {
  return Prisma.join([Prisma.sql`true`, ...conditions.filter((condition) => condition !== null)], ' AND ')
}

/** No condition where no value is given. */
export function equals(column: string, value: string | undefined): Condition {
  return value === undefined ? null : Prisma.sql`${Prisma.raw(column)} = ${value}::text`
}

/** Whatever the case. The columns sort by code point, which knows the case of ASCII only; the database's own rules know more. */
export function contains(column: string, search: string | undefined): Condition {
  if (search === undefined) return null
  const text = Prisma.raw(`lower(${column} COLLATE "default")`)
  return Prisma.sql`strpos(${text}, lower(${search}::text COLLATE "default")) > 0`
}

/** From `since` on, and before `until`. */
export function during(
  column: string,
  { since, until }: { readonly since?: Date | undefined; readonly until?: Date | undefined },
): Condition {
  const conditions = [
    since === undefined ? null : Prisma.sql`${Prisma.raw(column)} >= ${since.toISOString()}::timestamptz`,
    until === undefined ? null : Prisma.sql`${Prisma.raw(column)} < ${until.toISOString()}::timestamptz`,
  ].filter((condition) => condition !== null)
  return conditions.length === 0 ? null : Prisma.join(conditions, ' AND ')
}
