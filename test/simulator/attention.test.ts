import { expect, test } from 'vitest'
import type { LawInput } from '../../src/simulator/attention.ts'
import { PRESETS } from '../../src/simulator/presets.ts'
import { type Simulator, type SimulatorOptions, startSimulator, type TaskTruth } from '../../src/simulator/simulator.ts'
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

function curve(simulator: Simulator, sentAt: number, campaign?: string) {
  const found = simulator.trueCurve(new Date(sentAt), campaign)
  if (found === undefined) throw new Error('no law of attention')
  return found
}
