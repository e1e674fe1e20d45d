import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { unavailable } from './unavailable.ts'

/** Whom PostgreSQL runs as. It refuses to run as root. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** In order of preference. They exist on every Linux and macOS, so none is created. */
const UNPRIVILEGED = ['postgres', '_postgres', 'nobody', 'daemon']

/**
 * The account for a data directory, or undefined for the current user.
 * A directory that exists keeps the account that made it: installing another PostgreSQL later, which adds a `postgres` user, changes nothing.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE where the directory belongs to somebody whom this process may not run as
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
    const [uid, gid] = await Promise.all([idOf('-u', name), idOf('-g', name)])
    if (uid && gid) return { name, uid, gid }
  }
  throw unavailable(
    `this process runs as root, PostgreSQL refuses to, and none of the users ${UNPRIVILEGED.join(', ')} exists. Run it as another user.`,
  )
}

async function idOf(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  const answer = await promisify(execFile)('id', [flag, name]).catch(() => undefined)
  return answer === undefined ? undefined : Number.parseInt(answer.stdout, 10)
}

/** Whether the account may enter a directory. Asked of the system, which also knows about access control lists. */
export async function canEnter(account: Account, directory: string): Promise<boolean> {
  const { uid, gid } = account
  return promisify(execFile)('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], { uid, gid, cwd: '/' }).then(
    () => true,
    () => false,
  )
}
