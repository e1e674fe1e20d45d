import { TrackerError } from '../../domain/errors.ts'
import type { Finding } from '../../lib/finding.ts'
import { assertSchemaVersion, type Database } from '../../store/prisma.ts'
import { CheckFailed, required, withDatabaseTimeout } from './check.ts'

export interface DatabaseNeeds {
  readonly database: Pick<Database, 'prisma' | 'pool' | 'schema'>
  /** Of one query, in milliseconds. */
  readonly timeoutMs: number
  /** A server reads, so a replica is a warning only. */
  readonly readsOnly?: boolean
}

const REMEDY = 'Check that PostgreSQL runs and that DATABASE_URL names its host, port, user, password and database.'
const READ_ONLY = 'The database takes no writes: it is a replica, or was set read-only, as hosters do when the disk is full.'
const READ_ONLY_REMEDY = 'Point DATABASE_URL at the primary, or make room on its disk.'
const SCHEMA_REMEDY = 'Run "npx dingtalk-delivery migrate" where the database is older than this program; else install the newer version.'

/** Whether it answers and accepts writes. */
export function databaseCheck({ database, timeoutMs, readsOnly = false }: DatabaseNeeds): Promise<Finding> {
  return required('database', REMEDY, async () => {
    const { rows } = await withDatabaseTimeout(timeoutMs, database.pool.query<{ readOnly: boolean; version: string }>(SERVER))
    if (rows[0]?.readOnly === true && !readsOnly) throw new CheckFailed(READ_ONLY, READ_ONLY_REMEDY)
    if (rows[0]?.readOnly === true) return { detail: READ_ONLY, remedy: READ_ONLY_REMEDY }
    return { detail: `answers; PostgreSQL ${rows[0]?.version}` }
  })
}

const SERVER = `SELECT current_setting('transaction_read_only')::boolean AS "readOnly", split_part(current_setting('server_version'), ' ', 1) AS version`

/** Whether it has the version that this build needs. */
export function schemaCheck({ database, timeoutMs }: DatabaseNeeds): Promise<Finding> {
  return required('schema', SCHEMA_REMEDY, async () => {
    await withDatabaseTimeout(timeoutMs, assertSchemaVersion(database)).catch((error: unknown) => {
      const isKnown = error instanceof TrackerError && error.code !== 'DATABASE_UNAVAILABLE'
      throw isKnown ? error : new CheckFailed('Not known: the database did not say.', REMEDY)
    })
    return { detail: `fits this version, in the schema ${await database.schema()}` }
  })
}

/** Whether the role has the rights of a worker. Missing tables and a database that is away are reported by the other checks. */
export function rightsCheck({ database, timeoutMs }: DatabaseNeeds): Promise<Finding> {
  return required('rights', REMEDY, async () => {
    const { role, lacking } = (await withDatabaseTimeout(timeoutMs, readRights(database)).catch(() => undefined)) ?? NOT_KNOWN
    if (lacking === null) return { detail: 'Not known: the database did not say.' }
    if (lacking.length === 0) return { detail: `the role "${role}" reads and writes the tracker's tables` }
    const remedy = `Run deploy/postgres/roles.sql as the owner of the database, then: GRANT delivery_worker TO "${role}"`
    throw new CheckFailed(`The role "${role}" lacks ${firstRights(lacking)}.`, remedy)
  })
}

/** Whether reports show names to this role. Neither answer is a fault. */
export async function namesFinding({ database: { pool, schema }, timeoutMs }: DatabaseNeeds): Promise<Finding> {
  const asked = schema().then((name) => pool.query<{ role: string; sees: boolean | null }>(SEES_NAMES, [name]))
  const [row] = await withDatabaseTimeout(timeoutMs, asked).then(
    ({ rows }) => rows,
    () => [],
  )
  const detail =
    row === undefined || row.sees === null
      ? 'Not known: the database did not say.'
      : row.sees
        ? `the role "${row.role}" may see names and departments`
        : `the role "${row.role}" may not see names: it shows user ids. GRANT delivery_names TO "${row.role}" changes that`
  return { name: 'names', ok: true, detail }
}

