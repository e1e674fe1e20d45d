import { formatClockStart, localTimeAt, parseClockStart } from '../lib/simulated-clock.ts'

const DAY_MS = 86_400_000
/** DingTalk's zone, which has no summer time. */
const CHINA_OFFSET_MS = 8 * 3_600_000
/** 1970-01-01 was a Thursday. */
const FIRST_WEEKDAY = 4

/** The hour of the week of the simulated organisation. */
export interface Week {
  /** For the worker's variable `CLOCK_START`; null: local time is China's, at the real moment. */
  readonly clockStart: string | null
  /** Epoch ms of a clock in UTC that shows the same digits as the organisation's. */
  localAt(realMs: number): number
  /** @param localMs a local time */
  isFreeDay(localMs: number): boolean
}

interface WeekSettings {
  readonly clockStart?: string | undefined
  readonly timeScale: number
  readonly freeDates: readonly string[]
  readonly workDates: readonly string[]
}

/** @param startedAt epoch ms of the simulator's start */
export function createWeek({ clockStart, timeScale, freeDates, workDates }: WeekSettings, startedAt: number): Week {
  const start = clockStart === undefined ? undefined : parseClockStart(clockStart, startedAt)
  const free = new Set(freeDates.map(parseDay))
  const work = new Set(workDates.map(parseDay))
  return {
    clockStart: start === undefined ? null : formatClockStart(start),
    localAt: (realMs) => (start === undefined ? realMs + CHINA_OFFSET_MS : localTimeAt({ ...start, timeScale }, realMs)),
    isFreeDay(localMs) {
      const day = Math.floor(localMs / DAY_MS)
      const weekday = (((day + FIRST_WEEKDAY) % 7) + 7) % 7
      return !work.has(day) && (free.has(day) || weekday === 0 || weekday === 6)
    },
  }
}

/** Whole days since 1970-01-01. */
function parseDay(date: string): number {
  return Date.parse(`${date}T00:00Z`) / DAY_MS
}
