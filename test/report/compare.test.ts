import { expect, test } from 'vitest'
import { assertComparable, compareCampaigns, loadComparison } from '../../src/report/compare.ts'
import type { CampaignRates, CurvePoint, RateReader } from '../../src/report/rates.ts'
import type { TimeToRead } from '../../src/report/time-to-read.ts'
import { hoursLater, minutesLater } from '../domain/support.ts'
import { aCampaign } from './support.ts'

const timeToRead: TimeToRead = { people: 2, read: 1, method: 'turnbull', asOf: null, assumedSendTimes: 0, quantiles: [], within: [] }
const point = (minute: number, read: number): CurvePoint => ({ at: minutesLater(minute), delivered: 4, read, readRate: read / 4 })
const pointsOf = (fields: Partial<CampaignRates>, curve: readonly CurvePoint[], now = hoursLater(48)) =>
  compareCampaigns([{ campaign: aCampaign({ delivered: 4, read: 2, ...fields }), curve, timeToRead }], now).map(({ points }) => points)

test('a curve begins at the send, where no person had read, and ends at the last observation', () => {
  expect(pointsOf({ lastObservedAt: minutesLater(90) }, [point(5, 0), point(30, 1), point(60, 2)])).toEqual([
    [
      { minutes: 0, read: 0, readRate: 0 },
      { minutes: 5, read: 0, readRate: 0 },
      { minutes: 30, read: 1, readRate: 0.25 },
      { minutes: 60, read: 2, readRate: 0.5 },
      { minutes: 90, read: 2, readRate: 0.5 },
    ],
  ])
})

test('the share is of all people that are delivered by now, so a curve does not fall when others are delivered', () => {
  const early = { at: minutesLater(5), delivered: 1, read: 1, readRate: 1 }
  expect(pointsOf({ lastObservedAt: minutesLater(5) }, [early])).toEqual([
    [
      { minutes: 0, read: 0, readRate: 0 },
      { minutes: 5, read: 1, readRate: 0.25 },
    ],
  ])
})

test('before the first observation there is no curve, and where no person is delivered no share', () => {
  expect(pointsOf({ lastObservedAt: null }, [])).toEqual([[]])
  expect(pointsOf({ lastObservedAt: minutesLater(5), delivered: 0 }, [])).toEqual([
    [
      { minutes: 0, read: 0, readRate: null },
      { minutes: 5, read: 0, readRate: null },
    ],
  ])
})

test('clocks that differ put no point before the send, and none after now but what was observed', () => {
  expect(pointsOf({ lastObservedAt: minutesLater(60) }, [point(-1, 1)], minutesLater(30))).toEqual([
    [
      { minutes: 0, read: 0, readRate: 0 },
      { minutes: 0, read: 1, readRate: 0.25 },
      { minutes: 30, read: 1, readRate: 0.25 },
    ],
  ])
  expect(
    pointsOf({ lastObservedAt: minutesLater(60) }, [point(60, 1)], minutesLater(30))
      .flat()
      .at(-1),
  ).toMatchObject({ minutes: 60 })
})

test('a day that passes faster has its curve on the axis of a day', () => {
  const fast = { lastDeadlineAt: minutesLater(1), lastObservedAt: minutesLater(0.5) }
  expect(pointsOf(fast, [point(0.5, 2)])).toEqual([
    [
      { minutes: 0, read: 0, readRate: 0 },
      { minutes: 720, read: 2, readRate: 0.5 },
    ],
  ])
})

test('campaigns are loaded in three reads each, and come in the order in which they were given', async () => {
  const asked: string[] = []
  const noted =
    <T>(name: string, answer: (ref: { readonly campaign: string }) => T) =>
    (ref: { readonly campaign: string }): Promise<T> => {
      asked.push(`${name} ${ref.campaign}`)
      return Promise.resolve(answer(ref))
    }
  const reader = {
    campaign: noted('campaign', ({ campaign }) => aCampaign({ campaign })),
    campaignCurve: noted('curve', () => [point(5, 1)]),
    readTimes: noted('times', () => ({ bounds: [], timeToRead })),
  } as unknown as RateReader
  const compared = await loadComparison(reader, [{ campaign: 'b' }, { campaign: 'a' }], hoursLater(48))
  expect(compared.map(({ campaign }) => campaign.campaign)).toEqual(['b', 'a'])
  expect(compared[0]).toMatchObject({ timeToRead, points: [{ minutes: 0 }, { minutes: 5 }, { minutes: 60 }] })
  expect(asked.toSorted()).toEqual(['campaign a', 'campaign b', 'curve a', 'curve b', 'times a', 'times b'])
})

test.each([
  [[], 'campaign must be given 2 to 6 times, once for each campaign to compare, not 0 times.'],
  [['a'], 'campaign must be given 2 to 6 times, once for each campaign to compare, not once.'],
  [['a', 'b', 'c', 'd', 'e', 'f', 'g'], 'not 7 times.'],
  [['a', 'b', 'a'], 'campaign has "a" twice. Give each campaign once.'],
])('%j cannot be compared, and the error says why', (names, message) => {
  expect(() => assertComparable(names, 'campaign')).toThrow(
    expect.objectContaining({ code: 'INVALID_INPUT', field: 'campaign', message: expect.stringContaining(message) }),
  )
})

test('two to six campaigns can be compared', () => {
  for (const names of [
    ['a', 'b'],
    ['a', 'b', 'c', 'd', 'e', 'f'],
  ])
    expect(() => assertComparable(names, 'campaign')).not.toThrow()
})
