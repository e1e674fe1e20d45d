import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { promisify } from 'node:util'

/**
 * When a process was started, in the system's own words; undefined where there is no such process.
 * A process id alone is used again sooner or later, in containers at once; together with this it names one process.
 */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return linuxStart(pid)
  if (process.platform === 'win32') return isAlive(pid) ? 'alive' : undefined
  return ps('lstart=', pid)
}

/** proc(5): what follows the name in parentheses begins with field 3, the state; field 22 is the start. A zombie is dead. */
async function linuxStart(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

/** Whether a process is the PostgreSQL server (not one of its children) of a data directory. */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if ((await startOf(pid)) === undefined) return false
  if (process.platform !== 'linux') return isServerCommand((await ps('command=', pid)) ?? '', cluster)
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const [program = '', ...args] = command.split('\0')
  return basename(program) === 'postgres' && args[args.indexOf('-D') + 1] === cluster
}

function isServerCommand(command: string, cluster: string): boolean {
  return command.includes('/postgres ') && `${command} `.includes(` -D ${cluster} `)
}

async function ps(format: string, pid: number): Promise<string | undefined> {
  const answer = await promisify(execFile)('ps', ['-o', format, '-p', String(pid)]).catch(() => undefined)
  return answer?.stdout.trim() || undefined
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
