import { type AttentionLaw, type ElapsedLaw, isElapsed, type ReadingLaw } from './attention.ts'
import { chance, logNormal, normal } from './chance.ts'
import type { Week } from './week.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
/** Who has not read after a week never does. */
const HORIZON_HOURS = 7 * 24
const WINDOW_MINUTES = 1_440

/** What a task's reading times depend on, besides the person. */
export interface SentTask {
  readonly taskId: string
  /** The people of one campaign all read faster, or all slower, than the average. */
  readonly campaign: string
  /** Epoch ms. */
  readonly sentAt: number
}

/** The true share of recipients that has read, at each minute of the 24-hour window. */
export interface TrueCurve {
  /** 0 to 1440, simulated minutes since the send. */
  readonly minutes: readonly number[]
  /** Of the people whom the message reaches. */
  readonly shares: readonly number[]
}

/** How people read. Everything is a pure function of law, week, seed and task: a run repeats, whatever the time scale. */
export interface Reader {
  /** Of the people whom the message reaches, so many never open it. */
  readonly neverShare: number
  /** Draws for the people of one task: simulated ms from the send until the person reads. Infinity: not within a week. */
  forTask(task: SentTask): (userId: string) => number
  /**
   * Processing, at most 90 s, is not in it: a person whom the law lets read before the message is processed reads when it is.
   * @param sentAt epoch ms
   * @param campaign without it the mean over campaigns, which is what a plan can know
   */
  trueCurve(sentAt: number, campaign?: string): TrueCurve
}

export function createReader(law: ReadingLaw, week: Week, seed: number): Reader {
  return isElapsed(law) ? createElapsedReader(law, seed) : createAttentionReader(law, week, seed)
}

function createAttentionReader(law: AttentionLaw, week: Week, seed: number): Reader {
  const clockSince = (sentAt: number) => createAttentionClock(law, week.localAt(sentAt), week)
  /** The logarithm of the factor by which the people of a campaign need more attention. */
  const shiftOf = (campaign: string) => law.campaignSpread * normal(seed, 'campaign', campaign)
  return {
    neverShare: law.neverShare,
    forTask({ taskId, campaign, sentAt }) {
      const clock = clockSince(sentAt)
      const factor = Math.exp(shiftOf(campaign))
      return (userId) => {
        const { medianMinutes, spread } = pickPart(law, chance(seed, taskId, userId, 'part'))
        return clock.minutesUntil(logNormal(medianMinutes, spread, seed, taskId, userId, 'attention') * factor) * MINUTE_MS
      }
    },
    trueCurve(sentAt, campaign) {
      const clock = clockSince(sentAt)
      // A log-normal time whose median is log-normal over campaigns is log-normal over all people.
      const [shift, extra] = campaign === undefined ? [0, law.campaignSpread] : [shiftOf(campaign), 0]
      const reading = (log: number) =>
        sumOf(law.parts, (part) => part.share * normalShare(log - Math.log(part.medianMinutes), Math.hypot(part.spread, extra)))
      return curveOf((minute) => (1 - law.neverShare) * reading(Math.log(clock.attentionBy(minute)) - shift))
    },
  }
}

function createElapsedReader(law: ElapsedLaw, seed: number): Reader {
  const { edges, readShare } = law
  const reads = cumulate(law)
  const total = reads.at(-1) ?? 0
  return {
    neverShare: 1 - readShare,
    forTask:
      ({ taskId }) =>
      (userId) => {
        // Above 0: no reads are reached at the first edge already.
        const wanted = (1 - chance(seed, taskId, userId, 'elapsed')) * total
        return interpolate(reads, edges, firstAtLeast(reads, wanted), wanted) * MINUTE_MS
      },
    trueCurve: () =>
      curveOf((minute) => {
        const i = firstAtLeast(edges, minute)
        if (i === edges.length) return readShare
        return i === 0 ? 0 : (readShare * interpolate(edges, reads, i, minute)) / total
      }),
  }
}

