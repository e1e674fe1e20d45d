import type { Config } from '../app/config/config.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import type { Calendar } from '../domain/schedule/types.ts'
import { parseTime } from '../intake/track-request.ts'

/** What `--sent-at` of a plan takes. */
export const SENT_AT = "2026-12-01T10:00 by the organisation's clock, or ISO 8601 with a time zone"

/**
 * An ISO 8601 time, or one of the organisation's clock.
 * @throws {InvalidInputError}
 */
export function parseSentAt(text: string, calendar: Calendar, { schedule, timeScale }: Pick<Config, 'schedule' | 'timeScale'>): Date {
  // Milliseconds of that clock in a real one.
  const speed = schedule.calendar.clockStart === null ? 1 : timeScale
  const moment = parseTime(text)
  if (moment !== null) return moment
  const [, day = '', time = ''] = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)$/.exec(text) ?? []
  const localMs = Date.parse(`${day}T${time}Z`)
  // `Date.parse` takes 2026-02-30 for 2 March.
  if (Number.isNaN(localMs) || new Date(localMs).toISOString().slice(0, 10) !== day)
    throw new InvalidInputError(
      'sentAt',
      `--sent-at ${quote(text)} is not accepted. Accepted: a time of the organisation's clock such as 2026-12-01T10:00, or ISO 8601 with a time zone such as 2026-12-01T10:00:00+08:00.`,
    )
  let at = new Date(localMs)
  // The second step is for a change of the zone's offset near that time.
  for (let i = 0; i < 2; i++) at = new Date(at.getTime() + (localMs - calendar.localAt(at)) / speed)
  return at
}
