import { isOnlyGone, queueError } from './errors.ts'

/**
 * Stops waiting for the queue after `ms` milliseconds. What goes on then may still succeed, which is harmless everywhere here:
 * a request that is repeated is one task, and a timer that is set twice is one job.
 * @param said what the connection said last, for the message: it knows why there is none
 * @throws {TrackerError} `QUEUE_UNAVAILABLE`, `SCHEMA_MISMATCH` or `NOT_PERMITTED`, also for what went wrong in time
 */
export async function withQueueTimeout<T>(ms: number, work: Promise<T>, said: () => unknown = () => undefined): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(queueError(said() ?? new Error(`no answer within ${Math.round(ms)} ms`))), ms)
  })
  try {
    return await Promise.race([work, timeout])
  } catch (error) {
    throw queueError(isOnlyGone(error) ? (said() ?? error) : error)
  } finally {
    clearTimeout(timer)
  }
}
