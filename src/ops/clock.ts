import type { Pool } from 'pg'
import { type ClockOffset, corrected } from '../lib/clock-offset.ts'
import { type Interval, startInterval } from '../lib/interval.ts'
import { singleFlight } from '../lib/single-flight.ts'
import { type MeasuredClock, measureDatabaseClock } from '../store/database-clock.ts'

/** NTP keeps milliseconds, so a system clock further from the database's clock is not synchronised. */
export const MAX_CLOCK_DIFFERENCE_MS = 2_000

/** The database's clock, continued by this machine's monotonic clock: a wrong system clock changes no stored time. */
export interface DatabaseClock {
  /** Before the first measurement: the system clock. */
  now(): Date
  /** `now` is the database's time, give or take so many milliseconds; 0 before the first measurement. */
  uncertaintyMs(): number
  /** How far the system clock is ahead of the database's, in milliseconds; null before the first measurement. */
  differenceMs(): number | null
  /** How long the last measurement waited for a connection of the pool, in milliseconds; null where it got none. */
  waitedMs(): number | null
  /** Rejects when the database does not answer; the clock then continues unchanged. */
  measure(): Promise<void>
  /**
   * Takes the time that comes with the answer to another question. It counts where it is about as certain as the last measurement; where none has
   * counted for 10 s, the clock is measured. Rejects as the answer and as `measure`.
   */
  observe(answer: Promise<MeasuredClock>): Promise<void>
  /**
   * Measures again where the system clock was set, or the machine was suspended, since the last measurement: the monotonic clock may have stopped too.
   * Never rejects.
   */
  measureIfStale(): Promise<void>
}

/** A `Date` has whole milliseconds. */
const DATE_UNIT_MS = 1

/** System and monotonic clock drift apart by far less than this between two measurements. */
const STEP_MS = 500

/** Monotonic clocks drift by less than {@link DRIFT_MS} in this time. A change of the database's clock is found within it. */
const MEASURE_EVERY_MS = 10_000
const DRIFT_MS = 1

/** @param onDifference called when the system clock becomes wrong by more than {@link MAX_CLOCK_DIFFERENCE_MS}, once until it is right again */
export function createDatabaseClock(pool: Pool, onDifference: (differenceMs: number) => void = () => undefined): DatabaseClock {
  let offset: ClockOffset | null = null
  let waitedMs: number | null = null
  /** The system clock minus the monotonic one, at the last measurement. */
  let systemMs = systemOffset()
  let wasFar = false
  /** When a measurement last counted, on the monotonic clock. */
  let takenMs = -Infinity
  /** An answer to another question counts up to this uncertainty: that of the last measurement, and some more. */
  let certainMs = 0

  async function arrived(answer: Promise<MeasuredClock>): Promise<MeasuredClock> {
    return await answer.catch((error: unknown) => {
      waitedMs = null
      throw error
    })
  }

  async function measure(): Promise<void> {
    const measured = await arrived(measureDatabaseClock(pool))
    take(measured)
    certainMs = measured.offset.uncertaintyMs + DRIFT_MS
  }

  function take(measured: MeasuredClock): void {
    waitedMs = measured.waitedMs
    offset = corrected(offset, measured.offset)
    takenMs = performance.now()
    systemMs = measured.systemMs
    const differenceMs = systemOffset() - offset.offsetMs
    const isFar = Math.abs(differenceMs) > MAX_CLOCK_DIFFERENCE_MS
    if (isFar && !wasFar) onDifference(Math.round(differenceMs))
    wasFar = isFar
  }

  const measureOnce = singleFlight(measure)

  return {
    now: () => (offset === null ? new Date() : new Date(performance.now() + offset.offsetMs)),
    uncertaintyMs: () => (offset === null ? 0 : offset.uncertaintyMs + DATE_UNIT_MS),
    differenceMs: () => (offset === null ? null : systemOffset() - offset.offsetMs),
    waitedMs: () => waitedMs,
    measure: measureOnce,
    async observe(answer) {
      const measured = await arrived(answer)
      if (measured.offset.uncertaintyMs <= certainMs) take(measured)
      else if (performance.now() - takenMs >= MEASURE_EVERY_MS) await measureOnce()
    },
    async measureIfStale() {
      if (Math.abs(systemOffset() - systemMs) > STEP_MS) await measureOnce().catch(() => undefined)
    },
  }
}

/** Measures at intervals. Failures are not logged here: every other query of the database logs them. */
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
