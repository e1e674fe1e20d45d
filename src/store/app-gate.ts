import type { AppGate, AppLimits, Reservation } from '../core/ports.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import type { Database } from './prisma.ts'
import { iso, millis, number, oneOf, type Row, text, textOrNull, time } from './rows.ts'

export interface AppGateOptions {
  /** Calls are reserved at most this far ahead, so that a worker which dies takes few with it. Default: 500 ms. */
  readonly horizonMs?: number
  /** How long the one probe of a misconfigured app keeps the others out when its answer never comes. Default: 60,000 ms. */
  readonly probeLeaseMs?: number
}

/** Waits for probes up to this many failures are handed to the database, which knows the number; they have long stopped growing. */
const MAX_PROBES = 16

/** Rate, budget and pauses in the row of `delivery_app`, by the database's clock: all workers agree without agreeing on the time. */
export function createAppGate({ prisma }: Pick<Database, 'prisma'>, options: AppGateOptions = {}): AppGate {
  const settings = { horizonMs: 500, probeLeaseMs: 60_000, ...options }
  /** Apps that this process has seen paused. Only these are worth a statement when a call succeeds. */
  const suspects = new Set<string>()
  return {
    async reserve(app, wanted, limits) {
      const { reservation, probe } = await retrying(() => reserveCalls(prisma, app, wanted, limits, settings))
      if (probe || reservation.kind === 'paused') suspects.add(app)
      return reservation
    },
    async healthy(app) {
      // Whoever paused the app, or got its probe, is the one whose next good answer lifts the pause.
      if (!suspects.delete(app)) return
      await retrying(() => liftPause(prisma, app))
    },
    async throttle(app, until, reason) {
      await retrying(() => throttleApp(prisma, app, until, reason))
    },
    async pause(app, reason, _now, probeDelayMs) {
      suspects.add(app)
      const delays = Array.from({ length: MAX_PROBES + 1 }, (_, probes) => probeDelayMs(probes))
      await retrying(() => pauseApp(prisma, app, reason, delays))
    },
    async quota(app, until, reason) {
      await retrying(() => exhaustApp(prisma, app, until, reason))
    },
    async refund(app) {
      await retrying(
        () => prisma.$executeRaw`/* refund_call */
UPDATE delivery_app SET calls_used = calls_used - 1 WHERE app = ${app}::text AND calls_used > 0`,
      )
    },
  }
}

async function reserveCalls(
  prisma: PrismaClient,
  app: string,
  wanted: { readonly ordinary: number; readonly last: number },
  limits: AppLimits,
  { horizonMs, probeLeaseMs }: Required<AppGateOptions>,
): Promise<{ reservation: Reservation; probe: boolean }> {
  const rows = await prisma.$queryRaw<Row[]>`/* reserve_calls */
SELECT kind, ordinary, last, first_in_ms, every_ms, ${millis('until')} AS until, reason
FROM delivery_reserve_calls(
  ${app}::text, ${wanted.ordinary}::integer, ${wanted.last}::integer, ${limits.callsPerSecond}::double precision, ${limits.monthlyBudget}::integer,
  ${horizonMs}::double precision, ${probeLeaseMs}::double precision
)`
  const row = rows[0] ?? {}
  return { reservation: reservationOf(row), probe: row['kind'] === 'granted' && textOrNull(row, 'reason') !== null }
}

function reservationOf(row: Row): Reservation {
  const kind = oneOf(['granted', 'busy', 'paused', 'budget'] as const, row, 'kind')
  switch (kind) {
    case 'granted':
      return {
        kind,
        last: number(row, 'last'),
        ordinary: number(row, 'ordinary'),
        firstInMs: number(row, 'first_in_ms'),
        everyMs: number(row, 'every_ms'),
      }
    case 'busy':
      return { kind, forMs: Math.max(1, Math.ceil(number(row, 'first_in_ms'))) }
    default:
      return { kind, until: time(row, 'until'), reason: text(row, 'reason') }
  }
}

/**
 * Only a configuration error is disproved by one good answer. A rate limit or a used-up quota has its own end:
 * answers to calls that were under way when it began must not lift it.
 */
async function liftPause(prisma: PrismaClient, app: string): Promise<void> {
  await prisma.$executeRaw`/* lift_pause */
UPDATE delivery_app SET pause_kind = NULL, pause_reason = NULL, paused_until = NULL, probing = false, probes = 0, updated_at = clock_timestamp()
WHERE app = ${app}::text AND pause_kind = 'configuration'`
}

/** A longer pause stays. */
async function throttleApp(prisma: PrismaClient, app: string, until: Date, reason: string): Promise<void> {
  await prisma.$executeRaw`/* throttle_app */
INSERT INTO delivery_app AS known (app, pause_kind, pause_reason, paused_until) VALUES (${app}::text, 'throttled', ${reason}::text, ${iso(until)}::timestamptz)
ON CONFLICT (app) DO UPDATE SET
  pause_kind = excluded.pause_kind, pause_reason = excluded.pause_reason, paused_until = excluded.paused_until, probing = false, updated_at = clock_timestamp()
WHERE known.pause_kind IS NULL OR (known.pause_kind <> 'configuration' AND known.paused_until < excluded.paused_until)`
}

async function exhaustApp(prisma: PrismaClient, app: string, until: Date, reason: string): Promise<void> {
  await prisma.$executeRaw`/* exhaust_app */
INSERT INTO delivery_app (app, pause_kind, pause_reason, paused_until) VALUES (${app}::text, 'quota', ${reason}::text, ${iso(until)}::timestamptz)
ON CONFLICT (app) DO UPDATE SET
  pause_kind = excluded.pause_kind, pause_reason = excluded.pause_reason, paused_until = excluded.paused_until, probing = false, probes = 0,
  updated_at = clock_timestamp()`
}

/**
 * Of the many calls that are under way when an app breaks, the first pauses it; the others change nothing.
 * A failure while a probe is out is the probe's: the wait grows. A used-up quota stays until its end.
 */
async function pauseApp(prisma: PrismaClient, app: string, reason: string, delays: readonly number[]): Promise<void> {
  await prisma.$executeRaw`/* pause_app */
INSERT INTO delivery_app AS known (app, pause_kind, pause_reason, paused_until, probes)
VALUES (
  ${app}::text, 'configuration', ${reason}::text, clock_timestamp() + make_interval(secs => (${delays}::double precision[])[1] / 1000), 1
)
ON CONFLICT (app) DO UPDATE SET
  pause_kind = excluded.pause_kind,
  pause_reason = excluded.pause_reason,
  paused_until = clock_timestamp() + make_interval(secs => (${delays}::double precision[])[1 + least(known.probes, ${MAX_PROBES}::integer)] / 1000),
  probing = false,
  probes = known.probes + 1,
  updated_at = clock_timestamp()
WHERE known.pause_kind IS NULL OR known.probing OR known.paused_until <= clock_timestamp() OR known.pause_kind = 'throttled'`
}
