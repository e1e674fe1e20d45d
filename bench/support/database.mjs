import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../dist/embedded/postgres.js'

/** @typedef {Array<() => unknown>} Closers Closed at the end, the last one first. */

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
 * @returns its URL
 */
export async function startPostgres(closers, settings = {}) {
  const postgres = await startEmbeddedPostgres({ directory: join(await ownDirectory(closers), 'postgres'), settings })
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
 * @param {{ keep?: boolean, anew?: boolean }} options keep it at the end; drop one that was kept first
 * @returns its URL
 */
export async function ownDatabase(closers, server, name, { keep = false, anew = false } = {}) {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  closers.push(() => client.end())
  const drop = () => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  if (anew) await drop()
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name])
  if (rowCount === 0) await client.query(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`)
  await nameSchema(server, name)
  if (!keep) closers.push(drop)
  return Object.assign(new URL(server), { pathname: `/${name}` }).href
}
