import type { TrackResult } from './track-outcome.ts'

export type ErrorStatus = 400 | 404 | 409 | 500 | 503

/** How the package is used. It decides how a remedy is written: as a parameter, an option or a property. */
export type Caller = 'http' | 'command' | 'library'

/**
 * What a code means for the HTTP API, the dashboard, the commands and the library. There is no exit code here: a command that ends with any of
 * these errors exits with 1. Exit code 2 is wrong usage, which the command line parser finds before an error of this table can be thrown.
 */
interface ErrorRule {
  /** HTTP status. 500 is a fault of the server itself, so the answer has no details. */
  readonly status: ErrorStatus
  /** The same call may succeed later although the call, the configuration and the database stay as they are. */
  readonly retryable: boolean
  /** Replaces the message in HTTP answers, where messages quote a driver, which names hosts, roles and tables. The server's log has the message. */
  readonly summary?: string
  /** What to do, where it depends on the interface. It is added to the message. Other remedies are in the message, beside its values. */
  readonly remedy: Readonly<Partial<Record<Caller, string>>>
}

const IN_MESSAGE = {}
const SEE_LOG = { http: 'Try again; /readyz and the log of the server say what is wrong.' }

/** One line a code: every interface answers from this table. To add a code, add its line. */
const RULES = {
  INVALID_INPUT: { status: 400, retryable: false, remedy: IN_MESSAGE },
  TOO_MANY_RECIPIENTS: { status: 400, retryable: false, remedy: IN_MESSAGE },
  TASK_NOT_FOUND: {
    ...{ status: 404, retryable: false },
    remedy: { command: '"npx dingtalk-delivery track" starts it; "npx dingtalk-delivery report --by task" lists what is tracked.' },
  },
  APP_NOT_FOUND: { status: 404, retryable: false, remedy: IN_MESSAGE },
  CAMPAIGN_NOT_FOUND: { status: 404, retryable: false, remedy: { command: '"npx dingtalk-delivery report" lists all campaigns.' } },
  RECIPIENT_NOT_FOUND: { status: 404, retryable: false, remedy: IN_MESSAGE },
  SEVERAL_APPS: {
    ...{ status: 409, retryable: false },
    remedy: {
      http: 'Add ?app= with its name.',
      command: 'Say which one with --app.',
      library: "Say which one in the question, as { app: '…' }.",
    },
  },
  TASK_ENDED: { status: 409, retryable: false, remedy: IN_MESSAGE },
  CONFLICT: { status: 409, retryable: false, remedy: IN_MESSAGE },
  INVALID_CONFIG: { status: 500, retryable: false, remedy: IN_MESSAGE },
  EMBEDDED_UNAVAILABLE: { status: 500, retryable: false, remedy: IN_MESSAGE },
  QUEUE_UNAVAILABLE: { status: 503, retryable: true, summary: 'The queue does not answer.', remedy: SEE_LOG },
  DATABASE_UNAVAILABLE: { status: 503, retryable: true, summary: 'The database does not answer.', remedy: SEE_LOG },
  SCHEMA_MISMATCH: {
    ...{ status: 503, retryable: false, summary: 'The database is not of the version that this server needs.' },
    remedy: { http: 'Run: npx dingtalk-delivery migrate' },
  },
  NOT_PERMITTED: {
    ...{ status: 503, retryable: false, summary: 'The role of the server lacks a right in the database.' },
    remedy: { http: 'Its log says which; deploy/postgres/roles.sql gives it.' },
  },
  CLOSED: { status: 503, retryable: false, summary: 'The server is stopping.', remedy: { http: 'Try again.' } },
} as const satisfies Readonly<Record<string, ErrorRule>>

export type TrackerErrorCode = keyof typeof RULES

export const ERRORS: Readonly<Record<TrackerErrorCode, ErrorRule>> = RULES

/**
 * `instanceof` knows an error of every copy of the package in the process by these marks, as undici does it: its ES modules and its CommonJS are
 * two copies, Jest makes one for each test file, and the packages of an app may bring another version.
 */
const TRACKER_ERROR = Symbol.for('dingtalk-delivery-tracker.TrackerError')
const INVALID_INPUT_ERROR = Symbol.for('dingtalk-delivery-tracker.InvalidInputError')

function isMarked(value: unknown, mark: symbol): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, mark) === true
}

/** What `instanceof` does with a class that says nothing about it, such as one that a caller derives. */
function isInstance(of: object, value: unknown): boolean {
  return Reflect.apply(Function.prototype[Symbol.hasInstance], of, [value])
}

/**
 * Errors that callers of the package see. Each has a stable `code`: switch on it, not on the message.
 * The message holds the values and the remedy, and never a secret.
 */
export class TrackerError extends Error {
  override readonly name: string = 'TrackerError'
  readonly code: TrackerErrorCode
  /** Of `trackMany` only: the results of the requests that were taken before it failed. Tracking all of them again is safe. */
  declare readonly taken?: readonly TrackResult[]

  constructor(code: TrackerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  /** The same call may succeed later although the call, the configuration and the database stay as they are. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }

  /** @internal */
  get [TRACKER_ERROR](): true {
    return true
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === TrackerError ? isMarked(value, TRACKER_ERROR) : isInstance(this, value)
  }
}

/** A value that was given is not valid. `field` names it as the caller wrote it. */
export class InvalidInputError extends TrackerError {
  override readonly name: string = 'InvalidInputError'
  readonly field: string

  constructor(field: string, message: string, code: 'INVALID_INPUT' | 'TOO_MANY_RECIPIENTS' = 'INVALID_INPUT') {
    super(code, message)
    this.field = field
  }

  /** @internal */
  get [INVALID_INPUT_ERROR](): true {
    return true
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === InvalidInputError ? isMarked(value, INVALID_INPUT_ERROR) : isInstance(this, value)
  }
}

/** The text of an error for callers of one interface: what is wrong, and what to do there. */
export function messageFor({ code, message }: TrackerError, caller: Caller): string {
  const { summary = message, remedy } = ERRORS[code]
  return [caller === 'http' ? summary : message, remedy[caller] ?? ''].join(' ').trimEnd()
}

/** The error with the remedy of an interface in its message, where its code has one. */
export function withRemedy(error: TrackerError, caller: Caller): TrackerError {
  return ERRORS[error.code].remedy[caller] === undefined ? error : new TrackerError(error.code, messageFor(error, caller), { cause: error })
}
