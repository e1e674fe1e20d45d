import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../../src/domain/delivery.ts'
import { hashToUnit } from '../../../src/domain/hash.ts'
import { holds } from '../support.ts'
import { atOnlinePrice, atPrice, drawReads, isFreeDay, type Month, runMonth } from './month.ts'

const DAY_MS = 24 * HOUR_MS
const START_MS = Date.UTC(2026, 11, 1)
const END_MS = Date.UTC(2027, 0, 1)
const BUDGET = 1_500
const SIZES = [1, 1, 10, 50, 100]

function createRandom(seed: number): () => number {
  let drawn = 0
  return () => hashToUnit(`${seed} ${drawn++}`)
}

interface Drawn {
  readonly seed: number
  readonly tasks: number
  readonly history: boolean
  /** Relative number of tasks on a day of the month; days before the month are negative. */
  readonly weightOf?: (day: number) => number
  /** So many tasks are sent together. */
  readonly burst?: number
}

const onWorkDays = (day: number): number => (isFreeDay(START_MS / DAY_MS + day) ? 0.15 : 1)

function drawMonth({ seed, tasks, history, weightOf = onWorkDays, burst = 1 }: Drawn): Month {
  const random = createRandom(seed)
  const times = (count: number, from: number, to: number): number[] => {
    const days = Array.from({ length: to - from }, (_, i) => from + i)
    const total = days.reduce((sum, day) => sum + weightOf(day), 0)
    const sent = Array.from({ length: Math.ceil(count / burst) }, () => {
      let left = random() * total
      const day = days.find((each) => (left -= weightOf(each)) < 0) ?? from
      return START_MS + day * DAY_MS + Math.floor((8 + random() * 11) * 60) * MINUTE_MS
    })
    return sent.flatMap((at) => Array.from({ length: burst }, () => at)).sort((a, b) => a - b)
  }
  const size = (): number => SIZES[Math.floor(random() * SIZES.length)] ?? 1
  return {
    startMs: START_MS,
    endMs: END_MS,
    history: history ? times((tasks * 28) / 31, -28, 0).map((at) => ({ at, people: size() })) : [],
    tasks: times(tasks, 0, 31).map((at) => {
      const people = size()
      return { at, people, readsMs: drawReads(at, people, random) }
    }),
  }
}

/** The best single price of a month whose tasks are all known. */
function hindsightWidth(month: Month, budget: number): number {
  const run = (price: number) => runMonth(month, Number.POSITIVE_INFINITY, atPrice(price))
  let [low, high] = [1e-2, 1e4]
  for (let i = 0; i < 14; i++) {
    const middle = Math.sqrt(low * high)
    if (run(middle).used > budget) low = middle
    else high = middle
  }
  return run(high).meanWidth
}

test.each([
  { name: 'a steady month with history', tasks: 110, history: true, atMost: 1.2 },
  { name: 'a steady month without history', tasks: 110, history: false, atMost: 1.35 },
  { name: 'bursts of ten with history', tasks: 110, history: true, burst: 10, atMost: 1.5 },
  { name: 'bursts of ten without history', tasks: 110, history: false, burst: 10, atMost: 1.65 },
])('$name: the online price is near the best one in hindsight, every task is polled', ({ tasks, history, burst = 1, atMost }) => {
  const ratios = [1, 2, 3].map((seed) => {
    const month = drawMonth({ seed, tasks, history, burst })
    const online = runMonth(month, BUDGET, atOnlinePrice(month, BUDGET))
    expect(online).toMatchObject({ unserved: 0, missed: 0 })
    expect(online.used).toBeLessThanOrEqual(BUDGET)
    if (burst === 1) expect(online.used).toBeGreaterThan(0.94 * BUDGET)
    return online.meanWidth / hindsightWidth(month, BUDGET)
  })
  expect(ratios.reduce((sum, each) => sum + each, 0) / ratios.length).toBeLessThan(atMost)
})

test('a month with few tasks gives each its ceiling', () => {
  const month = drawMonth({ seed: 1, tasks: 12, history: true })
  const { polls, used } = runMonth(month, BUDGET, atOnlinePrice(month, BUDGET))
  expect([new Set(polls), used < BUDGET]).toEqual([new Set([64]), true])
})

test('in any month no call is made too many, and every admitted task has its final poll', () => {
  const anyMonth = fc.record({
    seed: fc.nat(),
    tasks: fc.integer({ min: 1, max: 150 }),
    history: fc.boolean(),
    burst: fc.constantFrom(1, 5, 60),
    budget: fc.integer({ min: 0, max: 600 }),
    busyFrom: fc.integer({ min: 0, max: 30 }),
    busyDays: fc.integer({ min: 1, max: 31 }),
  })
  holds(
    fc.property(anyMonth, ({ budget, busyFrom, busyDays, ...drawn }) => {
      const month = drawMonth({ ...drawn, weightOf: (day) => (day >= busyFrom && day < busyFrom + busyDays ? 1 : 0.01) })
      const { used, missed } = runMonth(month, budget, atOnlinePrice(month, budget))
      expect([used <= budget, missed]).toEqual([true, 0])
    }),
    20,
  )
})
