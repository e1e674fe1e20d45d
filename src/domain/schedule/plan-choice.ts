import { type BestPaths, findBestPaths } from './best-paths.ts'
import { at } from './curve.ts'
import type { Grid } from './grid.ts'

/** A soft longest gap may make the mean bracket this much wider, report ages (with the gap) this much. */
const SOFT_GAP_COST = 1.02
const AGES_COST = 1.05

/** What plans should keep, besides being short. */
export interface Wishes {
  readonly grid: Grid
  /** The cell of each node of the grid. */
  readonly cells: readonly number[]
  /** The most polls of a plan. */
  readonly count: number
  /** Cells with a poll for a report age, in plans of so many polls or more. */
  readonly ages: { readonly cells: readonly number[]; readonly leastPolls: number }
  /** The longest gap; plans of fewer polls cannot keep it. */
  readonly gap: { readonly maxMs: number; readonly isHard: boolean; readonly leastPolls: number }
}

/** The best plans of each number of polls that keep some of it. */
interface Kept {
  readonly agesKept: ReadonlySet<number>
  /** Infinity: no limit. */
  readonly limitMs: number
  readonly paths: BestPaths
}

/** Which wishes the plan of a number of polls keeps: as many ages as possible, then the longest gap. */
export function createChoice(wishes: Wishes): (polls: number) => Kept {
  const { ages, gap } = wishes
  const solve = createSolver(wishes)
  return (polls) => {
    const costOf = ({ paths }: Kept): number => at(paths.costs, polls - 1)
    const canLimit = polls >= gap.leastPolls && gap.maxMs < Number.POSITIVE_INFINITY
    const mustLimit = canLimit && gap.isHard
    const limit = costOf(solve(0, mustLimit)) * AGES_COST
    for (let count = polls >= ages.leastPolls ? ages.cells.length : 0; ; count--) {
      const free = solve(count, mustLimit)
      const limited = canLimit ? solve(count, true) : free
      const kept = mustLimit || costOf(limited) <= costOf(free) * SOFT_GAP_COST ? limited : free
      if (count === 0 || costOf(kept) <= limit) return kept
      if (costOf(free) <= limit) return free
    }
  }
}

/** Solves for a number of ages, those that cost least, when it is first asked for. */
function createSolver({ grid, cells, count, ages, gap }: Wishes): (ageCount: number, isLimited: boolean) => Kept {
  const solved = new Map<string, Kept>()
  const solveFor = (kept: readonly number[], isLimited: boolean): Kept => {
    const key = `${isLimited} ${kept.join(' ')}`
    const known = solved.get(key)
    if (known !== undefined) return known
    const limitMs = isLimited ? gap.maxMs : Number.POSITIVE_INFINITY
    const forced = kept.map((cell) => cells.indexOf(cell))
    const fresh = { agesKept: new Set(kept), limitMs, paths: findBestPaths(grid, count, { maxGapMs: limitMs, forced }) }
    solved.set(key, fresh)
    return fresh
  }
  /** The rank hardly depends on the number of polls: it is that of the longest plan. */
  const rankAges = (): readonly number[] => {
    const cost = (cell: number): number => at(solveFor([cell], false).paths.costs, count - 1)
    return ages.cells.toSorted((a, b) => cost(a) - cost(b))
  }
  return (ageCount, isLimited) =>
    solveFor(ageCount < ages.cells.length && ageCount > 0 ? rankAges().slice(0, ageCount) : ages.cells.slice(0, ageCount), isLimited)
}
