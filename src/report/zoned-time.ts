import { MINUTE_MS, SECOND_MS } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'

/** A spreadsheet counts days of the wall clock, without a zone; its day 0 is this many days before 1970. */
const EPOCH_DAYS = 25_569
const DAY_SECONDS = 86_400
/** Since 1972 every zone has had one offset from UTC within such a time. */
const SAME_OFFSET_MS = 15 * MINUTE_MS

/**
 * Moments as a spreadsheet keeps them: the wall clock of a zone, in days, to the second (the rest is cut off).
 * @param timeZone see {@link parseTimeZone}
 */
export function createSerials(timeZone: string): (at: Date) => number {
  const offsetAt = createOffsets(timeZone)
  return (at) => Math.floor((at.getTime() + offsetAt(at)) / SECOND_MS) / DAY_SECONDS + EPOCH_DAYS
}

/** A file of 100,000 people has half a million times, in few of these. A process that runs for years has ever new ones. */
const MAX_PERIODS = 10_000

/**
 * How far the wall clock of a zone is ahead of UTC at a moment, in milliseconds: added to the moment it gives the local time, as the epoch
 * milliseconds of a clock in UTC that shows the same digits.
 * @param timeZone see {@link parseTimeZone}
 */
export function createOffsets(timeZone: string): (at: Date) => number {
  // Sweden writes times as ISO 8601 does.
  const clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' })
  const offsets = new Map<number, number>()
  return (at) => {
    const period = Math.floor(at.getTime() / SAME_OFFSET_MS)
    const known = offsets.get(period)
    if (known !== undefined) return known
    const offset = readOffset(clock, new Date(period * SAME_OFFSET_MS))
    if (offsets.size >= MAX_PERIODS) offsets.clear()
    offsets.set(period, offset)
    return offset
  }
}

function readOffset(clock: Intl.DateTimeFormat, at: Date): number {
  return Date.parse(`${clock.format(at).replace(' ', 'T')}Z`) - at.getTime()
}

/** Longer than every name of a zone. */
const MAX_ZONE = 64

/**
 * The name of a time zone, such as `Asia/Shanghai`.
 * @throws {InvalidInputError}
 */
export function parseTimeZone(text: string, name: string): string {
  try {
    if (text.length <= MAX_ZONE) return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
  } catch {
    // There is no such zone.
  }
  throw new InvalidInputError(name, `${name} must be the name of a time zone such as Asia/Shanghai or UTC, not ${quote(text)}.`)
}
