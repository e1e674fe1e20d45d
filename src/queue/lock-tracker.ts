import type { EventLog, LockKind } from '../polling/ports.ts'

/** Numbers of jobs whose lock expired while they ran, since the start. */
export type Locks = Readonly<Record<LockKind, number>> & {
  /** Null: this worker lost no lock. */
  readonly lastLostAt: Date | null
}

export interface LockTracker {
  /** This worker takes a job. */
  taken(jobId: string | undefined): void
  /** BullMQ reports a lost lock at each renewal, and again when the job is delayed or completed; it is counted once. */
  lost(jobId: string): void
  found(jobId: string): void
  read(): Locks
}

/** Bounds the memory for jobs that are never taken again. Beyond it one job may be counted twice. */
const MAX_COUNTED = 10_000

export function createLockTracker({ now, events }: { readonly now: () => Date; readonly events: Pick<EventLog, 'lock'> }): LockTracker {
  const counted = new Set<string>()
  const counts = { lost: 0, found: 0 }
  let lastLostAt: Date | null = null
  return {
    taken(jobId) {
      if (jobId !== undefined) counted.delete(jobId)
    },
    lost(jobId) {
      if (counted.has(jobId)) return
      if (counted.size >= MAX_COUNTED) counted.clear()
      counted.add(jobId)
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
