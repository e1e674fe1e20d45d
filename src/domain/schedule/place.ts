import { HOUR_MS, MINUTE_MS } from '../delivery.ts'
import { buildTiming } from '../poll-times.ts'
import { chooseN, leastNFor } from './calls.ts'
import { planFamily } from './plan-family.ts'
import type { Curve, PollPlan } from './types.ts'

/** Polls of a task where neither their number nor a budget nor a target width is given. */
export const DEFAULT_POLLS = 24
/** Polls of a task at most where a budget or a target width decides. */
const POLL_CEILING = 64

/** A target width may be from the first to the second. */
export const TARGET_WIDTH_MS = { min: MINUTE_MS, max: 12 * HOUR_MS } as const

/** The settings that place polls. Durations are milliseconds of the 24-hour window. */
export interface PlaceSettings {
  /**
   * Polls of a task, the final one included: all of them without a price and a target width, at most so many with one. Null: not given, so
   * {@link DEFAULT_POLLS}, or at most {@link POLL_CEILING}.
   */
  readonly pollsPerTask: number | null
  /** The mean bracket that is reached with the fewest polls; null: none. */
  readonly targetWidthMs: number | null
  readonly reportAgesMs: readonly number[]
  readonly maxGap: { readonly ms: number; readonly isHard: boolean }
}

/** What a poll plan is chosen for. */
export interface PlaceFor {
  readonly curve: Curve
  /** Recipients that the message is delivered to. */
  readonly people: number
  /** What a call costs: minutes of mean bracket times √people. Null: there is no monthly budget. */
  readonly price: number | null
  /** The expected calls of each plan of the family, where they are known. */
  readonly calls?: readonly number[]
}

/** Recipients of a task where nothing says how many it has, and the app has no other tasks. */
export const ASSUMED_PEOPLE = 50

/** When the final poll of a task with a known send time is due in the mean: each task's own is up to 3.5 minutes from it. */
export const MEAN_FINAL_OFFSET_MS = findMeanFinalOffsetMs()

function findMeanFinalOffsetMs(): number {
  const { windowMs, finalMarginMs, finalSpreadMs } = buildTiming(1)
  return windowMs - finalMarginMs - finalSpreadMs / 2
}

/** The most polls that the settings allow a task. */
export function mostPolls(
  { pollsPerTask, targetWidthMs }: Pick<PlaceSettings, 'pollsPerTask' | 'targetWidthMs'>,
  hasPrice: boolean,
): number {
  return pollsPerTask ?? (hasPrice || targetWidthMs !== null ? POLL_CEILING : DEFAULT_POLLS)
}

/**
 * The best plan of each number of polls that the settings allow, see {@link planFamily}. It holds for any price and any number of people, so it can
 * be kept.
 * @param fromMs when tracking begins, where that is later than the send
 */
export function buildFamily(
  curve: Curve,
  settings: PlaceSettings,
  { finalOffsetMs, fromMs = 0, hasPrice }: { readonly finalOffsetMs: number; readonly fromMs?: number; readonly hasPrice: boolean },
): PollPlan[] {
  const { reportAgesMs: forcedAges, maxGap } = settings
  return planFamily(curve, { finalOffsetMs, maxGapMs: maxGap, forcedAges, max: mostPolls(settings, hasPrice), fromMs })
}

/**
 * The plan of a task out of its family. Without a price and a target width it has as many polls as there may be. With a target width it has the
 * fewest that reach it. With a price it has so many that the last one is worth its call, and no more than reach the target width.
 */
export function choosePlan(family: readonly PollPlan[], settings: PlaceSettings, { curve, people, price, calls }: PlaceFor): PollPlan {
  const most = Math.min(mostPolls(settings, price !== null), family.length)
  const allowed = family.slice(0, most)
  const ceiling = settings.targetWidthMs === null ? most : leastNFor(allowed, settings.targetWidthMs)
  const polls = price === null ? ceiling : chooseN(allowed, { curve, people, price, ceiling, calls })
  return allowed[polls - 1] ?? NO_PLAN
}

/** Of an empty family, which {@link planFamily} never gives. */
const NO_PLAN: PollPlan = { offsetsMs: [], widthMs: 0 }
