import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Settings } from './settings.ts'
import { failed, unavailable } from './unavailable.ts'

/** The place of root's data when PostgreSQL's account may not enter the directory, as under a `/root` of mode 700. */
export const SYSTEM_DIRECTORY = '/var/lib/dingtalk-delivery-tracker'

export interface Home {
  /** Holds the cluster, and the copy of the programs where one is needed. */
  readonly path: string
  /** PostgreSQL's data directory. */
  readonly cluster: string
  readonly account: Account | undefined
}

/**
 * Makes the directory, private to this user; root's, and what is made above it, lets others pass through.
 * @returns the path without symbolic links, since processes are recognised by it
 */
export async function makeDirectory(directory: string): Promise<string> {
  const path = resolve(directory)
  try {
    if (process.getuid?.() === 0) await makePassable(path)
    else await mkdir(path, { recursive: true, mode: 0o700 })
    return await realpath(path)
  } catch (error) {
    throw failed(`the directory ${path} cannot be made`, error)
  }
}

/**
 * Finds a place that the account of PostgreSQL can enter.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE where there is none
 */
export async function findHome(directory: string, settings: Settings, systemDirectory: string): Promise<Home> {
  const path = settings.home ?? directory
  const cluster = join(path, 'cluster')
  const account = await accountFor(cluster)
  if (account === undefined) return { path, cluster, account }
  await letThrough(path)
  if (await canEnter(account, path)) return { path, cluster, account }
  if (settings.home !== undefined || (await exists(cluster))) throw cannotEnter(account, path)
  return systemHome(directory, account, systemDirectory)
}

async function systemHome(directory: string, account: Account, systemDirectory: string): Promise<Home> {
  const path = join(systemDirectory, randomUUID())
  await makePassable(path).catch(() => undefined)
  if (!(await canEnter(account, path))) throw cannotEnter(account, directory)
  return { path, cluster: join(path, 'cluster'), account }
}

/** Lets others pass through, without listing the files. */
async function letThrough(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) await makePassable(path)
  else await chmod(path, found.mode | 0o111)
}

/** Also for the directories that are made above it, whatever the umask is. */
async function makePassable(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, 0o711)
}

function cannotEnter(account: Account, path: string): Error {
  const who = `PostgreSQL does not run as root and so runs as ${account.name}, who may not enter ${path}`
  return unavailable(`${who}. Move the project to a directory that everyone may enter, such as /opt or /srv, or run it as another user.`)
}

export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** The system user that PostgreSQL runs as. It refuses to run as root. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** In order of preference. They exist on every Linux and macOS, so none is created. */
const UNPRIVILEGED = ['postgres', '_postgres', 'nobody', 'daemon']

/**
 * The account for a data directory, or undefined for the current user. An existing directory keeps the account that made it, also when another
 * PostgreSQL is installed later, which adds a `postgres` user.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE where the directory belongs to a user that this process may not run as
 */
export async function accountFor(cluster: string): Promise<Account | undefined> {
  const self = process.getuid?.()
  if (self === undefined) return undefined
  const owner = await stat(cluster).catch(() => undefined)
  if (self === 0) return owner === undefined ? unprivileged() : ownerAsAccount(cluster, owner)
  if (owner === undefined || owner.uid === self) return undefined
  throw unavailable(
    `${cluster} belongs to user id ${owner.uid}, but this process runs as user id ${self}. Run it as that user or as root, or delete the directory to start afresh.`,
  )
}

function ownerAsAccount(cluster: string, owner: { readonly uid: number; readonly gid: number }): Account {
  if (owner.uid !== 0) return { name: `user id ${owner.uid}`, uid: owner.uid, gid: owner.gid }
  throw unavailable(`${cluster} belongs to root, as whom PostgreSQL refuses to run. Give it to another user: chown -R nobody ${cluster}`)
}

async function unprivileged(): Promise<Account> {
  for (const name of UNPRIVILEGED) {
    const [uid, gid] = await Promise.all([findId('-u', name), findId('-g', name)])
    if (uid && gid) return { name, uid, gid }
  }
  throw unavailable(
    `this process runs as root, PostgreSQL refuses to, and none of the users ${UNPRIVILEGED.join(', ')} exists. Run it as another user.`,
  )
}

async function findId(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  const answer = await promisify(execFile)('id', [flag, name]).catch(() => undefined)
  return answer === undefined ? undefined : Number.parseInt(answer.stdout, 10)
}

/** True when the account may enter the directory. A shell tries it, since access control lists may decide. */
async function canEnter(account: Account, directory: string): Promise<boolean> {
  const { uid, gid } = account
  return promisify(execFile)('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], { uid, gid, cwd: '/' }).then(
    () => true,
    () => false,
  )
}
