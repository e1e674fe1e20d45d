import { constants, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { isClusterServer, type Log, readProcessStart } from './processes.ts'
import { errnoOf, failed, unavailable } from './unavailable.ts'

const ownerSchema = z.object({ pid: z.number(), startedAt: z.string() })

type Owner = z.infer<typeof ownerSchema>

const ATTEMPTS = 50
const BETWEEN_ATTEMPTS_MS = 20

/**
 * Makes this process the only one to use a directory, until the returned function is called or the process ends.
 * Two processes that replace a dead one in the same instant may both succeed; PostgreSQL's own lock then refuses the second. Library considered:
 * proper-lockfile, whose locks are old files, and so expire under a process that is stopped for a while.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE where a running process uses it
 */
export async function claim(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'owner.json')
  const self: Owner = { pid: process.pid, startedAt: (await readProcessStart(process.pid)) ?? '' }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(path, self)) return () => rm(path, { force: true })
    await removeIfDead(path, directory)
  }
  throw unavailable(`${path} cannot be taken over. Delete it if no other process uses ${directory}.`)
}

async function create(path: string, self: Owner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(self), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw failed(`${path} cannot be written`, error)
  }
}

async function removeIfDead(path: string, directory: string): Promise<void> {
  const text = await readOwner(path)
  const owner = parseOwner(text)
  if (owner && (await readProcessStart(owner.pid)) === owner.startedAt) {
    throw unavailable(`process ${owner.pid} already runs it in ${directory}. Stop that process first, or use another directory.`)
  }
  if (!owner) await sleep(BETWEEN_ATTEMPTS_MS)
  if ((await readOwner(path)) === text) await rm(path, { force: true })
}

async function readOwner(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw failed(`${path} cannot be read`, error, ' It belongs to another user, who has used this directory before.')
  }
}

/** Undefined for a file that is being written, or was when its process died. */
function parseOwner(text: string | undefined): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text ?? ''))
  } catch {
    return undefined
  }
}

/** PostgreSQL's shutdown modes: fast (ends sessions, writes all), immediate (recovery at the next start), then a kill. */
const shutdown = (timeoutMs: number): ReadonlyArray<{ readonly signal: NodeJS.Signals; readonly forMs: number }> => [
  { signal: 'SIGINT', forMs: timeoutMs },
  { signal: 'SIGQUIT', forMs: 2_000 },
  { signal: 'SIGKILL', forMs: 5_000 },
]

/**
 * Clears what a crash left in a data directory that this process has claimed. A server that still runs is stopped, after a check that the process
 * is the server of this directory.
 */
export async function clearLeftover(cluster: string, stopTimeoutMs: number, log: Log): Promise<void> {
  const path = join(cluster, 'postmaster.pid')
  const pid = await pidIn(path)
  if (pid === undefined) return
  if (await isClusterServer(pid, cluster)) {
    log(`stopping PostgreSQL (process ${pid}), which outlived the process that started it`)
    await stopServer(pid, cluster, shutdown(stopTimeoutMs))
  }
  await disown(path)
}

async function pidIn(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const pid = Math.abs(Number.parseInt(text, 10))
  return pid > 0 ? pid : undefined
}

async function stopServer(pid: number, cluster: string, steps: ReturnType<typeof shutdown>): Promise<void> {
  for (const { signal, forMs } of steps) {
    if (!(await isClusterServer(pid, cluster))) return
    process.kill(pid, signal)
    if (await isGone(pid, cluster, forMs)) return
  }
}

async function isGone(pid: number, cluster: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (performance.now() < deadline) {
    if (!(await isClusterServer(pid, cluster))) return true
    await sleep(25)
  }
  return false
}

/**
 * Writes this process into a lock file that was left. PostgreSQL refuses to start while the process in it exists, which may be another program by
 * now, or a dead one that was not reaped. Deleting the file would remove PostgreSQL's check that no session of the old server still has its
 * shared memory. PostgreSQL ignores a lock file that names its own parent, and then makes that check.
 */
async function disown(path: string): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW).catch(ignoreMissing)
  if (file === undefined) return
  try {
    const [, ...rest] = (await file.readFile('utf8')).split('\n')
    const text = [process.pid, ...rest].join('\n')
    await file.truncate(0)
    await file.write(text, 0)
  } finally {
    await file.close()
  }
}

/** A server that was shut down has removed its lock file. */
function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}
