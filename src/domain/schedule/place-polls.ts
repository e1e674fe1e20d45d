import { MINUTE_MS, SECOND_MS } from '../delivery.ts'
import { at } from './curve.ts'

/** The part of the smaller gap beside a poll by which it may move. The mean bracket grows by less than 0.1 %. */
const JITTER_SHARE = 0.05
const MAX_JITTER_MS = 3 * MINUTE_MS

/** A poll for a report age is made in the two minutes after it. There it keeps room for being late. */
const AGE_MS = 2 * MINUTE_MS
const AGE_FROM_MS = 10 * SECOND_MS
const AGE_TO_MS = 90 * SECOND_MS

/** What a task adds to a plan that many tasks share. */
export interface Place {
  /** A number in [0, 1) of the task: tasks of the same minute are not polled in the same second. */
  readonly jitter: number
  /** Report ages, in milliseconds of plan time. */
  readonly ages: readonly number[]
  /** When tracking began, in milliseconds of plan time; a poll at that time does not move. 0: with the send. */
  readonly fromMs: number
  /** The divisor of plan time. */
  readonly timeScale: number
  /** The task's own final poll, in real milliseconds since its send. */
  readonly finalMs: number
  /** A poll nearer than this to the final one is left out, in real milliseconds. */
  readonly minGapMs: number
}

/**
 * The polls of one task in real time: each is moved by a few per cent of the gaps beside it, without changing their order, and the final poll is the
 * task's own.
 * @param offsetsMs of the plan, ascending, in milliseconds of plan time; the final poll last
 * @returns whole milliseconds since the send, ascending, the final poll last
 */
export function placePolls(offsetsMs: readonly number[], { jitter, ages, fromMs, timeScale, finalMs, minGapMs }: Place): number[] {
  const final = Math.round(finalMs)
  const placed: number[] = []
  for (const [i, offsetMs] of offsetsMs.slice(0, -1).entries()) {
    const moved = offsetMs + (2 * jitter - 1) * reachOf(i, offsetsMs, ages, fromMs)
    const real = Math.max(0, Math.round(moved / timeScale))
    if (real > (placed.at(-1) ?? -1) && real <= final - minGapMs) placed.push(real)
  }
  return [...placed, final]
}

/** How far a poll may move in both directions. */
function reachOf(i: number, offsetsMs: readonly number[], ages: readonly number[], fromMs: number): number {
  const offsetMs = at(offsetsMs, i)
  const gapMs = Math.min(offsetMs - (i === 0 ? fromMs : at(offsetsMs, i - 1)), at(offsetsMs, i + 1) - offsetMs)
  const reach = Math.min(gapMs * JITTER_SHARE, MAX_JITTER_MS)
  const age = ages.find((ageMs) => offsetMs >= ageMs && offsetMs <= ageMs + AGE_MS)
  if (age === undefined) return reach
  return Math.max(0, Math.min(reach, offsetMs - (age + AGE_FROM_MS), age + AGE_TO_MS - offsetMs))
}
