import type { TrackResult } from './track-outcome.ts'

/**
 * Errors that cross the package's border. Each has a stable `code`: switch on it, not on the message.
 * The message holds the values and the remedy, and never a secret.
 */
export type TrackerErrorCode =
  | 'INVALID_INPUT'
  | 'TOO_MANY_RECIPIENTS'
  | 'QUEUE_UNAVAILABLE'
  | 'DATABASE_UNAVAILABLE'
  | 'SCHEMA_MISMATCH'
  | 'NOT_PERMITTED'
  | 'INVALID_CONFIG'
  | 'TASK_NOT_FOUND'
  | 'CAMPAIGN_NOT_FOUND'
  | 'RECIPIENT_NOT_FOUND'
  | 'SEVERAL_APPS'
  | 'TASK_ENDED'
  | 'CONFLICT'
  | 'EMBEDDED_UNAVAILABLE'
  | 'CLOSED'

export class TrackerError extends Error {
  override readonly name: string = 'TrackerError'
  readonly code: TrackerErrorCode
  /** Of `trackMany` only: what became of the requests that were taken before it failed. Tracking all of them again is safe. */
  declare readonly taken?: readonly TrackResult[]

  constructor(code: TrackerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
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
