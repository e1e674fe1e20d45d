import type { Backtest } from '../domain/schedule/backtest.ts'

/** What learned polls would have given on an app's past tasks. */
export interface BacktestReport {
  /** Null: there is no app yet. */
  readonly app: string | null
  /** Ended tasks with a known send time, a delivered recipient and a successful poll; the latest {@link BACKTEST_TASKS} at most. */
  readonly tasks: number
  readonly tasksNeeded: number
  readonly firstSentAt: Date | null
  readonly lastSentAt: Date | null
  /** Null: there are too few tasks. Plans are learned from tasks before them alone, so the first fifth is not compared. */
  readonly result: Backtest | null
}

/** With fewer tasks a law is little more than the prior, and the compared ones are a handful. */
export const LEAST_BACKTEST_TASKS = 25
/** Older ones say little of now; each costs some milliseconds. */
export const BACKTEST_TASKS = 400

/** How much a comparison says. */
export type Certainty = 'certain' | 'likely' | 'open'

/**
 * `certain`: wherever in their stored brackets the reads were, the sign of the gain is the same. `likely`: it is not, and a fifth or more is gained or
 * lost by the estimate. `open`: neither.
 */
export function certaintyOf({ storedWidthMs, plannedWidthMs, plannedAtLeastMs, plannedAtMostMs }: Backtest): Certainty {
  if (storedWidthMs === null || plannedWidthMs === null || plannedAtLeastMs === null || plannedAtMostMs === null) return 'open'
  if (plannedAtMostMs < storedWidthMs || plannedAtLeastMs > storedWidthMs) return 'certain'
  return Math.abs(plannedWidthMs / storedWidthMs - 1) >= LARGE_GAIN ? 'likely' : 'open'
}

const LARGE_GAIN = 0.2
