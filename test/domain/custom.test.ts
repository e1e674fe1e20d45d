import { expect, test } from 'vitest'
import { toOffsetsMs } from '../../src/domain/schedule/custom.ts'

const SENT_AT = new Date('2026-12-01T02:00:00Z')

test('minutes and moments are offsets since the send, ascending, each once', () => {
  expect(toOffsetsMs([240, 5, 60.5, 5], SENT_AT)).toEqual([300_000, 3_630_000, 14_400_000])
  const moments = ['2026-12-01T06:00:00Z', '2026-12-01T02:05:00Z'].map((at) => new Date(at))
  expect(toOffsetsMs(moments, SENT_AT)).toEqual([300_000, 14_400_000])
  expect(toOffsetsMs([], SENT_AT)).toEqual([])
})

test('times that are not within the 24 hours are left out', () => {
  expect(toOffsetsMs([-5, 0, 1, 1_439, 1_440, Number.POSITIVE_INFINITY], SENT_AT)).toEqual([60_000, 86_340_000])
  expect(toOffsetsMs([SENT_AT, new Date('2026-12-02T02:00:00Z')], SENT_AT)).toEqual([])
})

test.each([
  ['nothing', undefined],
  ['a number', 5],
  ['a promise', Promise.resolve([5])],
  ['texts', ['5m']],
  ['a number that is none', [5, Number.NaN]],
  ['a moment that is none', [new Date('x')]],
])('%s is no plan', (_, given) => {
  expect(toOffsetsMs(given, SENT_AT)).toBeNull()
})

test('moments are real ones, whatever the time scale is', () => {
  expect(toOffsetsMs([new Date(SENT_AT.getTime() + 1_000)], SENT_AT, 60)).toEqual([60_000])
  expect(toOffsetsMs([1], SENT_AT, 60)).toEqual([60_000])
})
