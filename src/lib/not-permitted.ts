import { TrackerError } from '../domain/errors.ts'

/** SQLSTATE of a right that the role lacks. Source: PostgreSQL's manual, appendix A. */
export const INSUFFICIENT_PRIVILEGE = '42501'

/** Whose rights deploy/postgres/roles.sql gives. */
type Group = 'delivery_migrate' | 'delivery_worker' | 'delivery_read' | 'delivery_send'

/** What somebody may not do in the database, and how to be allowed to. */
export interface Denial {
  /** PostgreSQL's own words. */
  readonly said: string
  /** The role that was refused, where it is known. */
  readonly role: string | null
  /** Those that are allowed to do it. */
  readonly groups: readonly Group[]
}

export function notPermitted({ said, role, groups }: Denial, cause: unknown): TrackerError {
  const who = role === null ? 'The role of DATABASE_URL' : `The role "${role}"`
  const remedy = `Run deploy/postgres/roles.sql as the owner of the database, and make the role a member of ${groups.join(' or ')}.`
  return new TrackerError('NOT_PERMITTED', `${who} lacks a right in the database: ${said}. ${remedy}`, { cause })
}

/** The role that a connection URL names; null where it leaves that to its surroundings. */
export function roleIn(databaseUrl: string): string | null {
  const { username } = new URL(databaseUrl)
  return username === '' ? null : decodeURIComponent(username)
}
