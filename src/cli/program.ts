import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { TrackerError } from '../domain/errors.ts'
import { scrubText } from '../lib/redact.ts'
import { addCancel } from './cancel.ts'
import type { AddCommand, Run } from './command.ts'
import { type Context, createContext } from './context.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addErase } from './erase.ts'
import { addMigrate } from './migrate.ts'
import { addReport } from './report.ts'
import { addResume } from './resume.ts'
import { addServe } from './serve.ts'
import { addShow } from './show.ts'
import { addSimulator } from './simulator.ts'
import { addStart } from './start.ts'
import { plainText } from './text/table.ts'
import { addTrack } from './track.ts'
import { addUnread } from './unread.ts'
import { packageVersion } from './version.ts'
import { addWorker } from './worker.ts'

/** Exit codes: done; refused or failed, with a line on stderr; wrong usage. */
const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

/** In the order of the help: what runs, what sends, what asks, what looks after things. */
const COMMANDS: readonly AddCommand[] = [
  addDemo,
  addStart,
  addWorker,
  addServe,
  addTrack,
  addCancel,
  addResume,
  addShow,
  addReport,
  addUnread,
  addErase,
  addMigrate,
  addDoctor,
  addSimulator,
]

/** Runs one command line (without `node` and the script) and gives the exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  const context = createContext()
  let exitCode = DONE
  const run: Run =
    (action) =>
    async (...given) => {
      exitCode = (await action(...given)) ?? DONE
    }
  try {
    await createProgram(context, run).parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    return explain(error, context)
  }
}

function createProgram(context: Context, run: Run): Command {
  const program = new Command('dingtalk-delivery')
    .description('Tracks who received and who read DingTalk work notifications.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .showSuggestionAfterError(true)
    .exitOverride()
    .addHelpText(
      'after',
      '\nExample, with nothing installed but Node:\n  $ dingtalk-delivery demo\n\nSettings are environment variables; the README lists them.',
    )
  for (const add of COMMANDS) add(program, context, run)
  return program
}

/** One clear line, or the list of wrong variables. A stack trace helps nobody who only typed a command. */
function explain(error: unknown, context: Context): number {
  if (error instanceof InvalidArgumentError) {
    context.note(`error: ${error.message}`)
    return WRONG_USAGE
  }
  // Commander has said what is wrong already; it gives 0 for help and version that were asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : WRONG_USAGE
  const message = error instanceof Error ? error.message : String(error)
  const text = error instanceof TrackerError ? message : message.replace(/\s*\n\s*/g, ' ')
  context.note(`error: ${harmless(scrubText(text === '' ? nameOf(error) : text))}`)
  return FAILED
}

/** What was given is shown, and may be a file's name: control characters in it must not reach the terminal. */
function harmless(text: string): string {
  return text
    .split('\n')
    .map((line) => plainText(line))
    .join('\n')
}

function nameOf(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown error'
}
