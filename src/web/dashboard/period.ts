import { HOUR_MS } from '../../domain/delivery.ts'
import { InvalidInputError } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'

/** The days in which a list of the overview was sent, as the form has them and as the reader of figures takes them. */
export interface Period {
  /** `2026-11-01`; empty: from the beginning. */
  readonly from: string
  /** The last day; empty: until now. */
  readonly to: string
  /** In which the days begin: that of the page's times. The page's script sends the reader's; empty: the server's. */
  readonly zone: string
  readonly since: Date | undefined
  readonly until: Date | undefined
}

/** No task is older. */
const FIRST_YEAR = 2015

/** @throws {InvalidInputError} which names the field, the value and what is accepted */
export function parsePeriod(query: URLSearchParams): Period {
  const [from, to] = [parseDay('from', query.get('from') ?? ''), parseDay('to', query.get('to') ?? '')]
  const zone = parseZone(query.get('zone') ?? '')
  if (from !== '' && to !== '' && from > to) {
    throw new InvalidInputError('from', `from (${from}) is after to (${to}). Swap them, or leave one out.`)
  }
  return {
    ...{ from, to, zone },
    since: from === '' ? undefined : startOfDay(from, 0, zone),
    until: to === '' ? undefined : startOfDay(to, 1, zone),
  }
}

export function isEverything({ from, to }: Period): boolean {
  return from === '' && to === ''
}

function parseDay(field: 'from' | 'to', text: string): string {
  if (text === '' || isDay(text)) return text
  throw new InvalidInputError(field, `${field} must be a day from ${FIRST_YEAR}-01-01 on, such as 2026-11-01, not ${quote(text)}.`)
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text) || Number(text.slice(0, 4)) < FIRST_YEAR) return false
  const at = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text)
}

function parseZone(zone: string): string {
  if (zone === '' || isZone(zone)) return zone
  throw new InvalidInputError('zone', `zone must be a time zone such as Asia/Shanghai, not ${quote(zone)}. Leave it out for the server's.`)
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).format() !== ''
  } catch {
    return false
  }
}

/** When a day, or the one so many days after it, begins in a zone. */
function startOfDay(day: string, after: number, zone: string): Date {
  const start = new Date(`${day}T00:00:00Z`)
  const local = start.setUTCDate(start.getUTCDate() + after)
  const offsetAt = createOffset(zone)
  // The offset of a day's beginning can differ from that of the same time in UTC, by summer time.
  const guess = local - offsetAt(local)
  const second = local - offsetAt(guess)
  // Where summer time begins at midnight, the day begins an hour later by the clock.
  return new Date(second + offsetAt(second) < local ? second + HOUR_MS : second)
}

/** How far a zone is ahead of UTC at a time, in milliseconds. */
function createOffset(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', {
    ...{ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
    timeZone: zone === '' ? undefined : zone,
  })
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0
    return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')) - ms
  }
}
