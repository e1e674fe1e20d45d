import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { Client } from 'pg'
import { TrackerError } from '../domain/errors.ts'
import { quoteIdentifier, schemaIn } from '../lib/database-schema.ts'
import { ownSchema } from '../lib/own-schema.ts'
import { clientConfig, connectTimeoutMs, PostgresClient } from '../lib/postgres-client.ts'
import { roleIn } from '../lib/postgres-errors.ts'
import { explained } from './database-errors.ts'

export interface MigrateOptions {
  /** How long to wait while another machine migrates. Default: 60,000 ms. */
  readonly lockTimeoutMs?: number
  readonly connectionTimeoutMs?: number
}

/** The key of the lock that `prisma migrate` takes, so that the two exclude each other. Source: prisma-engines, sql-schema-connector. */
const PRISMA_LOCK = 72_707_369

/** As Prisma makes it. Source: prisma-engines, sql-schema-connector, `create_migrations_table`. */
const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`

/**
 * Brings the database up to date, as `prisma migrate deploy` would, without Prisma's engine. Safe to run twice and from many machines at once.
 * All missing migrations and their rows in `_prisma_migrations` are one transaction: a crash, or a migration that fails, leaves the database as
 * it was. They are in the schema of `?schema=`, or where the tracker already is, or in a new schema `dingtalk`. The lock belongs to that transaction, so that it is released behind a pooler in transaction mode, where a session's lock would stay.
 * @returns the names of the migrations applied now
 * @throws {TrackerError} `DATABASE_UNAVAILABLE`, `NOT_PERMITTED`, or `SCHEMA_MISMATCH` when the database is newer than this build or was changed by hand
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<string[]> {
  const client = new PostgresClient({
    ...clientConfig(databaseUrl),
    connectionTimeoutMillis: options.connectionTimeoutMs ?? connectTimeoutMs(databaseUrl, 10_000),
    application_name: 'dingtalk-delivery migrate',
  })
  // An error of the connection also rejects the running query; without a listener it would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    // Not the database's default isolation: a migration must see what was committed while it waited for its locks.
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
    await lock(client, options.lockTimeoutMs ?? 60_000)
    await enterSchema(client, schemaIn(databaseUrl), roleIn(databaseUrl))
    const applied = await applyMissing(client)
    await client.query(NAME_SCHEMA_IN_FUNCTIONS)
    await client.query('COMMIT')
    return applied
  } catch (error) {
    throw explained(error, roleIn(databaseUrl))
  } finally {
    // The end of the connection also ends a transaction that failed.
    await client.end().catch(() => {})
  }
}

async function lock(client: Client, timeoutMs: number): Promise<void> {
  // The limit of the role for ordinary statements must not end the wait for the lock or the building of an index.
  await client.query('SET LOCAL statement_timeout = 0')
  await client.query(`SET LOCAL lock_timeout = ${Math.max(1, Math.round(timeoutMs))}`)
  await client.query('SELECT pg_advisory_xact_lock($1)', [PRISMA_LOCK])
  await client.query('SET LOCAL lock_timeout TO DEFAULT')
}

/** Until the end of the transaction every name without a schema is one of ours. */
async function enterSchema(client: Client, chosen: string | null, role: string | null): Promise<void> {
  const { rows } = await client.query<FoundSchema>(FIND_SCHEMA, [chosen])
  const [found] = rows
  if (found === undefined) throw new TypeError('the query returns one row')
  const { schema, exists, mayCreate, user, database } = found
  if (!exists && !mayCreate) throw schemaMissing(schema, role ?? user, database)
  if (!exists) await client.query(`CREATE SCHEMA ${quoteIdentifier(schema)}`)
  await client.query(`SET LOCAL search_path = ${quoteIdentifier(schema)}`)
}

interface FoundSchema {
  readonly schema: string
  readonly exists: boolean
  readonly mayCreate: boolean
  readonly user: string
  readonly database: string
}

const FIND_SCHEMA = `SELECT found.schema, EXISTS (SELECT FROM pg_namespace WHERE nspname = found.schema) AS exists,
  has_database_privilege(current_database(), 'CREATE') AS "mayCreate", current_user AS user, current_database() AS database
FROM (SELECT ${ownSchema('$1::text')} AS schema) AS found`

function schemaMissing(schema: string, role: string, database: string): TrackerError {
  const who = quoteIdentifier(role)
  return new TrackerError(
    'NOT_PERMITTED',
    `There is no schema ${quoteIdentifier(schema)}, and the role ${who} may not make one. As the owner of the database run: CREATE SCHEMA ${quoteIdentifier(schema)} AUTHORIZATION ${who}; or GRANT CREATE ON DATABASE ${quoteIdentifier(database)} TO ${who};`,
  )
}

/**
 * After `ALTER SCHEMA … RENAME` or `ALTER FUNCTION … SET SCHEMA` a function still names the schema in which it was. Nothing is changed where all
 * name their own. The text is that of the migration `20261130040000_schema`.
 */
const NAME_SCHEMA_IN_FUNCTIONS = `DO $$
DECLARE
    v_function record;
