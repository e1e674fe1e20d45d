import type { JobQueue } from './connection.ts'

/** A job that was refused, in the failed set until it is a week old. */
export interface RefusedJob {
  readonly id: string
  /** Names the field, the value and the remedy. */
  readonly reason: string
}

/** The refused job that came last, or null. */
export async function latestRefused(queue: Pick<JobQueue, 'getRanges' | 'getJob'>): Promise<RefusedJob | null> {
  const [id] = await queue.getRanges(['failed'], 0, 0)
  const job = id === undefined ? undefined : await queue.getJob(id)
  return id === undefined || job === undefined ? null : { id, reason: job.failedReason ?? '' }
}
