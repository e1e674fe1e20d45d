import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import type { Account, Home } from './home.ts'
import { CLEAN_ENVIRONMENT, type Log, run, toIdentity } from './processes.ts'

export interface ServerOptions {
  readonly home: Home
  readonly binaries: Binaries
  readonly port: number
  /** PostgreSQL settings, as in postgresql.conf. */
  readonly settings: Readonly<Record<string, string>>
  readonly startTimeoutMs: number
  readonly log: Log
}

export interface Server {
  readonly pid: number
  /** Resolves with the reason when the server has ended; never rejects. */
  readonly exited: Promise<string>
  /** Fast shutdown; after the timeout a kill, from which the next start recovers. Safe to call twice. */
  stop(timeoutMs: number): Promise<void>
}

/** The server ended before it was ready. `output` has its messages. */
export class StartError extends Error {
  override readonly name: string = 'StartError'
  readonly output: string

  constructor(reason: string, output: string) {
    super(reason)
    this.output = output
  }
}

/**
 * Starts a server in a session of its own, so that a terminal's Ctrl-C does not end it before its clients.
 *
 * @throws StartError
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const watchdog = startWatchdog(options.home.account)
  const child = spawn(options.binaries.postgres, serverArguments(options), {
    ...toIdentity(options.home.account),
    cwd: '/',
    detached: true,
    env: CLEAN_ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const output = collect(child, options.log)
  const exited = awaitExit(child).finally(() => watchdog.dismiss())
  if (child.pid === undefined) throw new StartError(await exited, '')
  watchdog.watch(child.pid)
  const server = { pid: child.pid, exited, stop: (timeoutMs: number) => stop(child, exited, options, timeoutMs) }
  await ready(server, options, output)
  detach(child)
  return server
}

function serverArguments({ home, port, settings }: ServerOptions): string[] {
  const fixed = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    logging_collector: 'off',
    log_line_prefix: '',
  }
  const flags = Object.entries({ ...settings, ...fixed }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return ['-D', home.cluster, ...flags]
}

/** Keeps the last lines for the message of a failed start. The pipe is always read to its end: a full one would block the server. */
function collect(child: ChildProcess, log: Log): () => string {
  const lines: string[] = []
  if (child.stderr === null) return () => ''
  createInterface({ input: child.stderr }).on('line', (line) => {
    log(line)
    lines.push(line)
    if (lines.length > 20) lines.shift()
  })
  return () => lines.join('\n')
}

/** `close`, not `exit`: then all output has been read. */
function awaitExit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
}

async function ready(server: Server, { home, startTimeoutMs }: ServerOptions, output: () => string): Promise<void> {
  const deadline = performance.now() + startTimeoutMs
  let ended: string | undefined
  void server.exited.then((reason) => {
    ended = reason
  })
  while (!(await isReady(home.cluster, server.pid))) {
    if (ended !== undefined) throw new StartError(ended, output())
    if (performance.now() > deadline) return giveUp(server, startTimeoutMs, output)
    await sleep(20)
  }
}

async function giveUp(server: Server, startTimeoutMs: number, output: () => string): Promise<never> {
  await server.stop(0)
  throw new StartError(`not ready within ${startTimeoutMs / 1000} s`, output())
}

/** As pg_ctl does it: line 1 of the lock file is the process id, line 8 the status. */
async function isReady(cluster: string, pid: number): Promise<boolean> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n')
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready'
}

/** A process that does not close the server can still end; the watchdog then stops the server. */
function detach(child: ChildProcess): void {
  child.unref()
  // It is a socket, and one that is read keeps the process alive.
  if (child.stderr instanceof Socket) child.stderr.unref()
}

async function stop(child: ChildProcess, exited: Promise<string>, { binaries, home }: ServerOptions, timeoutMs: number): Promise<void> {
  child.ref()
  // Windows has no signals: pg_ctl uses a pipe of PostgreSQL.
  if (process.platform === 'win32') await run(binaries.pgCtl, ['stop', '-m', 'fast', '-D', home.cluster], undefined)
  else child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  await exited
  clearTimeout(timer)
}

/** Reads the server's process id, then waits until the pipe closes, because the process at its other end has ended. */
const SCRIPT = 'read -r pid || exit 0; read -r never; kill -INT "$pid"'

interface Watchdog {
  watch(pid: number): void
  /** Safe to call twice. */
  dismiss(): void
}

/**
 * A shell that shuts the server down (fast mode) as soon as this process has ended, also by SIGKILL. It has a session of its own, so that a
 * terminal's Ctrl-C does not reach it. Without a shell there is no watchdog, and the next start stops the server.
 */
function startWatchdog(account: Account | undefined): Watchdog {
  if (process.platform === 'win32') return { watch: () => undefined, dismiss: () => undefined }
  const shell = spawn('/bin/sh', ['-c', SCRIPT], {
    ...toIdentity(account),
    cwd: '/',
    detached: true,
    env: CLEAN_ENVIRONMENT,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.on('error', () => undefined)
  shell.stdin.on('error', () => undefined)
  shell.unref()
  return {
    watch: (pid) => shell.stdin.write(`${pid}\n`),
    dismiss: () => shell.kill('SIGKILL'),
  }
}
