import { TrackerError } from '../../domain/errors.ts'
import type { Finding } from '../../lib/finding.ts'
import { assertSchemaVersion, type Database } from '../../store/prisma.ts'
import { rightsOf } from '../rights.ts'
import { CheckFailed, vital, withQueueTimeout } from './check.ts'

export interface DatabaseNeeds {
  readonly database: Pick<Database, 'prisma' | 'pool'>
  /** How long one question is waited for, in milliseconds. */
  readonly timeoutMs: number
  /** What a replica can do is most of what is done with it. */
  readonly readsOnly?: boolean
}

const REMEDY = 'Check that PostgreSQL runs and that DATABASE_URL names its host, port, user, password and database.'
const READ_ONLY = 'The database takes no writes: it is a replica, or was set read-only, as hosters do when the disk is full.'
const READ_ONLY_REMEDY = 'Point DATABASE_URL at the primary, or make room on its disk.'
const SCHEMA_REMEDY = 'Run "dingtalk-delivery migrate" where the database is older than this program; else install the newer version.'

/** It answers, and takes writes. */
export function databaseCheck({ database, timeoutMs, readsOnly = false }: DatabaseNeeds): Promise<Finding> {
  return vital('database', REMEDY, async () => {
    const { rows } = await withQueueTimeout(database.pool.query<{ readOnly: boolean; version: string }>(SERVER), timeoutMs)
    if (rows[0]?.readOnly === true && !readsOnly) throw new CheckFailed(READ_ONLY, READ_ONLY_REMEDY)
    if (rows[0]?.readOnly === true) return { detail: READ_ONLY, remedy: READ_ONLY_REMEDY }
    return { detail: `answers; PostgreSQL ${rows[0]?.version}` }
  })
}

const SERVER = `SELECT current_setting('transaction_read_only')::boolean AS "readOnly", split_part(current_setting('server_version'), ' ', 1) AS version`

/** It is of the version that this build was made for. */
export function schemaCheck({ database, timeoutMs }: DatabaseNeeds): Promise<Finding> {
  return vital('schema', SCHEMA_REMEDY, async () => {
    await withQueueTimeout(assertSchemaVersion(database.prisma), timeoutMs).catch((error: unknown) => {
      const isKnown = error instanceof TrackerError && error.code !== 'DATABASE_UNAVAILABLE'
      throw isKnown ? error : new CheckFailed('Not known: the database did not say.', REMEDY)
    })
    return { detail: 'fits this version' }
  })
}

/** The role may do what a worker does. A table that is not there is for the check of the schema to tell, a database that is away for its own. */
export function rightsCheck({ database, timeoutMs }: DatabaseNeeds): Promise<Finding> {
  return vital('rights', REMEDY, async () => {
    const rights = await withQueueTimeout(rightsOf(database), timeoutMs).catch(() => null)
    if (rights === null) return { detail: 'Not known: the database did not say.' }
    const { role, lacking } = rights
    if (lacking.length === 0) return { detail: `the role "${role}" reads and writes the tracker's tables` }
    const remedy = `Run deploy/postgres/roles.sql as the owner of the database, then: GRANT delivery_worker TO "${role}"`
    throw new CheckFailed(`The role "${role}" lacks ${beginningOf(lacking)}.`, remedy)
  })
}

/** A role that was given nothing lacks some sixty rights: the first ones say as much. */
const RIGHTS_SHOWN = 6

function beginningOf(rights: readonly string[]): string {
  const more = rights.length - RIGHTS_SHOWN
  return `${rights.slice(0, RIGHTS_SHOWN).join(', ')}${more > 0 ? `, and ${more} ${more === 1 ? 'right' : 'rights'} more` : ''}`
}
