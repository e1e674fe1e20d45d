import { HOUR_MS } from '../delivery.ts'
import type { Calendar } from './types.ts'

/** Often enough for a change of the zone's offset between two guesses. */
const GUESSES = 4

/**
 * Epoch milliseconds of a clock in UTC that shows these digits.
 * @param text `2026-12-01T16:30`, with or without seconds
 * @returns null where there is no such day or time
 */
export function parseLocalMs(text: string): number | null {
  const localMs = Date.parse(`${text}Z`)
  // `Date.parse` takes 2026-02-30 for 2 March.
  return Number.isNaN(localMs) || new Date(localMs).toISOString().slice(0, 10) !== text.slice(0, 10) ? null : localMs
}

/**
 * The moment at which the organisation's clock shows a local time: the inverse of `localAt`, also for a clock that runs faster. Of a time that the
 * clock shows twice or never, by summer time, it is a moment within an hour of it.
 * @param localMs as `localAt` gives it
 */
export function momentAt(localMs: number, { localAt }: Pick<Calendar, 'localAt'>): Date {
  let at = new Date(localMs)
  for (let i = 0; i < GUESSES; i++) {
    const local = localAt(at)
    // Two points of a clock that runs evenly.
    const speed = (localAt(new Date(at.getTime() + HOUR_MS)) - local) / HOUR_MS || 1
    at = new Date(Math.round(at.getTime() + (localMs - local) / speed))
  }
  return at
}
