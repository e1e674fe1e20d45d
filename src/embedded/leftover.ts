import { constants, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isServerOf, startOf } from './process-table.ts'
import type { Log } from './run.ts'

/** PostgreSQL's shutdown modes: fast (sessions are ended, all is written), immediate (recovery at the next start), and none at all. */
const STOPPING: readonly { readonly signal: NodeJS.Signals; readonly forMs: number }[] = [
  { signal: 'SIGINT', forMs: 10_000 },
  { signal: 'SIGQUIT', forMs: 5_000 },
  { signal: 'SIGKILL', forMs: 5_000 },
]

/**
 * Clears what a crash left in a data directory that this process has claimed.
 * A server that still runs lost its owner: it is stopped, and only after making sure that the process is the server of this directory.
 */
export async function clearLeftover(cluster: string, log: Log): Promise<void> {
  const path = join(cluster, 'postmaster.pid')
  const pid = await pidIn(path)
  if (pid === undefined) return
  if (await isServerOf(pid, cluster)) {
    log(`stopping PostgreSQL (process ${pid}), which outlived the process that started it`)
    return stopServer(pid, cluster)
  }
  if ((await startOf(pid)) !== undefined) await disown(path)
}

async function pidIn(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const pid = Math.abs(Number.parseInt(text, 10))
  return pid > 0 ? pid : undefined
}

async function stopServer(pid: number, cluster: string): Promise<void> {
  for (const { signal, forMs } of STOPPING) {
    if (!(await isServerOf(pid, cluster))) return
    process.kill(pid, signal)
    if (await isGone(pid, cluster, forMs)) return
  }
}

async function isGone(pid: number, cluster: string, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (performance.now() < deadline) {
    if (!(await isServerOf(pid, cluster))) return true
    await sleep(25)
  }
  return false
}

/**
 * The lock file names a process that is something else by now; PostgreSQL would refuse to start. Deleting the file would also remove the check
 * that no session of the old server still has its shared memory. PostgreSQL passes over a lock file that names its own parent, and then makes that check.
 */
async function disown(path: string): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW)
  try {
    const [, ...rest] = (await file.readFile('utf8')).split('\n')
    const text = [process.pid, ...rest].join('\n')
    await file.truncate(0)
    await file.write(text, 0)
  } finally {
    await file.close()
  }
}
