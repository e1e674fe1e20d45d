import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { builtFile } from './process.ts'

const Said = z.object({ code: z.number(), stdout: z.string(), stderr: z.string() })
type Said = z.infer<typeof Said>

export interface CommandShell {
  /** One command line to its end; several wait for each other. */
  run(...args: string[]): Promise<Said>
  close(): Promise<void>
}

const SHELL = fileURLToPath(new URL('./command-shell.mjs', import.meta.url))

/**
 * The built command without its start, which is ten times the work of a question: for tests that ask many.
 * @param env all that it gets besides PATH
 */
export function openCommandShell(env: Readonly<Record<string, string>>): CommandShell {
  const child = spawn(process.execPath, [SHELL, builtFile('cli/program.js')], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const atExit = () => void child.kill('SIGKILL')
  process.once('exit', atExit)
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let last: Promise<unknown> = Promise.resolve()
  return {
    run(...args) {
      const answer = last.then(async () => {
        child.stdin.write(`${JSON.stringify(args)}\n`)
        const next = await answers.next()
        if (next.done === true) throw new Error(`the shell ended at: ${args.join(' ')}`)
        return Said.parse(JSON.parse(next.value))
      })
      last = answer.catch(() => undefined)
      return answer
    },
    async close() {
      child.stdin.end()
      await ended
      process.off('exit', atExit)
    },
  }
}
