import { randomUUID } from 'node:crypto'
import { chmod, mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Account, accountFor, canEnter } from './account.ts'
import type { Settings } from './settings.ts'
import { errnoOf, unavailable } from './unavailable.ts'

/** Where root's data goes when the account that PostgreSQL runs as may not enter the directory, as under a `/root` of mode 700. */
export const SYSTEM_DIRECTORY = '/var/lib/dingtalk-delivery-tracker'

export interface Home {
  /** Holds the cluster, and the copy of the programs where one is needed. */
  readonly path: string
  /** PostgreSQL's data directory. */
  readonly cluster: string
  readonly account: Account | undefined
}

/** Makes the directory, private to this user; root's, and what is made above it, lets others pass through. The path without symbolic links, since processes are recognised by it. */
export async function makeDirectory(directory: string): Promise<string> {
  const path = resolve(directory)
  try {
    if (process.getuid?.() === 0) await makePassable(path)
    else await mkdir(path, { recursive: true, mode: 0o700 })
    return await realpath(path)
  } catch (error) {
    throw unavailable(`the directory ${path} cannot be made (${errnoOf(error) ?? String(error)}).`, error)
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

/** Lets others pass through to what they own, without listing what is there. */
async function letThrough(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) await makePassable(path)
  else await chmod(path, found.mode | 0o111)
}

/** Everything that is made on the way, whatever the umask takes away. */
async function makePassable(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let made = path; made.length >= first.length; made = dirname(made)) await chmod(made, 0o711)
}

function cannotEnter(account: Account, path: string): Error {
  const who = `PostgreSQL does not run as root and so runs as ${account.name}, who may not enter ${path}`
  return unavailable(`${who}. Move the project to a directory that everyone may enter, such as /opt or /srv, or run it as another user.`)
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
