import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { VARIABLES } from '../app/config/config.ts'
import { fileVariable } from '../app/config/given.ts'
import { messageFor, TrackerError } from '../domain/errors.ts'
import { packageVersion } from '../lib/package-version.ts'
import { scrubText } from '../lib/redact.ts'
import type { AddCommand, Run } from './command.ts'
import type { Context } from './context.ts'
import { plainText } from './text/table.ts'

/** Exit codes: done; refused or failed, with a line on stderr; wrong usage. */
const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

/**
 * In the order of the help: services, tasks, reports, maintenance. Each is loaded when it is run, and all of them for the help: what one command
 * needs, the others do not wait for.
 */
const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  demo: async () => (await import('./demo.ts')).addDemo,
  start: async () => (await import('./start.ts')).addStart,
  worker: async () => (await import('./worker.ts')).addWorker,
  serve: async () => (await import('./serve.ts')).addServe,
  track: async () => (await import('./track.ts')).addTrack,
  cancel: async () => (await import('./cancel.ts')).addCancel,
  resume: async () => (await import('./resume.ts')).addResume,
  show: async () => (await import('./show.ts')).addShow,
  report: async () => (await import('./report.ts')).addReport,
  unread: async () => (await import('./unread.ts')).addUnread,
  forecast: async () => (await import('./forecast.ts')).addForecast,
  schedule: async () => (await import('./schedule.ts')).addSchedule,
  people: async () => (await import('./people.ts')).addPeople,
  erase: async () => (await import('./erase.ts')).addErase,
  migrate: async () => (await import('./migrate.ts')).addMigrate,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  simulator: async () => (await import('./simulator.ts')).addSimulator,
}

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
    const commands = await loadCommands(args[0])
    await createProgram(commands, context, run).parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    return printError(error, context)
  }
}

/** The one that is named, else all: for the help, and to suggest one for a name that is none. */
function loadCommands(name = ''): Promise<AddCommand[]> {
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  return Promise.all((named === undefined ? Object.values(COMMANDS) : [named]).map((load) => load()))
}

function createProgram(commands: readonly AddCommand[], context: Context, run: Run): Command {
  const program = new Command('dingtalk-delivery')
    .description('Tracks who received and who read DingTalk work notifications.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ writeOut: context.print, writeErr: context.note })
    .addHelpText('after', ({ command }) => `\n${environmentHelp(command)}\n\nExample:\n  $ npx dingtalk-delivery demo`)
  for (const add of commands) add(program, context, run)
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
