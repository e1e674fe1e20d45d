import { randomUUID } from 'node:crypto'
import type { Pool, QueryResultRow } from 'pg'
import type { Lease } from '../polling/ports.ts'
import { retrying } from './database-errors.ts'

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
 * Runs `work` while this call holds the lease; null when another one holds it. A row and not a session's lock: behind a pooler in transaction
 * mode a session's lock is never free again.
 * The lease is renewed while `work` runs, and given back at its end. A holder that died blocks for `leaseMs`, by the database's clock. A
 * holder that is blocked or cut off for longer than that loses the lease: then two may work at once, until the first one asks `isHeld`.
 * @throws {TrackerError} `DATABASE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED` when the lease cannot be asked for; whatever `work` throws
 */
export async function withLease<T>(
  { pool }: { readonly pool: Pick<Pool, 'query'> },
  { name, leaseMs }: LeaseOptions,
  work: (lease: Lease) => Promise<T>,
): Promise<T | null> {
  const holder = randomUUID()
  /** Takes the lease, or renews it; when it was, as a moment of the monotonic clock until which it surely is held. */
  const take = async (): Promise<number | null> => {
    const askedMs = performance.now()
    return (await affects(pool, TAKE, [name, holder, leaseMs, MAX_LEASE_MS + ROUNDED_MS])) ? askedMs + leaseMs : null
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
    // Where the database is away the lease ends by itself.
    await retrying(() => affects(pool, GIVE_BACK, [name, holder])).catch(() => undefined)
  }
}

/**
 * $1 name, $2 holder, $3 length and $4 how far ahead a lease can end, in milliseconds. One statement, so that of two callers one has it; the
 * conditions are read after the row is locked. Repeating it is harmless.
 */
const TAKE = `/* take_lease */
INSERT INTO delivery_lease AS lease (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + $3::double precision * interval '1 ms')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = clock_timestamp() + $3::double precision * interval '1 ms'
WHERE lease.holder = excluded.holder OR lease.expires_at <= clock_timestamp()
  OR lease.expires_at > clock_timestamp() + $4::double precision * interval '1 ms'`

const GIVE_BACK = `/* give_back_lease */
DELETE FROM delivery_lease WHERE name = $1 AND holder = $2`

async function affects(pool: Pick<Pool, 'query'>, statement: string, values: unknown[]): Promise<boolean> {
  const { rowCount } = await pool.query<QueryResultRow>(statement, values)
  return (rowCount ?? 0) > 0
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
