import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type CalendarSettings, calendarFinding, createCalendar } from '../../src/app/calendar.ts'

const CHINA: CalendarSettings = { timeZone: 'Asia/Shanghai', freeDays: [], workDays: [], clockStart: null }
const dayNumber = (day: string): number => Date.parse(day) / 86_400_000

/** The days of a range that are free, or are not. */
function daysOf(settings: CalendarSettings, from: string, to: string, isFree: boolean): string[] {
  const calendar = createCalendar(settings)
  return Array.from({ length: dayNumber(to) - dayNumber(from) + 1 }, (_, i) => dayNumber(from) + i)
    .filter((day) => calendar.isFreeDay(day) === isFree)
    .map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10))
}

/** What the clock on the wall shows. */
const wallClock = (settings: CalendarSettings, at: string, timeScale?: number): string =>
  new Date(createCalendar(settings, timeScale).localAt(new Date(at))).toISOString().slice(0, 19)

/** Source: the State Council's notice on the holidays of 2026. */
describe('in China, in 2026', () => {
  test('the Spring Festival is free from 15 to 23 February, and two Saturdays around it are work days', () => {
    expect(daysOf(CHINA, '2026-02-09', '2026-03-01', true)).toEqual([
      ...['2026-02-15', '2026-02-16', '2026-02-17', '2026-02-18', '2026-02-19', '2026-02-20', '2026-02-21', '2026-02-22', '2026-02-23'],
      '2026-03-01',
    ])
  })

  test('National Day is free from 1 to 7 October, and the Sunday before and the Saturday after are work days', () => {
    expect(daysOf(CHINA, '2026-09-19', '2026-10-11', true)).toEqual([
      ...['2026-09-19', '2026-09-25', '2026-09-26', '2026-09-27'],
      ...['2026-10-01', '2026-10-02', '2026-10-03', '2026-10-04', '2026-10-05', '2026-10-06', '2026-10-07', '2026-10-11'],
    ])
  })

  test.each(['2026-01-04', '2026-02-14', '2026-02-28', '2026-05-09', '2026-09-20', '2026-10-10'])('%s is a made-up work day', (day) => {
    expect(createCalendar(CHINA).isFreeDay(dayNumber(day))).toBe(false)
  })

  test('the year has 248 work days', () => {
    expect(daysOf(CHINA, '2026-01-01', '2026-12-31', false)).toHaveLength(248)
  })

  test('the other zone of mainland China has the same days, whatever its name', () => {
    for (const timeZone of ['Asia/Urumqi', 'Asia/Chongqing', 'Asia/Harbin', 'PRC'])
      expect(daysOf({ ...CHINA, timeZone }, '2026-09-19', '2026-10-11', true)).toEqual(daysOf(CHINA, '2026-09-19', '2026-10-11', true))
  })
})

test('in a year that is not known, days count by their weekday', () => {
  expect(daysOf(CHINA, '2199-01-01', '2199-01-07', true)).toEqual(['2199-01-05', '2199-01-06'])
  expect(daysOf(CHINA, '1969-12-27', '1970-01-04', true)).toEqual(['1969-12-27', '1969-12-28', '1970-01-03', '1970-01-04'])
})

test.each(['Asia/Hong_Kong', 'Asia/Taipei', 'Europe/Berlin', 'UTC'])(
  'in %s weekends are free, and nothing is known of holidays',
  (timeZone) => {
    expect(daysOf({ ...CHINA, timeZone }, '2026-09-28', '2026-10-11', true)).toEqual([
      '2026-10-03',
      '2026-10-04',
      '2026-10-10',
      '2026-10-11',
    ])
  },
)

test('days that are given go before what is known', () => {
  const settings = { ...CHINA, freeDays: ['2026-10-08'], workDays: ['2026-10-07', '2026-10-11'] }
  expect(daysOf(settings, '2026-10-05', '2026-10-11', true)).toEqual(['2026-10-05', '2026-10-06', '2026-10-08'])
})

test('the local time is that of the zone, before and after its clocks change, and in a zone of half hours', () => {
  expect(wallClock(CHINA, '2026-12-01T16:30:15Z')).toBe('2026-12-02T00:30:15')
  const berlin = { ...CHINA, timeZone: 'Europe/Berlin' }
  expect(wallClock(berlin, '2026-03-29T00:59:59Z')).toBe('2026-03-29T01:59:59')
  expect(wallClock(berlin, '2026-03-29T01:00:00Z')).toBe('2026-03-29T03:00:00')
  expect(wallClock(berlin, '2026-10-25T00:59:59Z')).toBe('2026-10-25T02:59:59')
  expect(wallClock(berlin, '2026-10-25T01:00:00Z')).toBe('2026-10-25T02:00:00')
  expect(wallClock({ ...CHINA, timeZone: 'Asia/Kolkata' }, '2026-12-01T20:00:00Z')).toBe('2026-12-02T01:30:00')
  expect(wallClock({ ...CHINA, timeZone: 'UTC' }, '1969-12-31T23:59:59Z')).toBe('1969-12-31T23:59:59')
})

test('the local time is right after so many others that its cache was emptied', () => {
  const { localAt } = createCalendar(CHINA)
  for (let i = 0; i < 10_500; i++) localAt(new Date(i * 900_000))
  expect(localAt(new Date(0))).toBe(8 * 3_600_000)
})

test('a simulated clock runs from its start, as many times as fast as the real one', () => {
  const settings = { ...CHINA, clockStart: { localMs: Date.UTC(2026, 11, 1, 10), realMs: Date.UTC(2026, 10, 30, 15, 44) } }
  expect(wallClock(settings, '2026-11-30T15:44:00Z', 1440)).toBe('2026-12-01T10:00:00')
  expect(wallClock(settings, '2026-11-30T15:45:00Z', 1440)).toBe('2026-12-02T10:00:00')
  expect(wallClock(settings, '2026-11-30T15:43:30Z', 1440)).toBe('2026-11-30T22:00:00')
  expect(wallClock(settings, '2026-11-30T16:44:00Z')).toBe('2026-12-01T11:00:00')
})

test('doctor and the documentation say until when holidays are known', async () => {
  const { detail } = calendarFinding(CHINA)
  const [until] = /known until (\d{4}-12-31), later days count by their weekday$/.exec(detail)?.slice(1) ?? []
  expect(until).toBe('2026-12-31')
  const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'configuration.md'), 'utf8')
  expect(page).toMatch(new RegExp(`known until\\s+${until}\\.`))
  expect(calendarFinding({ ...CHINA, timeZone: 'UTC', freeDays: ['2027-01-01'], workDays: ['2026-12-27'] })).toEqual({
    name: 'calendar',
    ok: true,
    detail: 'UTC: weekends are free days; FREE_DAYS_FILE gives 2 more days, the last one 2027-01-01',
  })
})
