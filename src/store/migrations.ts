import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { TrackerError } from '../domain/errors.ts'

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
        `it has migration ${name}, which this version does not know. Install the newer version that made it; or, if another program keeps its Prisma migrations in the same schema, give the tracker a database of its own`,
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
