import { at, runningSum } from './sorted.ts'

/** The log likelihood of the masses of `parts` consecutive parts: Σ weight · log(mass of the group's parts), over the groups. */
export interface Likelihood {
  /** Every part is the last of some group. */
  readonly parts: number
  readonly groups: readonly Group[]
  /** The sum of all weights. */
  readonly people: number
}

/** People whose brackets cover the same parts: from `first` up to, not including, `end`. */
export interface Group {
  readonly first: number
  readonly end: number
  readonly weight: number
}

export interface Maximum {
  /** The mass of all parts before the index: `parts + 1` numbers, from 0 to 1. */
  readonly upTo: Float64Array
  /** See {@link computeGap}. */
  readonly gap: number
}

/** {@link computeGap} of a maximum. */
const GAP = 1e-10
/**
 * Data like ours take ten. A chain in which each bracket overlaps just the next, hundreds of links long, does not get to the end; the gap
 * says so, and it is small.
 */
const MAX_ROUNDS = 100
/** Rounds on the parts with mass only, and how far the gap is to shrink in them, before all parts are used again. */
const MAX_ROUNDS_ON_SUPPORT = 100
const GAP_ON_SUPPORT = 0.01

/**
 * EM and the iterative convex minorant in turns (Wellner & Zhan, J. Am. Statist. Assoc. 92, 1997, 945–959). EM never gets worse and
 * gets everywhere, but crawls near the maximum; the other is a Newton step for each cumulated mass, made monotone again, and finds
 * the parts without mass at once. They are few that have mass, so most rounds are for these alone, with groups that have become
 * the same taken together. It ends on the condition for a maximum, not on steps having become small. A round is linear in groups
 * and parts.
 */
export function maximise(likelihood: Likelihood): Maximum {
  const { parts } = likelihood
  let upTo: Float64Array = Float64Array.from({ length: parts + 1 }, (_, part) => part / parts)
  for (let round = 0; ; round++) {
    const slopes = computeSlopes(likelihood, upTo)
    const gap = computeGap(likelihood, slopes)
    if (gap <= GAP || round === MAX_ROUNDS) return { upTo, gap }
    const support = computeSupport(improved(likelihood, upTo, slopes))
    const enough = Math.max(GAP / 2, gap * GAP_ON_SUPPORT)
    const masses = improvedUntil(enough, onSupport(likelihood, support), support.upTo)
    upTo = support.before.map((count) => at(masses, count))
  }
}

function improvedUntil(enough: number, likelihood: Likelihood, start: Float64Array): Float64Array {
  let upTo = start
  for (let round = 0; round < MAX_ROUNDS_ON_SUPPORT; round++) {
    const slopes = computeSlopes(likelihood, upTo)
    if (computeGap(likelihood, slopes) <= enough) return upTo
    upTo = improved(likelihood, upTo, slopes)
  }
  return upTo
}

function improved(likelihood: Likelihood, upTo: Float64Array, slopes: Float64Array): Float64Array {
  return minorantStep(likelihood, expectationStep(upTo, slopes))
}

/** The parts that have mass. */
interface Support {
  /** How many of them are before each part, and at the end of all. */
  readonly before: Float64Array
  /** The mass of all of them before the index. */
  readonly upTo: Float64Array
}

function computeSupport(upTo: Float64Array): Support {
  const hasMass = upTo.map((mass, i) => (i > 0 && mass > at(upTo, i - 1) ? 1 : 0))
  return { before: runningSum(hasMass), upTo: upTo.filter((_, i) => i === 0 || at(hasMass, i) === 1) }
}

/** The likelihood of masses that are nowhere else. Every part is still the last of some group: of those of which it was. */
function onSupport({ groups, people }: Likelihood, { before, upTo }: Support): Likelihood {
  const moved = groups.map(({ first, end, weight }) => ({ first: at(before, first), end: at(before, end), weight }))
  return { parts: upTo.length - 1, groups: together(moved, upTo.length), people }
}

/** Groups that cover the same parts are one. */
export function together(groups: readonly Group[], ends: number): Group[] {
  const weights = new Map<number, number>()
  for (const { first, end, weight } of groups) {
    const key = first * ends + end
    weights.set(key, (weights.get(key) ?? 0) + weight)
  }
  return Array.from(weights, ([key, weight]) => ({ first: Math.floor(key / ends), end: key % ends, weight }))
}

/** The slope of the log likelihood in the mass of each part: every group adds its own to all of its parts. */
function computeSlopes({ groups, parts }: Likelihood, upTo: Float64Array): Float64Array {
  const changes = new Float64Array(parts + 1)
  for (const { first, end, weight } of groups) {
    const slope = weight / (at(upTo, end) - at(upTo, first))
    changes[first] = at(changes, first) + slope
    changes[end] = at(changes, end) - slope
  }
  return runningSum(changes).subarray(0, parts)
}

