import { randomUUID } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import type { DiffTarget, SchemaEngine as Engine, MigrationList } from '@prisma/schema-engine-wasm'
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg'
import { Pool, type PoolClient } from 'pg'
import { execute } from '../../support/postgres.ts'

/**
 * Prisma's own schema engine as WebAssembly, the same code that `prisma migrate` runs, from npm instead of Prisma's download host.
 * Here it is the judge of our migrations.
 */
export async function withSchemaEngine<T>(
  databaseUrl: string,
  use: (engine: Engine) => Promise<T>,
  { schema = 'dingtalk', model = ourModel() }: { readonly schema?: string; readonly model?: string } = {},
): Promise<T> {
  await instantiate()
  // What the native engine does with `?schema=`: it makes the schema, and its sessions have the search path.
  await execute(databaseUrl, `CREATE SCHEMA IF NOT EXISTS "${schema}"`)
  // The engine keeps its advisory lock until its session ends, and does not end it.
  const pool = new Pool({ connectionString: databaseUrl, options: `-c search_path="${schema}"` })
  const adapter = bindMigrationAwareSqlAdapterFactory(patchedAdapter(pool, schema))
  const engine = await bindings.SchemaEngine.new({ datamodels: [[SCHEMA_FILE, model]] }, () => {}, adapter)
  try {
    return await use(engine)
  } finally {
    engine.free()
    await pool.end()
  }
}

export const NO_FILTERS = { externalTables: [], externalEnums: [] }
const SCHEMA_FILE = 'schema.prisma'
const PRISMA_DIR = join(import.meta.dirname, '../../../prisma')

export function ourModel(): string {
  return readFileSync(join(PRISMA_DIR, SCHEMA_FILE), 'utf8')
}

export function datamodel(model = ourModel()): DiffTarget {
  return { tag: 'schemaDatamodel', files: [{ path: SCHEMA_FILE, content: model }] }
}

/** The live database that the engine is connected to. */
export function liveDatabase(model = ourModel()): DiffTarget {
  return { tag: 'schemaDatasource', files: [{ path: SCHEMA_FILE, content: model }], configDir: PRISMA_DIR }
}

export function migrationList(): MigrationList {
  const baseDir = join(PRISMA_DIR, 'migrations')
  const names = readdirSync(baseDir, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return {
    baseDir,
    lockfile: { path: 'migration_lock.toml', content: readFileSync(join(baseDir, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: names
      .map(({ name }) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok' as const, value: readFileSync(join(baseDir, name, 'migration.sql'), 'utf8') },
        },
      }))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
  }
}

/**
 * The adapter cuts scripts at every semicolon, also inside function bodies, and refuses PostgreSQL's internal type "char",
 * in which the catalog keeps the kinds of constraints. The native engine has neither limit.
 */
function patchedAdapter(pool: Pool, schema: string): PrismaPg {
  const factory = new PrismaPg(pool, { schema })
  factory.connect = () => connectPatched(pool, schema)
  // The factory's own one keeps the connection string, in which the name of the database wins.
  factory.connectToShadowDb = async () => {
    const database = `shadow_${randomUUID()}`
    await pool.query(`CREATE DATABASE "${database}"`)
    const url = new URL(String(pool.options.connectionString))
    url.pathname = `/${database}`
    await execute(url.href, `CREATE SCHEMA IF NOT EXISTS "${schema}"`)
    const shadow = new Pool({ connectionString: url.href, options: `-c search_path="${schema}"` })
    const adapter = await connectPatched(shadow, schema)
    adapter.dispose = async () => {
      await shadow.end()
      await pool.query(`DROP DATABASE "${database}" WITH (FORCE)`)
    }
    return adapter
  }
  return factory
}

async function connectPatched(pool: Pool, schema: string) {
  const adapter = await new PrismaPg(pool, { schema }).connect()
  const chars = new Set<string>()
  pool.on('connect', (client) => showCharAsText(client, chars))
  adapter.executeScript = async (script) => {
    await pool.query(script)
  }
  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query)
    const columnTypes = result.columnTypes.map((type, i) => (chars.has(result.columnNames[i] ?? '') ? ColumnTypeEnum.Character : type))
    return { ...result, columnTypes }
  }
  return adapter
}

const CHAR_OID = 18
const TEXT_OID = 25

/** Adds the columns' names to `chars`, so that the engine still gets the type that it expects. */
function showCharAsText(client: PoolClient, chars: Set<string>): void {
  // pg emits it on its connection before it reads the fields.
  const { connection } = client as unknown as { connection: EventEmitter }
  connection.prependListener('rowDescription', ({ fields }: { fields: Array<{ name: string; dataTypeID: number }> }) => {
    for (const field of fields) {
      if (field.dataTypeID !== CHAR_OID) continue
      chars.add(field.name)
      field.dataTypeID = TEXT_OID
    }
  })
}

/** TypeScript knows WebAssembly only with the browser's types. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, () => void> } }>
}

let ready: Promise<void> | undefined

/** What the package's own loader does for bundlers that import WebAssembly as a module; Node 20 does not. */
function instantiate(): Promise<void> {
  ready ??= (async () => {
    const folder = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'))
    const { instance } = await WebAssembly.instantiate(readFileSync(join(folder, 'schema_engine_bg.wasm')), {
      './schema_engine_bg.js': bindings,
    })
    if (!('__wbg_set_wasm' in bindings) || typeof bindings.__wbg_set_wasm !== 'function') throw new Error('the engine has no loader')
    bindings.__wbg_set_wasm(instance.exports)
    instance.exports['__wbindgen_start']?.()
  })()
  return ready
}
