/** One reading of another clock, between two moments of this machine's monotonic clock. All in milliseconds. */
export interface ClockSample {
  readonly askedMs: number
  readonly answeredMs: number
  /** Since 1970. */
  readonly shownMs: number
}

/** The other clock shows this machine's monotonic time plus `offsetMs`, give or take `uncertaintyMs`. */
export interface ClockOffset {
  readonly offsetMs: number
  readonly uncertaintyMs: number
}

/** The clock was read somewhere between question and answer, so in the middle, half of the round trip at most aside. As NTP (RFC 5905) does it. */
export function computeOffset({ askedMs, answeredMs, shownMs }: ClockSample): ClockOffset {
  return { offsetMs: shownMs - (askedMs + answeredMs) / 2, uncertaintyMs: (answeredMs - askedMs) / 2 }
}

/** The quickest answer is the most certain one. */
export function mostCertain(first: ClockOffset, ...others: readonly ClockOffset[]): ClockOffset {
  return others.reduce((best, other) => (other.uncertaintyMs < best.uncertaintyMs ? other : best), first)
}

/**
 * The offset after another measurement: the smallest correction that agrees with it. One within its uncertainty is none, so time does not
 * jitter, and it never goes back by more than the measurement demands.
 * @param current null: nothing was measured before
 */
export function corrected(current: ClockOffset | null, measured: ClockOffset): ClockOffset {
  if (current === null) return measured
  const offsetMs = Math.min(
    Math.max(current.offsetMs, measured.offsetMs - measured.uncertaintyMs),
    measured.offsetMs + measured.uncertaintyMs,
  )
  return { offsetMs, uncertaintyMs: measured.uncertaintyMs + Math.abs(offsetMs - measured.offsetMs) }
}
