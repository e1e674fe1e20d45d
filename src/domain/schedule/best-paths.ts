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
 * The cost of an interval is Δt·Δpart, plus a penalty that is convex in Δt. Both are Monge (`c(a, c) + c(b, d) ≤ c(a, d) + c(b, c)` for
 * a ≤ b ≤ c ≤ d), so the best predecessor never falls when a poll or a node is added (Knuth 1971, Yao 1980). It is looked for between those of one
 * poll fewer and of one node more: about nodes² / 2 + nodes · max steps for all plans together.
 * @param max at most as many as the grid has nodes after the first
 */
export function findBestPaths(grid: Grid, max: number, rules: PathRules): BestPaths {
  const last = grid.parts.length - 1
  const stride = last + 1
  const rated = {
    minutes: grid.offsetsMs.map((offsetMs) => offsetMs / MINUTE_MS),
    parts: grid.parts,
    maxGap: rules.maxGapMs / MINUTE_MS,
    rewards: new Float64Array(stride),
  }
  // A reward for each forced node that is passed is a penalty for each that is skipped, less a constant.
  for (const node of rules.forced) rated.rewards[node] = PENALTY
  const predecessors = new Uint16Array((max + 1) * stride)
  const costs = new Float64Array(max)
  let before = new Float64Array(stride).fill(Number.POSITIVE_INFINITY)
  before[0] = 0
  let now = new Float64Array(stride)
  for (let polls = 1; polls <= max; polls++) {
    addPoll(rated, { before, now, low: predecessors.subarray((polls - 1) * stride), best: predecessors.subarray(polls * stride), polls })
    costs[polls - 1] = at(now, last) + PENALTY * rules.forced.length
    ;[before, now] = [now, before]
  }
  return { costs, path: (polls) => tracePath(predecessors, stride, polls) }
}

interface Rated {
  readonly minutes: Float64Array
  readonly parts: Float64Array
  readonly maxGap: number
  readonly rewards: Float64Array
}

interface Layer {
  /** The least costs of one poll fewer at each node; what is written is those of this layer. */
  readonly before: Float64Array
  readonly now: Float64Array
  /** The best predecessors of one poll fewer; what is written is those of this layer. */
  readonly low: Uint16Array
  readonly best: Uint16Array
  readonly polls: number
}

/** One layer of the programme. Its inner loop is most of the time that a plan costs. */
function addPoll({ minutes, parts, maxGap, rewards }: Rated, { before, now, low, best, polls }: Layer): void {
  now.fill(Number.POSITIVE_INFINITY, 0, polls)
  let high = parts.length - 1
  for (let node = parts.length - 1; node >= polls; node--) {
    const minute = Number(minutes[node])
    const part = Number(parts[node])
    const to = Math.min(high, node - 1)
    let least = Number.POSITIVE_INFINITY
    let from = polls - 1
    for (let k = Math.max(Number(low[node]), polls - 1); k <= to; k++) {
      const gap = minute - Number(minutes[k])
      let cost = Number(before[k]) + gap * (part - Number(parts[k]))
      if (gap > maxGap) cost += PENALTY * (gap - maxGap)
      if (cost < least) {
        least = cost
        from = k
      }
    }
    now[node] = least - Number(rewards[node])
    best[node] = from
    high = from
  }
}

function tracePath(predecessors: Uint16Array, stride: number, polls: number): number[] {
  const nodes = [stride - 1]
  for (let left = polls; left > 1; left--) nodes.push(at(predecessors, left * stride + at(nodes, nodes.length - 1)))
  return nodes.reverse()
}
