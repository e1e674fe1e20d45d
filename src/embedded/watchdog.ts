import { spawn } from 'node:child_process'
import type { Account } from './account.ts'
import { CLEAN_ENVIRONMENT, identityOf } from './run.ts'

/** Reads the server's process id; then waits for a second line, which never comes: the pipe closes when the process that holds its other end is gone. */
const SCRIPT = 'read -r pid || exit 0; read -r never; kill -INT "$pid"'

export interface Watchdog {
  watch(pid: number): void
  /** Safe to call twice. */
  dismiss(): void
}

/**
 * A shell that shuts the server down (fast mode) as soon as this process is gone, even by SIGKILL. In a session of its own, so that a terminal's
 * Ctrl-C does not reach it. Where there is no shell there is no watchdog, and the next start stops the server.
 */
export function startWatchdog(account: Account | undefined): Watchdog {
  if (process.platform === 'win32') return { watch: () => undefined, dismiss: () => undefined }
  const shell = spawn('/bin/sh', ['-c', SCRIPT], {
    ...identityOf(account),
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
