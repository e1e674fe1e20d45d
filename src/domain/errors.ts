import type { TrackResult } from './track-outcome.ts'

export type ErrorStatus = 400 | 404 | 409 | 500 | 503

/** What an error of the package means to each of its faces: the HTTP API and the dashboard, the commands, and programs. */
interface ErrorFacts {
  /** HTTP status. 500: a fault of the server's own, and the answer says nothing else. */
  readonly status: ErrorStatus
  /** Of a command. 2 is wrong usage, which the command line itself finds; everything else that fails is 1. */
  readonly exitCode: 1
  /** The same call may succeed later although the call, the configuration and the database stay as they are. */
  readonly retryable: boolean
  /**
   * What an HTTP answer says instead of the message. For messages that quote a driver: those name hosts, roles and tables, which are the
   * operator's business and stand in the server's log.
   */
  readonly publicMessage?: string
}

/**
 * Errors that cross the package's border. Each has a stable `code`: switch on it, not on the message.
 * The message holds the values and the remedy, and never a secret.
 *
 * To add a code, add its line here: every face answers from this table.
 */
export const TRACKER_ERRORS = {
  INVALID_INPUT: { status: 400, exitCode: 1, retryable: false },
  TOO_MANY_RECIPIENTS: { status: 400, exitCode: 1, retryable: false },
  TASK_NOT_FOUND: { status: 404, exitCode: 1, retryable: false },
  APP_NOT_FOUND: { status: 404, exitCode: 1, retryable: false },
  CAMPAIGN_NOT_FOUND: { status: 404, exitCode: 1, retryable: false },
  RECIPIENT_NOT_FOUND: { status: 404, exitCode: 1, retryable: false },
  SEVERAL_APPS: { status: 409, exitCode: 1, retryable: false },
  TASK_ENDED: { status: 409, exitCode: 1, retryable: false },
  CONFLICT: { status: 409, exitCode: 1, retryable: false },
  INVALID_CONFIG: { status: 500, exitCode: 1, retryable: false },
  EMBEDDED_UNAVAILABLE: { status: 500, exitCode: 1, retryable: false },
  QUEUE_UNAVAILABLE: {
    status: 503,
    exitCode: 1,
    retryable: true,
    publicMessage: 'The queue does not answer. Try again; /readyz and the log of the server say what is wrong.',
  },
  DATABASE_UNAVAILABLE: {
    status: 503,
    exitCode: 1,
    retryable: true,
    publicMessage: 'The database does not answer. Try again; /readyz and the log of the server say what is wrong.',
  },
  SCHEMA_MISMATCH: {
    status: 503,
    exitCode: 1,
    retryable: false,
    publicMessage: 'The database is not of the version that this server needs. Run: dingtalk-delivery migrate',
  },
  NOT_PERMITTED: {
    status: 503,
    exitCode: 1,
    retryable: false,
    publicMessage: 'The role of the server lacks a right in the database. Its log says which; deploy/postgres/roles.sql gives it.',
  },
  CLOSED: { status: 503, exitCode: 1, retryable: false, publicMessage: 'The server is stopping. Try again.' },
} as const satisfies Readonly<Record<string, ErrorFacts>>

export type TrackerErrorCode = keyof typeof TRACKER_ERRORS

export class TrackerError extends Error {
  override readonly name: string = 'TrackerError'
  readonly code: TrackerErrorCode
  /** Of `trackMany` only: what became of the requests that were taken before it failed. Tracking all of them again is safe. */
  declare readonly taken?: readonly TrackResult[]

  constructor(code: TrackerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  /** The same call may succeed later although the call, the configuration and the database stay as they are. */
  get retryable(): boolean {
    return errorFacts(this.code).retryable
  }
}

/** A value at a door is not what it must be. `field` names it as the caller wrote it. */
export class InvalidInputError extends TrackerError {
  override readonly name: string = 'InvalidInputError'
  readonly field: string

  constructor(field: string, message: string, code: 'INVALID_INPUT' | 'TOO_MANY_RECIPIENTS' = 'INVALID_INPUT') {
    super(code, message)
    this.field = field
  }
}

export function errorFacts(code: TrackerErrorCode): ErrorFacts {
  return TRACKER_ERRORS[code]
}

/** The message for callers over HTTP. */
export function publicMessage({ code, message }: TrackerError): string {
  return errorFacts(code).publicMessage ?? message
}
