import { MINUTE_MS } from '../delivery.ts'
import { at } from './curve.ts'
import type { Grid } from './grid.ts'

/** What a path must keep. What it cannot keep, it breaks as little as possible. */
export interface PathRules {
  /** Infinity: no limit. */
  readonly maxGapMs: number
  /** Nodes of the grid at which there must be a poll. */
  readonly forced: readonly number[]
}

export const NO_RULES: PathRules = { maxGapMs: Number.POSITIVE_INFINITY, forced: [] }

/** The best plans of 1, 2, … polls on a grid. */
export interface BestPaths {
  /** The sum Σ Δt·Δpart of the best plan of n polls, in minutes; at index n − 1. */
  readonly costs: Float64Array
  /** The nodes of its polls, the last node of the grid last. */
  path(polls: number): number[]
}

/** For each minute that a gap is too long, and for each forced node that is skipped. A window of 24 h costs at most 1,440. */
const PENALTY = 1e6

/**
 * All best plans of up to `max` polls that end at the last node, by dynamic programming over (polls, node).
 *
 * The cost of an interval is Δt·Δpart, plus a penalty that is convex in Δt, plus one for each forced node inside. Each of these is Monge
 * (`c(a, c) + c(b, d) ≤ c(a, d) + c(b, c)` for a ≤ b ≤ c ≤ d), so the best predecessor never falls when a poll or a node is added (Knuth 1971,
 * Yao 1980). It is looked for between those of one poll fewer and of one node more: about nodes² / 2 + nodes · max steps for all plans together.
 * @param max at most as many as the grid has nodes after the first
 */
export function findBestPaths(grid: Grid, max: number, rules: PathRules = NO_RULES): BestPaths {
  const last = grid.parts.length - 1
  const stride = last + 1
  const minutes = grid.offsetsMs.map((offsetMs) => offsetMs / MINUTE_MS)
  const rated = { ...countForced(rules.forced, stride), minutes, parts: grid.parts, maxGap: rules.maxGapMs / MINUTE_MS }
  const predecessors = new Uint16Array((max + 1) * stride)
  const costs = new Float64Array(max)
  let before = new Float64Array(stride).fill(Number.POSITIVE_INFINITY)
  before[0] = 0
  let now = new Float64Array(stride)
  for (let polls = 1; polls <= max; polls++) {
    addPoll(rated, { before, now, low: predecessors.subarray((polls - 1) * stride), best: predecessors.subarray(polls * stride), polls })
    costs[polls - 1] = at(now, last)
    ;[before, now] = [now, before]
  }
  return { costs, path: (polls) => tracePath(predecessors, stride, polls) }
}

interface Rated {
  readonly minutes: Float64Array
  readonly parts: Float64Array
  readonly maxGap: number
  /** Forced nodes before a node, and up to it. */
  readonly forcedBefore: Float64Array
  readonly forcedUpTo: Float64Array
}

function countForced(forced: readonly number[], nodes: number): Pick<Rated, 'forcedBefore' | 'forcedUpTo'> {
  const forcedBefore = new Float64Array(nodes)
  const forcedUpTo = new Float64Array(nodes)
  const isForced = new Set(forced)
  for (let node = 0; node < nodes; node++) {
    forcedBefore[node] = at(forcedUpTo, node - 1)
    forcedUpTo[node] = at(forcedBefore, node) + (isForced.has(node) ? 1 : 0)
  }
  return { forcedBefore, forcedUpTo }
}

/** One layer of the programme. The loop is flat, because it is nearly all of the time that a plan costs. */
function addPoll(
  { minutes, parts, maxGap, forcedBefore, forcedUpTo }: Rated,
  layer: { before: Float64Array; now: Float64Array; low: Uint16Array; best: Uint16Array; polls: number },
): void {
  const { before, now, low, best, polls } = layer
  now.fill(Number.POSITIVE_INFINITY, 0, polls)
  let high = parts.length - 1
  for (let node = parts.length - 1; node >= polls; node--) {
    const minute = minutes[node] ?? 0
    const part = parts[node] ?? 0
    const skippable = forcedBefore[node] ?? 0
    const to = Math.min(high, node - 1)
    let least = Number.POSITIVE_INFINITY
    let from = polls - 1
    for (let k = Math.max(low[node] ?? 0, polls - 1); k <= to; k++) {
      const gap = minute - (minutes[k] ?? 0)
      let cost = (before[k] ?? 0) + gap * (part - (parts[k] ?? 0)) + PENALTY * (skippable - (forcedUpTo[k] ?? 0))
      if (gap > maxGap) cost += PENALTY * (gap - maxGap)
      if (cost < least) {
        least = cost
        from = k
      }
    }
    now[node] = least
    best[node] = from
    high = from
  }
}

function tracePath(predecessors: Uint16Array, stride: number, polls: number): number[] {
  const nodes = [stride - 1]
  for (let left = polls; left > 1; left--) nodes.push(at(predecessors, left * stride + at(nodes, nodes.length - 1)))
  return nodes.reverse()
}
