import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../dist/embedded/postgres.js'

/** @typedef {import('./bench.mjs').Closers} Closers */

/** The first change of each page after a checkpoint writes the whole page to the WAL: none comes between two rounds. */
export const WITHOUT_CHECKPOINTS = { checkpoint_timeout: '1h', max_wal_size: '8GB' }

/**
 * A directory for a server's files.
 * @param {Closers} closers
 */
export async function ownDirectory(closers) {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-bench-'))
  closers.push(() => rm(directory, { recursive: true, force: true }))
  // Where this process is root, PostgreSQL runs as another user, who needs access.
  await chmod(directory, 0o711)
  return directory
}

/**
 * A PostgreSQL of its own, durable as in production.
 * @param {Closers} closers
 * @param {Record<string, string>} settings as in postgresql.conf; the defaults otherwise
 * @param {(line: string) => void} [onLog]
 * @returns its URL
 */
export async function startPostgres(closers, settings = {}, onLog) {
  const postgres = await startEmbeddedPostgres({ directory: join(await ownDirectory(closers), 'postgres'), settings, onLog })
  closers.push(() => postgres.close())
  await nameSchema(postgres.url, new URL(postgres.url).pathname.slice(1))
  return postgres.url
}

/**
 * The statements of a bench find the tables of the tracker. Its own do without.
 * @param {string} server
 * @param {string} name
 */
async function nameSchema(server, name) {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(`ALTER DATABASE ${name} SET search_path = dingtalk, public`)
  } finally {
    await client.end()
  }
}

/**
 * A separate database on that server. One that an earlier run kept is used again.
 * @param {Closers} closers
 * @param {string} server
 * @param {string} name
 * @param {{ keep?: boolean, anew?: boolean, like?: string }} options keep it at the end; drop one that was kept first; a copy of another one, to
 *   which nothing is connected
 * @returns its URL
 */
export async function ownDatabase(closers, server, name, { keep = false, anew = false, like = '' } = {}) {
  const client = await connect(closers, server)
  const drop = () => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  if (anew) await drop()
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name])
  if (rowCount === 0) await client.query(`CREATE DATABASE ${name} ${await likeOf(client, like)}`)
  await nameSchema(server, name)
  if (!keep) closers.push(drop)
  return Object.assign(new URL(server), { pathname: `/${name}` }).href
}

/** Files are copied: the WAL need not have them. Until PostgreSQL 14 there is no other way. */
async function likeOf(client, like) {
  if (like === '') return "ENCODING 'UTF8' TEMPLATE template0"
  const { rows } = await client.query("SELECT current_setting('server_version_num')::int >= 150000 AS chooses")
  return `TEMPLATE ${like}${rows[0].chooses ? ' STRATEGY file_copy' : ''}`
}

/**
 * @param {Closers} closers
 * @param {string} url
 */
export async function connect(closers, url) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  closers.push(() => client.end())
  return client
}

/**
 * The process whose children are all of PostgreSQL.
 * @param {pg.Client} client of a superuser
 * @returns {Promise<number>}
 */
export async function postmasterOf(client) {
  return (await client.query("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid")).rows[0].pid
}

/**
 * Bytes of all tables of the tracker with their indexes, partitions included.
 * @param {pg.Client} client
 * @returns {Promise<number>}
 */
export async function sizeOfTables(client) {
  const { rows } = await client.query(
    `SELECT sum(pg_total_relation_size(oid))::float8 AS bytes FROM pg_class
     WHERE relkind IN ('r', 'm') AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'delivery_task'::regclass)`,
  )
  return rows[0].bytes
}

/**
 * @param {pg.Client} client
 * @param {string} query whose one row has `n`
 * @returns {Promise<number>}
 */
export async function numberOf(client, query) {
  return (await client.query(query)).rows[0].n
}
