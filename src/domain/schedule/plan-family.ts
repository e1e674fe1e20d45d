import { SECOND_MS } from '../delivery.ts'
import { bracketWidthMs } from './calls.ts'
import { at } from './curve.ts'
import { CELL_MS, chooseCells, createFineGrid, type Grid, pickCells } from './grid.ts'
import { createChoice, type Wishes } from './plan-choice.ts'
import { polish } from './polish.ts'
import type { Curve, PollPlan } from './types.ts'

/** What the plans of a task must keep. */
export interface FamilyOptions {
  /** When the final poll is due. It is the last poll of every plan. */
  readonly finalOffsetMs: number
  /**
   * The longest time between two polls, and between the send (or `fromMs`) and the first one; null: no limit. A soft one (the default of the
   * product) is kept where it makes the mean bracket at most 2 % wider. A hard one (the user's) is kept by every plan that has enough polls.
   */
  readonly maxGapMs: { readonly ms: number; readonly isHard: boolean } | null
  /** Report ages: a poll is due 20 to 60 seconds after each of them, in plans of 24 polls or more, where that makes the mean bracket at most 5 % wider. */
  readonly forcedAges: readonly number[]
  /** The most polls of a plan; default 64. */
  readonly max?: number
  /** When tracking begins, where that is later than the send: the first poll of plans of two or more. */
  readonly fromMs?: number
}

const DEFAULT_MAX = 64
/** With fewer polls, a poll at a given age costs up to 10 %. */
const LEAST_POLLS_WITH_AGES = 24

/** A poll for a report age is planned in this part of the minutes after it: lateness and retries have room before the age's two minutes end. */
const AGE_FROM_MS = 20 * SECOND_MS
const AGE_TO_MS = 60 * SECOND_MS

/**
 * The best plan of each number of polls: that of n polls is at index n − 1. It minimises the mean bracket of those who read before the final poll,
 * `Σ (tᵢ − tᵢ₋₁)(F(tᵢ) − F(tᵢ₋₁)) / F(t_last)` with t₀ = 0.
 * @returns at most `max` plans, at least one; fewer where the time left has no room for more, since two polls are at least 15 s apart
 */
export function planFamily(curve: Curve, options: FamilyOptions): PollPlan[] {
  const { finalOffsetMs, max = DEFAULT_MAX } = options
  const fromMs = Math.max(0, options.fromMs ?? 0)
  const planOf = (offsetsMs: readonly number[]): PollPlan => ({ offsetsMs, widthMs: bracketWidthMs(curve, offsetsMs) })
  const onlyFinal = planOf([finalOffsetMs])
  if (finalOffsetMs - fromMs < CELL_MS) return [onlyFinal]
  const fine = createFineGrid(curve, fromMs, finalOffsetMs)
  if (fromMs === 0) return planOn(fine, { ...options, max, leastWithAges: LEAST_POLLS_WITH_AGES }).map(planOf)
  const rest = planOn(fine, { ...options, max: max - 1, leastWithAges: LEAST_POLLS_WITH_AGES - 1 })
  return [onlyFinal, ...rest.map((offsetsMs) => planOf([fromMs, ...offsetsMs]))]
}

interface GridOptions extends FamilyOptions {
  readonly max: number
  readonly leastWithAges: number
}

/** The polls after the grid's start, of plans with 1, 2, … of them. */
function planOn(fine: Grid, { forcedAges, maxGapMs, max, leastWithAges }: GridOptions): number[][] {
  const ages = findAgeCells(fine, forcedAges)
  const gap = parseGap(fine, maxGapMs)
  const cells = chooseCells(fine, { extra: [...ages, ...findGapCells(gap, max)], max })
  const count = Math.min(max, cells.length - 1)
  const choose = createChoice({ grid: pickCells(fine, cells), cells, count, ages: { cells: ages, leastPolls: leastWithAges }, gap })
  return Array.from({ length: count }, (_, i) => {
    const polls = i + 1
    const { agesKept, limitMs, paths } = choose(polls)
    const path = paths.path(polls).map((node) => at(cells, node))
    return polish(fine, path, { fixed: agesKept, maxGapMs: limitMs }).map((cell) => at(fine.offsetsMs, cell))
  })
}

/** The first cell at which a poll for each age may be planned; ages outside the grid have none. */
function findAgeCells({ offsetsMs, parts }: Grid, ages: readonly number[]): number[] {
  const cells = ages.map((ageMs) => Math.ceil((ageMs + AGE_FROM_MS - at(offsetsMs, 0)) / CELL_MS))
  return [...new Set(cells)].filter((cell) => cell > 0 && cell < parts.length - 1)
}

/** The longest gap in whole cells: rounded down, so that it is kept. */
function parseGap({ offsetsMs, parts }: Grid, maxGapMs: FamilyOptions['maxGapMs']): Wishes['gap'] {
  if (maxGapMs === null) return { maxMs: Number.POSITIVE_INFINITY, isHard: false, leastPolls: 1 }
  const maxMs = Math.max(1, Math.floor(maxGapMs.ms / CELL_MS)) * CELL_MS
  const spanMs = at(offsetsMs, parts.length - 1) - at(offsetsMs, 0)
  return { maxMs, isHard: maxGapMs.isHard, leastPolls: Math.ceil(spanMs / maxMs) }
}

/** With these cells there is a plan that keeps the longest gap with the least number of polls. Where that is more than `max`, none keeps it. */
function findGapCells({ maxMs, leastPolls }: Wishes['gap'], max: number): number[] {
  if (leastPolls > max) return []
  return Array.from({ length: leastPolls - 1 }, (_, i) => ((i + 1) * maxMs) / CELL_MS)
}

/** The report ages at which a plan shows the share that has read: those with a poll due 20 to 60 seconds after them. */
export function coveredAges({ offsetsMs }: PollPlan, ages: readonly number[]): number[] {
  return ages.filter((ageMs) => offsetsMs.some((offsetMs) => offsetMs >= ageMs + AGE_FROM_MS && offsetMs <= ageMs + AGE_TO_MS))
}
