import { InvalidInputError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import { momentAt, parseLocalMs } from '../domain/schedule/local-time.ts'
import type { Calendar } from '../domain/schedule/types.ts'
import { parseTime } from '../intake/track-request.ts'

/** What `--sent-at` of a plan takes. */
export const SENT_AT = "2026-12-01T10:00 by the organisation's clock, or ISO 8601 with a time zone"

/**
 * An ISO 8601 time, or one of the organisation's clock.
 * @throws {InvalidInputError}
 */
export function parseSentAt(text: string, calendar: Calendar): Date {
  const moment = parseTime(text)
  if (moment !== null) return moment
  const [, day = '', time = ''] = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)$/.exec(text) ?? []
  const localMs = parseLocalMs(`${day}T${time}`)
  if (localMs !== null) return momentAt(localMs, calendar)
  throw new InvalidInputError(
    'sentAt',
    `--sent-at ${quote(text)} is not accepted. Accepted: a time of the organisation's clock such as 2026-12-01T10:00, or ISO 8601 with a time zone such as 2026-12-01T10:00:00+08:00.`,
  )
}
