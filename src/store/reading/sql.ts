import type { RecipientFilter } from '../../report/rates.ts'
import { Prisma } from '../generated/client.ts'

type Condition = Prisma.Sql | null

/** All conditions that are not null. */
export function where(conditions: readonly Condition[]): Prisma.Sql {
  return Prisma.join([Prisma.sql`true`, ...conditions.filter((condition) => condition !== null)], ' AND ')
}

/** Null where no value is given. */
export function equals(column: string, value: string | undefined): Condition {
  return value === undefined ? null : Prisma.sql`${Prisma.raw(column)} = ${value}::text`
}

/** Ignores case by the database's default collation: the columns sort by code point, which has the case of ASCII only. */
export function contains(column: string, search: string | undefined): Condition {
  if (search === undefined) return null
  // PostgreSQL has no text with NUL in it, and rejects one as a parameter.
  if (search.includes('\0')) return Prisma.sql`false`
  if (!foldsCase(search)) return Prisma.sql`strpos(${Prisma.raw(column)}, ${search}::text) > 0`
  const text = Prisma.raw(`lower(${column} COLLATE "default")`)
  return Prisma.sql`strpos(${text}, lower(${search}::text COLLATE "default")) > 0`
}

/** Most searches are for digits or Chinese, which have no case: without lower() a row costs a fifth. */
export function foldsCase(search: string): boolean {
  return search.toLowerCase() !== search.toUpperCase()
}

/**
 * The same for the name of a row of `delivery_known_people`, found by the index of names. One letter of ASCII is in too many names for it. The
 * pairs of the search are a subquery, so that the planner expects few rows whatever is searched: else it may compute the pairs of every name.
 */
export function containsName(search: string): Condition {
  const isIndexed = search.length > 1 || search > '\u007f'
  if (!isIndexed || search.includes('\0')) return contains('name', search)
  return Prisma.sql`${contains('name', search)} AND delivery_name_parts(name) @> ARRAY(
  SELECT substr(folded.name, place, 2)
  FROM lower(${search}::text COLLATE "default") AS folded (name), generate_series(1, greatest(length(folded.name) - 1, 1)) AS place)`
}

/** By user id or name. */
export function containsPerson({ search, searchIn = 'both' }: Pick<RecipientFilter, 'search' | 'searchIn'>): Condition {
  if (search === undefined || searchIn === 'userId') return contains('user_id', search)
  return Prisma.sql`(${contains('user_id', search)} OR ${contains('name', search)})`
}

/** For a row with recipients: in this department or one below it. Empty: in none. */
export function inDepartment({ app }: { readonly app: string }, department: string | undefined): Condition {
  const own = inOwnDepartments(department)
  if (own === null || department === '') return own
  return Prisma.sql`user_id IN (SELECT user_id FROM delivery_known_people WHERE app = ${app}::text AND ${own})`
}

/** The same for a row of `delivery_known_people`. */
export function inOwnDepartments(department: string | undefined): Condition {
  if (department === undefined) return null
  if (department === '') return Prisma.sql`department IS NULL`
  // PostgreSQL has no text with NUL in it, and rejects one as a parameter.
  return department.includes('\0') ? Prisma.sql`false` : Prisma.sql`in_departments @> ARRAY[${department}::text]`
}

/** From `since` on, and before `until`. */
export function during(
  column: string,
  { since, until }: { readonly since?: Date | undefined; readonly until?: Date | undefined },
): Condition {
  const conditions = [
    since === undefined ? null : Prisma.sql`${Prisma.raw(column)} >= ${timestamp(since)}`,
    until === undefined ? null : Prisma.sql`${Prisma.raw(column)} < ${timestamp(until)}`,
  ].filter((condition) => condition !== null)
  return conditions.length === 0 ? null : Prisma.join(conditions, ' AND ')
}

const EARLIEST = Date.parse('0001-01-01T00:00:00.000Z')
const LATEST = Date.parse('9999-12-31T23:59:59.999Z')

/** JavaScript's years go from -271821 to 275760, and PostgreSQL reads four digits: times further away are clamped. */
export function timestamp(at: Date): Prisma.Sql {
  const readable = new Date(Math.min(Math.max(at.getTime(), EARLIEST), LATEST))
  return Prisma.sql`${readable.toISOString()}::timestamptz`
}
