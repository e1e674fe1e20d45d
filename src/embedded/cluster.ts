import { chown, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Binaries } from './binaries.ts'
import type { Home } from './home.ts'
import { type Log, run } from './processes.ts'
import { errnoOf, failed, unavailable } from './unavailable.ts'

export const SUPERUSER = 'postgres'

const UNFINISHED = 'cluster.new-'

export interface ClusterOptions {
  readonly home: Home
  readonly binaries: Binaries
  readonly password: string
  /** True: the new files are flushed to disk. */
  readonly durable: boolean
  readonly log: Log
}

/**
 * Makes the cluster unless it exists. It is made aside and renamed, so that an existing cluster is complete. The caller has claimed the directory.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE where it is of another major version, or something else is in its place
 */
export async function ensureCluster(options: ClusterOptions): Promise<void> {
  const { cluster, path } = options.home
  await removeUnfinished(path)
  const major = await readMajor(cluster)
  if (major === options.binaries.major) return
  if (major !== undefined) throw wrongMajor(cluster, major, options.binaries.major)
  await removeEmpty(cluster)
  options.log(`making a new PostgreSQL ${options.binaries.major} cluster in ${cluster}`)
  await make(options)
}

async function readMajor(cluster: string): Promise<string | undefined> {
  const text = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw failed(`${cluster} cannot be read`, error)
  })
  return text?.trim()
}

function wrongMajor(cluster: string, found: string, needed: string): Error {
  const remedy = `Move the data with PostgreSQL ${found}'s pg_dump, or delete the directory to start afresh.`
  return unavailable(`${cluster} was made by PostgreSQL ${found}, and this version of the tracker brings PostgreSQL ${needed}. ${remedy}`)
}

async function removeEmpty(cluster: string): Promise<void> {
  await rmdir(cluster).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return
    throw unavailable(`${cluster} is in the way: it is not a PostgreSQL data directory. Move it away.`, error)
  })
}

/** An initdb whose parent was killed may still write there; what cannot be removed now is removed at the next start. */
async function removeUnfinished(home: string): Promise<void> {
  const left = (await readdir(home)).filter((name) => name.startsWith(UNFINISHED))
  for (const name of left) await rm(join(home, name), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined)
}

async function make({ home, binaries, password, durable }: ClusterOptions): Promise<void> {
  const unfinished = join(home.path, `${UNFINISHED}${process.pid}-${Date.now()}`)
  const passwordFile = `${unfinished}.password`
  await mkdir(unfinished, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (home.account) for (const path of [unfinished, passwordFile]) await chown(path, home.account.uid, home.account.gid)
  try {
    const sync = durable ? [] : ['--no-sync']
    const made = await run(binaries.initdb, [...initdbArguments(unfinished, passwordFile), ...sync], home.account)
    if (made.code !== 0) throw unavailable(`initdb failed in ${home.path}: ${lastLines(made.output)}.`)
    await rename(unfinished, home.cluster)
  } finally {
    await rm(passwordFile, { force: true })
    await rm(unfinished, { recursive: true, force: true })
  }
}

/** The builtin locale needs no locale of the system, so the order is the same on every machine. */
function initdbArguments(directory: string, passwordFile: string): string[] {
  const access = [`--username=${SUPERUSER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const text = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  return [`--pgdata=${directory}`, ...access, ...text, '--no-instructions']
}

export function lastLines(output: string): string {
  return output.trim().split('\n').slice(-3).join('; ').replace(/\.$/, '')
}
