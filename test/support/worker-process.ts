import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A worker as operators run it: the built command in a process of its own. */
export interface WorkerProcess {
  readonly pid: number
  /** What it logged so far. */
  log(): string
  /** SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void
  /** Resolves when the process has ended. */
  kill(signal: NodeJS.Signals): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Resolves when the worker says that it is ready. `HEALTH_PORT` is a free one. */
export async function startWorkerProcess(env: Readonly<Record<string, string>>): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [CLI, 'worker'], {
    env: { PATH: process.env['PATH'] ?? '', HEALTH_PORT: '0', LOG_LEVEL: 'info', LOG_PRETTY: '0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal }))
  })
  const ready = new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
      if (log.includes('worker ready')) resolve()
    })
    void exited.then(({ code, signal }) => reject(new Error(`the worker ended (${code ?? signal}) before it was ready:\n${log}`)))
  })
  await ready
  return { pid: pidOf(child), log: () => log, signal: (signal) => void child.kill(signal), kill: (signal) => (child.kill(signal), exited) }
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the worker was not started')
  return child.pid
}
