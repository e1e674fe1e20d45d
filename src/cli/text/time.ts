import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../domain/delivery.ts'

/** Local time with its offset, so that it can be copied into a mail: `2026-11-23 09:00:05 +08:00`. */
export function showTime(time: Date | null): string {
  if (time === null) return '–'
  const offset = -time.getTimezoneOffset()
  const local = new Date(time.getTime() + offset * MINUTE_MS).toISOString()
  const ahead = Math.abs(offset)
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${offset < 0 ? '-' : '+'}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`
}

/** The distance of a time: `in 3 h 20 min`, `5 min ago`. */
export function showDistance(time: Date, now: Date): string {
  const ms = time.getTime() - now.getTime()
  const text = showDuration(Math.abs(ms) < MINUTE_MS ? Math.round(Math.abs(ms) / SECOND_MS) * SECOND_MS : Math.abs(ms))
  return ms >= 0 ? `in ${text}` : `${text} ago`
}

/** `0.4 s`, `45 s`, `12 min`, `3 h 20 min`, `4 d 6 h`. */
export function showDuration(ms: number): string {
  if (ms < 10 * SECOND_MS) return `${Number((ms / SECOND_MS).toFixed(1))} s`
  if (Math.round(ms / SECOND_MS) < 60) return `${Math.round(ms / SECOND_MS)} s`
  const minutes = Math.round(ms / MINUTE_MS)
  if (minutes < 60) return `${minutes} min`
  if (minutes < 48 * 60) return joined(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
  const hours = Math.round(minutes / 60)
  return joined(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

/** Short, for a column of a table, in local time: `16:14:31` on the day of `now`, `11-24 16:14` in the half year around it, else `2026-11-24`. */
export function showShortTime(time: Date | null, now: Date): string {
  if (time === null) return '–'
  const [shown, today] = [showTime(time), showTime(now)]
  if (shown.slice(0, 10) === today.slice(0, 10)) return shown.slice(11, 19)
  return Math.abs(time.getTime() - now.getTime()) < HALF_A_YEAR_MS ? shown.slice(5, 16) : shown.slice(0, 10)
}

const HALF_A_YEAR_MS = 182 * 24 * HOUR_MS

const UNITS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: HOUR_MS, d: 24 * HOUR_MS, w: 7 * 24 * HOUR_MS }

/** `7d`, `24h`, `30m`, `2w` before `now`; a day `2026-11-01` in local time; or an ISO 8601 time. Null when it is none of them. */
export function parseSince(text: string, now: Date): Date | null {
  const ago = /^(\d{1,5})([mhdw])$/.exec(text)
  if (ago !== null) return new Date(now.getTime() - Number(ago[1]) * (UNITS[ago[2] ?? ''] ?? 0))
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) return null
  // Without a time, JavaScript would read a day as UTC.
  const time = new Date(text.length === 10 ? `${text}T00:00:00` : text)
  return Number.isNaN(time.getTime()) || (text.length === 10 && time.getDate() !== Number(text.slice(8))) ? null : time
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