/**
 * No distribution q has a higher log likelihood than this one, p, by more than the gap a person. The log likelihood is concave, so
 * log L(q) − log L(p) ≤ Σ slope · (q − p) ≤ (greatest slope) − people. At the maximum it is 0: the condition of Karush, Kuhn and Tucker.
 */
function computeGap({ people }: Likelihood, slopes: Float64Array): number {
  return slopes.reduce((greatest, slope) => Math.max(greatest, slope), 0) / people - 1
}

/** Turnbull's self-consistency: each person's mass goes to the parts of their bracket as the mass lies there so far. */
function expectationStep(upTo: Float64Array, slopes: Float64Array): Float64Array {
  const masses = new Float64Array(upTo.length)
  for (const [part, slope] of slopes.entries()) masses[part + 1] = slope * (at(upTo, part + 1) - at(upTo, part))
  const sums = runningSum(masses)
  const whole = at(sums, sums.length - 1)
  return sums.map((sum) => sum / whole)
}

/**
 * A Newton step for each cumulated mass by itself, made monotone, and halved until the likelihood rises as much as it should
 * (Jongbloed, J. Comput. Graph. Statist. 7, 1998, 310–321).
 */
function minorantStep(likelihood: Likelihood, upTo: Float64Array): Float64Array {
  const { slope, bend } = derivatives(likelihood, upTo)
  const newton = upTo.map((mass, i) => mass + at(slope, i) / at(bend, i))
  const aim = upTo.slice()
  // No mass is before the first part and all of it before the end.
  aim.set(nonDecreasing(newton.subarray(1, -1), bend.subarray(1, -1)).map(clamp), 1)
  return longestRise(likelihood, upTo, aim, slope)
}

/** Shorter than that, rounding hides what a step brings; it does no harm either. */
const SHORTEST = 1e-9
/** Of the rise that the slope promises. */
const ENOUGH = 0.1

function longestRise(likelihood: Likelihood, from: Float64Array, aim: Float64Array, slope: Float64Array): Float64Array {
  const way = aim.map((mass, i) => mass - at(from, i))
  const promised = way.reduce((sum, distance, i) => sum + distance * at(slope, i), 0)
  const before = logLikelihood(likelihood, from)
  let length = 1
  let to = aim
  while (length > SHORTEST && !(logLikelihood(likelihood, to) >= before + ENOUGH * length * promised)) {
    length /= 2
    to = partOfTheWay(from, way, length)
  }
  return to
}

function partOfTheWay(from: Float64Array, way: Float64Array, length: number): Float64Array {
  return from.map((mass, i) => mass + length * at(way, i))
}

/** The first derivative of the log likelihood in each cumulated mass, and the second, negated. */
function derivatives({ groups }: Likelihood, upTo: Float64Array): { slope: Float64Array; bend: Float64Array } {
  const slope = new Float64Array(upTo.length)
  const bend = new Float64Array(upTo.length)
  for (const { first, end, weight } of groups) {
    const mass = at(upTo, end) - at(upTo, first)
    const rise = weight / mass
    slope[first] = at(slope, first) - rise
    slope[end] = at(slope, end) + rise
    bend[first] = at(bend, first) + rise / mass
    bend[end] = at(bend, end) + rise / mass
  }
  return { slope, bend }
}

/** Minus infinity where a group has no mass. */
function logLikelihood({ groups }: Likelihood, upTo: Float64Array): number {
  let sum = 0
  for (const { first, end, weight } of groups) {
    // Rounding can leave a little less than none.
    sum += weight * Math.log(Math.max(0, at(upTo, end) - at(upTo, first)))
  }
  return sum
}

function clamp(mass: number): number {
  return Math.min(1, Math.max(0, mass))
}

/**
 * The non-decreasing numbers nearest to `values`, by squares with weights: neighbours in the wrong order are pooled into their mean
 * until none are left. Linear in their number.
 */
export function nonDecreasing(values: Float64Array, weights: Float64Array): Float64Array {
  const means = new Float64Array(values.length)
  const sums = new Float64Array(values.length)
  const begins = new Float64Array(values.length)
  let blocks = 0
  for (let i = 0; i < values.length; i++) {
    let mean = at(values, i)
    let sum = at(weights, i)
    let begin = i
    while (blocks > 0 && at(means, blocks - 1) >= mean) {
      blocks--
      const weight = at(sums, blocks)
      mean = (mean * sum + at(means, blocks) * weight) / (sum + weight)
      sum += weight
      begin = at(begins, blocks)
    }
    means[blocks] = mean
    sums[blocks] = sum
    begins[blocks] = begin
    blocks++
  }
  return spread(means.subarray(0, blocks), begins, values.length)
}

/** Each block's mean, from where it begins up to the next. */
function spread(means: Float64Array, begins: Float64Array, length: number): Float64Array {
  const fitted = new Float64Array(length)
  for (const [block, mean] of means.entries()) {
    const isLast = block === means.length - 1
    fitted.fill(mean, at(begins, block), isLast ? length : at(begins, block + 1))
  }
  return fitted
}
