import { HOUR_MS, MINUTE_MS } from '../../../src/domain/delivery.ts'
import { curveOf, shareBy } from '../../../src/domain/schedule/curve.ts'
import { planFamily } from '../../../src/domain/schedule/plan-family.ts'
import type { Calendar, Curve, Law, ObservedTask } from '../../../src/domain/schedule/types.ts'

/** The final poll. */
export const FINAL_MS = 1_431.5 * MINUTE_MS

/** UTC; Saturdays and Sundays are free. */
export const UTC: Calendar = {
  localAt: (at) => at.getTime(),
  isFreeDay: (day) => (day + 3) % 7 > 4,
}

/** Midnight of a Monday. */
const MONDAY = Date.UTC(2026, 8, 7)
export const sendAt = (day: number, hour: number): Date => new Date(MONDAY + (day * 24 + hour) * HOUR_MS)

export const SEND_TIMES = [sendAt(1, 10), sendAt(1, 16.5), sendAt(1, 20), sendAt(1, 1), sendAt(4, 17), sendAt(5, 10)]

/** A law whose hazard falls with the attention spent, half of it by `half` minutes: 85 % read in the end. */
export function aLaw(attentionAt: (hour: number, isFree: boolean) => number, half: number): Law {
  const edges = [0, ...Array.from({ length: 22 }, (_, i) => 1.5 ** i)]
  const hours = Array.from({ length: 24 }, (_, hour) => hour)
  return {
    attention: { work: hours.map((hour) => attentionAt(hour, false)), free: hours.map((hour) => attentionAt(hour, true)) },
    hazard: { edges, values: edges.map((edge) => (1.9 * edge) / (edge + half)) },
  }
}

/** They read at night, and never in the morning: nothing like the law without data. */
export const NIGHT = aLaw((hour, isFree) => (isFree ? 0.6 : 1) * (hour >= 21 || hour < 6 ? 2.2 : hour < 14 ? 0.05 : 0.5), 60)
export const OFFICE = aLaw((hour, isFree) => (hour >= 9 && hour < 18 ? (isFree ? 0.3 : 2.3) : 0.15), 60)

/** Offsets of `count` polls, evenly apart, the last one the final one. */
export const even = (count: number): number[] => Array.from({ length: count }, (_, i) => (FINAL_MS * (i + 1)) / count)

/** What polls would tell of so many recipients that fractions of them read, exactly as the law says. */
export function expectedTask(law: Law, sentAt: Date, offsetsMs: readonly number[], people = 50): ObservedTask {
  const curve = curveOf(law, sentAt, UTC)
  const read = (offsetMs: number): number => people * shareBy(curve, offsetMs)
  return {
    sentAt,
    people,
    polls: offsetsMs.map((offsetMs, i) => ({ offsetMs, newReads: read(offsetMs) - (i === 0 ? 0 : read(offsetsMs[i - 1] ?? 0)) })),
  }
}

/** Uniform numbers in (0, 1), the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32
  }
}

/** Read times in milliseconds of recipients who read as the law says, each on their own; Infinity: not by the end of the window. */
export function drawReads(law: Law, sentAt: Date, people: number, random: () => number): number[] {
  const { offsetsMs, shares } = curveOf(law, sentAt, UTC)
  return Array.from({ length: people }, () => {
    const share = random()
    const next = shares.findIndex((value) => value > share)
    if (next < 0) return Number.POSITIVE_INFINITY
    const [left = 0, right = 0, from = 0, to = 0] = [shares[next - 1], shares[next], offsetsMs[next - 1], offsetsMs[next]]
    return from + ((to - from) * (share - left)) / (right - left)
  })
}

/** What polls would tell; a task ends once all have read. */
export function observe(sentAt: Date, reads: readonly number[], offsetsMs: readonly number[]): ObservedTask {
  const readBy = (offsetMs: number): number => reads.filter((readMs) => readMs <= offsetMs).length
  const needed = offsetsMs.filter((_, i) => i === 0 || readBy(offsetsMs[i - 1] ?? 0) < reads.length)
  const polls = needed.map((offsetMs, i) => ({ offsetMs, newReads: readBy(offsetMs) - (i === 0 ? 0 : readBy(needed[i - 1] ?? 0)) }))
  return { sentAt, people: reads.length, polls }
}

/** Send times of eight weeks, ascending: most of them in office hours. */
export function someSendTimes(count: number, random: () => number): Date[] {
  const times = Array.from({ length: count }, () => {
    const [week, day] = [Math.floor(random() * 8), Math.floor(random() * 7)]
    return sendAt(week * 7 + day, random() < 0.6 ? 8 + random() * 10 : random() * 24)
  })
  return times.sort((a, b) => a.getTime() - b.getTime())
}

export function planOf(curve: Curve, polls: number): readonly number[] {
  const family = planFamily(curve, { finalOffsetMs: FINAL_MS, maxGapMs: null, forcedAges: [], max: polls })
  return family[polls - 1]?.offsetsMs ?? []
}