function curveOf(shareBy: (minute: number) => number): TrueCurve {
  const minutes = Array.from({ length: WINDOW_MINUTES + 1 }, (_, minute) => minute)
  return { minutes, shares: minutes.map(shareBy) }
}

function sumOf<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0)
}

function pickPart({ parts }: AttentionLaw, drawn: number): AttentionLaw['parts'][number] {
  let left = drawn
  const last = parts.at(-1)
  for (const part of parts) {
    if (left < part.share || part === last) return part
    left -= part.share
  }
  throw new RangeError('a law has at least one part')
}

/** Minutes of attention since a local time, for a week. */
function createAttentionClock(law: AttentionLaw, localMs: number, week: Week) {
  const firstHour = Math.floor(localMs / HOUR_MS) * HOUR_MS
  /** Minutes since the send at which an hour ends, and the attention until then. The first hour is a part of one. */
  const ends = new Float64Array(HORIZON_HOURS)
  const attention = new Float64Array(HORIZON_HOURS)
  let [sum, from, hour] = [0, 0, hourOfDay(firstHour)]
  let weights = weightsOf(law, week.isFreeDay(firstHour))
  for (let i = 0; i < HORIZON_HOURS; i++) {
    const startMs = firstHour + i * HOUR_MS
    if (hour === 24) [weights, hour] = [weightsOf(law, week.isFreeDay(startMs)), 0]
    const to = (startMs + HOUR_MS - localMs) / MINUTE_MS
    sum += (to - from) * (weights[hour] ?? 0)
    ends[i] = to
    attention[i] = sum
    from = to
    hour += 1
  }
  return {
    /** When so much attention has passed; Infinity: not within a week. */
    minutesUntil(wanted: number): number {
      const i = firstAtLeast(attention, wanted)
      return i === HORIZON_HOURS ? Infinity : interpolate(attention, ends, i, wanted)
    },
    attentionBy(minute: number): number {
      return interpolate(ends, attention, firstAtLeast(ends, minute), minute)
    },
  }
}

function weightsOf({ work, free }: AttentionLaw, isFree: boolean): readonly number[] {
  return isFree ? free : work
}

/** @param localMs the beginning of an hour */
function hourOfDay(localMs: number): number {
  return (((localMs / HOUR_MS) % 24) + 24) % 24
}

/** Reads until each edge, in the unit of the density. */
function cumulate({ edges, density }: ElapsedLaw): number[] {
  const reads = [0]
  for (const [i, value] of density.entries()) reads.push((reads[i] ?? 0) + value * ((edges[i + 1] ?? 0) - (edges[i] ?? 0)))
  return reads
}

/** The index of the first value that is at least `wanted`; the length if none is. @param values ascending */
function firstAtLeast(values: ArrayLike<number>, wanted: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] ?? Infinity) < wanted) low = middle + 1
    else high = middle
  }
  return low
}

/** The y at x on the line that ends at index `i`; before the first point both are 0. */
function interpolate(xs: ArrayLike<number>, ys: ArrayLike<number>, i: number, x: number): number {
  const [x0, y0] = i === 0 ? [0, 0] : [xs[i - 1] ?? 0, ys[i - 1] ?? 0]
  const [x1, y1] = [xs[i] ?? x0, ys[i] ?? y0]
  return x1 === x0 ? y1 : y0 + ((y1 - y0) * (x - x0)) / (x1 - x0)
}

/** The share of a normal distribution below `x`. */
function normalShare(x: number, deviation: number): number {
  return deviation === 0 ? Number(x >= 0) : errorIntegral(x / deviation)
}

/** Φ, within 1e-7. Source: Abramowitz and Stegun, 26.2.17. */
function errorIntegral(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z))
  const tail = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  const above = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * tail
  return z < 0 ? above : 1 - above
}
