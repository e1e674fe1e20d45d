import { withTimeout } from '../lib/timeout.ts'
import { isOnlyGone, queueError } from './errors.ts'

/**
 * Stops waiting for the queue after `ms` milliseconds. The work goes on and may still succeed, which does no harm: a repeated request is one task,
 * and a timer that is set twice is one job.
 * @param lastError the last error of the connection: it says why there is no connection
 * @throws {TrackerError} `QUEUE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`, also for an error of `work`
 */
export async function withQueueTimeout<T>(ms: number, work: Promise<T>, lastError: () => unknown = () => undefined): Promise<T> {
  try {
    return await withTimeout(ms, work, () => queueError(lastError() ?? new Error(`no answer within ${Math.round(ms)} ms`)))
  } catch (error) {
    throw queueError(isOnlyGone(error) ? (lastError() ?? error) : error)
  }
}
