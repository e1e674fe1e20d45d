import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import picocolors from 'picocolors'
import type { Colors } from 'picocolors/types.js'
import { type Config, parseConfig } from '../app/config/config.ts'
import { spellings } from '../app/config/given.ts'
import type { HostProcess } from '../app/lifecycle.ts'
import { readTextFile } from '../lib/read-text-file.ts'
import { createScreen, type Output, type Screen, widthOf } from './screen.ts'

/** The part of stdin that a question needs. */
type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined }

/** What a command uses of the process that runs it. A test that runs a command in its own process gives another one. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where relative paths begin. */
  readonly directory: string
  readonly stdout: Output
  readonly stderr: Pick<Output, 'write' | 'isTTY'>
  /** Default: none, so that nothing is asked. */
  readonly stdin?: Input
  /** Where log lines are written. Default: file descriptor 2. */
  readonly log?: { write(line: string): void }
  /** Its signals and crashes end a service. */
  readonly process: HostProcess
  readonly now: () => Date
}

/** The only place that reads `process.env`. */
export function thisHost(): Host {
  const { env, stdout, stderr } = process
  return {
    ...{ env, directory: process.cwd(), stdout, stderr, process, now: () => new Date() },
    // Node opens stdin when it is first used, and most commands never do.
    get stdin() {
      return process.stdin
    },
  }
}

/** What every command gets. */
export interface Context extends Pick<Host, 'log' | 'process' | 'now'> {
  /** Data, to stdout. A line end is added where there is none. */
  print(text: string): void
  /** Everything else, to stderr. */
  note(text: string): void
  /** Asks for yes or no in the terminal. True without a question where stdin is none. */
  confirm(question: string): Promise<boolean>
  /** The configuration; `over` wins over the environment, and null unsets a variable. */
  config(over?: Readonly<Record<string, string | null>>): Config
  /** Whether a variable is set. */
  has(variable: string): boolean
  /** The absolute path of a file that the user names. */
  resolvePath(path: string): string
  /** For stdout: none unless it is a terminal, or with NO_COLOR. */
  readonly colors: Colors
  /** Columns of the terminal that stdout is; infinite where it is none. */
  readonly width: number
  readonly screen: Screen
  readonly logIsTerminal: boolean
}

export function createContext(host: Host): Context {
  const { env, stdout, stderr } = host
  const isTerminal = stdout.isTTY === true
  const isDumb = env['TERM'] === 'dumb'
  const resolvePath = (path: string): string => resolve(host.directory, path)
  return {
    print: (text) => void stdout.write(withLineEnd(text)),
    note: (text) => void stderr.write(withLineEnd(text)),
    confirm: (question) => confirm(question, host.stdin, stderr),
    config: (over = {}) => parseConfig(withOverrides(env, over), (path, maxBytes) => readTextFile(resolvePath(path), maxBytes)),
    has: (variable) => spellings(variable).some((name) => (env[name] ?? '') !== ''),
    resolvePath,
    colors: picocolors.createColors(isTerminal && !isDumb && (env['NO_COLOR'] ?? '') === ''),
    width: widthOf(stdout),
    screen: createScreen(stdout, isTerminal && !isDumb),
    logIsTerminal: stderr.isTTY === true,
    ...(host.log && { log: host.log }),
    process: host.process,
    now: host.now,
  }
}

function withOverrides(env: Host['env'], over: Readonly<Record<string, string | null>>): Host['env'] {
  const replaced = Object.keys(over).flatMap((name) => spellings(name).map((spelling) => [spelling, undefined] as const))
  const given = Object.entries(over).map(([name, value]) => [name, value ?? undefined] as const)
  return { ...env, ...Object.fromEntries([...replaced, ...given]) }
}

function withLineEnd(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}

/**
 * Asks for yes or no; an empty line and the end of the input are no. Libraries considered: @inquirer/confirm and prompts; a line is all that is read.
 * @returns true without a question where no person sits at the terminal
 */
async function confirm(question: string, input: Input | undefined, output: Host['stderr']): Promise<boolean> {
  if (input?.isTTY !== true) return true
  if (!input.readable) return false
  output.write(`${question} [y/N] `)
  const lines = createInterface({ input })
  try {
    const ended = once(lines, 'close').then(() => [''])
    const [answer]: unknown[] = await Promise.race([once(lines, 'line'), ended])
    return /^(y|yes|是)$/i.test(String(answer).trim())
  } finally {
    lines.close()
  }
}
