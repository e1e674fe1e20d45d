import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../delivery.ts'
import type { Calendar, Curve, Law } from './types.ts'

/** A day of the calendar. Local time has no summer time: the zone's offset at the send holds for the whole window. */
const DAY_HOURS = 24

/**
 * The step of u = √(1 − F) between two points of a curve. A line between them is wrong by at most u-step² / 2, here 0.045 % of the recipients
 * (and 0.09 % where F reaches 1), so a curve has at most 33 points more than its law has hours and edges.
 */
const ROOT_STEP = 0.03

/**
 * The read curve of a task: `F(t) = 1 − exp(−H(A(t)))`.
 * @returns points at each hour of the local day, at each edge of the hazard, and so many between that straight lines are exact to 0.1 % of share
 */
export function curveOf(law: Law, sentAt: Date, calendar: Calendar): Curve {
  const startMs = calendar.localAt(sentAt)
  const { offsetsMs, shares, add } = createPoints()
  const hazard = createHazardWalk(law.hazard)
  for (let fromMs = 0; fromMs < QUERY_WINDOW_MS; ) {
    const localMs = startMs + fromMs
    const hourEndMs = (Math.floor(localMs / HOUR_MS) + 1) * HOUR_MS - startMs
    const toMs = Math.min(hourEndMs, QUERY_WINDOW_MS)
    hazard.spend(attentionAt(law, calendar, localMs), fromMs, toMs, add)
    fromMs = toMs
  }
  return { offsetsMs, shares }
}

/** Minutes of attention in a minute of the local hour. */
function attentionAt(law: Law, calendar: Calendar, localMs: number): number {
  const hours = Math.floor(localMs / HOUR_MS)
  const day = Math.floor(hours / DAY_HOURS)
  const attention = calendar.isFreeDay(day) ? law.attention.free : law.attention.work
  return at(attention, hours - day * DAY_HOURS)
}

type AddPoint = (offsetMs: number, hazard: number) => void

/** The points of a curve, from (0, 0) on. */
function createPoints(): Curve & { readonly add: AddPoint } {
  const offsetsMs = [0]
  const shares = [0]
  let lastMs = 0
  let lastHazard = 0
  return {
    offsetsMs,
    shares,
    add(addedMs, addedHazard) {
      // Rounding must not let the curve fall.
      const offsetMs = Math.max(lastMs, addedMs)
      const hazard = Math.max(lastHazard, addedHazard)
      const from = Math.exp(-lastHazard / 2)
      const to = Math.exp(-hazard / 2)
      const pieces = Math.ceil((from - to) / ROOT_STEP)
      for (let i = 1; i < pieces; i++) {
        const root = from + ((to - from) * i) / pieces
        const part = (-2 * Math.log(root) - lastHazard) / (hazard - lastHazard)
        offsetsMs.push(lastMs + (offsetMs - lastMs) * part)
        shares.push(1 - root * root)
      }
      offsetsMs.push(offsetMs)
      shares.push(-Math.expm1(-hazard))
      lastMs = offsetMs
      lastHazard = hazard
    },
  }
}

/** Walks along the hazard as attention is spent. */
function createHazardWalk({ edges, values }: Law['hazard']) {
  let attention = 0
  let next = 1
  const valueAt = (minutes: number): number => {
    // After the last edge the slope of the last bin holds.
    const right = Math.min(next, edges.length - 1)
    const width = at(edges, right) - at(edges, right - 1)
    const slope = width > 0 ? (at(values, right) - at(values, right - 1)) / width : 0
    return at(values, right) + slope * (minutes - at(edges, right))
  }
  return {
    /** Adds a point for each edge that is passed, and one at the end. @param rate minutes of attention in a minute */
    spend(rate: number, fromMs: number, toMs: number, add: AddPoint): void {
      const startsAt = attention
      const endsAt = attention + (rate * (toMs - fromMs)) / MINUTE_MS
      while (next < edges.length && at(edges, next) < endsAt) {
        add(Math.min(toMs, fromMs + ((at(edges, next) - startsAt) / rate) * MINUTE_MS), at(values, next))
        next++
      }
      attention = endsAt
      add(toMs, valueAt(endsAt))
    },
  }
}

/**
 * The curve of a density that is constant between edges.
 * @param edgesMs ascending; before the first and after the last one no one reads
 * @param density one number a bin (one fewer than edges), in any unit: the curve is scaled
 * @param readShare the share of recipients that has read by the last edge, in [0, 1]
 */
export function curveOfDensity({
  edgesMs,
  density,
  readShare,
}: {
  readonly edgesMs: readonly number[]
  readonly density: readonly number[]
  readonly readShare: number
}): Curve {
  const masses = density.map((each, i) => each * (at(edgesMs, i + 1) - at(edgesMs, i)))
  const total = masses.reduce((sum, mass) => sum + mass, 0)
  const offsetsMs = [0]
  const shares = [0]
  const add = (offsetMs: number, share: number): void => {
    offsetsMs.push(offsetMs)
    shares.push(share)
  }
  if (at(edgesMs, 0) > 0) add(at(edgesMs, 0), 0)
  let mass = 0
  for (const [i, each] of masses.entries()) {
    mass += each
    add(at(edgesMs, i + 1), total > 0 ? readShare * Math.min(1, mass / total) : 0)
  }
  if (at(edgesMs, edgesMs.length - 1) < QUERY_WINDOW_MS) add(QUERY_WINDOW_MS, at(shares, shares.length - 1))
  return { offsetsMs, shares }
}

/** The share of recipients that has read by an offset; after the last point that of the last point. */
export function shareBy(curve: Curve, offsetMs: number): number {
  return at(sharesBy(curve, [offsetMs]), 0)
}

/** The same for many offsets, which must ascend: one walk over the curve. */
export function sharesBy(curve: Curve, atMs: ArrayLike<number>): Float64Array {
  const offsetsMs = new Float64Array(curve.offsetsMs)
  const shares = new Float64Array(curve.shares)
  const found = new Float64Array(atMs)
  let right = 1
  for (let i = 0; i < found.length; i++) {
    const offsetMs = floatAt(found, i)
    while (right < offsetsMs.length && floatAt(offsetsMs, right) <= offsetMs) right++
    const leftMs = floatAt(offsetsMs, right - 1)
    const left = floatAt(shares, right - 1)
    const isInside = right < offsetsMs.length && offsetMs > leftMs
    found[i] = isInside ? left + ((floatAt(shares, right) - left) * (offsetMs - leftMs)) / (floatAt(offsetsMs, right) - leftMs) : left
  }
  return found
}

/** The number at an index; 0 outside. Types do not know that an index is inside. */
export function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? 0
}

/** The same for one kind of array: the engine compiles the loops that use it to plain reads, which makes them about five times as fast. */
export function floatAt(values: Float64Array, index: number): number {
  return values[index] ?? 0
}
