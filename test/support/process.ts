import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { assertNoLeak, LeakError, secretsIn } from './canaries.ts'
import { until } from './wait.ts'

export interface ProcessOptions {
  readonly args?: readonly string[]
  /** All that it gets besides PATH, and growing gaps, which do not depend on the hour: nothing of the environment that the tests run in. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Another user; needs root. */
  readonly uid?: number
  readonly gid?: number
  /** Where a secret that it was given may be read, since that is what it was asked for. Default: nowhere. */
  readonly mayShowSecrets?: ReadonlyArray<'stdout' | 'stderr'>
  /** That of the test's own context; needed in concurrent tests, where the global one takes whichever test is current. */
  readonly onTestFinished?: (reap: () => Promise<void>) => void
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface NodeProcess extends AsyncDisposable {
  readonly pid: number
  /** Resolves when it has ended and all that it wrote has been read. Rejects with a {@link LeakError} when a secret can be read in that. */
  readonly exit: Promise<Exit>
  stdout(): string
  stderr(): string
  /** The first line, of either stream, that matches; also one that was there before. Rejects when the process ends without it. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<string>
  kill(signal: NodeJS.Signals): void
  /** Nobody reads any more what it writes: its next line fails with EPIPE. */
  closeLogs(): void
}

/** A file of the build: `builtFile('cli/main.js')`. `npm test` builds first; a single project on its own does not. */
export function builtFile(path: string): string {
  const file = fileURLToPath(new URL(`../../dist/${path}`, import.meta.url))
  if (!existsSync(file)) throw new Error(`dist/${path} is missing. Run: npm run build`)
  return file
}

/** The command as users run it. */
export function startCli(args: readonly string[], options: Omit<ProcessOptions, 'args'> = {}): NodeProcess {
  return startNode(builtFile('cli/main.js'), { ...options, args })
}

/** Runs the command to its end. */
export async function runCli(
  args: readonly string[],
  options: Omit<ProcessOptions, 'args'> = {},
): Promise<Exit & { stdout: string; stderr: string }> {
  const child = startCli(args, options)
  return { ...(await child.exit), stdout: child.stdout(), stderr: child.stderr() }
}

/** Node in a process of its own, running a JavaScript file. Killed at the end of the test that started it, or by `await using`. */
export function startNode(entry: string, options: ProcessOptions = {}): NodeProcess {
  const { args = [], env = {}, mayShowSecrets = [], onTestFinished: register = onTestFinished, ...spawnOptions } = options
  const child = spawn(process.execPath, [entry, ...args], {
    ...spawnOptions,
    env: { PATH: process.env['PATH'] ?? '', SCHEDULE: 'growing', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  const exit = exitOf(child).then((ended) => {
    const seen = Object.entries({ stdout, stderr }).filter(([name]) => !mayShowSecrets.some((stream) => stream === name))
    for (const [name, read] of seen) assertNoLeak(`${name} of ${basename(entry)} ${args.join(' ')}`, read(), secretsIn(env))
    return ended
  })
  exit.catch(() => undefined)
  const reap = async () => {
    child.kill('SIGKILL')
    await exit.catch(unlessLeak)
  }
  reapAfterTest(child, reap, register)
  return {
    pid: child.pid ?? -1,
    exit,
    stdout,
    stderr,
    waitForLine: (pattern, timeoutMs = 20_000) => waitForLine(pattern, timeoutMs, { child, stdout, stderr }),
    kill: (signal) => void child.kill(signal),
    closeLogs() {
      child.stdout.destroy()
      child.stderr.destroy()
    },
    [Symbol.asyncDispose]: reap,
  }
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise<Exit>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
}

/** How a process ends is the test's to judge; that it leaks is everybody's. */
function unlessLeak(error: unknown): void {
  if (error instanceof LeakError) throw error
}

/** All that live. One listener for all of them: whatever happens, nothing outlives the test worker. */
const alive = new Set<ChildProcess>()
let isListening = false

/** HostDeps a test, as in `beforeAll`, there is nothing to register with: the end of the test worker reaps it, if the caller does not. */
function reapAfterTest(child: ChildProcess, reap: () => Promise<void>, register: (reap: () => Promise<void>) => void): void {
  alive.add(child)
  child.once('close', () => alive.delete(child))
  if (!isListening) process.once('exit', () => alive.forEach((each) => each.kill('SIGKILL')))
  isListening = true
  try {
    register(reap)
  } catch {
    // Not in a test.
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}

interface Watched {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
}

async function waitForLine(pattern: RegExp, timeoutMs: number, { child, stdout, stderr }: Watched): Promise<string> {
  let closed = false
  child.once('close', () => {
    closed = true
  })
  const find = () => `${stdout()}\n${stderr()}`.split('\n').find((line) => pattern.test(line))
  const hasEnded = () => closed || (child.stdout?.closed === true && child.stderr?.closed === true)
  await until(() => find() !== undefined || hasEnded(), { timeoutMs, what: `a line matches ${pattern}` }).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${stdout()}\n${stderr()}`)
  })
  const line = find()
  if (line === undefined) throw new Error(`it ended, and no line matches ${pattern}:\n${stdout()}\n${stderr()}`)
  return line
}
