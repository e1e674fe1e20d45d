import { TrackerError } from '../core/errors.ts'
import type { TrackRequest } from '../core/track-request.ts'
import { openQueue, type QueueAddress } from './connection.ts'
import { TRACK_JOB } from './look-worker.ts'

/** Hands requests to the queue. */
export interface TrackQueue {
  /** @throws {TrackerError} `QUEUE_UNAVAILABLE` within two seconds when the queue does not take them */
  add(requests: readonly TrackRequest[]): Promise<void>
  close(): Promise<void>
}

/** A sender must not hang because the queue does. */
const PATIENCE_MS = 1_800

export function openTrackQueue(address: QueueAddress): TrackQueue {
  let lastError: unknown
  const queue = openQueue(address, 'producer', (error) => {
    lastError = error
  })
  return {
    async add(requests) {
      const added = queue.it.waitUntilReady().then(() => queue.it.addBulk(requests.map(jobOf)))
      await within(PATIENCE_MS, added, () => unavailable(lastError))
    },
    close: () => within(PATIENCE_MS, queue.close(), () => unavailable(lastError)).catch(() => undefined),
  }
}

function jobOf(request: TrackRequest) {
  const { app, taskId, agentId, userIds, campaign, sentAt } = request
  return {
    name: TRACK_JOB,
    data: {
      app,
      taskId,
      sentAt: sentAt.toISOString(),
      ...(agentId && { agentId }),
      ...(userIds && { userIds }),
      ...(campaign && { campaign }),
    },
    // The same task enqueued again while it waits is the same job. Kept when finished, it would swallow a later one.
    opts: { jobId: `track.${app}.${taskId}`, removeOnComplete: true, removeOnFail: true },
  }
}

/**
 * What goes on after the time is over may still succeed. That is harmless: a request that is repeated is one task,
 * and one that was refused and taken all the same is tracked.
 */
async function within<T>(ms: number, work: Promise<T>, onTimeout: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onTimeout()), ms)
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
  const remedy = 'Check QUEUE_URL and the server, or use databaseUrl, which needs no queue.'
  return new TrackerError('QUEUE_UNAVAILABLE', `The queue did not take the task${said}. ${remedy}`, { cause })
}
