import type { ElapsedBracket } from './read-brackets.ts'
import { at, indexOfFirst } from './sorted.ts'
import { type Likelihood, maximise, together } from './turnbull-maximum.ts'

/**
 * The distribution of the time to read of which the brackets are the most likely: Turnbull's nonparametric maximum likelihood
 * estimate for interval-censored data (J. R. Statist. Soc. B 38, 1976, 290–295). It assumes only that polls are made whether or not
 * a person has read, which is true: the poll plan does not depend on reads. For brackets that do not overlap it is the empirical distribution.
 *
 * Its mass lies in the innermost intervals, those that begin at a lower end, end at an upper end and have no other end between; the
 * likelihood says how much mass each has, and nothing about where in it the mass lies. It is unique: every innermost interval is the
 * last of some bracket, so masses that give all brackets the same probabilities are equal from left to right, and the likelihood is
 * strictly concave in those probabilities.
 */
export interface Distribution {
  /** The innermost intervals that have mass, in order of time. */
  readonly parts: readonly Part[]
  /** How much more likely any other distribution could be at most: the mean of the log likelihood a person. 0 at the maximum. */
  readonly gap: number
}

/** Mass somewhere in (afterMs, beforeMs]. */
export interface Part {
  readonly afterMs: number
  /** Null: it never ends; the last part may be one. */
  readonly beforeMs: number | null
  /** The mass of this part and all before it; exactly 1 for the last. */
  readonly upTo: number
}

/** No part for no brackets. A lower end must be below its upper end. */
export function turnbullEstimate(brackets: readonly ElapsedBracket[]): Distribution {
  if (brackets.length === 0) return { parts: [], gap: 0 }
  const intervals = innermostIntervals(brackets)
  const { upTo, gap } = maximise(buildLikelihood(brackets, intervals))
  return { parts: listPartsWithMass(intervals, upTo), gap }
}

interface Intervals {
  readonly after: Float64Array
  readonly before: Float64Array
}

/** An upper end whose nearest lower end below has no other upper end between. Intervals are half-open, so (1, 2] and (2, 3] share nothing. */
function innermostIntervals(brackets: readonly ElapsedBracket[]): Intervals {
  const lower = Float64Array.from(brackets, ({ afterMs }) => afterMs).sort()
  const after: number[] = []
  const before: number[] = []
  let lastEnd = -Infinity
  for (const end of Float64Array.from(brackets, endOf).sort()) {
    const begin = at(lower, indexOfFirst(lower, (time) => time >= end) - 1)
    if (begin >= lastEnd) {
      after.push(begin)
      before.push(end)
    }
    lastEnd = end
  }
  return { after: Float64Array.from(after), before: Float64Array.from(before) }
}

/** A bracket covers a run of innermost intervals. */
function buildLikelihood(brackets: readonly ElapsedBracket[], { after, before }: Intervals): Likelihood {
  const groups = brackets.map((bracket) => ({
    first: indexOfFirst(after, (time) => time >= bracket.afterMs),
    end: indexOfFirst(before, (time) => time > endOf(bracket)),
    weight: 1,
  }))
  return { parts: after.length, groups: together(groups, after.length + 1), people: brackets.length }
}

function endOf({ beforeMs }: ElapsedBracket): number {
  return beforeMs ?? Infinity
}

/** Those parts that have mass. */
function listPartsWithMass({ after, before }: Intervals, upTo: Float64Array): Part[] {
  return [...after.keys()]
    .filter((part) => at(upTo, part + 1) > at(upTo, part))
    .map((part) => ({ afterMs: at(after, part), beforeMs: finiteOrNull(at(before, part)), upTo: at(upTo, part + 1) }))
}

function finiteOrNull(ms: number): number | null {
  return ms === Infinity ? null : ms
}
