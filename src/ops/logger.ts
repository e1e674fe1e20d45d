import { createRequire } from 'node:module'
import { type DestinationStream, destination, type LevelWithSilent, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
import type { prettyFactory } from 'pino-pretty'
import { TrackerError } from '../domain/errors.ts'
import { scrubJsonLine } from '../lib/redact.ts'

export type Logger = PinoLogger

export interface LoggerOptions {
  readonly level: LevelWithSilent
  /** For people: one coloured line an event instead of one JSON object. */
  readonly pretty: boolean
  /** Default: stderr, because data goes to stdout. */
  readonly destination?: DestinationStream
}

/** Writes one line for each event. Every line is scrubbed as a whole, so a secret is hidden at any depth, in messages and in child fields too. */
export function createLogger({ level, pretty, destination: target = stderr() }: LoggerOptions): Logger {
  // Formatted line by line and not by a stream: a line is written before the process can exit.
  const prettify = pretty
    ? loadPretty()({ colorize: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l', singleLine: true })
    : null
  return pino(
    {
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: showError, error: showError },
      hooks: { streamWrite: (line) => (prettify === null ? scrubJsonLine(line) : prettify(scrubJsonLine(line))) },
    },
    target,
  )
}

/** Loaded where people read the log. */
function loadPretty(): typeof prettyFactory {
  // oxlint-disable-next-line typescript/no-unsafe-assignment -- what that package exports
  const loaded: { readonly prettyFactory: typeof prettyFactory } = createRequire(import.meta.url)('pino-pretty')
  return loaded.prettyFactory
}

/** Lines that cannot be written (a full disk) are kept up to this size, then dropped, so that the log does not fill the memory. */
const MAX_UNWRITTEN_BYTES = 1_000_000

function stderr(): DestinationStream {
  const stream = destination({ dest: 2, sync: true, maxLength: MAX_UNWRITTEN_BYTES })
  // A closed pipe or a full disk costs log lines, never the tracking; without a listener it would end the process.
  stream.on('error', () => {})
  return stream
}

/** How far a chain of causes is followed. */
const MAX_CAUSES = 3

interface ShownError {
  readonly type: string
  readonly code?: string
  readonly message: string
  readonly stack?: string
  readonly cause?: ShownError
}

/** Named fields only: errors of HTTP and database clients carry requests, headers and connection options. */
function showError(error: unknown, depth = 0): ShownError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  const code: unknown = 'code' in error ? error.code : undefined
  // Its message names the values and the remedy; a stack adds nothing.
  if (error instanceof TrackerError) return { type: error.name, code: error.code, message: error.message }
  return {
    type: error.name,
    ...(typeof code === 'string' && { code }),
    message: error.message,
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(error.cause !== undefined && depth < MAX_CAUSES && { cause: showError(error.cause, depth + 1) }),
  }
}