/** Null where all polls are in partitions of a period, as they should be. The others are no fault. */
export async function partitionsFinding({ database: { pool, schema }, timeoutMs }: DatabaseNeeds): Promise<Finding | null> {
  const asked = schema().then((name) => pool.query<{ bytes: number | null }>(DEFAULT_PARTITION, [name]))
  const bytes = await withDatabaseTimeout(timeoutMs, asked).then(
    ({ rows }) => rows[0]?.bytes ?? 0,
    () => 0,
  )
  return bytes === 0 ? null : { name: 'partitions', ok: true, detail: `${Math.ceil(bytes / 1_024 / 1_024)} MiB of polls ${IN_DEFAULT}` }
}

const IN_DEFAULT =
  'are in the default partition of delivery_poll: tasks came faster than partitions were made. They are removed task by task when they are old'

/** $1 is the schema. The size needs no right. */
const DEFAULT_PARTITION = `SELECT pg_relation_size(to_regclass(format('%I.delivery_poll_default', $1::text)))::double precision AS bytes`

/** $1 is the schema. NULL: it has no such view. */
const SEES_NAMES = `SELECT current_user AS role, has_table_privilege(to_regclass(format('%I.delivery_people', $1::text)), 'SELECT') AS sees`

/** A role without any right lacks some sixty: the first ones are enough. */
const RIGHTS_SHOWN = 6

function firstRights(rights: readonly string[]): string {
  const more = rights.length - RIGHTS_SHOWN
  return `${rights.slice(0, RIGHTS_SHOWN).join(', ')}${more > 0 ? `, and ${more} ${more === 1 ? 'right' : 'rights'} more` : ''}`
}

const NOT_KNOWN = { role: '', lacking: null }

interface Rights {
  readonly role: string
  /** Each as `INSERT on delivery_task`. Empty where none is missing, and where there are no tables yet. */
  readonly lacking: readonly string[]
}

async function readRights({ pool, schema }: Pick<Database, 'pool' | 'schema'>): Promise<Rights | undefined> {
  return (await pool.query<Rights>(LACKING, [await schema()])).rows[0]
}

/**
 * The rights that deploy/postgres/roles.sql gives to a worker, read from the catalogue, so that tables, views, sequences and functions of later
 * migrations are included. $1 is the schema.
 * Not included: sequences of identity columns, functions of triggers and partitions, which need no right, and names of people, which are a right of their own.
 */
const LACKING = `/* lacking_rights */
WITH place AS (
  SELECT oid AS schema FROM pg_namespace WHERE nspname = $1
), relation AS (
  SELECT class.oid, class.relname AS name, class.relkind AS kind,
    CASE
      WHEN class.relname = '_prisma_migrations' OR class.relkind IN ('v', 'm') THEN ARRAY['SELECT']
      WHEN class.relkind = 'S' THEN ARRAY['USAGE']
      ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']
    END AS privileges
  FROM pg_class AS class JOIN place ON place.schema = class.relnamespace
  WHERE (class.relname ^@ 'delivery_' OR class.relname = '_prisma_migrations') AND class.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT class.relispartition
    AND class.relname NOT IN ('delivery_person', 'delivery_people')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'i' AND class.relkind = 'S')
), needed AS (
  SELECT 1 AS part, 'USAGE' AS privilege, 'schema ' || space.nspname AS object, has_schema_privilege(space.oid, 'USAGE') AS granted
  FROM pg_namespace AS space JOIN place ON place.schema = space.oid
  UNION ALL
  SELECT 2, privilege, name,
    CASE WHEN kind = 'S' THEN has_sequence_privilege(oid, privilege) ELSE has_table_privilege(oid, privilege) END
  FROM relation CROSS JOIN LATERAL unnest(privileges) AS privilege
  UNION ALL
  SELECT 3, 'EXECUTE', 'function ' || proname, has_function_privilege(routine.oid, 'EXECUTE')
  FROM pg_proc AS routine JOIN place ON place.schema = routine.pronamespace
  WHERE (proname ^@ 'delivery_' OR proname = 'track_delivery') AND proname <> 'delivery_put_people' AND prorettype <> 'trigger'::regtype
)
SELECT current_user AS role,
  coalesce(array_agg(privilege || ' on ' || object ORDER BY part, object COLLATE "C", privilege COLLATE "C") FILTER (WHERE NOT granted), '{}') AS lacking
FROM needed`
