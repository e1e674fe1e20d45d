import type { EventLog, LockKind } from '../polling/ports.ts'

/** Jobs that were held for longer than their locks, since the start. */
export type Locks = Readonly<Record<LockKind, number>> & {
  /** Null: this worker lost none. */
  readonly lastLostAt: Date | null
}

export interface LockTracker {
  /** This worker takes a job. */
  taken(jobId: string | undefined): void
  /** BullMQ says it at each renewal, and again when the job is put to sleep or ended; it counts once. */
  lost(jobId: string): void
  found(jobId: string): void
  read(): Locks
}

/** A job that is over is never taken again. With more, one may be counted twice. */
const MAX_KNOWN = 10_000

export function createLockTracker({ now, events }: { readonly now: () => Date; readonly events: Pick<EventLog, 'lock'> }): LockTracker {
  const known = new Set<string>()
  const counts = { lost: 0, found: 0 }
  let lastLostAt: Date | null = null
  return {
    taken(jobId) {
      if (jobId !== undefined) known.delete(jobId)
    },
    lost(jobId) {
      if (known.has(jobId)) return
      if (known.size >= MAX_KNOWN) known.clear()
      known.add(jobId)
      counts.lost++
      lastLostAt = now()
      events.lock({ kind: 'lost', jobId })
    },
    found(jobId) {
      counts.found++
      events.lock({ kind: 'found', jobId })
    },
    read: () => ({ ...counts, lastLostAt }),
  }
}
