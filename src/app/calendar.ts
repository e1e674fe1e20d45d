import { createRequire } from 'node:module'
import type ChineseDays from 'chinese-days'
import { HOUR_MS } from '../domain/delivery.ts'
import type { Calendar } from '../domain/schedule/types.ts'
import type { Finding } from '../lib/finding.ts'
import { type ClockStart, localTimeAt } from '../lib/simulated-clock.ts'
import { createOffsets } from '../report/zoned-time.ts'
import type { CallClock } from '../store/call-clock.ts'

/** What the organisation's clock and its days off are made from. */
export interface CalendarSettings {
  /** A name of the IANA database. */
  readonly timeZone: string
  /** Days off besides those that are known, `YYYY-MM-DD` of the local time. They go before what is known. */
  readonly freeDays: readonly string[]
  /** Work days besides those that are known, in the same form. */
  readonly workDays: readonly string[]
  /** The start of a simulated clock; null: the real one. */
  readonly clockStart: ClockStart | null
}

/** The zones of mainland China, whose holidays and made-up work days the package has. Hong Kong, Macao and Taiwan have others. */
const CHINESE_ZONES: ReadonlySet<string> = new Set([
  'Asia/Shanghai',
  'Asia/Chongqing',
  'Asia/Chungking',
  'Asia/Harbin',
  'Asia/Urumqi',
  'Asia/Kashgar',
  'PRC',
])

const DAY_MS = 24 * HOUR_MS
/** 1970-01-01 was one; Sunday is 0. */
const THURSDAY = 4

/**
 * The calendar of an organisation. In a zone of mainland China the holidays and made-up work days of the State Council are known, elsewhere the
 * weekends. Source: the package chinese-days, which cites the notice of each year.
 * @param timeScale of the simulated clock; without effect where `clockStart` is null
 */
export function createCalendar({ timeZone, freeDays, workDays, clockStart }: CalendarSettings, timeScale = 1): Calendar {
  const offsetAt = createOffsets(timeZone)
  const isKnownFree = hasChineseHolidays(timeZone) ? isFreeInChina : isWeekend
  // What is decided once is kept: the package takes some microseconds a day.
  const decided = new Map<number, boolean>([
    ...freeDays.map((day) => [dayNumber(day), true] as const),
    ...workDays.map((day) => [dayNumber(day), false] as const),
  ])
  return {
    localAt: (at) => (clockStart === null ? at.getTime() + offsetAt(at) : localTimeAt({ ...clockStart, timeScale }, at.getTime())),
    isFreeDay(day) {
      const known = decided.get(day)
      if (known !== undefined) return known
      const isFree = isKnownFree(day)
      decided.set(day, isFree)
      return isFree
    },
  }
}

/**
 * The clock by which the months of the call budget pass: that of the calendar. Null: the real one.
 * @param timeScale of the simulated clock
 */
export function createCallClock({ timeZone, clockStart }: CalendarSettings, timeScale: number): CallClock | null {
  if (clockStart === null) return null
  const { localMs, realMs } = clockStart
  return { at: new Date(realMs), shows: new Date(localMs - createOffsets(timeZone)(new Date(localMs))), scale: timeScale }
}

/** Whole days since 1970-01-01. @param day `YYYY-MM-DD` */
function dayNumber(day: string): number {
  return Date.parse(day) / DAY_MS
}

function isWeekend(day: number): boolean {
  // A remainder is negative before 1970.
  const weekday = (((day + THURSDAY) % 7) + 7) % 7
  return weekday === 0 || weekday === 6
}

/** Its years of days are 0.8 MB: loaded when a day is first decided, and by `createRequire`, since a plan does not wait. */
let chineseDays: typeof ChineseDays | undefined
function loadChineseDays(): typeof ChineseDays {
  // oxlint-disable-next-line typescript/no-unsafe-assignment -- what that package exports
  const loaded: typeof ChineseDays = chineseDays ?? createRequire(import.meta.url)('chinese-days')
  chineseDays = loaded
  return loaded
}

function isFreeInChina(day: number): boolean {
  return loadChineseDays().isHoliday(new Date(day * DAY_MS).toISOString().slice(0, 10))
}

function hasChineseHolidays(timeZone: string): boolean {
  return CHINESE_ZONES.has(timeZone)
}

/** The first year of which the package has the holidays. */
const FIRST_YEAR = 2004

/** The last year of which the package has the holidays. From its end on, days count by their weekday. Each year begins with a holiday. */
function findLastKnownYear(): number {
  let year = FIRST_YEAR
  while (loadChineseDays().getHolidaysInRange(`${year + 1}-01-01`, `${year + 1}-01-01`, false).length > 0) year += 1
  return year
}

/** Which days off are known, and until when: after that nothing is wrong, but holidays are planned as work days. */
export function calendarFinding({ timeZone, freeDays, workDays }: CalendarSettings): Finding {
  const days = freeDays.length + workDays.length
  const added = days === 0 ? '' : `; FREE_DAYS_FILE gives ${days} more days, the last one ${[...freeDays, ...workDays].toSorted().at(-1)}`
  const known = hasChineseHolidays(timeZone)
    ? `holidays and made-up work days of China are known until ${findLastKnownYear()}-12-31, later days count by their weekday`
    : 'weekends are free days'
  return { name: 'calendar', ok: true, detail: `${timeZone}: ${known}${added}` }
}
