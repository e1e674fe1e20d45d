import { expect, test } from 'vitest'
import { PRESETS } from '../../src/simulator/presets.ts'
import type { LawInput, Simulator, SimulatorOptions, TaskTruth } from '../../src/simulator/simulator.ts'
import { bench, HOUR, MINUTE, SENT_AT } from './harness.ts'

/** Everybody reads when exactly an hour of attention has passed, which only office hours give. */
const OFFICE_HOURS = Array.from({ length: 24 }, (_, hour) => (hour >= 9 && hour < 17 ? 1 : 0))
const ONE_HOUR = {
  work: OFFICE_HOURS,
  free: Array<number>(24).fill(0),
  parts: [{ share: 1, medianMinutes: 60, spread: 0 }],
  campaignSpread: 0,
  neverShare: 0,
}
const MONDAY = Date.parse('2026-11-02T00:00Z')
const people = (count: number) => Array.from({ length: count }, (_, i) => ({ userId: `0${i}`, fate: 'drawn' as const }))

/** A simulator whose local time at its start is Monday, midnight. */
async function week(options: SimulatorOptions): Promise<Simulator> {
  return (await bench({ clockStart: 'Mon 00:00', ...options })).simulator
}

/** The real moment at which the simulated organisation's clocks show a local time. */
const realTime = (local: string, timeScale = 1) => SENT_AT.getTime() + (Date.parse(`${local}Z`) - MONDAY) / timeScale

/** Minutes of the simulated day from the send to each read. */
function minutesOf(task: TaskTruth | undefined, timeScale = 1): number[] {
  if (task === undefined) throw new Error('no such task')
  const reads = task.recipients.flatMap(({ readAt }) => (readAt === null ? [] : [readAt.getTime() - task.sentAt.getTime()]))
  return reads.map((ms) => (ms * timeScale) / MINUTE)
}

test.each([
  ['in the morning', '2026-11-03T10:00', {}, '2026-11-03T11:00'],
  ['before the office opens', '2026-11-03T05:30', {}, '2026-11-03T10:00'],
  ['over the night', '2026-11-03T16:40', {}, '2026-11-04T09:40'],
  ['over the weekend', '2026-11-06T16:30', {}, '2026-11-09T09:30'],
  ['over a weekend whose Saturday is a work day', '2026-11-06T16:30', { workDates: ['2026-11-07'] }, '2026-11-07T09:30'],
  ['over a free date', '2026-11-03T16:30', { freeDates: ['2026-11-04'] }, '2026-11-05T09:30'],
  ['on a work day that is in both lists', '2026-11-03T16:30', { freeDates: ['2026-11-04'], workDates: ['2026-11-04'] }, '2026-11-04T09:30'],
])('an hour of attention passes %s', async (_, sent, options, read) => {
  const simulator = await week({ attention: ONE_HOUR, ...options })
  const { recipients } = simulator.createTask({ sentAt: realTime(sent), recipients: [{ userId: '01' }] })
  expect(recipients[0]?.readAt).toEqual(new Date(realTime(read)))
})

test('who has not read after a week never does', async () => {
  const dates = Array.from({ length: 9 }, (_, day) => new Date(MONDAY + day * 24 * HOUR).toISOString().slice(0, 10))
  const simulator = await week({ attention: ONE_HOUR, freeDates: dates })
  const { recipients } = simulator.createTask({ sentAt: realTime('2026-11-02T10:00'), recipients: [{ userId: '01' }] })
  expect(recipients[0]).toMatchObject({ fate: 'read', readAt: null })
})

const MOMENTS = ['2026-11-03T10:00', '2026-11-04T16:30', '2026-11-05T01:00', '2026-11-06T17:00', '2026-11-07T10:00']
const PRESET_NAMES = ['office', 'slow', 'evening', 'shifts', 'flat'] as const

test('every preset has a test', () => {
  expect(PRESET_NAMES).toEqual(Object.keys(PRESETS))
})

test.each(PRESET_NAMES)('of "%s" the shares that have read are those of the curve, at any hour of the week', async (name) => {
  const simulator = await week({ attention: name })
  for (const sent of MOMENTS) {
    const sentAt = realTime(sent)
    const reads = minutesOf(simulator.createTask({ sentAt, campaign: sent, recipients: people(4_000) }))
    const { minutes, shares } = curve(simulator, sentAt, sent)
    // Of all people, 4 % have another fate.
    const reached = 4_000 * 0.96
    for (const minute of [10, 60, 240, 720, 1_440]) {
      expect(minutes[minute]).toBe(minute)
      const difference = reads.filter((read) => read <= minute).length / reached - (shares[minute] ?? 0)
      expect(Math.abs(difference), `${name}, ${sent}, by minute ${minute}`).toBeLessThan(0.03)
    }
  }
})

test.each(['office', 'shifts'] as const)('of "%s" the curve without a campaign is the mean over campaigns', async (name) => {
  const simulator = await week({ attention: name })
  for (const sent of MOMENTS.slice(0, 2)) {
    const sentAt = realTime(sent)
    const curves = Array.from({ length: 300 }, (_, i) => curve(simulator, sentAt, `campaign ${i}`).shares)
    const { shares } = curve(simulator, sentAt)
    for (const minute of [10, 60, 240, 720, 1_440]) {
      const mean = curves.reduce((sum, each) => sum + (each[minute] ?? 0), 0) / curves.length
      expect(Math.abs(mean - (shares[minute] ?? 0)), `${name}, ${sent}, by minute ${minute}`).toBeLessThan(0.03)
    }
    expect(shares[0]).toBe(0)
    expect(shares.every((share, i) => share >= (shares[i - 1] ?? 0) && share <= 0.85)).toBe(true)
  }
})

