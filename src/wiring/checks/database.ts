import { TrackerError } from '../../core/errors.ts'
import type { Finding } from '../../core/finding.ts'
import { assertSchemaVersion, type Database } from '../../store/prisma.ts'
import { patiently, Unwell, vital } from './check.ts'

export interface DatabaseNeeds {
  readonly database: Pick<Database, 'prisma' | 'pool'>
  /** How long one question is waited for, in milliseconds. */
  readonly patienceMs: number
  /** What a replica can do is most of what is done with it. */
  readonly readsOnly?: boolean
}

const REMEDY = 'Check that PostgreSQL runs and that DATABASE_URL names its host, port, user, password and database.'
const READ_ONLY = 'The database takes no writes: it is a replica, or was set read-only, as hosters do when the disk is full.'
const READ_ONLY_REMEDY = 'Point DATABASE_URL at the primary, or make room on its disk.'
const SCHEMA_REMEDY = 'Run "dingtalk-delivery migrate" where the database is older than this program; else install the newer version.'

/** It answers, and takes writes. */
export function databaseCheck({ database, patienceMs, readsOnly = false }: DatabaseNeeds): Promise<Finding> {
  return vital('database', REMEDY, async () => {
    const { rows } = await patiently(database.pool.query<{ readOnly: boolean; version: string }>(SERVER), patienceMs)
    if (rows[0]?.readOnly === true && !readsOnly) throw new Unwell(READ_ONLY, READ_ONLY_REMEDY)
    if (rows[0]?.readOnly === true) return { detail: READ_ONLY, remedy: READ_ONLY_REMEDY }
    return { detail: `answers; PostgreSQL ${rows[0]?.version}` }
  })
}

const SERVER = `SELECT current_setting('transaction_read_only')::boolean AS "readOnly", split_part(current_setting('server_version'), ' ', 1) AS version`

/** It is of the version that this build was made for. */
export function schemaCheck({ database, patienceMs }: DatabaseNeeds): Promise<Finding> {
  return vital('schema', SCHEMA_REMEDY, async () => {
    await patiently(assertSchemaVersion(database.prisma), patienceMs).catch((error: unknown) => {
      const isKnown = error instanceof TrackerError && error.code === 'SCHEMA_MISMATCH'
      throw isKnown ? error : new Unwell('Not known: the database did not say.', REMEDY)
    })
    return { detail: 'fits this version' }
  })
}

/** The user may do what a worker does. */
export function rightsCheck({ database, patienceMs }: DatabaseNeeds): Promise<Finding> {
  return vital('rights', REMEDY, async () => {
    const { rows } = await patiently(database.pool.query<{ missing: string }>(MISSING_RIGHTS), patienceMs)
    const missing = rows.map((row) => row.missing)
    if (missing.length === 0) return { detail: 'all that a worker needs' }
    const remedy = 'Grant them to the user of DATABASE_URL, or use the user that "dingtalk-delivery migrate" runs with.'
    throw new Unwell(`The user of DATABASE_URL lacks ${missing.join(', ')}.`, remedy)
  })
}

/** A table that is not there is for the check of the schema to tell. */
const MISSING_RIGHTS = `
  SELECT what || ' on ' || name AS missing
  FROM unnest(ARRAY['delivery_task', 'delivery_recipient', 'delivery_poll', 'delivery_transition', 'delivery_app']) AS name,
    unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS what
  WHERE to_regclass(name) IS NOT NULL AND (what <> 'UPDATE' OR name NOT IN ('delivery_poll', 'delivery_transition'))
    AND NOT has_table_privilege(to_regclass(name), what)
  ORDER BY 1`
