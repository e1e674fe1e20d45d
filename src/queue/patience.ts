import { TrackerError } from '../core/errors.ts'

/**
 * Stops waiting for the queue after `ms` milliseconds. What goes on then may still succeed, which is harmless everywhere here:
 * a request that is repeated is one task, and a timer that is set twice is one job.
 * @param said what the connection said last, for the message
 * @throws {TrackerError} `QUEUE_UNAVAILABLE`, also for whatever else went wrong
 */
export async function patiently<T>(ms: number, work: Promise<T>, said: () => unknown = () => undefined): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(said() ?? new Error(`no answer within ${ms} ms`))), ms)
  })
  try {
    return await Promise.race([work, timeout])
  } catch (error) {
    throw error instanceof TrackerError ? error : unavailable(error)
  } finally {
    clearTimeout(timer)
  }
}

function unavailable(cause: unknown): TrackerError {
  const said = cause instanceof Error ? ` (${cause.message.replaceAll(/\/\/[^@/\s]*@/g, '//***@')})` : ''
  const remedy = 'Check QUEUE_URL and the server; a tracker with databaseUrl needs no queue.'
  return new TrackerError('QUEUE_UNAVAILABLE', `The queue did not do its part${said}. ${remedy}`, { cause })
}
