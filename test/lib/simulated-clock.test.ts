import { expect, test } from 'vitest'
import { formatClockStart, localTimeAt, parseClockStart } from '../../src/lib/simulated-clock.ts'

const STARTED_AT = Date.parse('2026-11-30T15:44:00.000Z')
const local = (text: string) => Date.parse(`${text}Z`)

test.each([
  ['Mon 00:00', '2026-11-02T00:00'],
  ['Tue 10:00', '2026-11-03T10:00'],
  ['fri 9:05', '2026-11-06T09:05'],
  ['SUN 23:59', '2026-11-08T23:59'],
  ['2026-12-01T10:00', '2026-12-01T10:00'],
  [' 2026-12-01T10:00:30.5 ', '2026-12-01T10:00:30.500'],
  ['2028-02-29T00:00', '2028-02-29T00:00'],
])('a clock that starts at "%s" shows %s at its start', (text, shown) => {
  expect(parseClockStart(text, STARTED_AT)).toEqual({ localMs: local(shown), realMs: STARTED_AT })
  expect(parseClockStart(`${text.trim()}@2026-11-30T15:44:00.000Z`)).toEqual({ localMs: local(shown), realMs: STARTED_AT })
})

test.each([
  ...['', 'Tue', '10:00', 'Tuesday 10:00', 'Tue 24:00', 'Tue 10:60', 'Tue10:00', 'Die 10:00'],
  ...['2026-12-01', '2026-12-01T10:00Z', '2026-12-01T10:00+08:00', '2026-02-30T10:00', '2026-13-01T10:00', '2026-12-01T25:00'],
  ...['Tue 10:00@', 'Tue 10:00@now', 'Tue 10:00@2026-11-30T15:44:00', 'Tue 10:00@2026-11-31T15:44:00Z', '@2026-11-30T15:44:00Z'],
  'Tue 10:00@2026-11-30T15:44:00Z@2026-11-30T15:44:00Z',
])('"%s" is no start of a clock', (text) => {
  expect(parseClockStart(text, STARTED_AT)).toBeUndefined()
})

test('a start for two processes must name its real moment', () => {
  expect(parseClockStart('Tue 10:00')).toBeUndefined()
  expect(parseClockStart('Tue 10:00@2026-11-30T23:44:00+08:00')?.realMs).toBe(STARTED_AT)
})

test.each([
  '2026-12-01T10:00@2026-11-30T15:44:00.000Z',
  '2026-12-01T10:00:01@2026-11-30T15:44:00.123Z',
  '2026-12-01T10:00:00.250@2026-11-30T15:44:00.000Z',
])('the form with both ends is read as it was written: %s', (text) => {
  const start = parseClockStart(text)
  expect(start && formatClockStart(start)).toBe(text)
})

test('local time runs as many times as fast as real time, before the start too', () => {
  const clock = { localMs: local('2026-11-03T10:00'), realMs: STARTED_AT, timeScale: 1440 }
  expect(localTimeAt(clock, STARTED_AT)).toBe(local('2026-11-03T10:00'))
  expect(localTimeAt(clock, STARTED_AT + 60_000)).toBe(local('2026-11-04T10:00'))
  expect(localTimeAt(clock, STARTED_AT - 2_500)).toBe(local('2026-11-03T09:00'))
})
