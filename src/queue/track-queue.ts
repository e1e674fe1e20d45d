import type { TrackRequest } from '../core/track-request.ts'
import { openQueue, type QueueAddress } from './connection.ts'
import { TRACK_JOB } from './look-worker.ts'
import { patiently } from './patience.ts'

/** Hands requests to the queue. */
export interface TrackQueue {
  /** @throws {TrackerError} within two seconds when the queue does not take them: `QUEUE_UNAVAILABLE`, or `SCHEMA_MISMATCH` where `migrate` has not run */
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
      const giveUpAt = performance.now() + PATIENCE_MS
      await patiently(PATIENCE_MS, queue.it.waitUntilReady(), () => lastError)
      // Not begun at all once the sender was told that it failed: nothing piles up while the queue is away.
      await patiently(giveUpAt - performance.now(), queue.it.addBulk(requests.map(jobOf)), () => lastError)
    },
    close: () => patiently(PATIENCE_MS, queue.close()).catch(() => undefined),
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
