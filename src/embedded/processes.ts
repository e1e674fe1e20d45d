import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import type { Account } from './home.ts'

export type Log = (line: string) => void

/** Replaces the caller's environment: `PGDATA`, `PGPORT`, `LC_ALL` and others would change PostgreSQL's behaviour and the language of its messages. */
export const CLEAN_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

export function toIdentity(account: Account | undefined): { uid?: number; gid?: number } {
  return account === undefined ? {} : { uid: account.uid, gid: account.gid }
}

export interface Finished {
  /** null where a signal ended it. */
  readonly code: number | null
  readonly output: string
}

/** Runs a program to its end. Rejects only where it could not be started. */
export function run(command: string, args: readonly string[], account: Account | undefined): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...toIdentity(account), cwd: '/', env: CLEAN_ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] })
    const output: string[] = []
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output: output.join('') }))
  })
}

/**
 * The start time of a process, as the system writes it; undefined where there is no such process. Systems reuse process ids, containers at once:
 * only together with the start time an id names one process. Libraries considered: ps-list and pidusage, which have no start time on every system.
 */
export async function readProcessStart(pid: number): Promise<string | undefined> {
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

/** True for the PostgreSQL server (not one of its children) of a data directory. */
export async function isClusterServer(pid: number, cluster: string): Promise<boolean> {
  if ((await readProcessStart(pid)) === undefined) return false
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
