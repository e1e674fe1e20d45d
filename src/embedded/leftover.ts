import { constants, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isServerOf } from './process-table.ts'
import type { Log } from './run.ts'
import { errnoOf } from './unavailable.ts'

interface Step {
  readonly signal: NodeJS.Signals
  readonly forMs: number
}

/** PostgreSQL's shutdown modes: fast (sessions are ended, all is written), immediate (recovery at the next start), and none at all. */
const shutdown = (withinMs: number): readonly Step[] => [
  { signal: 'SIGINT', forMs: withinMs },
  { signal: 'SIGQUIT', forMs: 2_000 },
  { signal: 'SIGKILL', forMs: 5_000 },
]

/**
 * Clears what a crash left in a data directory that this process has claimed.
 * A server that still runs lost its owner: it is stopped, and only after making sure that the process is the server of this directory.
 */
export async function clearLeftover(cluster: string, stopWithinMs: number, log: Log): Promise<void> {
  const path = join(cluster, 'postmaster.pid')
  const pid = await pidIn(path)
  if (pid === undefined) return
  if (await isServerOf(pid, cluster)) {
    log(`stopping PostgreSQL (process ${pid}), which outlived the process that started it`)
    await stopServer(pid, cluster, shutdown(stopWithinMs))
  }
  await disown(path)
}

async function pidIn(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const pid = Math.abs(Number.parseInt(text, 10))
  return pid > 0 ? pid : undefined
}

async function stopServer(pid: number, cluster: string, steps: readonly Step[]): Promise<void> {
  for (const { signal, forMs } of steps) {
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
 * A lock file that was left names a process that is gone, or is something else by now, or is dead and not yet reaped (in a container whose first process
 * reaps nobody it stays so); in the last two cases PostgreSQL would refuse to start. Deleting the file would also remove the check that no session of
 * the old server still has its shared memory. PostgreSQL passes over a lock file that names its own parent, and then makes that check.
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

/** A server that was shut down has taken its lock file with it. */
function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}
