import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../../src/domain/delivery.ts'
import { parseTrackJob } from '../../src/intake/track-job.ts'
import { holds, minutesLater } from '../domain/support.ts'

const NOW = minutesLater(600)
const at = (ms: number): Date => new Date(NOW.getTime() + ms)

/** What is stored of the send time of a job that was added so long before or after the worker's time. */
function timesOf(addedMs: number, sentAt?: Date | string | number) {
  const job = { timestamp: NOW.getTime() + addedMs, data: { taskId: '1', ...(sentAt !== undefined && { sentAt }) } }
  const { sentAt: given, assumedSentAt } = parseTrackJob(job, NOW)
  return { given, assumed: assumedSentAt ?? null }
}

describe('a job without a send time', () => {
  test.each([
    ['that waited for hours was sent when it was added', -20 * HOUR_MS, -20 * HOUR_MS],
    ['that waited for longer than DingTalk answers was sent now: no clock can be right', -QUERY_WINDOW_MS - 1, 0],
    ['of a sender whose clock is ahead was sent now', 20 * MINUTE_MS, 0],
    ['of a sender whose clock is years ahead was sent now', 1e12, 0],
  ])('%s', (_, addedMs, assumedMs) => {
    expect(timesOf(addedMs)).toEqual({ given: null, assumed: at(assumedMs) })
  })

  test('whose time is no time was sent now', () => {
    for (const timestamp of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1, 8.64e15, 9e15]) {
      expect(parseTrackJob({ timestamp, data: { taskId: '1' } }, NOW)).toMatchObject({ sentAt: null, assumedSentAt: NOW })
    }
  })
})

describe('a job with a send time', () => {
  test('of a clock that agrees keeps it', () => {
    expect(timesOf(-HOUR_MS, at(-2 * HOUR_MS))).toEqual({ given: at(-2 * HOUR_MS), assumed: null })
    // Clocks that are synchronised differ by milliseconds.
    expect(timesOf(40, at(35))).toEqual({ given: at(35), assumed: null })
  })

  test('of a clock that is ahead is put right by the difference, and only assumed', () => {
    for (const aheadMs of [3_000, 20 * MINUTE_MS, 30 * HOUR_MS]) {
      expect(timesOf(aheadMs, at(aheadMs - 5 * MINUTE_MS))).toEqual({ given: null, assumed: at(-5 * MINUTE_MS) })
    }
  })

  test('of another clock than the job keeps it, but only as assumed', () => {
    expect(timesOf(30 * HOUR_MS, at(-HOUR_MS))).toEqual({ given: null, assumed: at(-HOUR_MS) })
  })

  test('that is long over stays so', () => {
    expect(timesOf(20 * MINUTE_MS, at(20 * MINUTE_MS - 40 * HOUR_MS))).toEqual({ given: null, assumed: at(-40 * HOUR_MS) })
  })

  test('beyond all clocks is assumed to be now', () => {
    expect(timesOf(1e12, at(1e12 - 30 * HOUR_MS))).toMatchObject({ given: null })
    expect(timesOf(2e12, at(-30 * HOUR_MS))).toEqual({ given: null, assumed: NOW })
  })

  test('that was in the future when it was added is a mistake', () => {
    expect(() => timesOf(0, at(20 * MINUTE_MS))).toThrow('20 minutes in the future')
    expect(() => timesOf(-HOUR_MS, at(20 * MINUTE_MS))).toThrow('20 minutes in the future')
  })
})

test('whatever the library took is taken, by how much its clock may differ: and nothing is sent in the future', () => {
  const sender = fc.record({
    aheadMs: fc.integer({ min: -10 * HOUR_MS, max: 400 * HOUR_MS }),
    agoMs: fc.integer({ min: 0, max: 100 * HOUR_MS }),
  })
  holds(
    fc.property(sender, fc.boolean(), ({ aheadMs, agoMs }, isGiven) => {
      const { given, assumed } = timesOf(aheadMs, isGiven ? at(aheadMs - agoMs) : undefined)
      const stored = given ?? assumed
      expect(stored).not.toBeNull()
      expect((stored?.getTime() ?? 0) - NOW.getTime()).toBeLessThanOrEqual(2_000)
      if (aheadMs > 2_000) expect(given).toBeNull()
    }),
    2_000,
  )
})
