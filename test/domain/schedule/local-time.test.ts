import { describe, expect, test } from 'vitest'
import { createCalendar } from '../../../src/app/calendar.ts'
import { momentAt, parseLocalMs } from '../../../src/domain/schedule/local-time.ts'

const PLAIN = { freeDays: [], workDays: [], clockStart: null }
const local = (text: string): number => Date.parse(`${text}Z`)

describe('a local time is the moment at which the clock shows it', () => {
  test.each([
    ['Asia/Shanghai', '2026-12-01T16:30', '2026-12-01T08:30:00.000Z'],
    ['Asia/Kathmandu', '2026-12-01T00:10', '2026-11-30T18:25:00.000Z'],
    ['America/New_York', '2026-07-01T23:59', '2026-07-02T03:59:00.000Z'],
    // Summer time begins there at 2:00, ends at 3:00.
    ['Europe/Berlin', '2026-03-29T03:05', '2026-03-29T01:05:00.000Z'],
    ['Europe/Berlin', '2026-03-29T01:55', '2026-03-29T00:55:00.000Z'],
    ['Europe/Berlin', '2026-10-25T03:05', '2026-10-25T02:05:00.000Z'],
    ['Europe/Berlin', '2026-10-25T01:55', '2026-10-24T23:55:00.000Z'],
  ])('in %s at %s', (timeZone, text, moment) => {
    const calendar = createCalendar({ ...PLAIN, timeZone })
    expect(momentAt(local(text), calendar).toISOString()).toBe(moment)
  })

  test('of a time that is left out, it is a moment within an hour of it', () => {
    const calendar = createCalendar({ ...PLAIN, timeZone: 'Europe/Berlin' })
    const at = momentAt(local('2026-03-29T02:30'), calendar)
    expect(Math.abs(calendar.localAt(at) - local('2026-03-29T02:30'))).toBeLessThanOrEqual(3_600_000)
  })

  test('with a clock that runs a thousand times as fast', () => {
    const clockStart = { localMs: local('2026-11-24T10:00'), realMs: Date.parse('2026-11-30T08:00:00Z') }
    const calendar = createCalendar({ ...PLAIN, timeZone: 'Asia/Shanghai', clockStart }, 1_000)
    const wanted = local('2026-12-25T16:30')
    // Whole milliseconds of the real clock are whole seconds of this one.
    expect(Math.abs(calendar.localAt(momentAt(wanted, calendar)) - wanted)).toBeLessThanOrEqual(1_000)
  })

  test('of a clock that stands still, it is some moment', () => {
    expect(momentAt(5_000, { localAt: () => 1_000 }).getTime()).not.toBeNaN()
  })
})

test.each([
  ['2026-12-01T16:30', Date.UTC(2026, 11, 1, 16, 30)],
  ['2026-12-01T16:30:05', Date.UTC(2026, 11, 1, 16, 30, 5)],
  ['2026-02-30T10:00', null],
  ['2026-12-01T24:00', null],
  ['2026-12-01T25:00', null],
  ['', null],
])('the digits %s are %s', (text, localMs) => expect(parseLocalMs(text)).toBe(localMs))
