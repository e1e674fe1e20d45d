import fc from 'fast-check'
import { MINUTE_MS } from '../../../src/domain/delivery.ts'
import { curveOfDensity } from '../../../src/domain/schedule/curve.ts'
import type { FamilyOptions } from '../../../src/domain/schedule/plan-family.ts'
import type { Curve } from '../../../src/domain/schedule/types.ts'

/** The final poll of a forecast. */
export const FINAL_MS = 1_431.5 * MINUTE_MS

const SOFT_GAP = { ms: 360 * MINUTE_MS, isHard: false }

export const minutes = (...values: readonly number[]): number[] => values.map((each) => each * MINUTE_MS)

/** As a forecast asks, without report ages. */
export const OPTIONS: FamilyOptions = { finalOffsetMs: FINAL_MS, maxGapMs: SOFT_GAP, forcedAges: [] }

export const WITH_AGES: FamilyOptions = { ...OPTIONS, forcedAges: minutes(60, 240) }

/** A curve from edges in minutes; 85 % read by the last one. */
export function density(edges: readonly number[], values: readonly number[]): Curve {
  return curveOfDensity({ edgesMs: minutes(...edges), density: values, readShare: 0.85 })
}

/** A curve from a density that is given at each minute. */
function smooth(densityAt: (minute: number) => number): Curve {
  const edges = Array.from({ length: 1_441 }, (_, i) => i)
  return density(
    edges,
    edges.slice(1).map((edge) => densityAt(edge - 0.5)),
  )
}

const hump = (minute: number, middle: number, width: number): number => Math.exp(-(((minute - middle) / width) ** 2))

export const KNOWN_LAWS: Readonly<Record<string, Curve>> = {
  uniform: density([0, 1_440], [1]),
  spike: density([0, 600, 610, 1_440], [1, 100, 1]),
  'two humps': smooth((minute) => hump(minute, 60, 20) + hump(minute, 900, 40)),
  step: density([0, 480, 1_440], [0, 1]),
  'step down': density([0, 60, 1_440], [10, 1]),
  'heavy tail': smooth((minute) => (1 + minute / 3) ** -1.5),
  natural: smooth((minute) => Math.exp(-(Math.log(minute / 60) ** 2) / 4.5) / minute),
  'nine seconds': density([0, 600.05, 600.2, 1_440], [0, 1, 0]),
  'nine seconds among others': density([0, 333.33, 333.48, 1_440], [1, 8_000, 1]),
  'many spikes': density([0, 100, 100.3, 300, 300.3, 700, 700.5, 900, 900.2, 1_440], [0.1, 1_000, 0.1, 1_000, 0.1, 1_000, 0.1, 1_000, 0.1]),
  'first two minutes': density([0, 2, 1_440], [1, 0]),
  'last hour': density([0, 1_380, 1_440], [0, 1]),
  'last half minute': density([0, 1_431, 1_440], [0, 1]),
  'nearly all after the final poll': density([0, 1_432, 1_440], [1e-12, 1]),
  'an empty stretch': density([0, 30, 600, 1_440], [2, 0, 1]),
}

/** Densities of a few to many bins, some empty, some a thousand times as high as others. */
export const someDensity: fc.Arbitrary<Curve> = fc
  .array(
    fc.record({
      length: fc.oneof(fc.double({ min: 0.05, max: 5, noNaN: true }), fc.double({ min: 5, max: 500, noNaN: true })),
      height: fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 10, noNaN: true }), fc.double({ min: 100, max: 10_000, noNaN: true })),
    }),
    { minLength: 1, maxLength: 24 },
  )
  .map((bins) => {
    const total = bins.reduce((sum, { length }) => sum + length, 0)
    const edges = [0]
    for (const { length } of bins) edges.push((edges.at(-1) ?? 0) + (length * 1_440) / total)
    return density(
      edges,
      bins.map(({ height }) => height),
    )
  })
