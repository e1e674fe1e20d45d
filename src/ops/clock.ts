import type { Pool } from 'pg'
import { type ClockOffset, corrected } from '../lib/clock-offset.ts'
import { type Interval, startInterval } from '../lib/interval.ts'
import { singleFlight } from '../lib/single-flight.ts'
import { measureDatabaseClock } from '../store/database-clock.ts'

/** A clock that is further from the database's than this is not kept by NTP, which keeps milliseconds. */
export const MAX_CLOCK_DIFFERENCE_MS = 2_000

/**
 * The database's clock, carried on by this machine's monotonic one: whatever happens to the system clock, all workers of a database stamp
 * brackets, deadlines and due times alike.
 */
export interface DatabaseClock {
  /** Before the first measurement: the system clock. */
  now(): Date
  /** `now` is the database's time, give or take so many milliseconds; 0 before the first measurement. */
  uncertaintyMs(): number
  /** How far the system clock is ahead of the database's, in milliseconds; null before the first measurement. */
  differenceMs(): number | null
  /** How long the last measurement waited for a connection of the pool, in milliseconds; null where it got none. */
  waitedMs(): number | null
  /** Rejects when the database does not answer; the clock runs on as it did. */
  measure(): Promise<void>
  /**
   * Measures again where the system clock was set or the machine slept since the last measurement: the monotonic clock may have slept too.
   * Never rejects.
   */
  ensure(): Promise<void>
}

/** A `Date` has whole milliseconds. */
const DATE_UNIT_MS = 1

/** System and monotonic clock drift apart by far less than this between two measurements. */
const STEP_MS = 500

/** @param onDifference told once when the system clock is found too far away, and again only after it was right in between */
export function createDatabaseClock(pool: Pool, onDifference: (differenceMs: number) => void = () => undefined): DatabaseClock {
  let known: ClockOffset | null = null
  let waitedMs: number | null = null
  /** The system clock minus the monotonic one, at the last measurement. */
  let systemMs = systemOffset()
  let told = false

  async function measure(): Promise<void> {
    const systemBefore = systemOffset()
    const measured = await measureDatabaseClock(pool).catch((error: unknown) => {
      waitedMs = null
      throw error
    })
    waitedMs = measured.waitedMs
    known = corrected(known, measured.offset)
    systemMs = systemBefore
    const differenceMs = systemOffset() - known.offsetMs
    const isFar = Math.abs(differenceMs) > MAX_CLOCK_DIFFERENCE_MS
    if (isFar && !told) onDifference(Math.round(differenceMs))
    told = isFar
  }

  const single = singleFlight(measure)

  return {
    now: () => (known === null ? new Date() : new Date(performance.now() + known.offsetMs)),
    uncertaintyMs: () => (known === null ? 0 : known.uncertaintyMs + DATE_UNIT_MS),
    differenceMs: () => (known === null ? null : systemOffset() - known.offsetMs),
    waitedMs: () => waitedMs,
    measure: single,
    async ensure() {
      if (Math.abs(systemOffset() - systemMs) > STEP_MS) await single().catch(() => undefined)
    },
  }
}

/** Monotonic clocks drift by less than a millisecond in this time; a database that was set is followed this soon. */
const MEASURE_EVERY_MS = 10_000

/** Measures now and again. That the database is away is told by whoever needs it for more. */
export function keepMeasuring(clock: Pick<DatabaseClock, 'measure'>): Interval {
  return startInterval(
    MEASURE_EVERY_MS,
    () => clock.measure(),
    () => undefined,
  )
}

function systemOffset(): number {
  return Date.now() - performance.now()
}
