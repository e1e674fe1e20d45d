/** A clock that runs faster than the real one, so that months pass in minutes. For demos and tests. */
export interface CallClock {
  /** The real moment at which it shows `shows`. */
  readonly at: Date
  readonly shows: Date
  /** How many times as fast as the real one it runs. */
  readonly scale: number
}

/** As the SQL function `delivery_call_month` takes it. */
export function encodeCallClock(clock: CallClock | null): string | null {
  return clock === null ? null : JSON.stringify(clock)
}
