import { expect, test } from 'vitest'
import { HOUR_MS } from '../../../src/domain/delivery.ts'
import { expectedCalls } from '../../../src/domain/schedule/calls.ts'
import { type CampaignToPrice, priceOfCampaign } from '../../../src/domain/schedule/campaign-price.ts'
import { buildFamily, choosePlan, MEAN_FINAL_OFFSET_MS, type PlaceSettings } from '../../../src/domain/schedule/place.ts'
import { KNOWN_LAWS } from './laws.ts'

const curve = KNOWN_LAWS['natural'] ?? expect.fail('the law is there')
const settings: PlaceSettings = { pollsPerTask: null, targetWidthMs: null, reportAgesMs: [], maxGap: { ms: 6 * HOUR_MS, isHard: false } }
const WEEKEND = new Set([0, 6])
const CAMPAIGN: CampaignToPrice = {
  ...{ curve, settings, tasks: 30, people: 100, budget: 5_000, left: 5_000, openTasks: 0 },
  sentAt: new Date('2026-12-01T02:00:00Z'),
  calendar: {
    localAt: (at) => at.getTime() + 8 * HOUR_MS,
    isFreeDay: (day) => WEEKEND.has(new Date(day * 24 * HOUR_MS).getUTCDay()),
  },
}
const priceOf = (given: Partial<CampaignToPrice> = {}): number => priceOfCampaign({ ...CAMPAIGN, ...given })

/** Calls of the whole campaign at a price. */
function callsAt(price: number): number {
  const family = buildFamily(curve, settings, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: true })
  const { offsetsMs } = choosePlan(family, settings, { curve, people: 100, price })
  return CAMPAIGN.tasks * expectedCalls(curve, offsetsMs, 100)
}

test('a call is dearer with less left, more tasks, or more open tasks', () => {
  const price = priceOf()
  expect(price).toBeGreaterThan(0)
  expect(priceOf({ left: 1_000 })).toBeGreaterThan(price)
  expect(priceOf({ tasks: 300 })).toBeGreaterThan(price)
  expect(priceOf({ openTasks: 1_000 })).toBeGreaterThan(price)
})

test('a budget that is enough for every task costs nothing', () => {
  expect(priceOf({ budget: 10_000_000, left: 10_000_000, tasks: 1, sentAt: new Date('2026-12-30T02:00:00Z') })).toBe(0)
})

test('at its price the campaign leaves calls for the rest of the month', () => {
  expect(callsAt(priceOf())).toBeLessThan(CAMPAIGN.left / 2)
  // The last afternoon of a month: nearly everything that is left is for this campaign.
  const evening = { sentAt: new Date('2026-12-31T09:00:00Z'), left: 600 }
  expect(callsAt(priceOf(evening))).toBeGreaterThan(200)
})
