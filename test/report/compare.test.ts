import { expect, test } from 'vitest'
import { compareCampaigns } from '../../src/report/compare.ts'
import { timeToReadOfTask } from '../../src/report/time-to-read.ts'
import { hoursLater, minutesLater } from '../domain/support.ts'
import { aCampaign } from './support.ts'

const NOTHING = timeToReadOfTask([], null)
const curve = [
  { at: minutesLater(10), delivered: 4, read: 1, readRate: 0.25 },
  { at: minutesLater(30), delivered: 4, read: 2, readRate: 0.5 },
]
const now = hoursLater(2)

const pointsOf = (...args: Parameters<typeof aCampaign>) =>
  compareCampaigns([{ campaign: aCampaign(...args), curve, timeToRead: NOTHING }], now)[0]?.points

test('a curve begins with nothing read at the send, and ends at the last observation', () => {
  expect(pointsOf({ lastObservedAt: minutesLater(60) })).toEqual([
    { minutes: 0, read: 0, readRate: 0 },
    { minutes: 10, read: 1, readRate: 0.25 },
    { minutes: 30, read: 2, readRate: 0.5 },
    { minutes: 60, read: 2, readRate: 0.5 },
  ])
})

test('a curve whose last point is the last observation has no other end', () => {
  expect(pointsOf({ lastObservedAt: minutesLater(30) })).toHaveLength(3)
  expect(pointsOf({ lastObservedAt: null })).toHaveLength(3)
})

test('times before the send and after now, by clocks that differ, are in the plot', () => {
  const points = pointsOf({ firstSentAt: minutesLater(20), lastObservedAt: hoursLater(3) })
  expect(points?.map(({ minutes }) => minutes)).toEqual([0, 0, 10, 100])
})

test('a campaign without a successful poll has no curve', () => {
  const [compared] = compareCampaigns([{ campaign: aCampaign(), curve: [], timeToRead: NOTHING }], now)
  expect(compared?.points).toEqual([])
  expect(compared?.campaign.campaign).toBe('payroll')
})
