import { expect, test } from 'vitest'
import { createOffsets, createSerials, parseTimeZone } from '../../src/report/zoned-time.ts'

/** The wall clock that a spreadsheet shows for a number. */
const clockOf = (serial: number): string => new Date(Math.round((serial - 25_569) * 86_400) * 1_000).toISOString().slice(0, 19)

test.each([
  ['UTC', '2026-11-23T01:02:03.999Z', '2026-11-23T01:02:03'],
  ['Asia/Shanghai', '2026-11-23T16:00:00Z', '2026-11-24T00:00:00'],
  ['Asia/Kathmandu', '2026-11-23T01:02:03Z', '2026-11-23T06:47:03'],
  ['America/St_Johns', '2026-11-23T01:02:03Z', '2026-11-22T21:32:03'],
  // A minute before and at the change to summer time, and the hour that is there twice in autumn.
  ['Europe/Berlin', '2026-03-29T00:59:59Z', '2026-03-29T01:59:59'],
  ['Europe/Berlin', '2026-03-29T01:00:00Z', '2026-03-29T03:00:00'],
  ['Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25T02:30:00'],
  ['Europe/Berlin', '2026-10-25T01:30:00Z', '2026-10-25T02:30:00'],
  // Half an hour of summer time.
  ['Australia/Lord_Howe', '2026-10-03T15:29:59Z', '2026-10-04T01:59:59'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z', '2026-10-04T02:30:00'],
])('in %s the moment %s is %s', (zone, at, clock) => {
  expect(clockOf(createSerials(zone)(new Date(at)))).toBe(clock)
})

test('the day 1 of spreadsheets, and a moment that they count as half a day', () => {
  const toSerial = createSerials('UTC')
  expect(toSerial(new Date('2026-11-23T12:00:00Z'))).toBe(46_349.5)
  expect(toSerial(new Date('1900-03-01T00:00:00Z'))).toBe(61)
})

test('a name of a zone is taken as it is written everywhere, and a wrong one is quoted', () => {
  expect(parseTimeZone('asia/shanghai', 'timeZone')).toBe('Asia/Shanghai')
  for (const wrong of ['Mars/Olympus', '', 'x'.repeat(65)])
    expect(() => parseTimeZone(wrong, 'timeZone')).toThrow(/^timeZone must be the name of a time zone such as Asia\/Shanghai or UTC, not "/)
})

test('a process that runs for years has the right offset at every time', () => {
  const offsetAt = createOffsets('Europe/Berlin')
  const from = Date.parse('2026-01-01T00:00:00Z')
  // A third of a year in quarters of an hour: more than are kept.
  const offsets = Array.from({ length: 11_000 }, (_, i) => offsetAt(new Date(from + i * 900_000)) / 3_600_000)
  const summer = (Date.parse('2026-03-29T01:00:00Z') - from) / 900_000
  expect(offsets.findIndex((offset) => offset !== 1)).toBe(summer)
  expect(new Set(offsets.slice(summer))).toEqual(new Set([2]))
  expect(offsetAt(new Date(from))).toBe(3_600_000)
})
