import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../core/delivery.ts'

/** Local time with its offset, so that it can be copied into a mail: `2026-11-23 09:00:05 +08:00`. */
export function showTime(time: Date | null): string {
  if (time === null) return '–'
  const offset = -time.getTimezoneOffset()
  const local = new Date(time.getTime() + offset * MINUTE_MS).toISOString()
  const ahead = Math.abs(offset)
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${offset < 0 ? '-' : '+'}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`
}

/** How far off a moment is: `in 3 h 20 min`, `5 min ago`. */
export function showDistance(time: Date, now: Date): string {
  const ms = time.getTime() - now.getTime()
  const text = showDuration(Math.abs(ms))
  return ms >= 0 ? `in ${text}` : `${text} ago`
}

function showDuration(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`
  const minutes = Math.round(ms / MINUTE_MS)
  if (minutes < 60) return `${minutes} min`
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60]
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`
}

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
