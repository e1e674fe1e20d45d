import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { inject } from 'vitest'
import { giveRights, urlAs } from './roles.ts'

export interface TestDatabase {
  readonly url: string
  /** Also ends the sessions that are still open. */
  drop(): Promise<void>
}

const TEMPLATE = 'migrated_template'

/** Any number will do, as long as nobody else in the server's own database takes it. */
const TEMPLATE_LOCK = 4_711

/**
 * A new database on the server of this run.
 *
 * @param options.migrated true: with the tracker's schema and the rights of every role on it, cloned from a database that is migrated once a
 * run. Default: empty
 * @param options.searchPath of its sessions, as SQL. Default: one in which the statements of a test find our tables. Ours do not need it
 */
export async function createTestDatabase(
  options: { readonly migrated?: boolean; readonly searchPath?: string } = {},
): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`
  if (options.migrated) await createMigrated(name)
  else await administer((client) => client.query(`CREATE DATABASE ${name}`))
  await setSearchPath(urlOf(name), options.searchPath ?? 'dingtalk, public')
  return {
    url: urlOf(name),
    drop: () => administer((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  }
}

/** Under a lock: PostgreSQL refuses to clone a database that anybody is connected to, and the workers of a run come here at the same time. */
function createMigrated(name: string): Promise<void> {
  return administer(async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK])
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [TEMPLATE])
    if (rowCount === 0) await createTemplate(client)
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`)
  })
}

/** Migrated as operators are told to: by a login that has the rights of `delivery_migrate` alone. Renamed when it is done, so that a migration that fails leaves no half of it behind for the next test to trust. */
async function createTemplate(client: Client): Promise<void> {
  const unfinished = `unfinished_${randomBytes(8).toString('hex')}`
  await client.query(`CREATE DATABASE ${unfinished}`)
  const { migrate } = await import('../../src/store/migrate.ts')
  const url = urlOf(unfinished)
  await giveRights(url)
  await migrate(urlAs('migrate', url))
  await giveRights(url)
  await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [unfinished])
  await client.query(`ALTER DATABASE ${unfinished} RENAME TO ${TEMPLATE}`)
}

async function administer(work: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: inject('postgresUrl') })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

function urlOf(database: string): string {
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${database}`
  return url.href
}

/** Runs statements one after the other, on a connection of their own. */
export async function execute(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

/** The rows of one statement, on a connection of its own. */
export async function query(url: string, statement: string, values: readonly unknown[] = []): Promise<Array<Record<string, unknown>>> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(statement, [...values])).rows
  } finally {
    await client.end()
  }
}

/**
 * Of the sessions that begin later.
 * @param searchPath as SQL
 * @param role whose sessions in that database. Default: those of every role that has no such setting of its own
 */
export async function setSearchPath(url: string, searchPath: string, role?: string): Promise<void> {
  const of = `DATABASE "${new URL(url).pathname.slice(1)}"`
  await execute(url, `ALTER ${role === undefined ? of : `ROLE ${role} IN ${of}`} SET search_path = ${searchPath}`)
}
