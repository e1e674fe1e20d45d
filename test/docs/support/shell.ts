import { type ExecFileOptions, execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { builtFile } from '../../support/process.ts'
import { ROOT } from './pages.ts'

const Run = z.object({ command: z.string(), args: z.array(z.string()), stdout: z.string(), stderr: z.string() })
/** One `npx dingtalk-delivery …` that ended as it should. */
export type CommandRun = z.output<typeof Run>

export interface ShellRun {
  readonly stdout: string
  readonly commands: readonly CommandRun[]
}

/** `curl` fails where the server refuses; a page would not show such a call. */
const PRELUDE = 'set -eu\ncurl() { command curl --fail-with-body "$@"; }\n'

/**
 * Runs a script as a reader would who pastes it line by line, in a folder of its own. It stops at the first line that fails, and rejects.
 * @param env all that it gets besides PATH
 */
export async function runShell(script: string, env: Readonly<Record<string, string>>): Promise<ShellRun> {
  const folder = await mkdtemp(join(tmpdir(), 'docs-'))
  // As root, the embedded PostgreSQL runs as another user, who must get in here.
  await chmod(folder, 0o711)
  try {
    const runs = join(folder, 'runs')
    await writeFile(runs, '')
    const [bin, work] = [join(folder, 'bin'), join(folder, 'work')]
    await mkdir(bin)
    await mkdir(work)
    for (const name of ['npx', 'npm']) await standIn(join(bin, name), join(import.meta.dirname, `${name}.mjs`))
    const own = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, CLI: builtFile('cli/main.js'), RUNS: runs, PROJECT: ROOT }
    const { status, stdout, stderr } = await runToEnd('sh', ['-c', PRELUDE + script], { cwd: work, env: { ...env, ...own } })
    if (status !== 0) throw new Error(`the script ended with ${status}:\n${stderr}${stdout}\n${await readFile(runs, 'utf8')}`)
    const lines = (await readFile(runs, 'utf8')).split('\n').filter((line) => line !== '')
    return { stdout, commands: lines.map((line) => Run.parse(JSON.parse(line))) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function standIn(path: string, script: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`)
  await chmod(path, 0o755)
}

interface Ended {
  readonly status: number | string
  readonly stdout: string
  readonly stderr: string
}

function runToEnd(command: string, args: readonly string[], options: ExecFileOptions): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(command, args, { ...options, encoding: 'utf8' }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : (error.code ?? 'a signal'), stdout, stderr }),
    )
  })
}
