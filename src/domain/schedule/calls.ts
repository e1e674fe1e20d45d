import { at, sharesBy } from './curve.ts'
import { pollsAtPrice } from './price.ts'
import type { Curve, PollPlan } from './types.ts'

/**
 * The mean bracket of those who read before the last poll: `Σ (tᵢ − tᵢ₋₁)(F(tᵢ) − F(tᵢ₋₁)) / F(t_last)`, t₀ = 0.
 * Where no one reads, that of people who read at any time with the same chance.
 * @param offsetsMs ascending, at least one above 0
 */
export function bracketWidthMs(curve: Curve, offsetsMs: readonly number[]): number {
  const shares = sharesBy(curve, offsetsMs)
  const total = at(shares, shares.length - 1)
  const lastMs = at(offsetsMs, offsetsMs.length - 1)
  let width = 0
  for (const [i, offsetMs] of offsetsMs.entries()) {
    const gapMs = offsetMs - at(offsetsMs, i - 1)
    width += gapMs * (total > 0 ? (at(shares, i) - at(shares, i - 1)) / total : gapMs / lastMs)
  }
  return width
}

/**
 * How many calls a plan makes: a task ends early, with the poll that lists the last of its recipients as read.
 * `1 + Σ_{j < N} (1 − F(tⱼ)ⁿ)`, the expectation where people read independently of each other.
 * @param offsetsMs all polls, the final one last
 * @param people recipients that the message is delivered to
 */
export function expectedCalls(curve: Curve, offsetsMs: readonly number[], people: number): number {
  const shares = sharesBy(curve, offsetsMs)
  let calls = 1
  for (let i = 0; i < shares.length - 1; i++) calls += 1 - at(shares, i) ** people
  return calls
}

/** What the number of polls of a task is chosen by. */
export interface Choice {
  readonly curve: Curve
  /** Recipients that the message is delivered to. */
  readonly people: number
  /** What a call must bring at least: minutes of mean bracket times √people. 0: calls cost nothing. */
  readonly price: number
  /** The most polls. */
  readonly ceiling: number
  /** {@link expectedCalls} of each plan, where they are known: computing them takes most of the time. */
  readonly calls?: readonly number[] | undefined
}

/**
 * The number of polls that minimises `√people · mean bracket in minutes + price · expected calls`.
 * The weight √people serves small tasks and many people: with the weight n small tasks get next to nothing.
 * @param family the plan of n polls at index n − 1
 */
export function chooseN(family: readonly PollPlan[], { curve, people, price, ceiling, calls }: Choice): number {
  const plans = family.slice(0, Math.max(1, ceiling)).map(({ offsetsMs, widthMs }, i) => {
    return { calls: calls?.[i] ?? expectedCalls(curve, offsetsMs, people), widthMs }
  })
  return pollsAtPrice(plans, people, price)
}

/** The least number of polls whose mean bracket is at most the target; the most that there is where none reaches it. */
export function leastNFor(family: readonly PollPlan[], targetWidthMs: number): number {
  const index = family.findIndex(({ widthMs }) => widthMs <= targetWidthMs)
  return index === -1 ? family.length : index + 1
}
