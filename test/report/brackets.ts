import fc from 'fast-check'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import type { ElapsedBracket } from '../../src/report/read-brackets.ts'

/** Mostly few different ends, so that brackets touch, overlap and are the same. */
export const someBrackets: fc.Arbitrary<ElapsedBracket[]> = fc.constantFrom(4, 12, 60, 86_400_000).chain((last) =>
  fc.array(
    fc
      .record({ afterMs: fc.nat({ max: last }), lengthMs: fc.option(fc.integer({ min: 1, max: last })) })
      .map(({ afterMs, lengthMs }) => ({ afterMs, beforeMs: lengthMs === null ? null : afterMs + lengthMs })),
    { minLength: 1, maxLength: 40 },
  ),
)

/** The upper end as a number: ∞ for a person who was not seen as read. */
export const endOf = ({ beforeMs }: Pick<ElapsedBracket, 'beforeMs'>): number => beforeMs ?? Infinity

/** One person's true time to read, ∞ for never, and what the polls could tell of it. */
export interface Observed {
  readonly readMs: number
  readonly bracket: ElapsedBracket
}

const DAY_MINUTES = 24 * 60
const somePolls = fc.uniqueArray(fc.integer({ min: 1, max: DAY_MINUTES }), { maxLength: 12 })
const someReads = fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 30 * HOUR_MS }) }, fc.constant(Infinity)), { maxLength: 25 })

/** People of one task: they read at any time, and polls at random minutes, with a delay of the answer, give the brackets. */
export const observedTask = (latencyMs: fc.Arbitrary<number> = fc.nat({ max: MINUTE_MS - 1 })): fc.Arbitrary<Observed[]> =>
  fc.record({ polls: somePolls, reads: someReads, latencyMs }).map(({ polls, reads, latencyMs: latency }) => {
    const askedMs = polls.map((minute) => minute * MINUTE_MS).toSorted((a, b) => a - b)
    return reads.map((readMs) => ({ readMs, bracket: polledAt(readMs, askedMs, latency) }))
  })

export const observedTasks: fc.Arbitrary<Observed[]> = fc.array(observedTask(), { maxLength: 5 }).map((tasks) => tasks.flat())

/** An answer says what is true when the request arrives, which is at once. */
function polledAt(readMs: number, askedMs: readonly number[], latencyMs: number): ElapsedBracket {
  const seen = askedMs.find((asked) => asked >= readMs)
  return { afterMs: askedMs.findLast((asked) => asked < readMs) ?? 0, beforeMs: seen === undefined ? null : seen + latencyMs }
}