BEGIN
    FOR v_function IN
        SELECT routine.oid::regprocedure AS signature, place.nspname
        FROM pg_proc AS routine JOIN pg_namespace AS place ON place.oid = routine.pronamespace
        CROSS JOIN LATERAL unnest(routine.proconfig) AS setting
        WHERE place.nspname = current_schema() AND (routine.proname LIKE 'delivery\\_%' OR routine.proname = 'track_delivery')
            AND setting LIKE 'search\\_path=%' AND setting <> format('search_path=%I, pg_temp', place.nspname)
        ORDER BY routine.oid
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', v_function.signature, v_function.nspname);
    END LOOP;
END
$$`

async function applyMissing(client: Client): Promise<string[]> {
  await assertUnicode(client)
  await client.query(MIGRATIONS_TABLE)
  const missing = missingMigrations(knownMigrations(), await appliedMigrations(client))
  for (const migration of missing) await applyMigration(client, migration)
  return missing.map((migration) => migration.name)
}

async function assertUnicode(client: Client): Promise<void> {
  const { rows } = await client.query<{ server_encoding: string }>('SHOW server_encoding')
  const encoding = rows[0]?.server_encoding ?? 'unknown'
  if (encoding === 'UTF8') return
  throw new TrackerError(
    'SCHEMA_MISMATCH',
    `The database's encoding is ${encoding}; names need UTF8. Create it with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`,
  )
}

async function appliedMigrations(client: Client): Promise<AppliedMigration[]> {
  const { rows } = await client.query<AppliedMigration>(APPLIED_MIGRATIONS)
  return rows
}

export const APPLIED_MIGRATIONS = `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name`

async function applyMigration(client: Client, { name, sql, checksum }: Migration): Promise<void> {
  const id = randomUUID()
  // The column's default is the time at which the transaction began, which is the same for all.
  await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ($1, $2, $3, clock_timestamp())', [
    id,
    checksum,
    name,
  ])
  await client.query(sql.replaceAll(FOLDED_NAME, WHOLE_NAME))
  await client.query('UPDATE _prisma_migrations SET applied_steps_count = 1, finished_at = clock_timestamp() WHERE id = $1', [id])
}

/** A cast that reads a name as SQL does, without quotes: it finds no schema `Tracker`. The text of a migration that is out must stay. */
const FOLDED_NAME = 'current_schema()::regnamespace'
const WHOLE_NAME = 'quote_ident(current_schema())::regnamespace'

// The list of migrations ------------------------------------------------------------------------------------------------------

/** One folder of prisma/migrations. */
export interface Migration {
  readonly name: string
  readonly sql: string
  /** As Prisma computes it: SHA-256 of the file, in hex. */
  readonly checksum: string
}

/** One row of `_prisma_migrations`, those that were rolled back left out. */
export interface AppliedMigration {
  readonly name: string
  readonly checksum: string
  readonly finished: boolean
}

/** The folder is shipped beside src/ and dist/ alike. */
const FOLDER = new URL('../../prisma/migrations/', import.meta.url)

/** The migrations that this build knows, oldest first. */
export function knownMigrations(): Migration[] {
  return readdirSync(FOLDER, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const sql = readFileSync(new URL(`${name}/migration.sql`, FOLDER), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * What is still to be applied, oldest first.
 * @throws {TrackerError} `SCHEMA_MISMATCH` when the database holds what this build cannot build on
 */
export function missingMigrations(known: readonly Migration[], applied: readonly AppliedMigration[]): Migration[] {
  const checksums = new Map(known.map((migration) => [migration.name, migration.checksum]))
  for (const { name, checksum, finished } of applied) {
    if (!finished) throw mismatch(`migration ${name} failed half-way. Repair the database, then: npx prisma migrate resolve`)
    const ours = checksums.get(name)
    if (ours === undefined) {
      throw mismatch(
        `it has migration ${name}, which this version does not know. Install the newer version that made it; or, if another program keeps its Prisma migrations in the same schema, give the tracker one of its own: DATABASE_SCHEMA=dingtalk instead of ?schema= in DATABASE_URL`,
      )
    }
    if (ours !== checksum) throw mismatch(`migration ${name} was applied from another text. Install the version that applied it`)
  }
  const done = new Set(applied.map((migration) => migration.name))
  return known.filter((migration) => !done.has(migration.name))
}

function mismatch(what: string): TrackerError {
  return new TrackerError('SCHEMA_MISMATCH', `The database does not fit this version: ${what}.`)
}
