import type { FastifyReply } from 'fastify'
import { ERRORS, InvalidInputError, messageFor, TrackerError, type TrackerErrorCode } from '../domain/errors.ts'

/** The codes of {@link TrackerError}, and those of errors that only HTTP has. */
export type FailureCode =
  | TrackerErrorCode
  | 'BAD_REQUEST'
  | 'MALFORMED_JSON'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'CROSS_ORIGIN'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'BODY_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'UNKNOWN_HOST'
  | 'TOO_MANY_REQUESTS'
  | 'INTERNAL'

interface FailureDetails {
  readonly headers?: Readonly<Record<string, string>>
  /** What of the request is wrong, as the caller wrote it. */
  readonly field?: string | undefined
}

/** An error as the caller gets it. The message holds no stack, no text of a driver and no secret. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly statusCode: number
  readonly code: FailureCode
  readonly headers: Readonly<Record<string, string>>
  readonly field: string | undefined

  constructor(statusCode: number, code: FailureCode, message: string, { headers = {}, field }: FailureDetails = {}) {
    super(message)
    this.statusCode = statusCode
    this.code = code
    this.headers = headers
    this.field = field
  }

  get body(): { readonly error: { readonly code: FailureCode; readonly message: string; readonly field?: string } } {
    const { code, message, field } = this
    return { error: { code, message, ...(field !== undefined && { field }) } }
  }
}

export function sendFailure(reply: FastifyReply, failure: Failure): FastifyReply {
  return reply
    .status(failure.statusCode)
    .headers(failure.headers)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(failure.body))
}

const RETRY_LATER = { headers: { 'retry-after': '5' } }

/** The answer to any error. An error that is not made for callers becomes `INTERNAL`. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof TrackerError) return trackerFailure(error)
  return frameworkFailure(error) ?? internal()
}

function trackerFailure(error: TrackerError): Failure {
  const { code } = error
  const { status } = ERRORS[code]
  if (status === 500) return internal()
  const field = error instanceof InvalidInputError ? error.field : undefined
  return new Failure(status, code, messageFor(error, 'http'), { field, ...(status === 503 && RETRY_LATER) })
}

function internal(): Failure {
  return new Failure(500, 'INTERNAL', 'Something went wrong here. The log of the server says what.')
}

/** By the codes of Fastify. */
const FRAMEWORK_ERRORS: Readonly<Record<string, readonly [status: number, code: FailureCode, message: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [
    413,
    'BODY_TOO_LARGE',
    'The body is larger than this request can be. Track one task a request. Store at most 1,000 people a request, in 4 MiB.',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, 'UNSUPPORTED_MEDIA_TYPE', 'Send JSON, with the header content-type: application/json.'],
  FST_ERR_BAD_URL: [
    400,
    'BAD_REQUEST',
    'The path is not percent-encoded UTF-8. In names, encode what is not a letter or digit: % is %25, / is %2F.',
  ],
  FST_ERR_MAX_PARAM_LENGTH: [404, 'NOT_FOUND', 'A part of the path is longer than any name can be.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'BAD_REQUEST', 'The body is not as long as its content-length says.'],
}

function frameworkFailure(error: unknown): Failure | null {
  if (!(error instanceof Error)) return null
  const known = 'code' in error ? FRAMEWORK_ERRORS[String(error.code)] : undefined
  if (known !== undefined) return new Failure(...known)
  const status = 'statusCode' in error ? Number(error.statusCode) : 500
  return status >= 400 && status < 500 ? new Failure(status, 'BAD_REQUEST', 'The request cannot be read.') : null
}
