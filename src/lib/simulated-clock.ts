/**
 * The hour of the week under a time scale: from a start on, local time runs `timeScale` times as fast as real time. The simulator and the worker
 * count with the same start, so a night is a night for both.
 *
 * A local time is written as the epoch ms of a clock in UTC that shows the same digits.
 */

/** One moment, as both clocks show it. */
export interface ClockStart {
  /** The organisation's local time at the start. */
  readonly localMs: number
  /** Epoch ms of the real clock at the start. */
  readonly realMs: number
}

export interface SimulatedClock extends ClockStart {
  /** Simulated milliseconds in one real millisecond. */
  readonly timeScale: number
}

/**
 * The Monday from which a day of the week is counted when it is given without a date. It has no holiday and no made-up work day of mainland China
 * in the eight weeks after it. Source: the State Council's notice on the holidays of 2026.
 */
const REFERENCE_MONDAY_MS = Date.UTC(2026, 10, 2)

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

/** What {@link parseClockStart} accepts, without and with the real moment of the start. */
export const CLOCK_START_FORMS =
  'a day and an hour such as "Tue 10:00" (in the week of 2026-11-02), or a local time such as 2026-12-01T10:00'
export const SHARED_CLOCK_START_FORM =
  'the line that the simulator prints, LOCAL_TIME@REAL_TIME such as 2026-12-01T10:00@2026-11-30T15:44:00.000Z'

/**
 * `Tue 10:00` is that day of the week of 2026-11-02, `2026-12-01T10:00` is a local time. `…@2026-11-30T15:44:00.000Z` behind either names the
 * real moment of the start, which two processes need to have the same clock.
 * @param startedAt epoch ms of the start where the text does not name it; undefined: the text must name it
 * @returns undefined for a text that is none of these
 */
export function parseClockStart(text: string, startedAt?: number): ClockStart | undefined {
  const [local = '', real, ...rest] = text.trim().split('@')
  const localMs = parseWeekTime(local) ?? parseLocalTime(local)
  const realMs = real === undefined ? startedAt : parseRealTime(real)
  return rest.length > 0 || localMs === undefined || realMs === undefined ? undefined : { localMs, realMs }
}

/** The form that carries both ends: `2026-12-01T10:00@2026-11-30T15:44:00.000Z`. */
export function formatClockStart({ localMs, realMs }: ClockStart): string {
  const local = new Date(localMs).toISOString().slice(0, -1)
  return `${local.replace(/(:00)?\.000$/, '')}@${new Date(realMs).toISOString()}`
}

/** The organisation's local time at a real moment, both in ms; before the start too. */
export function localTimeAt({ localMs, realMs, timeScale }: SimulatedClock, atMs: number): number {
  return localMs + (atMs - realMs) * timeScale
}

function parseWeekTime(text: string): number | undefined {
  const [, day = '', hours = '', minutes = ''] = /^([a-z]{3}) ([01]?\d|2[0-3]):([0-5]\d)$/i.exec(text) ?? []
  const index = DAYS.indexOf(day.toLowerCase())
  return index < 0 ? undefined : REFERENCE_MONDAY_MS + index * DAY_MS + (Number(hours) * 60 + Number(minutes)) * MINUTE_MS
}

function parseLocalTime(text: string): number | undefined {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?$/.test(text) ? parseExact(`${text}Z`, text.slice(0, 10)) : undefined
}

function parseRealTime(text: string): number | undefined {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? parseExact(text, text.slice(0, 10)) : undefined
}

/** `Date.parse` takes 2026-02-30 for 2 March. */
function parseExact(text: string, day: string): number | undefined {
  const isDay = new Date(`${day}T00:00Z`).toJSON()?.slice(0, 10) === day
  const ms = Date.parse(text)
  return isDay && !Number.isNaN(ms) ? ms : undefined
}
