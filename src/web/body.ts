import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { MAX_RECIPIENTS } from '../domain/delivery.ts'
import { MAX_CAMPAIGN, MAX_USER_ID } from '../domain/field-rules.ts'
import { Failure } from './failure.ts'

/** `"😀"` written as `"\ud83d\ude00"` is six bytes for each UTF-16 code unit, and nothing needs more. */
const BYTES_A_UNIT = 6

/** The largest request to track: 100 ids of 128 characters, a campaign, and room for names, numbers and indentation. */
export const BODY_LIMIT_BYTES = MAX_RECIPIENTS * (MAX_USER_ID * BYTES_A_UNIT + 16) + MAX_CAMPAIGN * BYTES_A_UNIT + 2_048

/** A thousand people with long names in several departments have a tenth of it. */
export const PEOPLE_LIMIT_BYTES = 4 * 1_024 * 1_024

/** Accepts JSON and nothing else. The value is not checked here: `parseTrackRequest` does that, for all ways to enqueue. */
export function acceptJson(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: BODY_LIMIT_BYTES },
    async (_request: unknown, body: Buffer) => (body.length === 0 ? undefined : parseJson(body)),
  )
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    const what = error instanceof SyntaxError ? 'JSON' : 'UTF-8'
    throw new Failure(400, 'MALFORMED_JSON', `The body is not ${what}. Send one JSON object in UTF-8, such as {"taskId":"256271667526"}.`)
  }
}

const DRAIN_MS = 2_000

/**
 * Reads the rest of a body and discards it, for at most two seconds. Many clients read the answer only after they have sent all, and report a
 * broken pipe where they cannot.
 */
export function drain(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, DRAIN_MS)
    finished(request, () => {
      clearTimeout(timer)
      resolve()
    })
    request.resume()
  })
}
