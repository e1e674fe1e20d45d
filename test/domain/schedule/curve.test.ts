import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../../../src/domain/delivery.ts'
import { curveOf, curveOfDensity, shareBy, sharesBy } from '../../../src/domain/schedule/curve.ts'
import type { Calendar, Curve, Law } from '../../../src/domain/schedule/types.ts'
import { runs } from '../../support/runs.ts'
import { minutes } from './laws.ts'

/** UTC+8, weekends free. */
const CALENDAR: Calendar = {
  localAt: (moment) => moment.getTime() + 8 * HOUR_MS,
  isFreeDay: (day) => [0, 6].includes((day + 4) % 7),
}

const TUESDAY_10 = new Date('2026-12-01T02:00:00Z')
const flat = (value: number): number[] => Array.from({ length: 24 }, () => value)

/** One reads after ten minutes of attention in the mean. */
const hazard = { edges: [0, 10, 1_000], values: [0, 1, 100] }

/** `1 − exp(−H(A(t)))`, minute by minute. */
function shareByMinutes(law: Law, sentAt: Date, atMs: number): number {
  let attention = 0
  const startMs = sentAt.getTime() + 8 * HOUR_MS
  for (let ms = 0; ms < atMs; ms += MINUTE_MS) {
    const local = new Date(startMs + ms)
    const kind = [0, 6].includes(local.getUTCDay()) ? law.attention.free : law.attention.work
    attention += kind[local.getUTCHours()] ?? 0
  }
  const { edges, values } = law.hazard
  const left = Math.min(
    Math.max(
      0,
      edges.findLastIndex((edge) => edge <= attention),
    ),
    edges.length - 2,
  )
  const [fromEdge = 0, toEdge = 0] = edges.slice(left)
  const [from = 0, to = 0] = values.slice(left)
  return 1 - Math.exp(-(from + ((to - from) * (attention - fromEdge)) / (toEdge - fromEdge)))
}

function expectSound({ offsetsMs, shares }: Curve): void {
  expect([offsetsMs[0], shares[0], offsetsMs.at(-1)]).toEqual([0, 0, QUERY_WINDOW_MS])
  expect(offsetsMs).toHaveLength(shares.length)
  expect(offsetsMs).toEqual([...offsetsMs].sort((a, b) => a - b))
  expect(shares).toEqual([...shares].sort((a, b) => a - b))
  expect(shares.at(-1)).toBeLessThanOrEqual(1)
}

describe('the curve of a law', () => {
  test('is 1 − exp(−H(A(t))) to a thousandth at each minute, for any law and any minute of a send', () => {
    const cell = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5, noNaN: true }))
    const hours = fc.array(cell, { minLength: 24, maxLength: 24 })
    const bins = fc.array(
      fc.record({
        width: fc.double({ min: 0.1, max: 300, noNaN: true }),
        rise: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3, noNaN: true })),
      }),
      { minLength: 1, maxLength: 24 },
    )
    const sendMinute = fc.integer({ min: 0, max: 7 * 24 * 60 })
    fc.assert(
      fc.property(hours, hours, bins, sendMinute, (work, free, rises, minute) => {
        const edges = [0]
        const values = [0]
        for (const { width, rise } of rises) {
          edges.push((edges.at(-1) ?? 0) + width)
          values.push((values.at(-1) ?? 0) + rise)
        }
        const law = { attention: { work, free }, hazard: { edges, values } }
        const sentAt = new Date(TUESDAY_10.getTime() + minute * MINUTE_MS)
        const curve = curveOf(law, sentAt, CALENDAR)
        expectSound(curve)
        for (let at = 7; at <= 1_440; at += 61) {
          expect(Math.abs(shareBy(curve, at * MINUTE_MS) - shareByMinutes(law, sentAt, at * MINUTE_MS))).toBeLessThan(0.001)
        }
      }),
      { numRuns: runs(100) },
    )
  })

  test('a send at 10:20 reads at the attention of 10:00 for forty minutes', () => {
    const work = flat(0)
    work[10] = 3
    const curve = curveOf({ attention: { work, free: flat(0) }, hazard }, new Date(TUESDAY_10.getTime() + 20 * MINUTE_MS), CALENDAR)
    expect(shareBy(curve, 2 * MINUTE_MS)).toBeCloseTo(1 - Math.exp(-0.6), 3)
    expect(shareBy(curve, 40 * MINUTE_MS)).toBeCloseTo(1 - Math.exp(-12), 6)
    expect(shareBy(curve, 23 * HOUR_MS)).toBe(shareBy(curve, 40 * MINUTE_MS))
  })

  test('after the midnight of a Friday the hours of free days count', () => {
    const law = { attention: { work: flat(0), free: flat(1) }, hazard }
    const curve = curveOf(law, new Date('2026-12-04T09:00:00Z'), CALENDAR)
    expect(shareBy(curve, 7 * HOUR_MS)).toBe(0)
    expect(shareBy(curve, 7 * HOUR_MS + 10 * MINUTE_MS)).toBeCloseTo(1 - Math.exp(-1), 6)
  })

  test('attention after the last edge reads at the slope of the last bin', () => {
    const law = { attention: { work: flat(1), free: flat(1) }, hazard: { edges: [0, 100, 200], values: [0, 0, 0.1] } }
    expect(shareBy(curveOf(law, TUESDAY_10, CALENDAR), 1_000 * MINUTE_MS)).toBeCloseTo(1 - Math.exp(-0.9), 3)
  })

  test('a law without bins, or with a bin without width, gives a curve', () => {
    const attention = { work: flat(1), free: flat(1) }
    expect(curveOf({ attention, hazard: { edges: [0], values: [0] } }, TUESDAY_10, CALENDAR).shares.at(-1)).toBe(0)
    const jump = curveOf({ attention, hazard: { edges: [0, 60, 60], values: [0, 0, 2] } }, TUESDAY_10, CALENDAR)
    expectSound(jump)
    expect([shareBy(jump, HOUR_MS - 1), shareBy(jump, HOUR_MS)]).toEqual([0, 1 - Math.exp(-2)])
  })
})

describe('the curve of a density', () => {
  test('has the shape of the density and the given share', () => {
    const curve = curveOfDensity({ edgesMs: minutes(0, 60, 120, 1_440), density: [2, 1, 0], readShare: 0.6 })
    expect([...sharesBy(curve, minutes(0, 30, 60, 90, 120, 700))].map((share) => share.toFixed(9))).toEqual(
      [0, 0.2, 0.4, 0.5, 0.6, 0.6].map((share) => share.toFixed(9)),
    )
  })

  test('is flat before the first edge and after the last one', () => {
    const curve = curveOfDensity({ edgesMs: minutes(30, 60), density: [7], readShare: 1 })
    expectSound(curve)
    expect(sharesBy(curve, minutes(-5, 15, 30, 45, 60, 1_440, 2_000))).toEqual(Float64Array.of(0, 0, 0, 0.5, 1, 1, 1))
  })

  test('edges after the window are kept, and a density of zeros has no reader', () => {
    expect(shareBy(curveOfDensity({ edgesMs: [0, 2 * QUERY_WINDOW_MS], density: [1], readShare: 0.8 }), QUERY_WINDOW_MS)).toBeCloseTo(0.4)
    expect(shareBy(curveOfDensity({ edgesMs: [0, QUERY_WINDOW_MS], density: [0], readShare: 0.8 }), QUERY_WINDOW_MS)).toBe(0)
  })
})
