import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Counts } from '../../src/domain/delivery.ts'
import { ratesOf } from '../../src/report/read-rate.ts'
import { holds } from '../domain/support.ts'

const nobody: Counts = { pending: 0, invalid: 0, failed: 0, forbidden: 0, unread: 0, read: 0 }

test('delivered are the read and the unread; targeted is everybody who is known', () => {
  expect(ratesOf({ read: 3, unread: 1, pending: 1, failed: 1, forbidden: 1, invalid: 1 })).toEqual({
    targeted: 8,
    delivered: 4,
    readRate: 3 / 4,
    readRateOfTargeted: 3 / 8,
  })
})

test('nothing can be said of nobody', () => {
  expect(ratesOf(nobody)).toEqual({ targeted: 0, delivered: 0, readRate: null, readRateOfTargeted: null })
})

test('people who got nothing have no read rate, but count as targeted', () => {
  expect(ratesOf({ ...nobody, pending: 2, forbidden: 1 })).toEqual({ targeted: 3, delivered: 0, readRate: null, readRateOfTargeted: 0 })
})

test('rates lie between 0 and 1, and the rate of the targeted is never the greater', () => {
  const count = fc.nat({ max: 100 })
  const anyCounts = fc.record({ pending: count, invalid: count, failed: count, forbidden: count, unread: count, read: count })
  holds(
    fc.property(anyCounts, (counts) => {
      const { readRate, readRateOfTargeted } = ratesOf(counts)
      expect(readRate ?? 0).toBeGreaterThanOrEqual(readRateOfTargeted ?? 0)
      expect(readRate ?? 1).toBeLessThanOrEqual(1)
      expect(readRateOfTargeted ?? 0).toBeGreaterThanOrEqual(0)
    }),
  )
})
