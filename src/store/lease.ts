import { randomUUID } from 'node:crypto'
import type { Lease } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'
import type { Database } from './prisma.ts'

export interface LeaseOptions {
  /** The work that one process at a time may do. */
  readonly name: string
  /** How long a holder that died keeps the others out, in milliseconds; at most {@link MAX_LEASE_MS}. It is renewed three times as often. */
  readonly leaseMs: number
}

/** No lease is longer. One that ends later than this from now was taken before the database's clock stepped back, and is void. */
export const MAX_LEASE_MS = 60_000
/** The column holds whole milliseconds: a lease of the greatest length, just taken, may end up to half a millisecond later than it can. */
const ROUNDED_MS = 1_000
/** One renewal may fail, and another one be late, before the lease is over. */
const RENEWALS_PER_LEASE = 3

/**
 * Runs `work` while this call holds the lease; null when another one holds it. The lease is a row and not a session's lock: behind a pooler in
 * transaction mode a session's lock is never released.
 * The lease is renewed while `work` runs, and deleted at its end. A holder that died blocks the others for `leaseMs`, by the database's clock. A
 * holder that is blocked or disconnected for longer loses the lease: then two may work at once, until the first one asks `isHeld`.
 * @throws {TrackerError} `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED` when the lease cannot be requested, and the errors of `work`
 */
export async function withLease<T>(
  { prisma }: Pick<Database, 'prisma'>,
  { name, leaseMs }: LeaseOptions,
  work: (lease: Lease) => Promise<T>,
): Promise<T | null> {
  const holder = randomUUID()
  /** Takes or renews the lease. Returns the moment of the monotonic clock until which it is surely held; null: another one holds it. */
  const take = async (): Promise<number | null> => {
    const askedMs = performance.now()
    return (await takeLease(prisma, name, holder, leaseMs)) ? askedMs + leaseMs : null
  }
  let heldUntilMs = await retrying(take)
  if (heldUntilMs === null) return null
  const isHeld = (): boolean => heldUntilMs !== null && performance.now() < heldUntilMs
  const renewal = repeat(leaseMs / RENEWALS_PER_LEASE, async () => {
    if (heldUntilMs !== null) heldUntilMs = await take()
  })
  try {
    return await work({ isHeld })
  } finally {
    await renewal.stop()
    // Where the database does not answer, the lease ends by itself.
    await retrying(
      () => prisma.$executeRaw`/* end_lease */ DELETE FROM delivery_lease WHERE name = ${name}::text AND holder = ${holder}::text`,
    ).catch(() => undefined)
  }
}

/**
 * Raw: by the database's clock, and one statement, so that of two callers one gets the lease; the conditions are read after the row is locked.
 * Repeating it is harmless.
 */
async function takeLease(prisma: PrismaClient, name: string, holder: string, leaseMs: number): Promise<boolean> {
  const written = await prisma.$executeRaw`/* take_lease */
INSERT INTO delivery_lease AS lease (name, holder, expires_at)
VALUES (${name}::text, ${holder}::text, clock_timestamp() + ${leaseMs}::double precision * interval '1 ms')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = clock_timestamp() + ${leaseMs}::double precision * interval '1 ms'
WHERE lease.holder = excluded.holder OR lease.expires_at <= clock_timestamp()
  OR lease.expires_at > clock_timestamp() + ${MAX_LEASE_MS + ROUNDED_MS}::double precision * interval '1 ms'`
  return written > 0
}

/** Runs `work` every so often until it is stopped; a failure waits for the next time. `stop` waits for the run that is under way. */
function repeat(everyMs: number, work: () => Promise<void>): { stop(): Promise<void> } {
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    running ??= work()
      .catch(() => undefined)
      .finally(() => {
        running = null
      })
  }, everyMs)
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
