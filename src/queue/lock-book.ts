import type { Journal, LockKind } from '../core/ports.ts'

/** Jobs that were held for longer than their locks, since the start. */
export type Locks = Readonly<Record<LockKind, number>> & {
  /** Null: this worker lost none. */
  readonly lastLostAt: Date | null
}

export interface LockBook {
  /** BullMQ says it at each renewal, and again when the job is put to sleep; it counts once. */
  lost(jobId: string): void
  found(jobId: string): void
  /** This worker has done with a job. */
  done(jobId: string | undefined): void
  read(): Locks
}

export function createLockBook({ now, journal }: { readonly now: () => Date; readonly journal: Pick<Journal, 'lock'> }): LockBook {
  const held = new Set<string>()
  const counts = { lost: 0, found: 0 }
  let lastLostAt: Date | null = null
  return {
    lost(jobId) {
      if (held.has(jobId)) return
      held.add(jobId)
      counts.lost++
      lastLostAt = now()
      journal.lock({ kind: 'lost', jobId })
    },
    found(jobId) {
      counts.found++
      journal.lock({ kind: 'found', jobId })
    },
    done(jobId) {
      if (jobId !== undefined) held.delete(jobId)
    },
    read: () => ({ ...counts, lastLostAt }),
  }
}
