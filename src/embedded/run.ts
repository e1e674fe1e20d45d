import { spawn } from 'node:child_process'
import type { Account } from './account.ts'

export type Log = (line: string) => void

/** Nothing of the caller's environment: `PGDATA`, `PGPORT`, `LC_ALL` and others would change what PostgreSQL does and the language it says it in. */
export const CLEAN_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

export function identityOf(account: Account | undefined): { uid?: number; gid?: number } {
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
    const child = spawn(command, args, { ...identityOf(account), cwd: '/', env: CLEAN_ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] })
    const output: string[] = []
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output: output.join('') }))
  })
}
