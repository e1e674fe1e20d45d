import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { VARIABLES } from '../app/config/config.ts'
import { fileVariable } from '../app/config/given.ts'
import { messageFor, TrackerError } from '../domain/errors.ts'
import { packageVersion } from '../lib/package-version.ts'
import { scrubText } from '../lib/redact.ts'
import { addCancel } from './cancel.ts'
import type { AddCommand, Run } from './command.ts'
import type { Context } from './context.ts'
import { addDemo } from './demo.ts'
import { addDoctor } from './doctor.ts'
import { addErase } from './erase.ts'
import { addForecast } from './forecast.ts'
import { addMigrate } from './migrate.ts'
import { addPeople } from './people.ts'
import { addReport } from './report.ts'
import { addResume } from './resume.ts'
import { addSchedule } from './schedule.ts'
import { addServe } from './serve.ts'
import { addShow } from './show.ts'
import { addSimulator } from './simulator.ts'
import { addStart } from './start.ts'
import { plainText } from './text/table.ts'
import { addTrack } from './track.ts'
import { addUnread } from './unread.ts'
import { addWorker } from './worker.ts'

/** Exit codes: done; refused or failed, with a line on stderr; wrong usage. */
const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

/** In the order of the help: services, tasks, reports, maintenance. */
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
  addForecast,
  addSchedule,
  addPeople,
  addErase,
  addMigrate,
  addDoctor,
  addSimulator,
]

/**
 * Runs one command line in this process.
 * @param args without `node` and the script
 * @returns the exit code
 */
export async function runCommand(args: readonly string[], context: Context): Promise<number> {
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
    return printError(error, context)
  }
}

function createProgram(context: Context, run: Run): Command {
  const program = new Command('dingtalk-delivery')
    .description('Tracks who received and who read DingTalk work notifications.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ writeOut: context.print, writeErr: context.note })
    .addHelpText('after', ({ command }) => `\n${environmentHelp(command)}\n\nExample:\n  $ npx dingtalk-delivery demo`)
  for (const add of COMMANDS) add(program, context, run)
  return program
}

/** Every variable with its meaning and its default. */
function environmentHelp(command: Command): string {
  const help = command.createHelp()
  help.prepareContext({ helpWidth: help.helpWidth ?? HELP_WIDTH })
  const nameWidth = Math.max(...VARIABLES.map(({ name }) => name.length))
  const items = VARIABLES.map(({ name, meaning, fallback }) => {
    const text = `${meaning}${fallback === '' ? '' : ` (default: ${fallback})`}`
    return help.formatItem(name, nameWidth, text.replaceAll('`', ''), help)
  })
  const secrets = VARIABLES.filter(({ secret }) => secret).map(({ name }) => fileVariable(name))
  const about = `Each secret may also be the only line of a file that a variable names: ${secrets.join(', ')}.`
  return ['Environment:', ...items, '', help.boxWrap(about, help.helpWidth ?? HELP_WIDTH)].join('\n')
}

const HELP_WIDTH = 100

/** Prints one line, or the list of wrong variables, without a stack trace. */
function printError(error: unknown, context: Context): number {
  if (error instanceof InvalidArgumentError) {
    context.note(`error: ${error.message}`)
    return WRONG_USAGE
  }
  // Commander has printed the fault. Its code is 0 for help and version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : WRONG_USAGE
  const text = error instanceof TrackerError ? messageFor(error, 'command') : messageOf(error).replace(/\s*\n\s*/g, ' ')
  context.note(`error: ${withoutControls(scrubText(text === '' ? nameOf(error) : text))}`)
  return FAILED
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A message may quote a file's name: control characters in it must not reach the terminal. */
function withoutControls(text: string): string {
  return text
    .split('\n')
    .map((line) => plainText(line))
    .join('\n')
}

function nameOf(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : error instanceof Error ? error.name : 'unknown error'
}
