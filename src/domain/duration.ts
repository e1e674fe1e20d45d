import { HOUR_MS, MINUTE_MS, SECOND_MS } from './delivery.ts'

/** Durations as text: hours, minutes and seconds, such as `1h30m`. */

const UNITS = [
  { name: 'h', ms: HOUR_MS },
  { name: 'm', ms: MINUTE_MS },
  { name: 's', ms: SECOND_MS },
] as const

/** `1h30m` for 5,400,000. */
export function formatDuration(ms: number): string {
  let left = ms
  const parts = UNITS.map((unit) => {
    const count = Math.floor(left / unit.ms)
    left -= count * unit.ms
    return count === 0 ? '' : `${count}${unit.name}`
  })
  return parts.join('') || '0s'
}

/** Hours, minutes and seconds, each at most once, in this order; in milliseconds. Undefined for every other text. */
export function parseDuration(text: string): number | undefined {
  const [, ...counts] = /^(?=\d)(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?$/.exec(text) ?? []
  return counts.length === 0 ? undefined : UNITS.reduce((sum, unit, i) => sum + Number(counts[i] ?? 0) * unit.ms, 0)
}

/** A text of {@link parseDuration} in bounds, as messages say it. */
export function describeDurations(minMs: number, maxMs: number): string {
  return `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as 90s, 15m, 1h or 1h30m`
}
