import type { FastifyReply } from 'fastify'
import { ERRORS, InvalidInputError, messageFor, TrackerError, type TrackerErrorCode } from '../domain/errors.ts'

/** Codes of what only HTTP can do wrong; the rest are those of {@link TrackerError}. */
export type FailureCode =
  | TrackerErrorCode
  | 'BAD_REQUEST'
  | 'MALFORMED_JSON'
  | 'UNAUTHORIZED'
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

/** A request that is answered with an error. The message is for the caller: no stack, no driver's words, no secret. */
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

/** Seconds after which a caller may hope for more. */
const RETRY_SECONDS = '5'
const RETRY_LATER = { headers: { 'retry-after': RETRY_SECONDS } }

/** What the caller is told about an error. What is nobody's business becomes `INTERNAL`. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof TrackerError) return ofTracker(error)
  return ofFramework(error) ?? internal()
}

function ofTracker(error: TrackerError): Failure {
  const { code } = error
  const { status } = ERRORS[code]
  if (status === 500) return internal()
  const field = error instanceof InvalidInputError ? error.field : undefined
  return new Failure(status, code, messageFor(error, 'http'), { field, ...(status === 503 && RETRY_LATER) })
}

function internal(): Failure {
  return new Failure(500, 'INTERNAL', 'Something went wrong here. The log of the server says what.')
}

/** Fastify's own refusals, by its codes. */
function ofFramework(error: unknown): Failure | null {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Failure(413, 'BODY_TOO_LARGE', 'The body is larger than a request with 100 user ids can be. Track one task a request.')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Failure(415, 'UNSUPPORTED_MEDIA_TYPE', 'Send JSON, with the header content-type: application/json.')
    case 'FST_ERR_BAD_URL':
      return new Failure(
        400,
        'BAD_REQUEST',
        'The path is not percent-encoded UTF-8. In names, encode what is not a letter or digit: % is %25, / is %2F.',
      )
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new Failure(404, 'NOT_FOUND', 'A part of the path is longer than any name can be.')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Failure(400, 'BAD_REQUEST', 'The body is not as long as its content-length says.')
    default: {
      const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
      return status >= 400 && status < 500 ? new Failure(status, 'BAD_REQUEST', 'The request cannot be read.') : null
    }
  }
}
