import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../src/domain/delivery.ts'
import { describeDurations, formatDuration, parseDuration } from '../../src/domain/duration.ts'
import { holds } from './support.ts'

test('hours, minutes and seconds, each at most once', () => {
  expect(['90s', '15m', '1h30m', '1h30m5s', '0s'].map(parseDuration)).toEqual([
    90 * SECOND_MS,
    15 * MINUTE_MS,
    90 * MINUTE_MS,
    90 * MINUTE_MS + 5 * SECOND_MS,
    0,
  ])
})

test.each(['', 'h', '15', '15 m', '1m1h', '1h1h', '-1m', '1.5h', '15M', '123456s'])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})

test('what is written is read as the same', () => {
  const isReadAgain = (seconds: number): boolean => parseDuration(formatDuration(seconds * SECOND_MS)) === seconds * SECOND_MS
  expect(() => holds(fc.property(fc.nat(1_000_000), isReadAgain))).not.toThrow()
})

test('the bounds are named', () => {
  expect(formatDuration(0)).toBe('0s')
  expect(describeDurations(MINUTE_MS, 12 * HOUR_MS)).toBe('a duration from 1m to 12h, such as 90s, 15m, 1h or 1h30m')
})
