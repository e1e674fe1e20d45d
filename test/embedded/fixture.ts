import { execFile } from 'node:child_process'
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { inject, onTestFinished } from 'vitest'
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { readProcessStart } from '../../src/embedded/processes.ts'
import { builtFile, type NodeProcess, startNode } from '../support/process.ts'

export const isRoot = process.getuid?.() === 0

/** On every Linux. */
export const NOBODY = { uid: 65_534, gid: 65_534 }

/** Removed at the end of the test, after what was started in it later has been closed. */
export async function temporaryDirectory(owner?: { readonly uid: number; readonly gid: number }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-embedded-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
  await chmod(directory, 0o755)
  if (owner) await chown(directory, owner.uid, owner.gid)
  return directory
}

let prepared: Promise<string> | undefined

/** As temporaryDirectory, with a cluster in it, made once a file: for tests that are not about making one. */
export async function preparedDirectory(): Promise<string> {
  prepared ??= prepare()
  const directory = await temporaryDirectory()
  await promisify(execFile)('cp', ['-a', `${await prepared}/.`, directory])
  return directory
}

async function prepare(): Promise<string> {
  const directory = await mkdtemp(join(inject('runDirectory'), 'prepared-'))
  await chmod(directory, 0o711)
  const server = await startEmbeddedPostgres({ directory, durable: false })
  await query(server.url, 'CREATE TABLE kept AS SELECT 1 AS number')
  await server.close()
  // Its port is not remembered: the copies run at the same time.
  const { password } = new URL(server.url)
  await writeFile(join(directory, 'embedded.json'), JSON.stringify({ password }))
  return directory
}

/** Started here, closed at the end of the test. Without waiting for the disk, which the tests are not about. */
export async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ durable: false, ...options })
  onTestFinished(() => server.close())
  return server
}

export interface HolderOptions extends Omit<EmbeddedPostgresOptions, 'onLog'> {
  readonly user?: { readonly uid: number; readonly gid: number }
  /** The program comes to its end without having closed anything. */
  readonly forgets?: boolean
  readonly umask?: number
}

/** Started by another process. */
export function startHolder({ user, ...options }: HolderOptions): NodeProcess {
  const module = pathToFileURL(builtFile('embedded/postgres.js')).href
  const entry = fileURLToPath(new URL('holder.mjs', import.meta.url))
  return startNode(entry, { args: [module, JSON.stringify({ durable: false, ...options })], ...user })
}

export async function urlOf(holder: NodeProcess): Promise<string> {
  const line = await holder.waitForLine(/^(ready|refused) /, 60_000)
  if (!line.startsWith('ready ')) throw new Error(line)
  return line.slice('ready '.length)
}

export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  // A server that is killed ends the connection; what matters is then the error of the query.
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql)
    return rows
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Of the server in a directory, from its lock file. */
export async function serverPid(directory: string): Promise<number> {
  return Number.parseInt(await readFile(join(directory, 'cluster', 'postmaster.pid'), 'utf8'), 10)
}

/** A process that is dead and not yet reaped does not run. */
export async function isRunning(pid: number): Promise<boolean> {
  return (await readProcessStart(pid)) !== undefined
}

/** The shells that watch over a process, which are its children. */
export async function watchdogsOf(pid: number): Promise<number[]> {
  const processes = await processTable()
  return processes.filter(({ parent, command }) => parent === pid && /\bsh\b/.test(command)).map((each) => each.pid)
}

/** A terminal's Ctrl-C goes to one group. */
export async function groupOf(pid: number): Promise<number | undefined> {
  return (await processTable()).find((each) => each.pid === pid)?.group
}

interface ProcessRow {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly command: string
}

/** From /proc on Linux, where a small system may have no `ps`. */
async function processTable(): Promise<ProcessRow[]> {
  if (process.platform !== 'linux') return tableOfPs()
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')))
  return stats.filter((stat) => stat !== '').map(rowOfStat)
}

/** proc(5): pid (name) state ppid pgrp … */
function rowOfStat(stat: string): ProcessRow {
  const end = stat.lastIndexOf(')')
  const [, parent, group] = stat.slice(end + 2).split(' ')
  return { pid: Number.parseInt(stat, 10), parent: Number(parent), group: Number(group), command: stat.slice(stat.indexOf('(') + 1, end) }
}

async function tableOfPs(): Promise<ProcessRow[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,pgid=,args='])
  return stdout.split('\n').map((line) => {
    const [pid, parent, group, command = ''] = line.trim().split(/\s+/)
    return { pid: Number(pid), parent: Number(parent), group: Number(group), command }
  })
}
