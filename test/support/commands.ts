import { EventEmitter } from 'node:events'
import { onTestFinished } from 'vitest'
import { createContext, type Host } from '../../src/cli/context.ts'
import { runCommand as run } from '../../src/cli/program.ts'
import { assertNoLeak, secretsIn } from './canaries.ts'
import type { Exit, NodeProcess, ProcessOptions } from './process.ts'
import { until } from './wait.ts'

/** A command that runs in the process of the test: what starts and ends in a tenth of the time. What is about processes uses process.ts. */
export type RunningCommand = Pick<NodeProcess, 'exit' | 'stdout' | 'stderr' | 'waitForLine' | 'kill'> & AsyncDisposable

export type CommandOptions = Pick<ProcessOptions, 'env' | 'cwd' | 'mayShowSecrets' | 'onTestFinished'> & Pick<Host, 'stdin'>

/** Runs the command to its end. `env` is all the variables that it gets. */
export async function runCommand(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const command = startCommand(args, { onTestFinished: () => undefined, ...options })
  return { ...(await command.exit), stdout: command.stdout(), stderr: command.stderr() }
}

/** Stopped with SIGTERM at the end of the test that started it, or by `await using`. */
export function startCommand(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const { env = {}, cwd = '/', stdin, mayShowSecrets = [], onTestFinished: register = onTestFinished } = options
  const text = { stdout: '', stderr: '' }
  const signals = new EventEmitter()
  let hasEnded = false
  const stderr = { write: (more: string) => void (text.stderr += more) }
  const context = createContext({
    env,
    directory: cwd,
    ...(stdin && { stdin }),
    stdout: { write: (more) => void (text.stdout += more) },
    stderr,
    log: stderr,
    process: {
      on: (event, listener) => signals.on(event, listener),
      off: (event, listener) => signals.off(event, listener),
      exit: (code) => void (text.stderr += `a command ended its process with ${code}\n`),
    },
    now: () => new Date(),
  })
  const exit = run(args, context).then((code): Exit => {
    hasEnded = true
    for (const stream of ['stdout', 'stderr'] as const) {
      if (!mayShowSecrets.includes(stream)) assertNoLeak(`${stream} of ${args.join(' ')}`, text[stream], secretsIn(env))
    }
    return { code, signal: null }
  })
  exit.catch(() => undefined)
  const kill = (signal: NodeJS.Signals): void => void signals.emit(signal, signal)
  const stop = async (): Promise<void> => {
    if (!hasEnded) kill('SIGTERM')
    await exit
  }
  register(stop)
  return {
    exit,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    kill,
    async waitForLine(pattern, timeoutMs = 20_000) {
      const find = (): string | undefined => `${text.stdout}\n${text.stderr}`.split('\n').find((line) => pattern.test(line))
      await until(() => find() !== undefined || hasEnded, { timeoutMs, what: `a line matches ${pattern}` })
      const line = find()
      if (line === undefined) throw new Error(`it ended, and no line matches ${pattern}:\n${text.stdout}\n${text.stderr}`)
      return line
    },
    [Symbol.asyncDispose]: stop,
  }
}
