import { readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import picocolors from 'picocolors'
import type { Colors } from 'picocolors/types.js'
import { type Config, findTypos, parseConfig } from '../app/config/config.ts'
import { createScreen, type Screen, widthOf } from './screen.ts'

/** The only place that reads `process.env`. */
export interface Surroundings {
  /** The configuration; `over` wins over the environment, and null unsets a variable. */
  config(over?: Readonly<Record<string, string | null>>): Config
  /** Whether a variable is set. */
  has(name: string): boolean
  /** Variables that look misspelt, a sentence each. */
  readonly typos: readonly string[]
  /** For stdout: none unless it is a terminal, or with NO_COLOR. */
  readonly colors: Colors
  /** Columns of the terminal that stdout is; what is no terminal has no end. */
  readonly width: number
  readonly screen: Screen
  readonly logIsTerminal: boolean
}

export function readSurroundings(): Surroundings {
  const env = process.env
  const outIsTerminal = isatty(1)
  const wantsColor = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
  return {
    config: (over = {}) => parseConfig({ ...env, ...textOnly(over) }, (path) => readFileSync(path, 'utf8')),
    has: (name) => (env[name] ?? '') !== '',
    typos: findTypos(env),
    colors: picocolors.createColors(outIsTerminal && wantsColor),
    width: widthOf(process.stdout),
    screen: createScreen(process.stdout, outIsTerminal && env['TERM'] !== 'dumb'),
    logIsTerminal: isatty(2),
  }
}

function textOnly(over: Readonly<Record<string, string | null>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(over).map(([name, value]) => [name, value ?? undefined]))
}
