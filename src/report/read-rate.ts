import type { Counts } from '../domain/delivery.ts'

/** The sums and rates of the contract. A rate is null where its denominator is 0: nothing can be said. */
export interface ReadRates {
  readonly targeted: number
  readonly delivered: number
  readonly readRate: number | null
  readonly readRateOfTargeted: number | null
}

export function ratesOf(counts: Counts): ReadRates {
  const delivered = counts.read + counts.unread
  const targeted = delivered + counts.pending + counts.failed + counts.forbidden + counts.invalid
  return { targeted, delivered, readRate: ratio(counts.read, delivered), readRateOfTargeted: ratio(counts.read, targeted) }
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}