test('a night in the office is nearly empty, and one of shifts is not', async () => {
  const byNight = async (name: LawInput) => {
    const simulator = await week({ attention: name })
    const hours = minutesOf(simulator.createTask({ sentAt: realTime('2026-11-03T10:00'), recipients: people(4_000) })).map(
      (each) => each / 60,
    )
    return hours.filter((hour) => hour >= 14 && hour < 20).length / hours.filter((hour) => hour < 24).length
  }
  expect(await byNight('office')).toBeLessThan(0.01)
  expect(await byNight('shifts')).toBeGreaterThan(0.03)
})

test('the same seed gives the same reads in any order, another seed gives others', async () => {
  const order = people(300)
  const reads = async (seed: number, recipients: typeof order) => {
    const simulator = await week({ attention: 'office', seed })
    const { recipients: found } = simulator.createTask({ taskId: '9', sentAt: realTime('2026-11-03T16:30'), recipients })
    return found.toSorted((a, b) => a.userId.localeCompare(b.userId))
  }
  expect(await reads(7, order.toReversed())).toEqual(await reads(7, order))
  expect(await reads(8, order)).not.toEqual(await reads(7, order))
})

test('a time scale changes no simulated time', async () => {
  const reads = async (timeScale: number) => {
    const simulator = await week({ attention: 'office', timeScale })
    const sentAt = realTime('2026-11-06T16:30', timeScale)
    return minutesOf(simulator.createTask({ taskId: '9', sentAt, recipients: people(1_000) }), timeScale)
  }
  const [real, fast] = [await reads(1), await reads(1440)]
  expect(fast).toHaveLength(real.length)
  // Real times are whole milliseconds, of which one is 1.44 s there.
  for (const [i, minutes] of real.entries()) expect(Math.abs(minutes - (fast[i] ?? Infinity))).toBeLessThan(0.0125)
})

test('a law replaces reading times and who never reads, and no other fate', async () => {
  const fates = async (attention?: LawInput) => {
    const simulator = await week({ attention, laws: { invalidShare: 0.1, failedShare: 0.1, forbiddenShare: 0.1 } })
    return simulator.createTask({ taskId: '9', recipients: people(2_000) }).recipients.map(({ fate }) => fate)
  }
  const others = (all: readonly string[]) => all.map((fate) => (fate === 'never' ? 'read' : fate))
  const [before, after] = [await fates(), await fates({ ...ONE_HOUR, neverShare: 0.5 })]
  expect(others(after)).toEqual(others(before))
  const share = (all: readonly string[]) =>
    all.filter((fate) => fate === 'never').length / all.filter((fate) => /never|read/.test(fate)).length
  expect(share(after)).toBeCloseTo(0.5, 1)
})

test('a word in a user id, a given fate and a given time go before the law, and no one reads before the message is there', async () => {
  const simulator = await week({ attention: { ...ONE_HOUR, neverShare: 1 } })
  const { recipients } = simulator.createTask({
    sentAt: realTime('2026-11-03T16:30'),
    recipients: [
      { userId: 'ann-fast', fate: 'drawn' },
      { userId: '01' },
      { userId: '02', readAfterMs: MINUTE },
      { userId: '03', processedAfterMs: 20 * HOUR },
      { userId: '04', fate: 'drawn' },
    ],
  })
  const readAt = recipients.map((person) => person.readAt?.getTime() ?? null)
  const sentAt = realTime('2026-11-03T16:30')
  expect(readAt).toEqual([expect.any(Number), realTime('2026-11-04T09:30'), sentAt + MINUTE, sentAt + 20 * HOUR, null])
  expect(readAt[0]).toBeLessThan(sentAt + HOUR)
})

test('the people of one text read at one speed, those of another text at another', async () => {
  const { simulator, send, pass } = await bench({ clockStart: 'Tue 10:00', attention: { ...ONE_HOUR, campaignSpread: 1 } })
  const fields = (userid_list: string, content: string) => ({ userid_list, msg: { msgtype: 'text', text: { content } } })
  const speeds = async (userIds: string, text: string) => [...new Set(minutesOf(simulator.truth(await send(fields(userIds, text)))))]
  const first = await speeds('01,02,03', 'hello')
  pass(MINUTE)
  const [second, other] = [await speeds('04,05,06', 'hello'), await speeds('01,02,03', 'good bye')]
  expect([first.length, other.length]).toEqual([1, 1])
  expect(second[0]).toBeCloseTo(first[0] ?? 0, 3)
  expect(Math.abs((other[0] ?? 0) - (first[0] ?? 0))).toBeGreaterThan(1)
})

test('without a start of the clock, the local time is that of China at the send', async () => {
  const { simulator } = await bench({ attention: ONE_HOUR, timeScale: 1440 })
  const { recipients } = simulator.createTask({ sentAt: '2026-11-24T08:30:00Z', recipients: [{ userId: '01' }] })
  // Half an hour until 17:00, sixteen hours of night, half an hour from 09:00 on.
  expect(recipients[0]?.readAt).toEqual(new Date(Date.parse('2026-11-24T08:30:00Z') + (17 * HOUR) / 1440))
  expect(simulator.clockStart).toBeNull()
})

function curve(simulator: Simulator, sentAt: number, campaign?: string) {
  const found = simulator.trueCurve(new Date(sentAt), campaign)
  if (found === undefined) throw new Error('no law of attention')
  return found
}
