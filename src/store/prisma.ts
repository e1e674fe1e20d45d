import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { TrackerError } from '../domain/errors.ts'
import { schemaIn } from '../lib/database-schema.ts'
import { DEFAULT_SCHEMA, INSTALLATIONS, MODEL_SCHEMA, SchemaClient } from '../lib/own-schema.ts'
import { clientConfig, connectTimeoutMs } from '../lib/postgres-client.ts'
import { sqlStateOf } from '../lib/postgres-errors.ts'
import type { Row } from './columns.ts'
import { explained, retrying } from './database-errors.ts'
import { PrismaClient } from './generated/client.ts'
import { APPLIED_MIGRATIONS, type AppliedMigration, knownMigrations, missingMigrations } from './migrate.ts'
import { withRawStatements } from './raw-statements.ts'
import { setUpSession } from './session-settings.ts'

export interface DatabaseOptions {
  /** Connections at most. Default: 10. */
  readonly max?: number
  /** How long a statement waits for a connection, new or from the pool. Default: 5,000 ms. */
  readonly connectionTimeoutMs?: number
  /** How long one statement may run, on the server. Default: 15,000 ms. */
  readonly statementTimeoutMs?: number
  /** Shown in `pg_stat_activity`. Default: `dingtalk-delivery`. */
  readonly applicationName?: string
  /** An idle connection of the pool broke. The pool replaces it; no statement failed. */
  readonly onPoolError?: (error: Error) => void
  /** A connection in use broke. The statement on it fails as well. */
  readonly onConnectionError?: (error: Error) => void
}

export interface Database {
  readonly prisma: PrismaClient
  /** The pool under Prisma, for statements that need a session of their own. */
  readonly pool: Pool
  /** The schema of the tracker's tables: the one that is found with the first connection, or the one in which `migrate` would make them. */
  schema(): Promise<string>
  /** Waits for the statements under way. Safe to call twice. */
  close(): Promise<void>
}

/**
 * Connections of one pool where neither a setting nor `connection_limit` says otherwise. A worker writes in batches, so that few are enough for its
 * default concurrency. A page of the dashboard makes half a dozen queries at the same time.
 */
export const POOL_SIZES = { worker: 3, server: 8, rates: 4 } as const

/**
 * Opens nothing yet: the first statement connects.
 * @param url its `?schema=` is the schema of the tracker's tables; without it the schema is found
 */
export function openDatabase(url: string, options: DatabaseOptions = {}): Database {
  const { statementTimeoutMs = 15_000 } = options
  const chosen = schemaIn(url)
  let schema = chosen
  const pool = new Pool({
    ...clientConfig(url),
    Client: SchemaClient,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.connectionTimeoutMs ?? connectTimeoutMs(url, 5_000),
    // The server's own timeout comes first; this one is for a network that went silent.
    query_timeout: statementTimeoutMs + 5_000,
    application_name: options.applicationName ?? 'dingtalk-delivery',
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for the promise; its types do not say so
    onConnect: async (client) => {
      schema = await setUpSession(client, { statementTimeoutMs, schema: chosen })
    },
  })
  // Without a listener an error of an idle connection would end the process.
  pool.on('error', (error) => options.onPoolError?.(error))
  // Statements are not kept prepared: a plan that was made for an empty table would be used until the next ANALYZE.
  const adapter = new PrismaPg(pool, {
    schema: MODEL_SCHEMA,
    ...(options.onConnectionError && { onConnectionError: options.onConnectionError }),
  })
  const client = new PrismaClient({ adapter })
  let closed: Promise<void> | undefined
  return {
    prisma: withRawStatements(client, pool),
    pool,
    async schema() {
      if (schema === null) await pool.query('')
      return schema ?? DEFAULT_SCHEMA
    },
    close: () => (closed ??= client.$disconnect().then(() => pool.end())),
  }
}

/**
 * @throws {TrackerError} `SCHEMA_MISMATCH` naming the command to run when the database is older or newer than this build
 */
export async function assertSchemaVersion({ prisma, schema }: Pick<Database, 'prisma' | 'schema'>): Promise<void> {
  const known = knownMigrations()
  const missing = missingMigrations(known, await appliedMigrations(prisma))
  if (missing.length === 0) return
  const names = missing.map((migration) => migration.name).join(', ')
  const own = await schema()
  const elsewhere = missing.length === known.length ? await otherInstallations(prisma, own) : []
  const lacks = `The database lacks ${names}`
  if (elsewhere.length === 0) throw new TrackerError('SCHEMA_MISMATCH', `${lacks}. Run: npx dingtalk-delivery migrate`)
  const remedy = `The tracker is in ${elsewhere.join(', ')}: set DATABASE_SCHEMA to that name, or run: npx dingtalk-delivery migrate`
  throw new TrackerError('SCHEMA_MISMATCH', `${lacks} in the schema "${own}". ${remedy}`)
}

/** The other schemas that have the tracker's tables. */
async function otherInstallations(prisma: PrismaClient, own: string): Promise<string[]> {
  const rows = await prisma.$queryRawUnsafe<Array<{ name: string }>>(INSTALLATIONS)
  return rows.flatMap(({ name }) => (name === own ? [] : `"${name}"`)).sort()
}

async function appliedMigrations(prisma: PrismaClient): Promise<AppliedMigration[]> {
  try {
    return await prisma.$queryRawUnsafe<AppliedMigration[]>(APPLIED_MIGRATIONS)
  } catch (error) {
    const NO_SUCH_TABLE = '42P01'
    if (sqlStateOf(error) === NO_SUCH_TABLE) return []
    throw explained(error)
  }
}

/** Runs a statement of a transaction. */
export type RunStatement = (statement: string, values: readonly unknown[]) => Promise<Row[]>

/** One statement in a transaction of its own: see {@link inTransaction}. */
export function readCommitted(pool: Pool, statement: string, values: readonly unknown[]): Promise<Row[]> {
  return inTransaction(pool, (run) => run(statement, values))
}

/**
 * Statements in one transaction, in which each statement, also of an SQL function, sees what was committed before it, whatever the database's default
 * isolation is. All of `work` is repeated like a single statement. Not a transaction of Prisma: that has a time limit of its own, which may end during
 * COMMIT.
 */
export function inTransaction<T>(pool: Pool, work: (run: RunStatement) => Promise<T>): Promise<T> {
  return retrying(async () => {
    const client = await pool.connect()
    let isCommitted = false
    // The pool does not listen to a connection that is in use; the statement on it rejects as well.
    const onError = (): void => undefined
    client.on('error', onError)
    try {
      await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
      const result = await work(async (statement, values) => (await client.query<Row>(statement, [...values])).rows)
      await client.query('COMMIT')
      isCommitted = true
      return result
    } finally {
      client.off('error', onError)
      // A connection whose transaction failed is closed: that is its ROLLBACK.
      client.release(!isCommitted)
    }
  })
}
