import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import type { Home } from './home.ts'
import { CLEAN_ENVIRONMENT, identityOf, type Log, run } from './run.ts'
import { startWatchdog } from './watchdog.ts'

export interface ServerOptions {
  readonly home: Home
  readonly binaries: Binaries
  readonly port: number
  /** PostgreSQL settings, as in postgresql.conf. */
  readonly settings: Readonly<Record<string, string>>
  readonly startWithinMs: number
  readonly log: Log
}

export interface Server {
  readonly pid: number
  /** Resolves with the reason when the server has ended, however it did; never rejects. */
  readonly exited: Promise<string>
  /** Fast shutdown; after the time given, a kill, which the next start recovers from. Safe to call twice. */
  stop(withinMs: number): Promise<void>
}

/** The server ended before it was ready. `output` is what it said. */
export class StartError extends Error {
  override readonly name: string = 'StartError'
  readonly output: string

  constructor(reason: string, output: string) {
    super(reason)
    this.output = output
  }
}

/**
 * Starts a server in a session of its own, so that a terminal's Ctrl-C does not end it before those who use it.
 *
 * @throws StartError
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const watchdog = startWatchdog(options.home.account)
  const child = spawn(options.binaries.postgres, serverArguments(options), {
    ...identityOf(options.home.account),
    cwd: '/',
    detached: true,
    env: CLEAN_ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const output = collect(child, options.log)
  const exited = exitOf(child).finally(() => watchdog.dismiss())
  if (child.pid === undefined) throw new StartError(await exited, '')
  watchdog.watch(child.pid)
  const server = { pid: child.pid, exited, stop: (withinMs: number) => stop(child, exited, options, withinMs) }
  await ready(server, options, output)
  letGo(child)
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

/** The last lines, for the message of a start that fails. The pipe is read to its end in any case: a full one would stop the server. */
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

/** `close` and not `exit`: by then everything that it said has been read. */
function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`))
  })
}

async function ready(server: Server, { home, startWithinMs }: ServerOptions, output: () => string): Promise<void> {
  const deadline = performance.now() + startWithinMs
  let ended: string | undefined
  void server.exited.then((reason) => {
    ended = reason
  })
  while (!(await saysReady(home.cluster, server.pid))) {
    if (ended !== undefined) throw new StartError(ended, output())
    if (performance.now() > deadline) return giveUp(server, startWithinMs, output)
    await sleep(20)
  }
}

async function giveUp(server: Server, startWithinMs: number, output: () => string): Promise<never> {
  await server.stop(0)
  throw new StartError(`not ready within ${startWithinMs / 1000} s`, output())
}

/** As pg_ctl does it: the lock file's first line is the process id, its eighth the status. */
async function saysReady(cluster: string, pid: number): Promise<boolean> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n')
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready'
}

/** A process that forgets to close ends all the same; the watchdog then stops the server. */
function letGo(child: ChildProcess): void {
  child.unref()
  // Typed as a stream; it is a socket, and one that is read keeps the process alive.
  if (child.stderr instanceof Socket) child.stderr.unref()
}

async function stop(child: ChildProcess, exited: Promise<string>, { binaries, home }: ServerOptions, withinMs: number): Promise<void> {
  child.ref()
  // Windows has no signals: pg_ctl asks through a pipe of PostgreSQL's own.
  if (process.platform === 'win32') await run(binaries.pgCtl, ['stop', '-m', 'fast', '-D', home.cluster], undefined)
  else child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
  await exited
  clearTimeout(timer)
}
