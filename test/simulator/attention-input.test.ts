import { expect, test } from 'vitest'
import { type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts'
import { bench, HOUR, list, MINUTE, SENT_AT } from './harness.ts'

const SPIKE = { unit: 'min', edges: [60, 62, 600, 1_000], density: [100, 0, 0.25], readShare: 0.9 } as const
const HOURS = Array<number>(24).fill(1)
const LAW = { work: HOURS, free: HOURS, parts: [{ share: 1, medianMinutes: 60, spread: 1 }] }
const curveAt = (query = '') => `/_simulator/curve${query}`

test('a law of elapsed minutes has the shares of its density, at any hour', async () => {
  const { simulator } = await bench({ attention: SPIKE, clockStart: 'Mon 02:00' })
  const recipients = Array.from({ length: 4_000 }, (_, i) => ({ userId: `0${i}`, fate: 'drawn' as const }))
  const truth = simulator.createTask({ recipients })
  const minutes = truth.recipients.flatMap(({ readAt }) => (readAt === null ? [] : [(readAt.getTime() - truth.sentAt.getTime()) / MINUTE]))
  const share = (from: number, to: number) => minutes.filter((minute) => minute > from && minute <= to).length / (4_000 * 0.96)
  expect(share(0, 60)).toBe(0)
  expect(share(62.01, 600)).toBe(0)
  expect(Math.abs(share(60, 62.01) - 0.6)).toBeLessThan(0.03)
  expect(Math.abs(share(600, 1_000.01) - 0.3)).toBeLessThan(0.03)
  const { shares } = simulator.trueCurve(truth.sentAt) ?? { shares: [] }
  for (const [minute, expected] of [
    [0, 0],
    [60, 0],
    [61, 0.3],
    [62, 0.6],
    [600, 0.6],
    [800, 0.75],
    [1_000, 0.9],
    [1_440, 0.9],
  ] as const)
    expect(shares[minute], `by minute ${minute}`).toBeCloseTo(expected, 10)
})

test.each<[unknown, string, RegExp]>([
  ['ofice', 'attention', /expected office, slow, .*or a law as an object; given "ofice"; docs/],
  [['office'], 'attention', /given \["office"\]/],
  [{ ...LAW, work: [1, 2] }, 'attention.work', /expected 24 numbers from 0 to 1000, one for each hour.*given \[1,2\]/],
  [{ ...LAW, work: HOURS.with(9, -1) }, 'attention.work.9', /expected 24 numbers.*given -1/],
  [{ ...LAW, work: HOURS.map(() => 0) }, 'attention.work', /no one would ever read/],
  [{ ...LAW, free: undefined }, 'attention.free', /expected 24 numbers.*given nothing/],
  [{ ...LAW, parts: [] }, 'attention.parts', /given \[\]/],
  [{ ...LAW, parts: [{ share: 0.5, medianMinutes: 5, spread: 1 }] }, 'attention.parts', /expected shares that add up to 1/],
  [{ ...LAW, parts: [{ share: 1, medianMinutes: 0, spread: 1 }] }, 'attention.parts.0.medianMinutes', /given 0/],
  [{ ...LAW, neverShare: 2 }, 'attention.neverShare', /given 2/],
  [{ ...LAW, hours: HOURS }, 'attention.hours', /there is no such field/],
  [{ ...SPIKE, unit: 'h' }, 'attention.unit', /expected "min"; given "h"/],
  [{ ...SPIKE, edges: [0, 60, 60, 70] }, 'attention.edges', /expected ascending minutes from 0 on/],
  [{ ...SPIKE, density: [1, 2] }, 'attention.density', /one less than edges; given \[1,2\]/],
  [{ ...SPIKE, density: [0, 0, 0] }, 'attention.density', /no one would ever read/],
  [{ ...SPIKE, readShare: 1.5 }, 'attention.readShare', /given 1.5/],
])('the law %j is refused with the field %s, its value and the remedy', async (attention, field, message) => {
  const options: object = { attention }
  await expect(startSimulator(options)).rejects.toMatchObject({ field, message: expect.stringMatching(message) })
})

test.each<[SimulatorOptions, string, RegExp]>([
  [{ clockStart: 'Tuesday' }, 'clockStart', /expected a day and an hour such as "Tue 10:00".*2026-12-01T10:00; given "Tuesday"/],
  [{ freeDates: ['25.12.2026'] }, 'freeDates.0', /expected a date such as 2026-12-25; given "25.12.2026"/],
  [{ workDates: ['2026-02-30'] }, 'workDates.0', /expected a date/],
])('%j is refused', async (options, field, message) => {
  await expect(startSimulator(options)).rejects.toMatchObject({ field, message: expect.stringMatching(message) })
})

test('the clock is shown, and the line for workers makes the same clock', async () => {
  const { simulator, call, pass } = await bench({ clockStart: 'Tue 10:00', timeScale: 1440 })
  const clockStart = '2026-11-03T10:00@2026-11-23T01:00:00.000Z'
  expect(simulator.clockStart).toBe(clockStart)
  pass(30_000)
  expect((await call('/_simulator/clock')).json).toEqual({ localTime: '2026-11-03T22:00:00.000', clockStart, timeScale: 1440 })
  const later = await bench({ clockStart, timeScale: 1440 })
  expect((await later.call('/_simulator/clock')).json).toEqual({ localTime: '2026-11-03T10:00:00.000', clockStart, timeScale: 1440 })
})

test('the true curve of a law is an answer, for a send time and a campaign', async () => {
  const { simulator, call } = await bench({ attention: 'office', clockStart: 'Tue 10:00' })
  const night = new Date(SENT_AT.getTime() + 15 * HOUR)
  const now = (await call(curveAt())).json
  expect(now).toEqual(simulator.trueCurve(SENT_AT))
  expect(list(now['minutes'])).toHaveLength(1_441)
  expect((await call(curveAt(`?sentAt=${night.toISOString()}&campaign=hello`))).json).toEqual(simulator.trueCurve(night, 'hello'))
  expect(simulator.trueCurve(night, 'hello')).not.toEqual(simulator.trueCurve(night))
  expect(await call(curveAt('?sentAt=noon'))).toMatchObject({
    status: 400,
    json: { error: { field: 'sentAt', message: expect.stringMatching(/expected an ISO 8601 time with its zone; given "noon"/) } },
  })
})

test('without a law there is no true curve', async () => {
  const { simulator, call } = await bench()
  expect(simulator.trueCurve(SENT_AT)).toBeUndefined()
  expect(await call(curveAt())).toMatchObject({ status: 409, json: { error: { code: 'NO_LAW' } } })
})
